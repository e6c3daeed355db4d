// Max-pooling, forward and backward; formula: mod.rs. Tensors are (B, H, W, C).
//
// The forward pass stores the argmax, where in its window each maximum was: row · kernel + column,
// or the largest value of the type if no gradient is to flow back. The backward pass gathers: a
// thread computes V channels of one input pixel from all windows that contain the pixel, so no two
// threads write the same element and no atomics are needed. The argmax is a byte for kernels up to
// 15 pixels, else 32 bits.
//
// Windows of 3 by 3 pixels 2 apart have kernels of their own, without divisions by kernel and
// stride and with loops that are unrolled.
#include "common.cuh"
#include "overlapping.cuh"

struct Window { u32 kernel, stride; };

// `relu`: there is a ReLU directly before or after the pool. Then a maximum of 0 or less becomes 0,
// and no gradient flows back from it.
template <class T, class A, int V>
__device__ void forward(In<T> x, Out<T> y, Out<A> argmax, u32 vectors, Sizes size,
                        Towers towers, Window window, u32 relu) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 per_pixel = size.channels / V, c = i % per_pixel * V, pixel = i / per_pixel;
  const u32 out_w = pixel % size.out_width, row = pixel / size.out_width,
            out_h = row % size.out_height;
  const u64 image = (u64)(row / size.out_height) * size.height * size.width;
  const Channel of_x = channel_of_x(c, size, towers);
  const u32 top = out_h * window.stride, left = out_w * window.stride;
  const u32 rows = min((int)window.kernel, (int)(size.height - top));
  const u32 columns = min((int)window.kernel, (int)(size.width - left));
  float best[V];
  Pack<A, V> found;
  load<V, T>(best, x, of_x.of(image + top * size.width + left));
#pragma unroll
  for (int j = 0; j < V; ++j) found.values[j] = 0;
  for (u32 h = 0; h < rows; ++h)
    for (u32 w = 0; w < columns; ++w) {
      float values[V];
      load<V, T>(values, x, of_x.of(image + (top + h) * size.width + left + w));
#pragma unroll
      for (int j = 0; j < V; ++j)
        if (is_larger(values[j], best[j]))
          best[j] = values[j], found.values[j] = (A)(h * window.kernel + w);
    }
#pragma unroll
  for (int j = 0; j < V; ++j)
    if (relu && best[j] <= 0.0f) best[j] = 0.0f, found.values[j] = none<A>();
  const u64 at = channel_of_y(c, size, towers).of(pixel);
  store<V, T>(y, at, best);
  put<V, A>(argmax, at, found);
}

template <class T, class A, int V>
__device__ void backward(In<A> argmax, In<T> dy, Out<T> dx, u32 vectors, Sizes size,
                         Towers towers, Window window) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 per_pixel = size.channels / V, c = i % per_pixel * V, pixel = i / per_pixel;
  const u32 w = pixel % size.width, row = pixel / size.width, h = row % size.height;
  const u64 image = (u64)(row / size.height) * size.out_height * size.out_width;
  const Channel of_y = channel_of_y(c, size, towers);
  // The first window that contains the pixel, and the one after the last.
  const u32 first_h = h < window.kernel ? 0 : (h - window.kernel) / window.stride + 1;
  const u32 first_w = w < window.kernel ? 0 : (w - window.kernel) / window.stride + 1;
  const u32 end_h = min((int)(h / window.stride + 1), (int)size.out_height);
  const u32 end_w = min((int)(w / window.stride + 1), (int)size.out_width);
  float sums[V];
#pragma unroll
  for (int j = 0; j < V; ++j) sums[j] = 0.0f;
  for (u32 out_h = first_h; out_h < end_h; ++out_h)
    for (u32 out_w = first_w; out_w < end_w; ++out_w) {
      const u32 i = h - out_h * window.stride, j = w - out_w * window.stride;
      const A here = (A)(i * window.kernel + j);
      const u64 at = of_y.of(image + out_h * size.out_width + out_w);
      const Pack<A, V> found = fetch<V, A>(argmax, at);
      float values[V];
      load<V, T>(values, dy, at);
#pragma unroll
      for (int j = 0; j < V; ++j) sums[j] += found.values[j] == here ? values[j] : 0.0f;
    }
  store<V, T>(dx, channel_of_x(c, size, towers).of(pixel), sums);
}

