// LRN of windows of 5 channels with beta = 3/4, as lrn.cu and lrn_pool.cu compute it for V
// neighbouring channels of one row.
#pragma once

#include "powers.cuh"

static const int R = 2; // radius of the windows

struct Constants { float k, a, beta; };

// V channels of a row as they lie in memory, and EDGE channels to both sides.
template <class T, int V, int EDGE> struct Near {
  Pack<T, EDGE> left, right;
  Pack<T, V> own;
};

// The channels from `at` on, c of their row of `length`; channels outside the row are zero.
template <int V, int EDGE, class T>
__device__ Near<T, V, EDGE> fetch_near(In<T> from, u64 at, u32 c, u32 length) {
  static_assert(EDGE <= V, "no edge reaches beyond the next vector");
  Near<T, V, EDGE> near;
  near.left = fetch_if<EDGE, T>(from, at - EDGE, c > 0);
  near.own = fetch<V, T>(from, at);
  near.right = fetch_if<EDGE, T>(from, at + V, c + V < length);
  return near;
}

template <class T, int V, int EDGE>
__device__ void to_floats(float (&all)[V + 2 * EDGE], const Near<T, V, EDGE> &near) {
#pragma unroll
  for (int i = 0; i < EDGE; ++i) {
    all[i] = to_float(near.left.values[i]);
    all[EDGE + V + i] = to_float(near.right.values[i]);
  }
#pragma unroll
  for (int i = 0; i < V; ++i) all[EDGE + i] = to_float(near.own.values[i]);
}

// sums[i] = values[i] + … + values[i + 2·R], by sums of two.
template <int N>
__device__ void window_sums(float (&sums)[N], const float (&values)[N + 2 * R]) {
  static_assert(R == 2, "a window is two pairs and one");
  float pairs[N + 2];
#pragma unroll
  for (int i = 0; i < N + 2; ++i) pairs[i] = values[i] + values[i + 1];
#pragma unroll
  for (int i = 0; i < N; ++i) sums[i] = pairs[i] + pairs[i + 2] + values[i + 4];
}

// The powers of the scales of the N channels in the middle of x.
template <int N>
__device__ void powers_of_scales(Powers (&of)[N], const float (&x)[N + 2 * R], Constants with) {
  float squares[N + 2 * R], energy[N];
#pragma unroll
  for (int i = 0; i < N + 2 * R; ++i) squares[i] = x[i] * x[i];
  window_sums(energy, squares);
#pragma unroll
  for (int i = 0; i < N; ++i) of[i] = powers(with.k + with.a * energy[i]);
}

// V channels of y.
template <class T, int V>
__device__ void normalize(float (&y)[V], const Near<T, V, R> &x, Constants with) {
  float xs[V + 2 * R];
  to_floats(xs, x);
  Powers of_s[V];
  powers_of_scales(of_s, xs, with);
#pragma unroll
  for (int j = 0; j < V; ++j) y[j] = xs[R + j] * of_s[j].power;
}
