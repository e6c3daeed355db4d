// LRN of windows of 5 channels with beta = 3/4, as lrn.cu and lrn_pool.cu compute it for V
// neighbouring channels of one row.
#pragma once

#include "powers.cuh"

static const int R = 2; // radius of the windows

struct Constants { float k, a, beta; };

// Loads V channels from `at` on, c of their row of `length`, and EDGE channels to both sides;
// channels outside the row are zero.
template <int V, int EDGE, class T>
__device__ void load_with_edges(float (&all)[V + 2 * EDGE], In<T> from, u64 at, u32 c, u32 length) {
  static_assert(EDGE <= V, "no edge reaches beyond the next vector");
  float left[EDGE], own[V], right[EDGE];
  load_if<EDGE, T>(left, from, at - EDGE, c > 0);
  load<V, T>(own, from, at);
  load_if<EDGE, T>(right, from, at + V, c + V < length);
#pragma unroll
  for (int i = 0; i < EDGE; ++i) all[i] = left[i], all[EDGE + V + i] = right[i];
#pragma unroll
  for (int i = 0; i < V; ++i) all[EDGE + i] = own[i];
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