// A block computes a part of a row of `y`, a thread V channels of one window.
template <class T, int V>
__device__ void forward_overlapping(In<T> x, Out<T> y, Out<u8> argmax, u32 per_row, Sizes size,
                                    Towers towers, u32 relu) {
  const u32 i = blockIdx.y * blockDim.x + threadIdx.x, row = blockIdx.x;
  if (i >= per_row) return;
  const u32 out_w = i / (size.channels / V), c = i * V - out_w * size.channels;
  const u32 image = row / size.out_height, out_h = row - image * size.out_height;
  const u64 first = (u64)image * size.height * size.width;
  const Channel of_x = channel_of_x(c, size, towers);
  Pack<T, V> pixels[9];
#pragma unroll
  for (u32 at = 0; at < 9; ++at) {
    // A window that hangs over the edge sees its last pixels again, which are no larger.
    const u32 h = min((int)(2 * out_h + at / 3), (int)size.height - 1);
    const u32 w = min((int)(2 * out_w + at % 3), (int)size.width - 1);
    pixels[at] = fetch<V, T>(x, of_x.of(first + h * size.width + w));
  }
  float best[V];
  Pack<u8, V> found;
#pragma unroll
  for (int j = 0; j < V; ++j) {
    best[j] = to_float(pixels[0].values[j]);
    u32 where = 0;
#pragma unroll
    for (u32 at = 1; at < 9; ++at) {
      const float value = to_float(pixels[at].values[j]);
      if (is_larger(value, best[j])) best[j] = value, where = at;
    }
    if (relu && best[j] <= 0.0f) best[j] = 0.0f, where = none<u8>();
    found.values[j] = where;
  }
  const u64 at = channel_of_y(c, size, towers).of((u64)row * size.out_width + out_w);
  store<V, T>(y, at, best);
  put<V, u8>(argmax, at, found);
}

// A block computes a part of two rows of `dx`, a thread V channels of a square of 2 by 2 pixels.
template <class T, int V>
__device__ void backward_overlapping(In<u8> argmax, In<T> dy, Out<T> dx, u32 per_row, Sizes size,
                                     Towers towers) {
  const u32 i = blockIdx.y * blockDim.x + threadIdx.x;
  if (i >= per_row) return;
  const u32 column = i / (size.channels / V), c = i * V - column * size.channels;
  const u32 rows = (size.height + 1) / 2;
  const u32 image = blockIdx.x / rows, row = blockIdx.x - image * rows;
  float sums[2][2][V];
  const Channel of_y = channel_of_y(c, size, towers), of_x = channel_of_x(c, size, towers);
  gradients_of_square<T, V>(sums, argmax, dy, image, row, column, of_y, size);
#pragma unroll
  for (int h = 0; h < 2; ++h)
#pragma unroll
    for (int w = 0; w < 2; ++w) {
      const u32 y = 2 * row + h, x = 2 * column + w;
      if (y >= size.height || x >= size.width) continue;
      const u64 pixel = (u64)image * size.height * size.width + y * size.width + x;
      store<V, T>(dx, of_x.of(pixel), sums[h][w]);
    }
}

#define KERNELS(T, A, V)                                                                           \
  KERNEL(max_pool_forward_##T##_##A##_v##V,                                                        \
         (In<T> x, Out<T> y, Out<A> argmax, u32 vectors, u32 height, u32 width, u32 out_height,    \
          u32 out_width, u32 channels, u32 batch, u32 x_row, u32 y_row, u32 kernel, u32 stride,    \
          u32 relu),                                                                               \
         forward<T, A, V>(x, y, argmax, vectors, {height, width, out_height, out_width, channels}, \
                          {batch, x_row, y_row}, {kernel, stride}, relu))                          \
  KERNEL(max_pool_backward_##T##_##A##_v##V,                                                       \
         (In<A> argmax, In<T> dy, Out<T> dx, u32 vectors, u32 height, u32 width, u32 out_height,   \
          u32 out_width, u32 channels, u32 batch, u32 x_row, u32 y_row, u32 kernel, u32 stride),   \
         backward<T, A, V>(argmax, dy, dx, vectors,                                                \
                           {height, width, out_height, out_width, channels},                       \
                           {batch, x_row, y_row}, {kernel, stride}))

KERNELS(float, u8, 4)
KERNELS(float, u8, 1)
KERNELS(float, u32, 1)
KERNELS(bf16, u8, 8)
KERNELS(bf16, u8, 1)
KERNELS(bf16, u32, 1)

#define OVERLAPPING(T, V)                                                                        \
  KERNEL(max_pool_forward_overlapping_##T##_v##V,                                                \
         (In<T> x, Out<T> y, Out<u8> argmax, u32 per_row, u32 height, u32 width, u32 out_height, \
          u32 out_width, u32 channels, u32 batch, u32 x_row, u32 y_row, u32 relu),               \
         forward_overlapping<T, V>(x, y, argmax, per_row,                                        \
                                   {height, width, out_height, out_width, channels},             \
                                   {batch, x_row, y_row}, relu))                                 \
  KERNEL(max_pool_backward_overlapping_##T##_v##V,                                               \
         (In<u8> argmax, In<T> dy, Out<T> dx, u32 per_row, u32 height, u32 width,                \
          u32 out_height, u32 out_width, u32 channels, u32 batch, u32 x_row, u32 y_row),         \
         backward_overlapping<T, V>(argmax, dy, dx, per_row,                                     \
                                    {height, width, out_height, out_width, channels},            \
                                    {batch, x_row, y_row}))

OVERLAPPING(float, 4)
OVERLAPPING(bf16, 8)
