// LRN and overlapping max-pooling in one pass, forward and backward; formula: mod.rs. Tensors are
// (B, H, W, C).
//
// A block has all channels of some columns of one image. What is between both operations, y of LRN
// and the gradient with respect to it, is never in memory.
#include "common.cuh"
#include "../max_pool/overlapping.cuh"
#include "../response_norm/lrn.cuh"

static const u32 THREADS = 256; // the most that a block has

// What a block has of one image: `columns` windows or squares of 2 by 2 pixels, the block along y
// says which, and `rows` rows of them.
struct Part { u32 columns, rows; };

// Of each channel the largest of several pixels, and which it is.
template <int V> struct Maxima {
  float values[V];
  u32 where[V];
};

// The maxima of three neighbouring columns of a row.
template <int V>
__device__ Maxima<V> maxima_of_row(const float (&a)[V], const float (&b)[V], const float (&c)[V]) {
  Maxima<V> row;
#pragma unroll
  for (int j = 0; j < V; ++j) {
    float best = a[j];
    u32 where = 0;
    if (is_larger(b[j], best)) best = b[j], where = 1;
    if (is_larger(c[j], best)) best = c[j], where = 2;
    row.values[j] = best, row.where[j] = where;
  }
  return row;
}

// Adds the maxima of row `number` of a window to those of the rows above.
template <int V>
__device__ void add_row(Maxima<V> &window, const Maxima<V> &row, u32 number) {
#pragma unroll
  for (int j = 0; j < V; ++j)
    if (is_larger(row.values[j], window.values[j])) {
      window.values[j] = row.values[j];
      window.where[j] = 3 * number + row.where[j];
    }
}

// The rest of a convolution: its bias, and its ReLU. The bias is read anew for each row, since
// registers are dearer than its loads: as if others might write it, so that no load is kept.
// Channels outside the row of a tower stay 0.
struct Rest {
  Out<float> bias;
  u32 relu, c;
  bool has_left, has_right;
  template <int N> __device__ void apply(float (&x)[N]) const {
    const int V = N - 2 * R;
#pragma unroll
    for (int i = 0; i < N; i += R) {
      float some[R];
      const bool inside = (i > 0 || has_left) && (i < R + V || has_right);
      load_own<R, float>(some, bias, inside ? c + i - R : c);
#pragma unroll
      for (int j = 0; j < R; ++j) x[i + j] += inside ? some[j] : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (relu && x[i] < 0.0f) x[i] = 0.0f; // NaN stays NaN
  }
};
template <int V>
__device__ Rest rest_of(Out<float> bias, u32 relu, u32 channels, u32 length) {
  const u32 c = threadIdx.x % (channels / V) * V, in_row = c % length;
  return {bias, relu, c, in_row > 0, in_row + V < length};
}
// Of a convolution that has done all itself.
struct Nothing {
  template <int N> __device__ void apply(float (&)[N]) const {}
};

// V channels of LRN's output.
template <class T, int V, class L>
__device__ void normalize_after(float (&y)[V], const Near<T, V, R> &x, const L &rest,
                                Constants with) {
  float xs[V + 2 * R];
  to_floats(xs, x);
  rest.apply(xs);
  Powers of_s[V];
  powers_of_scales(of_s, xs, with);
#pragma unroll
  for (int j = 0; j < V; ++j) y[j] = xs[R + j] * of_s[j].power;
}

// A thread normalizes V channels of the columns 2·w and 2·w + 1, row by row, and pools them with
// the column 2·w + 2 of a neighbour. The last threads of a block are only such neighbours.
template <class T, int V, class L>
__device__ void forward(In<T> x, Out<T> y, Out<u8> argmax, u32 length, Sizes size, Towers towers,
                        Part part, Constants with, u32 relu, const L &rest) {
  __shared__ __align__(16) float shared[2][V / 4][THREADS][4];
  const u32 vectors = size.channels / V, column = threadIdx.x / vectors;
  const u32 c = (threadIdx.x - column * vectors) * V, out_w = blockIdx.y * part.columns + column;
  const u32 parts = (size.out_height + part.rows - 1) / part.rows, image = blockIdx.x / parts;
  const u32 begin = (blockIdx.x - image * parts) * part.rows;
  const u32 end = min((int)(begin + part.rows), (int)size.out_height);
  const bool pools = column < part.columns && out_w < size.out_width;
  // A window that hangs over the edge sees its last pixels again, which are no larger.
  const u32 w[2] = {(u32)min((int)(2 * out_w), (int)size.width - 1),
                    (u32)min((int)(2 * out_w + 1), (int)size.width - 1)};
  const Channel of_x = channel_of_x(c, size, towers), of_y = channel_of_y(c, size, towers);
  const auto fetch_pixel = [&](u32 h, u32 w) {
    const u64 row = (u64)image * size.height + min((int)h, (int)size.height - 1);
    return fetch_near<V, R>(x, of_x.of(row * size.width + w), c % length, length);
  };
  Near<T, V, R> next[2] = {fetch_pixel(2 * begin, w[0]), fetch_pixel(2 * begin, w[1])};
  // The maxima of row `h`; each row is fetched while the one before it is computed.
  const auto row = [&](u32 h) {
    float first[V], second[V], third[V];
    normalize_after(first, next[0], rest, with), normalize_after(second, next[1], rest, with);
    next[0] = fetch_pixel(h + 1, w[0]), next[1] = fetch_pixel(h + 1, w[1]);
#pragma unroll
    for (int j = 0; j < V; ++j) shared[h % 2][j / 4][threadIdx.x][j % 4] = first[j];
    __syncthreads();
    const u32 neighbour = min((int)(threadIdx.x + vectors), (int)blockDim.x - 1);
#pragma unroll
    for (int j = 0; j < V; ++j) third[j] = shared[h % 2][j / 4][neighbour][j % 4];
    return maxima_of_row(first, second, third);
  };
  Maxima<V> window = row(2 * begin);
  for (u32 out_h = begin; out_h < end; ++out_h) {
    add_row(window, row(2 * out_h + 1), 1);
    const Maxima<V> last = row(2 * out_h + 2);
    add_row(window, last, 2);
    Pack<u8, V> found;
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if (relu && window.values[j] <= 0.0f) window.values[j] = 0.0f, window.where[j] = none<u8>();
      found.values[j] = window.where[j];
    }
    if (pools) {
      const u64 pixel = ((u64)image * size.out_height + out_h) * size.out_width + out_w;
      store<V, T>(y, of_y.of(pixel), window.values);
      put<V, u8>(argmax, of_y.of(pixel), found);
    }
    window = last;
  }
}

