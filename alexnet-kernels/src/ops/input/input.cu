// The input layer: bytes to floats around zero; formulas: mod.rs, aligned.rs. Tensors are (B, H, W,
// C).
#include "common.cuh"

struct Colours { float red, green, blue; };

__device__ inline float of_channel(Colours colours, u32 c) {
  return c == 0 ? colours.red : c == 1 ? colours.green : colours.blue;
}

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

// `floats` is H·W·3; the mean has as many elements, or three.
template <class T, int V>
__device__ void plain(In<u8> pixels, In<float> mean, In<float> shift, Out<T> y, u32 vectors,
                      u32 floats, u32 mean_floats, Colours scale) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u64 at = (u64)i * V;
  const u32 in_image = i % (floats / V) * V;
  float values[V];
  load<V, u8>(values, pixels, at);
#pragma unroll
  for (int j = 0; j < V; ++j)
    values[j] -= element<float>(mean, mean_floats == 3 ? (in_image + j) % 3 : in_image + j);
  finish<T, V>(y, at, in_image % 3, values, shift, i / (floats / V), scale);
}

// The mean is that of whole images, `mean_width` pixels wide; each crop has a window (top, left,
// flip).
template <class T, int V>
__device__ void aligned(In<u8> pixels, In<float> mean, In<u32> windows, In<float> shift, Out<T> y,
                        u32 vectors, u32 height, u32 width, u32 mean_width, Colours scale) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u64 at = (u64)i * V;
  const u32 floats = height * width * 3, in_image = i % (floats / V) * V, image = i / (floats / V);
  const u32 top = fetch<1, u32>(windows, (u64)image * 3).values[0];
  const u32 left = fetch<1, u32>(windows, (u64)image * 3 + 1).values[0];
  const u32 flip = fetch<1, u32>(windows, (u64)image * 3 + 2).values[0];
  float values[V];
  load<V, u8>(values, pixels, at);
#pragma unroll
  for (int j = 0; j < V; ++j) {
    const u32 of = in_image + j, c = of % 3, w = of / 3 % width, h = of / 3 / width;
    const u64 pixel = (u64)(top + h) * mean_width + left + (flip ? width - 1 - w : w);
    values[j] -= element<float>(mean, pixel * 3 + c);
  }
  finish<T, V>(y, at, in_image % 3, values, shift, image, scale);
}

#define INPUT(T, V)                                                                               \
  KERNEL(input_##T##_v##V,                                                                        \
         (In<u8> pixels, In<float> mean, In<float> shift, Out<T> y, u32 vectors, u32 floats,      \
          u32 mean_floats, float red, float green, float blue),                                   \
         plain<T, V>(pixels, mean, shift, y, vectors, floats, mean_floats, {red, green, blue}))   \
  KERNEL(input_aligned_##T##_v##V,                                                                \
         (In<u8> pixels, In<float> mean, In<u32> windows, In<float> shift, Out<T> y, u32 vectors, \
          u32 height, u32 width, u32 mean_width, float red, float green, float blue),             \
         aligned<T, V>(pixels, mean, windows, shift, y, vectors, height, width, mean_width,       \
                       {red, green, blue}))
FOR_EACH_STORAGE(INPUT, 4)
