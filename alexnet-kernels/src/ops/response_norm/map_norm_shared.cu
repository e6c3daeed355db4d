// The norm within a map in one pass over memory, for windows of 5 by 5 pixels, beta = 3/4 and maps
// that fit a block's shared memory; formula: map_norm.rs. Tensors are (B, H, W, C).
//
// A block has one image and V neighbouring channels. Sums over windows are sums along the rows and
// then down the columns, or the other way about: a thread has one line of one channel. Between them
// a thread has the V channels of a pixel, which is one access to memory.
#include "common.cuh"
#include "powers.cuh"

static const u32 FLOATS = 6144; // of an array in shared memory; 2 of them are a block's 48 KiB

struct Map { u32 height, width, channels; };

// Replaces each of the `length` floats, `step` apart, by the sum of the 5 around it; beyond the
// ends there are zeros. No sum is made of another one, so that errors do not add up along the line.
__device__ inline void sum_line(float *line, u32 length, u32 step) {
  float first_pair = 0.0f, second_pair = line[0], fourth = length > 1 ? line[step] : 0.0f;
  float third_pair = second_pair + fourth;
  const auto next = [&](u32 i, float fifth) {
    line[i * step] = first_pair + third_pair + fifth;
    first_pair = second_pair, second_pair = third_pair, third_pair = fourth + fifth;
    fourth = fifth;
  };
  u32 i = 0;
#pragma unroll 4
  for (; i + 2 < length; ++i) next(i, line[(i + 2) * step]);
  for (; i < length; ++i) next(i, 0.0f);
}

// An array in shared memory is (V / 4, H, W, 4), so that accesses of 16 bytes by neighbouring
// threads are to neighbouring addresses: where channel j of a pixel is.
__device__ inline u32 place(u32 pixel, u32 j, Map map) {
  return (j / 4 * map.height * map.width + pixel) * 4 + j % 4;
}

// All rows, or all columns, of an array.
template <int V> __device__ void sum_rows(float *array, Map map) {
  for (u32 i = threadIdx.x; i < map.height * V; i += blockDim.x) {
    const u32 row = i / 4; // among those of V / 4 maps, one below the other
    sum_line(array + row * map.width * 4 + i % 4, map.width, 4);
  }
  __syncthreads();
}
template <int V> __device__ void sum_columns(float *array, Map map) {
  for (u32 i = threadIdx.x; i < map.width * V; i += blockDim.x) {
    const u32 part = i / (map.width * 4), column = i - part * map.width * 4;
    sum_line(array + part * map.height * map.width * 4 + column, map.height, map.width * 4);
  }
  __syncthreads();
}

// Where in memory the block's channels of the first pixel are.
template <int V> __device__ u64 first_element(Map map) {
  const u32 slabs = map.channels / V, image = blockIdx.x / slabs;
  return (u64)image * map.height * map.width * map.channels + (blockIdx.x - image * slabs) * V;
}

// energy[pixel] = the sums of the squares in the windows.
template <class T, int V>
__device__ void energies(float *energy, In<T> x, u64 first, Map map) {
  for (u32 pixel = threadIdx.x; pixel < map.height * map.width; pixel += blockDim.x) {
    float values[V];
    load<V, T>(values, x, first + (u64)pixel * map.channels);
#pragma unroll
    for (int j = 0; j < V; ++j) energy[place(pixel, j, map)] = values[j] * values[j];
  }
  __syncthreads();
  sum_rows<V>(energy, map);
  sum_columns<V>(energy, map);
}

template <class T, int V>
__device__ void forward(In<T> x, Out<T> y, Map map, float k, float a) {
  __shared__ __align__(16) float energy[FLOATS];
  const u64 first = first_element<V>(map);
  energies<T, V>(energy, x, first, map);
  for (u32 pixel = threadIdx.x; pixel < map.height * map.width; pixel += blockDim.x) {
    const u64 at = first + (u64)pixel * map.channels;
    float values[V];
    load<V, T>(values, x, at);
#pragma unroll
    for (int j = 0; j < V; ++j) values[j] *= powers(k + a * energy[place(pixel, j, map)]).power;
    store<V, T>(y, at, values);
  }
}

template <class T, int V>
__device__ void backward(In<T> x, In<T> dy, Out<T> dx, Map map, float k, float a,
                         u32 through_relu) {
  __shared__ __align__(16) float sums[FLOATS], scaled[FLOATS];
  const u64 first = first_element<V>(map);
  energies<T, V>(sums, x, first, map);
  // dy·s^-beta, and in the place of the energies the shares dy·x·s^(-beta-1).
  for (u32 pixel = threadIdx.x; pixel < map.height * map.width; pixel += blockDim.x) {
    float values[V], gradient[V];
    load<V, T>(values, x, first + (u64)pixel * map.channels);
    load<V, T>(gradient, dy, first + (u64)pixel * map.channels);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const Powers of_s = powers(k + a * sums[place(pixel, j, map)]);
      gradient[j] *= of_s.power;
      values[j] *= gradient[j] * of_s.inverse;
    }
#pragma unroll
    for (int j = 0; j < V; ++j) scaled[place(pixel, j, map)] = gradient[j];
#pragma unroll
    for (int j = 0; j < V; ++j) sums[place(pixel, j, map)] = values[j];
  }
  __syncthreads();
  sum_columns<V>(sums, map);
  sum_rows<V>(sums, map);
  const float factor = 2.0f * a * 0.75f;
  for (u32 pixel = threadIdx.x; pixel < map.height * map.width; pixel += blockDim.x) {
    const u64 at = first + (u64)pixel * map.channels;
    float values[V], out[V];
    load<V, T>(values, x, at);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const u32 place_of_j = place(pixel, j, map);
      const float gradient = scaled[place_of_j] - factor * values[j] * sums[place_of_j];
      out[j] = through_relu && !(values[j] > 0.0f) ? 0.0f : gradient;
    }
    store<V, T>(dx, at, out);
  }
}

#define KERNELS(T, V)                                                                             \
  KERNEL_COOPERATIVE(                                                                             \
      map_norm_forward_shared_##T##_v##V,                                                         \
      (In<T> x, Out<T> y, u32 height, u32 width, u32 channels, float k, float a),                 \
      forward<T, V>(x, y, {height, width, channels}, k, a))                                       \
  KERNEL_COOPERATIVE(                                                                             \
      map_norm_backward_shared_##T##_v##V,                                                        \
      (In<T> x, In<T> dy, Out<T> dx, u32 height, u32 width, u32 channels, float k, float a,       \
       u32 through_relu),                                                                         \
      backward<T, V>(x, dy, dx, {height, width, channels}, k, a, through_relu))

KERNELS(float, 4)
KERNELS(bf16, 8)