// A thread has V channels of a square of 2 by 2 pixels. The shares of the R channels to both sides,
// which LRN's formula sums too, are those of the neighbouring threads. `totals` are the sums of dx
// over the square.
template <class T, int V, class L>
__device__ void backward(In<T> x, In<u8> argmax, In<T> dy, Out<T> dx, u32 length, Sizes size,
                         Towers towers, Part part, Constants with, u32 through_relu,
                         const L &rest, float (&totals)[V]) {
  // The outer shares of each pixel of the square: each row has its own, and waits once.
  __shared__ __align__(16) float shared[2][2][THREADS][2 * R];
  const u32 vectors = size.channels / V, square = threadIdx.x / vectors;
  const u32 c = (threadIdx.x - square * vectors) * V, in_row = c % length;
  const u32 rows = (size.height + 1) / 2, image = blockIdx.x / rows;
  const u32 row = blockIdx.x - image * rows, column = blockIdx.y * part.columns + square;
  const u32 left = min((int)(2 * column), (int)size.width - 1);
  const u64 first = ((u64)image * size.height + 2 * row) * size.width;
  const Channel of_x = channel_of_x(c, size, towers), of_y = channel_of_y(c, size, towers);
  u64 at[2][2];
  Near<T, V, R> pixels[2][2];
#pragma unroll
  for (u32 h = 0; h < 2; ++h)
#pragma unroll
    for (u32 w = 0; w < 2; ++w) {
      // Beyond the edge is the last pixel once more, which is not stored there.
      const u64 down = 2 * row + h < size.height ? h * size.width : 0;
      at[h][w] = of_x.of(first + down + min((int)(left + w), (int)size.width - 1));
      pixels[h][w] = fetch_near<V, R>(x, at[h][w], in_row, length);
    }
#pragma unroll
  for (int j = 0; j < V; ++j) totals[j] = 0.0f;
  float gradients[2][2][V];
  gradients_of_square<T, V>(gradients, argmax, dy, image, row, column, of_y, size);
  const float factor = 2.0f * with.a * 0.75f;
#pragma unroll
  for (u32 h = 0; h < 2; ++h) {
    float share[2][V + 2 * R];
#pragma unroll
    for (u32 w = 0; w < 2; ++w) {
      float xs[V + 2 * R];
      to_floats(xs, pixels[h][w]);
      rest.apply(xs);
      Powers of_s[V];
      powers_of_scales(of_s, xs, with);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        gradients[h][w][j] *= of_s[j].power;
        share[w][R + j] = gradients[h][w][j] * xs[R + j] * of_s[j].inverse;
      }
#pragma unroll
      for (int j = 0; j < R; ++j) shared[h][w][threadIdx.x][j] = share[w][R + j];
#pragma unroll
      for (int j = 0; j < R; ++j) shared[h][w][threadIdx.x][R + j] = share[w][V + j];
    }
    __syncthreads();
#pragma unroll
    for (u32 w = 0; w < 2; ++w) {
      const bool has_left = in_row > 0, has_right = in_row + V < length;
      const u32 before = has_left ? threadIdx.x - 1 : 0, after = has_right ? threadIdx.x + 1 : 0;
#pragma unroll
      for (int j = 0; j < R; ++j) {
        const float value = shared[h][w][before][R + j];
        share[w][j] = has_left ? value : 0.0f;
      }
#pragma unroll
      for (int j = 0; j < R; ++j) {
        const float value = shared[h][w][after][j];
        share[w][R + V + j] = has_right ? value : 0.0f;
      }
      float sums[V], xs[V + 2 * R];
      window_sums(sums, share[w]);
      to_floats(xs, pixels[h][w]);
      rest.apply(xs);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const float value = xs[R + j];
        sums[j] = gradients[h][w][j] - factor * value * sums[j];
        if (through_relu && !(value > 0.0f)) sums[j] = 0.0f;
      }
      if (2 * row + h < size.height && 2 * column + w < size.width) {
        store<V, T>(dx, at[h][w], sums);
#pragma unroll
        for (int j = 0; j < V; ++j) totals[j] += sums[j];
      }
    }
  }
}

