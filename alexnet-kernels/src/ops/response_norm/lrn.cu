// LRN across channels, forward and backward; formula and constants: src/lrn.rs. Tensors are (B, H, W, C).
//
// A row is the channels of one tower at one pixel. A thread makes V neighbouring channels of it; the vectors to both
// sides give it all that windows of 2·2 + 1 reach. Other windows, and rows that V does not divide, take the general
// kernels: one channel a thread, any radius, more work.
#include "common.cuh"

static const int R = 2; // of the fast kernels

struct Constants { float k, a, beta; };

// The channels from V before `c` to 2·V behind it; zero outside the row.
template <class T, int V> __device__ void load_three(float (&all)[3 * V], In<T> from, u64 row, u32 c, u32 length) {
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

template <class T, int V> __device__ void forward(In<T> x, Out<T> y, u32 vectors, u32 length, Constants with) {
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
__device__ void backward(In<T> x, In<T> dy, Out<T> dx, u32 vectors, u32 length, Constants with, u32 rectified) {
  static_assert(V >= 2 * R, "a neighbour's window must end in the next vector");
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 c = i % (length / V) * V;
  float xs[3 * V], dys[3 * V];
  load_three<T, V>(xs, x, (u64)i * V - c, c, length);
  load_three<T, V>(dys, dy, (u64)i * V - c, c, length);
  // dy·s^-beta of this thread's channels and their neighbours, and each one's share in the gradient of its window.
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
    out[j] = rectified && !(xs[V + j] > 0.0f) ? 0.0f : value;
  }
  store<V, T>(dx, (u64)i * V, out);
}

// Any radius, one channel a thread.
template <class T> __device__ float element(In<T> from, u64 at) {
  float value[1];
  load<1, T>(value, from, at);
  return value[0];
}

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
__device__ void forward_any(In<T> x, Out<T> y, u32 elements, u32 length, u32 radius, Constants with) {
  const u32 i = thread_number();
  if (i >= elements) return;
  const int c = i % length;
  const float s = scale_any<T>(x, i - c, c, length, radius, with);
  const float out[1] = {element<T>(x, i) * power(s, with.beta)};
  store<1, T>(y, i, out);
}

template <class T>
__device__ void backward_any(In<T> x, In<T> dy, Out<T> dx, u32 elements, u32 length, u32 radius, Constants with,
                             u32 rectified) {
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
  float out[1] = {element<T>(dy, i) * power(s, with.beta) - 2.0f * with.a * with.beta * value * sum};
  if (rectified && !(value > 0.0f)) out[0] = 0.0f;
  store<1, T>(dx, i, out);
}

#define FAST(T, V)                                                                                                 \
  extern "C" __global__ void lrn_forward_##T##_v##V(In<T> x, Out<T> y, u32 vectors, u32 length, float k, float a, \
                                                    float beta) {                                                  \
    forward<T, V>(x, y, vectors, length, {k, a, beta});                                                            \
  }                                                                                                                \
  HOST_ENTRY(lrn_forward_##T##_v##V)                                                                               \
  extern "C" __global__ void lrn_backward_##T##_v##V(In<T> x, In<T> dy, Out<T> dx, u32 vectors, u32 length,        \
                                                     float k, float a, float beta, u32 rectified) {                \
    backward<T, V>(x, dy, dx, vectors, length, {k, a, beta}, rectified);                                           \
  }                                                                                                                \
  HOST_ENTRY(lrn_backward_##T##_v##V)
#define GENERAL(T)                                                                                                 \
  extern "C" __global__ void lrn_forward_any_##T(In<T> x, Out<T> y, u32 elements, u32 length, u32 radius, float k, \
                                                 float a, float beta) {                                            \
    forward_any<T>(x, y, elements, length, radius, {k, a, beta});                                                  \
  }                                                                                                                \
  HOST_ENTRY(lrn_forward_any_##T)                                                                                  \
  extern "C" __global__ void lrn_backward_any_##T(In<T> x, In<T> dy, Out<T> dx, u32 elements, u32 length,          \
                                                  u32 radius, float k, float a, float beta, u32 rectified) {       \
    backward_any<T>(x, dy, dx, elements, length, radius, {k, a, beta}, rectified);                                 \
  }                                                                                                                \
  HOST_ENTRY(lrn_backward_any_##T)

FAST(float, 4)
FAST(bf16, 8)
GENERAL(float)
GENERAL(bf16)
