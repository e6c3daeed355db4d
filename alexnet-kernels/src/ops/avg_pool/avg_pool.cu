// Average pooling, forward and backward; formula: mod.rs. Tensors are (B, H, W, C).
//
// The backward pass gathers: a thread computes V channels of one input pixel from all windows that
// contain it, so no two threads write the same element and no atomics are needed.
#include "common.cuh"

struct Maps { u32 height, width, out_height, out_width, channels; };
struct Window { u32 kernel, stride; };

// How many pixels the window has that begins at a row and a column.
__device__ inline float pixels_of(u32 top, u32 left, Maps maps, Window window) {
  return (float)(min((int)window.kernel, (int)(maps.height - top)) *
                 min((int)window.kernel, (int)(maps.width - left)));
}

template <class T, int V>
__device__ void forward(In<T> x, Out<T> y, u32 vectors, Maps maps, Window window) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 per_pixel = maps.channels / V, c = i % per_pixel * V, pixel = i / per_pixel;
  const u32 out_w = pixel % maps.out_width, row = pixel / maps.out_width,
            out_h = row % maps.out_height;
  const u64 image = (u64)(row / maps.out_height) * maps.height * maps.width;
  const u32 top = out_h * window.stride, left = out_w * window.stride;
  const u32 bottom = min((int)(top + window.kernel), (int)maps.height);
  const u32 right = min((int)(left + window.kernel), (int)maps.width);
  float sums[V];
#pragma unroll
  for (int j = 0; j < V; ++j) sums[j] = 0.0f;
  for (u32 h = top; h < bottom; ++h)
    for (u32 w = left; w < right; ++w) {
      float values[V];
      load<V, T>(values, x, (image + h * maps.width + w) * maps.channels + c);
#pragma unroll
      for (int j = 0; j < V; ++j) sums[j] += values[j];
    }
  const float share = 1.0f / pixels_of(top, left, maps, window);
#pragma unroll
  for (int j = 0; j < V; ++j) sums[j] *= share;
  store<V, T>(y, (u64)pixel * maps.channels + c, sums);
}

// `through_relu`: the gradient is 0 where x is not above 0. Only then is x read.
template <class T, int V>
__device__ void backward(In<T> dy, In<T> x, Out<T> dx, u32 vectors, Maps maps, Window window,
                         u32 through_relu) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 per_pixel = maps.channels / V, c = i % per_pixel * V, pixel = i / per_pixel;
  const u32 w = pixel % maps.width, row = pixel / maps.width, h = row % maps.height;
  const u64 image = (u64)(row / maps.height) * maps.out_height * maps.out_width;
  // The first window that contains the pixel, and the one after the last.
  const u32 first_h = h < window.kernel ? 0 : (h - window.kernel) / window.stride + 1;
  const u32 first_w = w < window.kernel ? 0 : (w - window.kernel) / window.stride + 1;
  const u32 end_h = min((int)(h / window.stride + 1), (int)maps.out_height);
  const u32 end_w = min((int)(w / window.stride + 1), (int)maps.out_width);
  float sums[V];
#pragma unroll
  for (int j = 0; j < V; ++j) sums[j] = 0.0f;
  for (u32 out_h = first_h; out_h < end_h; ++out_h)
    for (u32 out_w = first_w; out_w < end_w; ++out_w) {
      const float share =
          1.0f / pixels_of(out_h * window.stride, out_w * window.stride, maps, window);
      float values[V];
      load<V, T>(values, dy, (image + out_h * maps.out_width + out_w) * maps.channels + c);
#pragma unroll
      for (int j = 0; j < V; ++j) sums[j] += values[j] * share;
    }
  const u64 at = (u64)pixel * maps.channels + c;
  if (through_relu) {
    float values[V];
    load<V, T>(values, x, at);
#pragma unroll
    for (int j = 0; j < V; ++j)
      if (!(values[j] > 0.0f)) sums[j] = 0.0f;
  }
  store<V, T>(dx, at, sums);
}

#define KERNELS(T, V)                                                                         \
  KERNEL(avg_pool_forward_##T##_v##V,                                                         \
         (In<T> x, Out<T> y, u32 vectors, u32 height, u32 width, u32 out_height,              \
          u32 out_width, u32 channels, u32 kernel, u32 stride),                               \
         forward<T, V>(x, y, vectors, {height, width, out_height, out_width, channels},       \
                       {kernel, stride}))                                                     \
  KERNEL(avg_pool_backward_##T##_v##V,                                                        \
         (In<T> dy, In<T> x, Out<T> dx, u32 vectors, u32 height, u32 width, u32 out_height,   \
          u32 out_width, u32 channels, u32 kernel, u32 stride, u32 through_relu),             \
         backward<T, V>(dy, x, dx, vectors, {height, width, out_height, out_width, channels}, \
                        {kernel, stride}, through_relu))

FOR_EACH_STORAGE(KERNELS, 8)
