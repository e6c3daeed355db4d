// The update: weights, velocity and gradient in one pass; rule: src/sgd.rs.
#include "common.cuh"

// state: n weights, then n velocities. G is the gradient's storage; `copy` gets the new weights as bf16 if COPY.
template <class G, bool COPY, int V>
__device__ void update(Out<float> state, In<G> gradient, Out<bf16> copy, u32 vectors, float rate, float momentum,
                       float decay_rate) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u64 at = (u64)i * V, n = (u64)vectors * V;
  float weights[V], velocity[V], g[V];
  load_own<V, float>(weights, state, at);
  load_own<V, float>(velocity, state, n + at);
  load<V, G>(g, gradient, at);
#pragma unroll
  for (int j = 0; j < V; ++j) {
    velocity[j] = momentum * velocity[j] - decay_rate * weights[j] - rate * g[j];
    weights[j] += velocity[j];
  }
  store<V, float>(state, n + at, velocity);
  store<V, float>(state, at, weights);
  if (COPY) store<V, bf16>(copy, at, weights);
}

#define KERNEL(G, V)                                                                                                \
  extern "C" __global__ void sgd_##G##_v##V(Out<float> state, In<G> gradient, u32 vectors, float rate,              \
                                            float momentum, float decay_rate) {                                     \
    update<G, false, V>(state, gradient, {}, vectors, rate, momentum, decay_rate);                                  \
  }                                                                                                                 \
  HOST_ENTRY(sgd_##G##_v##V)                                                                                        \
  extern "C" __global__ void sgd_copy_##G##_v##V(Out<float> state, In<G> gradient, Out<bf16> copy, u32 vectors,     \
                                                 float rate, float momentum, float decay_rate) {                    \
    update<G, true, V>(state, gradient, copy, vectors, rate, momentum, decay_rate);                                 \
  }                                                                                                                 \
  HOST_ENTRY(sgd_copy_##G##_v##V)

KERNEL(float, 4)
KERNEL(float, 1)
KERNEL(bf16, 4)
KERNEL(bf16, 1)
