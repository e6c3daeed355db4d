// Max-pooling, forward and backward; formula: src/max_pool.rs. Tensors are (B, H, W, C).
//
// The forward pass notes where in its window each maximum was: row · kernel + column, or NONE if nothing is to flow
// back. The backward pass gathers: a thread makes V channels of one input pixel and asks each window that holds the
// pixel, so no two threads write one place. Places are bytes for kernels up to 15 pixels, 32-bit words beyond.
#include "common.cuh"

struct Sizes { u32 height, width, out_height, out_width, channels, kernel, stride; };

template <class P> __device__ inline P none() { return (P)~(P)0; }

// `rectify`: a ReLU behind the pool, or before it. Then a maximum of 0 or less passes 0 on and nothing back.
template <class T, class P, int V>
__device__ void forward(In<T> x, Out<T> y, Out<P> places, u32 vectors, Sizes size, u32 rectify) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 per_pixel = size.channels / V, c = i % per_pixel * V, pixel = i / per_pixel;
  const u32 out_w = pixel % size.out_width, row = pixel / size.out_width, out_h = row % size.out_height;
  const u64 image = (u64)(row / size.out_height) * size.height * size.width * size.channels;
  const u32 top = out_h * size.stride, left = out_w * size.stride;
  const u32 rows = min((int)size.kernel, (int)(size.height - top));
  const u32 columns = min((int)size.kernel, (int)(size.width - left));
  float best[V];
  Pack<P, V> place;
  load<V, T>(best, x, image + (u64)(top * size.width + left) * size.channels + c);
#pragma unroll
  for (int j = 0; j < V; ++j) place.values[j] = 0;
  for (u32 h = 0; h < rows; ++h)
    for (u32 w = 0; w < columns; ++w) {
      float values[V];
      load<V, T>(values, x, image + (u64)((top + h) * size.width + left + w) * size.channels + c);
#pragma unroll
      for (int j = 0; j < V; ++j)
        // NaN is larger than any number, and the first of several takes all.
        if (values[j] > best[j] || (values[j] != values[j] && best[j] == best[j]))
          best[j] = values[j], place.values[j] = (P)(h * size.kernel + w);
    }
#pragma unroll
  for (int j = 0; j < V; ++j)
    if (rectify && best[j] <= 0.0f) best[j] = 0.0f, place.values[j] = none<P>();
  store<V, T>(y, (u64)i * V, best);
  put<V, P>(places, (u64)i * V, place);
}

template <class T, class P, int V>
__device__ void backward(In<P> places, In<T> dy, Out<T> dx, u32 vectors, Sizes size) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 per_pixel = size.channels / V, c = i % per_pixel * V, pixel = i / per_pixel;
  const u32 w = pixel % size.width, row = pixel / size.width, h = row % size.height;
  const u64 image = (u64)(row / size.height) * size.out_height * size.out_width * size.channels;
  // The first and one past the last window that holds the pixel.
  const u32 first_h = h < size.kernel ? 0 : (h - size.kernel) / size.stride + 1;
  const u32 first_w = w < size.kernel ? 0 : (w - size.kernel) / size.stride + 1;
  const u32 end_h = min((int)(h / size.stride + 1), (int)size.out_height);
  const u32 end_w = min((int)(w / size.stride + 1), (int)size.out_width);
  float sums[V];
#pragma unroll
  for (int j = 0; j < V; ++j) sums[j] = 0.0f;
  for (u32 out_h = first_h; out_h < end_h; ++out_h)
    for (u32 out_w = first_w; out_w < end_w; ++out_w) {
      const P mine = (P)((h - out_h * size.stride) * size.kernel + w - out_w * size.stride);
      const u64 at = image + (u64)(out_h * size.out_width + out_w) * size.channels + c;
      const Pack<P, V> place = fetch<V, P>(places, at);
      float values[V];
      load<V, T>(values, dy, at);
#pragma unroll
      for (int j = 0; j < V; ++j) sums[j] += place.values[j] == mine ? values[j] : 0.0f;
    }
  store<V, T>(dx, (u64)i * V, sums);
}

#define KERNELS(T, P, V)                                                                                         \
  extern "C" __global__ void max_pool_forward_##T##_##P##_v##V(                                                  \
      In<T> x, Out<T> y, Out<P> places, u32 vectors, u32 height, u32 width, u32 out_height, u32 out_width,       \
      u32 channels, u32 kernel, u32 stride, u32 rectify) {                                                       \
    forward<T, P, V>(x, y, places, vectors, {height, width, out_height, out_width, channels, kernel, stride},    \
                     rectify);                                                                                   \
  }                                                                                                              \
  HOST_ENTRY(max_pool_forward_##T##_##P##_v##V)                                                                  \
  extern "C" __global__ void max_pool_backward_##T##_##P##_v##V(                                                 \
      In<P> places, In<T> dy, Out<T> dx, u32 vectors, u32 height, u32 width, u32 out_height, u32 out_width,      \
      u32 channels, u32 kernel, u32 stride) {                                                                    \
    backward<T, P, V>(places, dy, dx, vectors, {height, width, out_height, out_width, channels, kernel, stride}); \
  }                                                                                                              \
  HOST_ENTRY(max_pool_backward_##T##_##P##_v##V)

KERNELS(float, u8, 4)
KERNELS(float, u8, 1)
KERNELS(float, u32, 1)
KERNELS(bf16, u8, 8)
KERNELS(bf16, u8, 1)
KERNELS(bf16, u32, 1)