// Adds the totals of a block's squares, channel by channel in the order of the squares, and stores
// them as row `number` of `sums`.
template <int V>
__device__ void store_totals(Out<float> sums, u64 number, const float (&totals)[V], u32 channels) {
  __shared__ __align__(16) float shared[V / 4][THREADS][4];
#pragma unroll
  for (int j = 0; j < V; ++j) shared[j / 4][threadIdx.x][j % 4] = totals[j];
  __syncthreads();
  const u32 vectors = channels / V;
  if (threadIdx.x >= vectors) return;
  float all[V];
#pragma unroll
  for (int j = 0; j < V; ++j) all[j] = totals[j];
  for (u32 other = threadIdx.x + vectors; other < blockDim.x; other += vectors)
#pragma unroll
    for (int j = 0; j < V; ++j) all[j] += shared[j / 4][other][j % 4];
  store_floats(sums, number * channels + threadIdx.x * V, all);
}

#define KERNELS(T, V)                                                                             \
  KERNEL_COOPERATIVE(                                                                             \
      lrn_pool_forward_##T##_v##V,                                                                \
      (In<T> x, Out<T> y, Out<u8> argmax, u32 length, u32 height, u32 width, u32 out_height,      \
       u32 out_width, u32 channels, u32 batch, u32 x_row, u32 y_row, u32 columns, u32 rows,       \
       float k, float a, u32 relu),                                                               \
      forward<T, V>(x, y, argmax, length, {height, width, out_height, out_width, channels},       \
                    {batch, x_row, y_row}, {columns, rows}, {k, a, 0.75f}, relu, Nothing()))      \
  KERNEL_COOPERATIVE(                                                                             \
      lrn_pool_backward_##T##_v##V,                                                               \
      (In<T> x, In<u8> argmax, In<T> dy, Out<T> dx, u32 length, u32 height, u32 width,            \
       u32 out_height, u32 out_width, u32 channels, u32 batch, u32 x_row, u32 y_row, u32 columns, \
       u32 rows, float k, float a, u32 through_relu),                                             \
      float totals[V];                                                                            \
      backward<T, V>(x, argmax, dy, dx, length, {height, width, out_height, out_width, channels}, \
                     {batch, x_row, y_row}, {columns, rows}, {k, a, 0.75f}, through_relu,         \
                     Nothing(), totals))                                                          \
  KERNEL_COOPERATIVE(                                                                             \
      lrn_pool_after_forward_##T##_v##V,                                                          \
      (In<T> x, Out<T> y, Out<u8> argmax, Out<float> bias, u32 length, u32 height, u32 width,      \
       u32 out_height, u32 out_width, u32 channels, u32 batch, u32 x_row, u32 y_row, u32 columns, \
       u32 rows, float k, float a, u32 relu, u32 relu_before),                                    \
      forward<T, V>(x, y, argmax, length, {height, width, out_height, out_width, channels},       \
                    {batch, x_row, y_row}, {columns, rows}, {k, a, 0.75f}, relu,                  \
                    rest_of<V>(bias, relu_before, channels, length)))                             \
  KERNEL_COOPERATIVE(                                                                             \
      lrn_pool_after_backward_##T##_v##V,                                                         \
      (In<T> x, In<u8> argmax, In<T> dy, Out<T> dx, Out<float> bias, Out<float> sums, u32 length,  \
       u32 height, u32 width, u32 out_height, u32 out_width, u32 channels, u32 batch, u32 x_row,  \
       u32 y_row, u32 columns, u32 rows, float k, float a, u32 through_relu, u32 relu_before),    \
      float totals[V];                                                                            \
      backward<T, V>(x, argmax, dy, dx, length, {height, width, out_height, out_width, channels}, \
                     {batch, x_row, y_row}, {columns, rows}, {k, a, 0.75f}, through_relu,         \
                     rest_of<V>(bias, relu_before, channels, length), totals);                    \
      store_totals(sums, (u64)blockIdx.y * gridDim.x + blockIdx.x, totals, channels))

KERNELS(float, 4)
KERNELS(bf16, 8)
