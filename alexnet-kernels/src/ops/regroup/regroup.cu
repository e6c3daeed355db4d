// Maps of towers from together to apart, with the rest of a convolution, and back; formulas:
// mod.rs. A row is the channels of one tower at one pixel.
#include "common.cuh"

// y[tower, pixel, c] = z[pixel, tower, c] + bias[tower, c], and then with `relu` max(y, 0).
template <class T, int V>
__device__ void apart(In<T> z, In<float> bias, Out<T> y, u32 vectors, u32 pixels, u32 towers,
                      u32 row, u32 relu) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 per_row = row / V, c = i % per_row * V, at = i / per_row;
  const u32 tower = at / pixels, pixel = at - tower * pixels;
  float values[V], shift[V];
  load<V, T>(values, z, ((u64)pixel * towers + tower) * row + c);
  load_floats<V>(shift, bias, tower * row + c);
#pragma unroll
  for (int j = 0; j < V; ++j) {
    values[j] += shift[j];
    if (relu && values[j] <= 0.0f) values[j] = 0.0f;
  }
  store<V, T>(y, (u64)i * V, values);
}

// x[pixel, tower, c] = y[tower, pixel, c].
template <class T, int V>
__device__ void together(In<T> y, Out<T> x, u32 vectors, u32 pixels, u32 towers, u32 row) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 per_row = row / V, c = i % per_row * V, at = i / per_row;
  const u32 pixel = at / towers, tower = at - pixel * towers;
  put<V, T>(x, (u64)i * V, fetch<V, T>(y, ((u64)tower * pixels + pixel) * row + c));
}

#define REGROUP(T, V)                                                                           \
  KERNEL(towers_apart_##T##_v##V,                                                               \
         (In<T> z, In<float> bias, Out<T> y, u32 vectors, u32 pixels, u32 towers, u32 row,      \
          u32 relu),                                                                            \
         apart<T, V>(z, bias, y, vectors, pixels, towers, row, relu))                           \
  KERNEL(towers_together_##T##_v##V,                                                            \
         (In<T> y, Out<T> x, u32 vectors, u32 pixels, u32 towers, u32 row),                     \
         together<T, V>(y, x, vectors, pixels, towers, row))

FOR_EACH_STORAGE(REGROUP, 8)
