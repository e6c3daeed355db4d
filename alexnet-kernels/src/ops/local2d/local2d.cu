// Local layers; formula: mod.rs. Tensors are (B, H, W, C).
//
// Each of the three kernels is a batch of GEMMs whose operands are read where they lie: a result is
// that of a place of the window, or of a pixel of the input. blockIdx.y says which, a block
// computes a tile of 64 by 64 of it and a thread 4 by 4 elements, over terms that go through shared
// memory 16 at a time. Every element is one sum in the order of its terms.
#include "common.cuh"

static const u32 THREADS = 256, // per block
                 SIDE = 64,     // rows and columns of a tile
                 DEEP = 16,     // terms in shared memory
                 MINE = 4;      // rows and columns of a thread

struct Sizes {
  u32 batch, height, width, channels, out_height, out_width, filters, kernel, stride, padding;

  __device__ u32 places() const { return out_height * out_width; }
  __device__ u32 window() const { return kernel * kernel * channels; }
};

// The windows of all images at one place: row b, column (i, j, c).
template <class T> struct Windows {
  static const bool ROWS_ARE_NEIGHBOURS = false;
  In<T> x;
  Sizes size;
  u32 place;
  __device__ float operator()(u32 b, u32 k) const {
    const u32 c = k % size.channels, tap = k / size.channels;
    // Rows and columns count with the padding: outside the map these are 2^32 less, or too large.
    const u32 h = place / size.out_width * size.stride + tap / size.kernel - size.padding;
    const u32 w = place % size.out_width * size.stride + tap % size.kernel - size.padding;
    if (h >= size.height || w >= size.width) return 0.0f;
    return element<T>(x, (((u64)b * size.height + h) * size.width + w) * size.channels + c);
  }
};

// The other operand, with rows and columns exchanged.
template <class M> struct Transposed {
  static const bool ROWS_ARE_NEIGHBOURS = !M::ROWS_ARE_NEIGHBOURS;
  M matrix;
  __device__ float operator()(u32 row, u32 column) const { return matrix(column, row); }
};

// The weights of one place: row o, column (i, j, c).
template <class T> struct Weights {
  static const bool ROWS_ARE_NEIGHBOURS = false;
  In<T> w;
  Sizes size;
  u32 place;
  __device__ float operator()(u32 o, u32 k) const {
    return element<T>(w, ((u64)place * size.filters + o) * size.window() + k);
  }
};

// The gradients of all images at one place: row b, column o.
template <class T> struct Gradients {
  static const bool ROWS_ARE_NEIGHBOURS = false;
  In<T> dy;
  Sizes size;
  u32 place;
  __device__ float operator()(u32 b, u32 o) const {
    return element<T>(dy, ((u64)b * size.places() + place) * size.filters + o);
  }
};

// The place whose window has a pixel of the input as its element `tap`; false where there is none.
__device__ inline bool place_of(u32 pixel, u32 tap, Sizes size, u32 &place) {
  const u32 h = pixel / size.width + size.padding, w = pixel % size.width + size.padding;
  const u32 i = tap / size.kernel, j = tap % size.kernel;
  if (h < i || w < j || (h - i) % size.stride || (w - j) % size.stride) return false;
  const u32 out_h = (h - i) / size.stride, out_w = (w - j) / size.stride;
  place = out_h * size.out_width + out_w;
  return out_h < size.out_height && out_w < size.out_width;
}

// The gradients of the places that have a pixel of the input: row b, column (tap, o).
template <class T> struct GradientsOver {
  static const bool ROWS_ARE_NEIGHBOURS = false;
  In<T> dy;
  Sizes size;
  u32 pixel;
  __device__ float operator()(u32 b, u32 k) const {
    u32 place;
    if (!place_of(pixel, k / size.filters, size, place)) return 0.0f;
    return Gradients<T>{dy, size, place}(b, k % size.filters);
  }
};

// The weights of these places for the pixel: row (tap, o), column c.
template <class T> struct WeightsOver {
  static const bool ROWS_ARE_NEIGHBOURS = false;
  In<T> w;
  Sizes size;
  u32 pixel;
  __device__ float operator()(u32 k, u32 c) const {
    const u32 tap = k / size.filters;
    u32 place;
    if (!place_of(pixel, tap, size, place)) return 0.0f;
    return Weights<T>{w, size, place}(k % size.filters, tap * size.channels + c);
  }
};

