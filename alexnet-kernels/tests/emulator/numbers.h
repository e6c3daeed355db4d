// Elements as a GPU holds them, read and written as floats, and sums of their products.
#pragma once

#include "bf16.h"

inline float load_element(const void *from, uint64_t index, bool is_bf16) {
  return is_bf16 ? __bfloat162float(((const bf16 *)from)[index]) : ((const float *)from)[index];
}
inline void store_element(void *to, uint64_t index, bool is_bf16, float value) {
  if (is_bf16)
    ((bf16 *)to)[index] = __float2bfloat16(value);
  else
    ((float *)to)[index] = value;
}
// A float as it goes into a TF32 product: 10 bits of mantissa, rounded to nearest, ties to even.
inline float as_tf32(float value) {
  const uint32_t bits = bits_of(value);
  return value != value ? value : float_of((bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu);
}

inline float dot(const float *a, const float *b, uint64_t n) {
  float parts[8] = {}, sum = 0;
  uint64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int part = 0; part < 8; ++part) parts[part] += a[i + part] * b[i + part];
  for (float part : parts) sum += part;
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}
