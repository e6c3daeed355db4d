// Activations, forward and backward; formulas: function.rs.
#include "common.cuh"

struct Relu {
  static __device__ float value(float x) { return x <= 0.0f ? 0.0f : x; } // NaN stays NaN
  static __device__ float through(float y, float dy) { return y > 0.0f ? dy : 0.0f; }
};

struct Tanh {
  static __device__ float value(float x) { return tanhf(x); }
  static __device__ float through(float y, float dy) { return dy * (1.0f - y * y); }
};

template <class F, class T, int V> __device__ void forward(In<T> x, Out<T> y, u32 vectors) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  float values[V];
  load<V, T>(values, x, (u64)i * V);
#pragma unroll
  for (int j = 0; j < V; ++j) values[j] = F::value(values[j]);
  store<V, T>(y, (u64)i * V, values);
}

// dx = dy · factor · slope. `dx` may be `dy`. With y the output of a dropout after a ReLU, and the
// dropout's factor, this is the gradient through both; with y the input of a layer, it takes the
// layer's gradient back through the ReLU before it.
template <class F, class T, int V>
__device__ void backward(In<T> y, Out<T> dy, Out<T> dx, u32 vectors, float factor) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  float values[V], gradient[V];
  load<V, T>(values, y, (u64)i * V);
  load_own<V, T>(gradient, dy, (u64)i * V);
#pragma unroll
  for (int j = 0; j < V; ++j) gradient[j] = F::through(values[j], factor * gradient[j]);
  store<V, T>(dx, (u64)i * V, gradient);
}

#define ACTIVATION(F, NAME, T, V)                                                                \
  KERNEL(NAME##_forward_##T##_v##V, (In<T> x, Out<T> y, u32 vectors),                            \
         forward<F, T, V>(x, y, vectors))                                                        \
  KERNEL(NAME##_backward_##T##_v##V, (In<T> y, Out<T> dy, Out<T> dx, u32 vectors, float factor), \
         backward<F, T, V>(y, dy, dx, vectors, factor))

#define RELU(T, V) ACTIVATION(Relu, relu, T, V)
#define TANH(T, V) ACTIVATION(Tanh, tanh, T, V)

FOR_EACH_STORAGE(RELU, 8)
FOR_EACH_STORAGE(TANH, 8)