// Calls put(row, column, sum) for each element of this block's tile of a · b, where a has `rows`
// rows, b has `columns` columns, and each sum has `terms` terms.
template <class A, class B, class Put>
__device__ void multiply(A a, B b, u32 rows, u32 columns, u32 terms, Put put) {
  __shared__ float of_a[DEEP][SIDE + 1], of_b[DEEP][SIDE + 1];
  const u32 across = (columns + SIDE - 1) / SIDE, t = threadIdx.x;
  const u32 row = blockIdx.x / across * SIDE, column = blockIdx.x % across * SIDE;
  float sums[MINE][MINE];
#pragma unroll
  for (u32 i = 0; i < MINE; ++i)
#pragma unroll
    for (u32 j = 0; j < MINE; ++j) sums[i][j] = 0.0f;
  for (u32 first = 0; first < terms; first += DEEP) {
#pragma unroll 1 // the addresses of four elements at once take too many registers
    for (u32 i = t; i < DEEP * SIDE; i += THREADS) {
      // Threads that are neighbours read what lies side by side in memory.
      const u32 term_a = A::ROWS_ARE_NEIGHBOURS ? i / SIDE : i % DEEP;
      const u32 at_a = A::ROWS_ARE_NEIGHBOURS ? i % SIDE : i / DEEP;
      const bool there_a = row + at_a < rows && first + term_a < terms;
      of_a[term_a][at_a] = there_a ? a(row + at_a, first + term_a) : 0.0f;
      const u32 term_b = B::ROWS_ARE_NEIGHBOURS ? i % DEEP : i / SIDE;
      const u32 at_b = B::ROWS_ARE_NEIGHBOURS ? i / DEEP : i % SIDE;
      const bool there_b = column + at_b < columns && first + term_b < terms;
      of_b[term_b][at_b] = there_b ? b(first + term_b, column + at_b) : 0.0f;
    }
    __syncthreads();
#pragma unroll
    for (u32 k = 0; k < DEEP; ++k) {
      float mine[MINE];
#pragma unroll
      for (u32 j = 0; j < MINE; ++j) mine[j] = of_b[k][t % 16 + 16 * j];
#pragma unroll
      for (u32 i = 0; i < MINE; ++i) {
        const float value = of_a[k][t / 16 + 16 * i];
#pragma unroll
        for (u32 j = 0; j < MINE; ++j) sums[i][j] += value * mine[j];
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (u32 i = 0; i < MINE; ++i)
#pragma unroll
    for (u32 j = 0; j < MINE; ++j) {
      const u32 m = row + t / 16 + 16 * i, n = column + t % 16 + 16 * j;
      if (m < rows && n < columns) put(m, n, sums[i][j]);
    }
}

template <class T> struct PutOutput {
  In<float> bias;
  Out<T> y;
  Sizes size;
  u32 place, relu;
  __device__ void operator()(u32 b, u32 o, float sum) const {
    float value = sum + element<float>(bias, (u64)place * size.filters + o);
    if (relu && value <= 0.0f) value = 0.0f;
    store_element<T>(y, ((u64)b * size.places() + place) * size.filters + o, value);
  }
};

template <class T> struct PutInputGradient {
  In<T> x;
  Out<T> dx;
  Sizes size;
  u32 pixel, through_relu;
  __device__ void operator()(u32 b, u32 c, float sum) const {
    const u64 at = ((u64)b * size.height * size.width + pixel) * size.channels + c;
    if (through_relu && !(element<T>(x, at) > 0.0f)) sum = 0.0f;
    store_element<T>(dx, at, sum);
  }
};

template <class T> struct PutWeightGradient {
  Out<T> dw;
  Sizes size;
  u32 place;
  __device__ void operator()(u32 o, u32 k, float sum) const {
    store_element<T>(dw, ((u64)place * size.filters + o) * size.window() + k, sum);
  }
};

template <class T>
__device__ void forward(In<T> x, In<T> w, In<float> bias, Out<T> y, Sizes size, u32 relu) {
  const u32 place = blockIdx.y;
  multiply(Windows<T>{x, size, place}, Transposed<Weights<T>>{{w, size, place}}, size.batch,
           size.filters, size.window(), PutOutput<T>{bias, y, size, place, relu});
}

template <class T>
__device__ void input_gradient(In<T> dy, In<T> w, In<T> x, Out<T> dx, Sizes size,
                               u32 through_relu) {
  const u32 pixel = blockIdx.y;
  multiply(GradientsOver<T>{dy, size, pixel}, WeightsOver<T>{w, size, pixel}, size.batch,
           size.channels, size.kernel * size.kernel * size.filters,
           PutInputGradient<T>{x, dx, size, pixel, through_relu});
}

template <class T> __device__ void weight_gradient(In<T> x, In<T> dy, Out<T> dw, Sizes size) {
  const u32 place = blockIdx.y;
  multiply(Transposed<Gradients<T>>{{dy, size, place}}, Windows<T>{x, size, place}, size.filters,
           size.window(), size.batch, PutWeightGradient<T>{dw, size, place});
}

#define SIZES                                                                                  \
  u32 batch, u32 height, u32 width, u32 channels, u32 out_height, u32 out_width, u32 filters, \
      u32 kernel, u32 stride, u32 padding
#define SIZE                                                                                 \
  Sizes { batch, height, width, channels, out_height, out_width, filters, kernel, stride, padding }

#define KERNELS(T)                                                                             \
  KERNEL_COOPERATIVE(local_forward_##T,                                                        \
                     (In<T> x, In<T> w, In<float> bias, Out<T> y, SIZES, u32 relu),            \
                     forward<T>(x, w, bias, y, SIZE, relu))                                    \
  KERNEL_COOPERATIVE(local_input_gradient_##T,                                                 \
                     (In<T> dy, In<T> w, In<T> x, Out<T> dx, SIZES, u32 through_relu),         \
                     input_gradient<T>(dy, w, x, dx, SIZE, through_relu))                      \
  KERNEL_COOPERATIVE(local_weight_gradient_##T, (In<T> x, In<T> dy, Out<T> dw, SIZES),         \
                     weight_gradient<T>(x, dy, dw, SIZE))

KERNELS(float)
KERNELS(bf16)
