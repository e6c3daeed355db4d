// The update of weights and velocity by a gradient in one pass; formula: mod.rs.
#include "common.cuh"

// `state` is n weights, then n velocities. G is the storage type of the gradient. With COPY, `copy`
// gets the new weights as bf16.
template <class G, bool COPY, int V>
__device__ void update(Out<float> state, In<G> gradient, Out<bf16> copy, u32 vectors, float rate,
                       float momentum, float decay_rate) {
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

#define SGD(G, V)                                                                       \
  KERNEL(sgd_##G##_v##V,                                                                \
         (Out<float> state, In<G> gradient, u32 vectors, float rate, float momentum,    \
          float decay_rate),                                                            \
         update<G, false, V>(state, gradient, {}, vectors, rate, momentum, decay_rate)) \
  KERNEL(sgd_copy_##G##_v##V,                                                           \
         (Out<float> state, In<G> gradient, Out<bf16> copy, u32 vectors, float rate,    \
          float momentum, float decay_rate),                                            \
         update<G, true, V>(state, gradient, copy, vectors, rate, momentum, decay_rate))

FOR_EACH_STORAGE(SGD, 4)
