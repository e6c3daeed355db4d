// ReLU, forward and backward; formula: mod.rs.
#include "common.cuh"

__device__ inline float rectified(float x) { return x <= 0.0f ? 0.0f : x; } // NaN stays NaN

template <class T, int V> __device__ void forward(In<T> x, Out<T> y, u32 vectors) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  float values[V];
  load<V, T>(values, x, (u64)i * V);
#pragma unroll
  for (int j = 0; j < V; ++j) values[j] = rectified(values[j]);
  store<V, T>(y, (u64)i * V, values);
}

// dx = dy · factor where y > 0, else 0. `dx` may be `dy`. With the factor of a dropout behind the ReLU, and its
// output as y, this is the gradient of both; with y the input of another layer, it masks that layer's gradient.
template <class T, int V> __device__ void backward(In<T> y, Out<T> dy, Out<T> dx, u32 vectors, float factor) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  float values[V], gradient[V];
  load<V, T>(values, y, (u64)i * V);
  load_own<V, T>(gradient, dy, (u64)i * V);
#pragma unroll
  for (int j = 0; j < V; ++j) gradient[j] = values[j] > 0.0f ? factor * gradient[j] : 0.0f;
  store<V, T>(dx, (u64)i * V, gradient);
}

#define RELU(T, V)                                                                                           \
  extern "C" __global__ void relu_forward_##T##_v##V(In<T> x, Out<T> y, u32 vectors) {                              \
    forward<T, V>(x, y, vectors);                                                                                   \
  }                                                                                                                 \
  HOST_ENTRY(relu_forward_##T##_v##V)                                                                               \
  extern "C" __global__ void relu_backward_##T##_v##V(In<T> y, Out<T> dy, Out<T> dx, u32 vectors, float factor) {   \
    backward<T, V>(y, dy, dx, vectors, factor);                                                                     \
  }                                                                                                                 \
  HOST_ENTRY(relu_backward_##T##_v##V)

RELU(float, 4)
RELU(float, 1)
RELU(bf16, 8)
RELU(bf16, 1)
