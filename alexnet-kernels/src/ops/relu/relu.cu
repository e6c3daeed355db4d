// ReLU, forward and backward; formula: mod.rs.
#include "common.cuh"

__device__ inline float relu(float x) { return x <= 0.0f ? 0.0f : x; } // NaN stays NaN

template <class T, int V> __device__ void forward(In<T> x, Out<T> y, u32 vectors) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  float values[V];
  load<V, T>(values, x, (u64)i * V);
#pragma unroll
  for (int j = 0; j < V; ++j) values[j] = relu(values[j]);
  store<V, T>(y, (u64)i * V, values);
}

// dx = dy · factor where y > 0, else 0. `dx` may be `dy`. With y the output of a dropout after the
// ReLU, and the dropout's factor, this is the gradient through both; with y the input of a layer,
// it takes the layer's gradient back through the ReLU before it.
template <class T, int V>
__device__ void backward(In<T> y, Out<T> dy, Out<T> dx, u32 vectors, float factor) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  float values[V], gradient[V];
  load<V, T>(values, y, (u64)i * V);
  load_own<V, T>(gradient, dy, (u64)i * V);
#pragma unroll
  for (int j = 0; j < V; ++j) gradient[j] = values[j] > 0.0f ? factor * gradient[j] : 0.0f;
  store<V, T>(dx, (u64)i * V, gradient);
}

#define RELU(T, V)                                                                                \
  KERNEL(relu_forward_##T##_v##V, (In<T> x, Out<T> y, u32 vectors), forward<T, V>(x, y, vectors)) \
  KERNEL(relu_backward_##T##_v##V, (In<T> y, Out<T> dy, Out<T> dx, u32 vectors, float factor),    \
         backward<T, V>(y, dy, dx, vectors, factor))

RELU(float, 4)
RELU(float, 1)
RELU(bf16, 8)
RELU(bf16, 1)
