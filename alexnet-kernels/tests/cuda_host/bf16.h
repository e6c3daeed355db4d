// bf16 on the host, rounded as the GPU rounds: to nearest, ties to even, and NaN stays NaN. Both
// the kernels that the host compiler builds and the libraries of the emulator use it.
#pragma once

#include <cstdint>
#include <cstring>

inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}
inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

struct bf16 { uint16_t bits; };
inline float __bfloat162float(bf16 x) { return float_of((uint32_t)x.bits << 16); }
inline bf16 __float2bfloat16(float x) {
  if (x != x) return {0x7fff};
  const uint32_t bits = bits_of(x);
  return {(uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
