// Response norm within a map, forward and backward; formula: map_norm.rs. Tensors are (B, H, W, C).
//
// A thread computes V neighbouring channels of one pixel. The backward pass is two kernels: the
// first writes for each pixel dy·s^-beta and its share dy·x·s^(-beta-1) as floats, the second sums
// the shares of each window.
#include "common.cuh"
#include "powers.cuh"

// A window reaches `up` pixels up and down, and `side` pixels left and right.
struct Map { u32 height, width, channels, up, side; };
struct Constants { float k, a, beta; };

struct Position {
  u64 image; // the first element of the image
  u32 h, w, c;
};

template <int V> __device__ Position position(u32 i, Map map) {
  const u32 vectors = map.channels / V, pixel = i / vectors,
            of_image = pixel % (map.height * map.width);
  const u64 image = (u64)(pixel - of_image) * map.channels;
  return {image, of_image / map.width, of_image % map.width, i % vectors * V};
}

// sums = Σ f(x) over the window around `at`, row by row.
template <int V, class T, class F>
__device__ void window(float (&sums)[V], In<T> from, Position at, Map map, F f) {
#pragma unroll
  for (int j = 0; j < V; ++j) sums[j] = 0.0f;
  const u32 top = at.h < map.up ? 0 : at.h - map.up,
            bottom = min((int)(at.h + map.up), (int)map.height - 1);
  const u32 left = at.w < map.side ? 0 : at.w - map.side,
            right = min((int)(at.w + map.side), (int)map.width - 1);
  for (u32 h = top; h <= bottom; ++h)
    for (u32 w = left; w <= right; ++w) {
      float values[V];
      load<V, T>(values, from, at.image + (u64)(h * map.width + w) * map.channels + at.c);
#pragma unroll
      for (int j = 0; j < V; ++j) sums[j] += f(values[j]);
    }
}

struct Square { __device__ float operator()(float x) const { return x * x; } };
struct Identity { __device__ float operator()(float x) const { return x; } };

template <class T, int V>
__device__ void forward(In<T> x, Out<T> y, u32 vectors, Map map, Constants with) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  float values[V], sums[V];
  window<V, T>(sums, x, position<V>(i, map), map, Square());
  load<V, T>(values, x, (u64)i * V);
#pragma unroll
  for (int j = 0; j < V; ++j) values[j] *= powers(with.k + with.a * sums[j], with.beta).power;
  store<V, T>(y, (u64)i * V, values);
}

template <class T, int V>
__device__ void shares(In<T> x, In<T> dy, Out<float> scaled, Out<float> share, u32 vectors, Map map,
                       Constants with) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  float values[V], gradient[V], sums[V];
  window<V, T>(sums, x, position<V>(i, map), map, Square());
  load<V, T>(values, x, (u64)i * V);
  load<V, T>(gradient, dy, (u64)i * V);
#pragma unroll
  for (int j = 0; j < V; ++j) {
    const Powers of_s = powers(with.k + with.a * sums[j], with.beta);
    gradient[j] *= of_s.power;
    values[j] *= gradient[j] * of_s.inverse;
  }
  store_floats<V>(scaled, (u64)i * V, gradient);
  store_floats<V>(share, (u64)i * V, values);
}

template <class T, int V>
__device__ void backward(In<T> x, In<float> scaled, In<float> share, Out<T> dx, u32 vectors,
                         Map map, Constants with, u32 through_relu) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  float values[V], sums[V], gradient[V];
  load<V, T>(values, x, (u64)i * V);
  load<V, float>(gradient, scaled, (u64)i * V);
  window<V, float>(sums, share, position<V>(i, map), map, Identity());
  const float factor = 2.0f * with.a * with.beta;
#pragma unroll
  for (int j = 0; j < V; ++j) {
    gradient[j] -= factor * values[j] * sums[j];
    if (through_relu && !(values[j] > 0.0f)) gradient[j] = 0.0f;
  }
  store<V, T>(dx, (u64)i * V, gradient);
}

#define KERNELS(T, V)                                                                             \
  KERNEL(map_norm_forward_##T##_v##V,                                                             \
         (In<T> x, Out<T> y, u32 vectors, u32 height, u32 width, u32 channels, u32 up, u32 side,  \
          float k, float a, float beta),                                                          \
         forward<T, V>(x, y, vectors, {height, width, channels, up, side}, {k, a, beta}))         \
  KERNEL(map_norm_shares_##T##_v##V,                                                              \
         (In<T> x, In<T> dy, Out<float> scaled, Out<float> share, u32 vectors, u32 height,        \
          u32 width, u32 channels, u32 up, u32 side, float k, float a, float beta),               \
         shares<T, V>(x, dy, scaled, share, vectors, {height, width, channels, up, side},         \
                      {k, a, beta}))                                                              \
  KERNEL(                                                                                         \
      map_norm_backward_##T##_v##V,                                                               \
      (In<T> x, In<float> scaled, In<float> share, Out<T> dx, u32 vectors, u32 height, u32 width, \
       u32 channels, u32 up, u32 side, float k, float a, float beta, u32 through_relu),           \
      backward<T, V>(x, scaled, share, dx, vectors, {height, width, channels, up, side},          \
                     {k, a, beta}, through_relu))

FOR_EACH_STORAGE(KERNELS, 4)
