// LRN across channels, forward and backward; formula: lrn.rs. Tensors are (B, H, W, C).
//
// A row is the channels of one tower at one pixel. In the fast kernels a thread computes V
// neighbouring channels of a row from three vectors: its own and those to both sides, which reach
// as far as the windows of 2·R + 1 channels. Other windows, and rows that V does not divide, take
// the general kernels: one channel per thread, any radius, more loads.
#include "common.cuh"
#include "powers.cuh"

static const int R = 2; // radius of the windows of the fast kernels

struct Constants { float k, a, beta; };

// Loads the 3·V channels from c - V on; channels outside the row are zero.
template <class T, int V>
__device__ void load_three(float (&all)[3 * V], In<T> from, u64 row, u32 c, u32 length) {
#pragma unroll
  for (int part = 0; part < 3; ++part) {
    float values[V];
    const bool inside = part == 0 ? c >= V : part == 2 ? c + V < length : true;
    if (inside) load<V, T>(values, from, row + c + (part - 1) * V);
#pragma unroll
    for (int i = 0; i < V; ++i) all[part * V + i] = inside ? values[i] : 0.0f;
  }
}

template <int N> __device__ float scale(const float (&x)[N], int at, Constants with) {
  float energy = 0.0f;
#pragma unroll
  for (int d = -R; d <= R; ++d) energy += x[at + d] * x[at + d];
  return with.k + with.a * energy;
}

template <class T, int V>
__device__ void forward(In<T> x, Out<T> y, u32 vectors, u32 length, Constants with) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 c = i % (length / V) * V;
  float all[3 * V], out[V];
  load_three<T, V>(all, x, (u64)i * V - c, c, length);
#pragma unroll
  for (int j = 0; j < V; ++j) out[j] = all[V + j] * power(scale(all, V + j, with), with.beta);
  store<V, T>(y, (u64)i * V, out);
}

template <class T, int V>
__device__ void backward(In<T> x, In<T> dy, Out<T> dx, u32 vectors, u32 length, Constants with,
                         u32 through_relu) {
  static_assert(V >= 2 * R, "a neighbour's window must not reach beyond the next vector");
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 c = i % (length / V) * V;
  float xs[3 * V], dys[3 * V];
  load_three<T, V>(xs, x, (u64)i * V - c, c, length);
  load_three<T, V>(dys, dy, (u64)i * V - c, c, length);
  // For this thread's channels and R neighbours to both sides: dy·s^-beta, and dy·x·s^(-beta-1),
  // which the formula sums.
  float scaled[V + 2 * R], share[V + 2 * R], out[V];
#pragma unroll
  for (int j = 0; j < V + 2 * R; ++j) {
    const int at = V - R + j;
    const Powers of_s = powers(scale(xs, at, with), with.beta);
    scaled[j] = dys[at] * of_s.power;
    share[j] = scaled[j] * xs[at] * of_s.inverse;
  }
  const float factor = 2.0f * with.a * with.beta;
#pragma unroll
  for (int j = 0; j < V; ++j) {
    float sum = 0.0f;
#pragma unroll
    for (int d = 0; d <= 2 * R; ++d) sum += share[j + d];
    const float value = scaled[R + j] - factor * xs[V + j] * sum;
    out[j] = through_relu && !(xs[V + j] > 0.0f) ? 0.0f : value;
  }
  store<V, T>(dx, (u64)i * V, out);
}

// The general kernels: any radius, one channel per thread.
template <class T>
__device__ float scale_any(In<T> x, u64 row, int c, int length, int radius, Constants with) {
  float energy = 0.0f;
  for (int j = max(c - radius, 0); j <= min(c + radius, length - 1); ++j) {
    const float value = element<T>(x, row + j);
    energy += value * value;
  }
  return with.k + with.a * energy;
}

template <class T>
__device__ void forward_any(In<T> x, Out<T> y, u32 elements, u32 length, u32 radius,
                            Constants with) {
  const u32 i = thread_number();
  if (i >= elements) return;
  const int c = i % length;
  const float s = scale_any<T>(x, i - c, c, length, radius, with);
  store_element<T>(y, i, element<T>(x, i) * power(s, with.beta));
}

template <class T>
__device__ void backward_any(In<T> x, In<T> dy, Out<T> dx, u32 elements, u32 length, u32 radius,
                             Constants with, u32 through_relu) {
  const u32 i = thread_number();
  if (i >= elements) return;
  const int c = i % length, r = radius;
  const u64 row = i - c;
  float sum = 0.0f;
  for (int j = max(c - r, 0); j <= min(c + r, (int)length - 1); ++j) {
    const Powers of_s = powers(scale_any<T>(x, row, j, length, radius, with), with.beta);
    sum += element<T>(dy, row + j) * of_s.power * element<T>(x, row + j) * of_s.inverse;
  }
  const float s = scale_any<T>(x, row, c, length, radius, with), value = element<T>(x, i);
  const float out = element<T>(dy, i) * power(s, with.beta) -
                    2.0f * with.a * with.beta * value * sum;
  store_element<T>(dx, i, through_relu && !(value > 0.0f) ? 0.0f : out);
}

#define FAST(T, V)                                                                             \
  KERNEL(lrn_forward_##T##_v##V,                                                               \
         (In<T> x, Out<T> y, u32 vectors, u32 length, float k, float a, float beta),           \
         forward<T, V>(x, y, vectors, length, {k, a, beta}))                                   \
  KERNEL(lrn_backward_##T##_v##V,                                                              \
         (In<T> x, In<T> dy, Out<T> dx, u32 vectors, u32 length, float k, float a, float beta, \
          u32 through_relu),                                                                   \
         backward<T, V>(x, dy, dx, vectors, length, {k, a, beta}, through_relu))
#define GENERAL(T)                                                                                \
  KERNEL(lrn_forward_any_##T,                                                                     \
         (In<T> x, Out<T> y, u32 elements, u32 length, u32 radius, float k, float a, float beta), \
         forward_any<T>(x, y, elements, length, radius, {k, a, beta}))                            \
  KERNEL(lrn_backward_any_##T,                                                                    \
         (In<T> x, In<T> dy, Out<T> dx, u32 elements, u32 length, u32 radius, float k, float a,   \
          float beta, u32 through_relu),                                                          \
         backward_any<T>(x, dy, dx, elements, length, radius, {k, a, beta}, through_relu))

FAST(float, 4)
FAST(bf16, 8)
GENERAL(float)
GENERAL(bf16)
