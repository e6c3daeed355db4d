// Numbers as cards hold them: bf16, and f32 as it goes into TF32 products.
#include <cstring>

#include "machine.h"

static u32 bits_of(float value) {
  u32 bits;
  memcpy(&bits, &value, 4);
  return bits;
}
static float float_of(u32 bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}
float load_element(const void *from, u64 index, bool bf16) {
  return bf16 ? float_of(u32(((const uint16_t *)from)[index]) << 16) : ((const float *)from)[index];
}
void store_element(void *to, u64 index, bool bf16, float value) {
  if (!bf16) {
    ((float *)to)[index] = value;
    return;
  }
  const u32 bits = bits_of(value);
  ((uint16_t *)to)[index] = value != value ? 0x7fff : uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
// 10 bits of mantissa, to nearest.
float as_tf32(float value) {
  const u32 bits = bits_of(value);
  return value != value ? value : float_of((bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu);
}
