// Dropout; formula: mod.rs, random/philox.rs.
#include "common.cuh"

// y = factor · x.
template <class T, int V> __device__ void scaled(In<T> x, Out<T> y, u32 vectors, float factor) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  float values[V];
  load<V, T>(values, x, (u64)i * V);
#pragma unroll
  for (int j = 0; j < V; ++j) values[j] *= factor;
  store<V, T>(y, (u64)i * V, values);
}

struct Words { u32 word[4]; };

__device__ inline Words philox(u32 key_low, u32 key_high, Words counter) {
  u32 *c = counter.word;
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const u32 high0 = __umulhi(0xD2511F53u, c[0]), low0 = 0xD2511F53u * c[0];
    const u32 high1 = __umulhi(0xCD9E8D57u, c[2]), low1 = 0xCD9E8D57u * c[2];
    c[0] = high1 ^ c[1] ^ key_low, c[2] = high0 ^ c[3] ^ key_high;
    c[1] = low1, c[3] = low0;
    key_low += 0x9E3779B9u, key_high += 0xBB67AE85u;
  }
  return counter;
}

// What a mask depends on, and what its elements do.
struct Mask { u32 seed_low, seed_high, layer, step_low, step_high; float keep, factor; };

__device__ inline bool stays(u32 word, float keep) { return (float)(word >> 8) * (1.0f / 16777216.0f) < keep; }

// Elements in the order in which the mask numbers them: four to a counter, and to a thread. They come in rows of
// `row` vectors; in the layer they may be a part of, a row begins at `first` of `whole`.
template <class T, int V>
__device__ void dropout(In<T> x, Out<T> y, u32 vectors, u32 row, u32 first, u32 whole, Mask mask) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u64 number = (u64)(i / row) * whole + first + (u64)(i % row) * V;
  const Words words =
      philox(mask.seed_low, mask.seed_high, {{(u32)(number / 4), mask.layer, mask.step_low, mask.step_high}});
  float values[V];
  load<V, T>(values, x, (u64)i * V);
#pragma unroll
  for (int j = 0; j < V; ++j)
    values[j] = stays(words.word[(number + j) % 4], mask.keep) ? mask.factor * values[j] : 0.0f;
  store<V, T>(y, (u64)i * V, values);
}

// Elements as (B, H, W, C) in memory, numbered as (B, C, H, W): `pixels` is H·W. An image begins at `first` of `whole`.
template <class T>
__device__ void dropout_maps(In<T> x, Out<T> y, u32 elements, u32 pixels, u32 channels, u32 first, u32 whole,
                             Mask mask) {
  const u32 i = thread_number();
  if (i >= elements) return;
  const u32 c = i % channels, pixel = i / channels % pixels, image = i / channels / pixels;
  const u64 number = (u64)image * whole + first + (u64)c * pixels + pixel;
  const Words words =
      philox(mask.seed_low, mask.seed_high, {{(u32)(number / 4), mask.layer, mask.step_low, mask.step_high}});
  float values[1];
  load<1, T>(values, x, i);
  const u32 of = number % 4; // no index into registers that is not known before
  const u32 word = of == 0 ? words.word[0] : of == 1 ? words.word[1] : of == 2 ? words.word[2] : words.word[3];
  values[0] = stays(word, mask.keep) ? mask.factor * values[0] : 0.0f;
  store<1, T>(y, i, values);
}

#define SCALED(T, V)                                                                                                    \
  extern "C" __global__ void scaled_##T##_v##V(In<T> x, Out<T> y, u32 vectors, float factor) {                      \
    scaled<T, V>(x, y, vectors, factor);                                                                            \
  }                                                                                                                 \
  HOST_ENTRY(scaled_##T##_v##V)
#define DROPOUT(T, V)                                                                                               \
  extern "C" __global__ void dropout_##T##_v##V(In<T> x, Out<T> y, u32 vectors, u32 row, u32 first, u32 whole,      \
                                                u32 seed_low, u32 seed_high, u32 layer, u32 step_low,               \
                                                u32 step_high, float keep, float factor) {                          \
    const Mask mask = {seed_low, seed_high, layer, step_low, step_high, keep, factor};                              \
    dropout<T, V>(x, y, vectors, row, first, whole, mask);                                                          \
  }                                                                                                                 \
  HOST_ENTRY(dropout_##T##_v##V)
#define DROPOUT_MAPS(T)                                                                                             \
  extern "C" __global__ void dropout_maps_##T(In<T> x, Out<T> y, u32 elements, u32 pixels, u32 channels,            \
                                              u32 first, u32 whole, u32 seed_low, u32 seed_high, u32 layer,         \
                                              u32 step_low, u32 step_high, float keep, float factor) {              \
    const Mask mask = {seed_low, seed_high, layer, step_low, step_high, keep, factor};                              \
    dropout_maps<T>(x, y, elements, pixels, channels, first, whole, mask);                                          \
  }                                                                                                                 \
  HOST_ENTRY(dropout_maps_##T)

SCALED(float, 4)
SCALED(float, 1)
SCALED(bf16, 8)
SCALED(bf16, 1)
DROPOUT(float, 4)
DROPOUT(float, 1)
DROPOUT(bf16, 4)
DROPOUT(bf16, 1)
DROPOUT_MAPS(float)
DROPOUT_MAPS(bf16)
