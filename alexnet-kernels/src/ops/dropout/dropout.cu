// Dropout; formulas: mod.rs, random/philox.rs.
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

// What a mask depends on, the probability that an element stays, and the factor of those that stay.
struct Mask {
  u32 seed_low, seed_high, layer, step_low, step_high;
  float keep, factor;
};

// The four words of the counter to which a number belongs.
__device__ inline Words words_of(u64 number, Mask mask) {
  const Words counter = {{(u32)(number / 4), mask.layer, mask.step_low, mask.step_high}};
  return philox(mask.seed_low, mask.seed_high, counter);
}

__device__ inline bool stays(u32 word, float keep) {
  return (float)(word >> 8) * (1.0f / 16777216.0f) < keep;
}

// For tensors whose elements lie in the order in which the mask numbers them. Four numbers share a
// counter. A row is the `row` vectors of one image; where the tensor is a slice of a layer, a row
// begins at number `first` of the image's `whole` numbers.
template <class T, int V>
__device__ void dropout(In<T> x, Out<T> y, u32 vectors, u32 row, u32 first, u32 whole, Mask mask) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u64 number = (u64)(i / row) * whole + first + (u64)(i % row) * V;
  const Words words = words_of(number, mask);
  float values[V];
  load<V, T>(values, x, (u64)i * V);
#pragma unroll
  for (int j = 0; j < V; ++j)
    values[j] = stays(words.word[(number + j) % 4], mask.keep) ? mask.factor * values[j] : 0.0f;
  store<V, T>(y, (u64)i * V, values);
}

// For tensors that lie as (B, H, W, C) and are numbered as (B, C, H, W): `pixels` is H·W. An image
// begins at number `first` of its `whole` numbers.
template <class T>
__device__ void dropout_maps(In<T> x, Out<T> y, u32 elements, u32 pixels, u32 channels, u32 first,
                             u32 whole, Mask mask) {
  const u32 i = thread_number();
  if (i >= elements) return;
  const u32 c = i % channels, pixel = i / channels % pixels, image = i / channels / pixels;
  const u64 number = (u64)image * whole + first + (u64)c * pixels + pixel;
  const Words words = words_of(number, mask);
  // Registers cannot be indexed by a number known only at run time, so this is a choice.
  const u32 of = number % 4;
  const u32 word = of == 0   ? words.word[0]
                   : of == 1 ? words.word[1]
                   : of == 2 ? words.word[2]
                             : words.word[3];
  store_element<T>(y, i, stays(word, mask.keep) ? mask.factor * element<T>(x, i) : 0.0f);
}

#define SCALED(T, V)                                                        \
  KERNEL(scaled_##T##_v##V, (In<T> x, Out<T> y, u32 vectors, float factor), \
         scaled<T, V>(x, y, vectors, factor))
#define DROPOUT(T, V)                                                                       \
  KERNEL(dropout_##T##_v##V,                                                                \
         (In<T> x, Out<T> y, u32 vectors, u32 row, u32 first, u32 whole, u32 seed_low,      \
          u32 seed_high, u32 layer, u32 step_low, u32 step_high, float keep, float factor), \
         const Mask mask = {seed_low, seed_high, layer, step_low, step_high, keep, factor}; \
         dropout<T, V>(x, y, vectors, row, first, whole, mask))
#define DROPOUT_MAPS(T)                                                                     \
  KERNEL(dropout_maps_##T,                                                                  \
         (In<T> x, Out<T> y, u32 elements, u32 pixels, u32 channels, u32 first, u32 whole,  \
          u32 seed_low, u32 seed_high, u32 layer, u32 step_low, u32 step_high, float keep,  \
          float factor),                                                                    \
         const Mask mask = {seed_low, seed_high, layer, step_low, step_high, keep, factor}; \
         dropout_maps<T>(x, y, elements, pixels, channels, first, whole, mask))

FOR_EACH_STORAGE(SCALED, 8)
FOR_EACH_STORAGE(DROPOUT, 4)
DROPOUT_MAPS(float)
DROPOUT_MAPS(bf16)
