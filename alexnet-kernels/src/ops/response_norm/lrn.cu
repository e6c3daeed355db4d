// LRN across channels, forward and backward; formula: lrn.rs. Tensors are (B, H, W, C).
//
// A row is the channels of one tower at one pixel. The fast kernels are for windows of 5 channels
// and beta = 3/4: a thread computes V neighbouring channels of a row from those and the edges of
// the vectors to both sides. Other constants, and rows that V does not divide, take the general
// kernels: one channel per thread, any radius, more loads.
#include "common.cuh"
#include "lrn.cuh"

template <class T, int V>
__device__ void forward(In<T> x, Out<T> y, u32 vectors, u32 length, Constants with) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u64 at = (u64)i * V;
  const u32 c = i % (length / V) * V;
  float out[V];
  normalize(out, fetch_near<V, R>(x, at, c, length), with);
  store<V, T>(y, at, out);
}

template <class T, int V>
__device__ void backward(In<T> x, In<T> dy, Out<T> dx, u32 vectors, u32 length, Constants with,
                         u32 through_relu) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u64 at = (u64)i * V;
  const u32 c = i % (length / V) * V;
  // The formula sums the shares dy·x·s^(-beta-1) of this thread's channels and of R to both sides,
  // whose scales need another R.
  const int N = V + 2 * R;
  float xs[N + 2 * R], dys[N], share[N], sums[V], out[V];
  to_floats(xs, fetch_near<V, 2 * R>(x, at, c, length));
  to_floats(dys, fetch_near<V, R>(dy, at, c, length));
  Powers of_s[N];
  powers_of_scales(of_s, xs, with);
#pragma unroll
  for (int j = 0; j < N; ++j) {
    dys[j] *= of_s[j].power;
    share[j] = dys[j] * xs[R + j] * of_s[j].inverse;
  }
  window_sums(sums, share);
  const float factor = 2.0f * with.a * 0.75f;
#pragma unroll
  for (int j = 0; j < V; ++j) {
    const float value = xs[2 * R + j], gradient = dys[R + j] - factor * value * sums[j];
    out[j] = through_relu && !(value > 0.0f) ? 0.0f : gradient;
  }
  store<V, T>(dx, at, out);
}

// The general kernels: any radius and beta, one channel per thread.
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
  store_element<T>(y, i, element<T>(x, i) * powers(s, with.beta).power);
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
  const float out = element<T>(dy, i) * powers(s, with.beta).power -
                    2.0f * with.a * with.beta * value * sum;
  store_element<T>(dx, i, through_relu && !(value > 0.0f) ? 0.0f : out);
}

#define FAST(T, V)                                                                             \
  KERNEL(lrn_forward_##T##_v##V,                                                               \
         (In<T> x, Out<T> y, u32 vectors, u32 length, float k, float a),                       \
         forward<T, V>(x, y, vectors, length, {k, a, 0.75f}))                                  \
  KERNEL(lrn_backward_##T##_v##V,                                                              \
         (In<T> x, In<T> dy, Out<T> dx, u32 vectors, u32 length, float k, float a,             \
          u32 through_relu),                                                                   \
         backward<T, V>(x, dy, dx, vectors, length, {k, a, 0.75f}, through_relu))
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
