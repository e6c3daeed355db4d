// The input layer: bytes to floats around zero; formulas: mod.rs. Images are (B, H, W, 3), and what
// is written lies in blocks. Where it lies as the images do, a line of a block is a line of an
// image, whose floats all count as channels of one pixel.
#include "common.cuh"
#include "../space_to_depth/blocks.cuh"

struct Colours { float red, green, blue; };

__device__ inline float of_channel(Colours colours, u32 c) {
  return c == 0 ? colours.red : c == 1 ? colours.green : colours.blue;
}

// y = (values + shift) · scale for elements that begin with channel c.
template <class T, int V>
__device__ void finish(Out<T> y, u64 at, u32 c, float (&values)[V], In<float> shift, u32 image,
                       Colours scale) {
#pragma unroll
  for (int j = 0; j < V; ++j) {
    const u32 channel = (c + j) % 3;
    values[j] += element<float>(shift, (u64)image * 3 + channel);
    values[j] *= of_channel(scale, channel);
  }
  store<V, T>(y, at, values);
}

__device__ inline u64 first_of(u32 image, Blocks size) {
  return (u64)image * size.height * size.width * size.channels;
}

template <class T, int V> __device__ void zeros(Out<T> y, u64 at) {
  float values[V];
#pragma unroll
  for (int j = 0; j < V; ++j) values[j] = 0.0f;
  store<V, T>(y, at, values);
}

// The mean has as many elements as an image, or three.
template <class T, int V>
__device__ void plain(In<u8> pixels, In<float> mean, In<float> shift, Out<T> y, u32 vectors,
                      Blocks size, u32 mean_floats, Colours scale) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const Place from = place<V>(i, size);
  if (!from.inside) return zeros<T, V>(y, (u64)i * V);
  float values[V];
  load<V, u8>(values, pixels, first_of(from.image, size) + from.at);
#pragma unroll
  for (int j = 0; j < V; ++j)
    values[j] -= element<float>(mean, mean_floats == 3 ? (from.at + j) % 3 : from.at + j);
  finish<T, V>(y, (u64)i * V, from.at % 3, values, shift, from.image, scale);
}

// The mean is that of whole images, `mean_width` pixels wide; each crop has a window (top, left,
// flip).
template <class T, int V>
__device__ void aligned(In<u8> pixels, In<float> mean, In<u32> windows, In<float> shift, Out<T> y,
                        u32 vectors, Blocks size, u32 mean_width, Colours scale) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const Place from = place<V>(i, size);
  if (!from.inside) return zeros<T, V>(y, (u64)i * V);
  const u32 top = fetch<1, u32>(windows, (u64)from.image * 3).values[0];
  const u32 left = fetch<1, u32>(windows, (u64)from.image * 3 + 1).values[0];
  const u32 flip = fetch<1, u32>(windows, (u64)from.image * 3 + 2).values[0];
  const u32 width = size.width * size.channels / 3;
  float values[V];
  load<V, u8>(values, pixels, first_of(from.image, size) + from.at);
#pragma unroll
  for (int j = 0; j < V; ++j) {
    const u32 of = from.at + j, c = of % 3, w = of / 3 % width, h = of / 3 / width;
    const u64 pixel = (u64)(top + h) * mean_width + left + (flip ? width - 1 - w : w);
    values[j] -= element<float>(mean, pixel * 3 + c);
  }
  finish<T, V>(y, (u64)i * V, from.at % 3, values, shift, from.image, scale);
}

#define INPUT(T, V)                                                                               \
  KERNEL(input_##T##_v##V,                                                                        \
         (In<u8> pixels, In<float> mean, In<float> shift, Out<T> y, u32 vectors, u32 height,      \
          u32 width, u32 channels, u32 rows, u32 columns, u32 side, int top, int left,            \
          u32 mean_floats, float red, float green, float blue),                                   \
         plain<T, V>(pixels, mean, shift, y, vectors,                                             \
                     {height, width, channels, rows, columns, side, top, left}, mean_floats,      \
                     {red, green, blue}))                                                         \
  KERNEL(input_aligned_##T##_v##V,                                                                \
         (In<u8> pixels, In<float> mean, In<u32> windows, In<float> shift, Out<T> y, u32 vectors, \
          u32 height, u32 width, u32 channels, u32 rows, u32 columns, u32 side, int top,          \
          int left, u32 mean_width, float red, float green, float blue),                          \
         aligned<T, V>(pixels, mean, windows, shift, y, vectors,                                  \
                       {height, width, channels, rows, columns, side, top, left}, mean_width,     \
                       {red, green, blue}))
FOR_EACH_STORAGE(INPUT, 4)
