// The bias of a convolution or a dense layer: added in place together with the ReLU that follows,
// and its gradient, the sums of the columns of dy. Tensors are rows of C channels.
#include "common.cuh"

template <class T, int V>
__device__ void add(Out<T> y, In<float> bias, u32 vectors, u32 channels, u32 relu) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  float values[V], shift[V];
  load_own<V, T>(values, y, (u64)i * V);
  const u32 c = i % (channels / V) * V;
  load_floats<V>(shift, bias, c);
#pragma unroll
  for (int j = 0; j < V; ++j) {
    values[j] += shift[j];
    if (relu && values[j] <= 0.0f) values[j] = 0.0f;
  }
  store<V, T>(y, (u64)i * V, values);
}

static const u32 THREADS = 256, // the most that a block has
                 AHEAD = 4;     // rows that a thread loads before it adds the first

// sums[part, c] = the sum of column c over the rows of one part. Block (x, y) sums `across` vectors
// of columns of part y: each of its lanes, of which it has as many as its threads allow, sums every
// so manyth row, and then the upper half of the lanes is added to the lower one until one is left.
// A second launch over the sums of the parts, as one part, gives the sums of all rows.
template <class T, int V>
__device__ void column_sums(In<T> rows, Out<float> sums, u32 count, u32 channels,
                            u32 rows_per_part, u32 across) {
  __shared__ float shared[THREADS][V];
  const u32 lanes = blockDim.x / across, lane = threadIdx.x / across;
  const u32 c = (blockIdx.x * across + threadIdx.x - lane * across) * V;
  const u64 first = (u64)blockIdx.y * rows_per_part;
  const u64 end = first + rows_per_part < count ? first + rows_per_part : count;
  float mine[V];
#pragma unroll
  for (int j = 0; j < V; ++j) mine[j] = 0.0f;
  for (u64 row = first + lane; row < end; row += (u64)AHEAD * lanes) {
    Pack<T, V> packs[AHEAD];
#pragma unroll
    for (u32 i = 0; i < AHEAD; ++i) {
      const u64 at = row + i * lanes;
      packs[i] = fetch_if<V, T>(rows, at * channels + c, at < end && c < channels);
    }
#pragma unroll
    for (u32 i = 0; i < AHEAD; ++i) {
      float values[V];
      widen_all(values, packs[i]);
#pragma unroll
      for (int j = 0; j < V; ++j) mine[j] += values[j];
    }
  }
  for (u32 left = lanes; left > 1;) {
    const u32 lower = (left + 1) / 2;
    if (lane >= lower && lane < left)
#pragma unroll
      for (int j = 0; j < V; ++j) shared[threadIdx.x][j] = mine[j];
    __syncthreads();
    if (lane < left - lower)
#pragma unroll
      for (int j = 0; j < V; ++j) mine[j] += shared[threadIdx.x + lower * across][j];
    left = lower;
  }
  if (lane == 0 && c < channels) store_floats<V>(sums, (u64)blockIdx.y * channels + c, mine);
}

#define KERNELS(T, V)                                                                           \
  KERNEL(bias_##T##_v##V, (Out<T> y, In<float> bias, u32 vectors, u32 channels, u32 relu),      \
         add<T, V>(y, bias, vectors, channels, relu))                                           \
  KERNEL_COOPERATIVE(column_sums_##T##_v##V,                                                    \
                     (In<T> rows, Out<float> sums, u32 count, u32 channels, u32 rows_per_part,  \
                      u32 across),                                                              \
                     column_sums<T, V>(rows, sums, count, channels, rows_per_part, across))

FOR_EACH_STORAGE(KERNELS, 8)
