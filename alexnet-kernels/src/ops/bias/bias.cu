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

static const u32 COLUMNS = 32,
                 LANES = 8; // a block sums COLUMNS vectors of columns, LANES rows at a time

// sums[part, c] = the sum of column c over the rows of one part. Block (x, y) sums COLUMNS vectors
// of columns of part y: each of its threads sums every LANESth row, then each adds the lanes' sums
// of a few columns in order. A second launch over the sums of the parts, as one part, gives the sums
// of all rows.
template <class T, int V>
__device__ void column_sums(In<T> rows, Out<float> sums, u32 count, u32 channels,
                            u32 rows_per_part) {
  const u32 WIDTH = COLUMNS * V; // columns of a block
  __shared__ float shared[LANES][WIDTH];
  const u32 column = threadIdx.x % COLUMNS, lane = threadIdx.x / COLUMNS;
  const u32 begin = blockIdx.x * WIDTH, c = begin + column * V;
  const u64 first = (u64)blockIdx.y * rows_per_part;
  const u64 end = first + rows_per_part < count ? first + rows_per_part : count;
  float mine[V];
#pragma unroll
  for (int j = 0; j < V; ++j) mine[j] = 0.0f;
  if (c < channels)
    for (u64 row = first + lane; row < end; row += LANES) {
      float values[V];
      load<V, T>(values, rows, row * channels + c);
#pragma unroll
      for (int j = 0; j < V; ++j) mine[j] += values[j];
    }
#pragma unroll
  for (int j = 0; j < V; ++j) shared[lane][column * V + j] = mine[j];
  __syncthreads();
  for (u32 at = threadIdx.x; at < WIDTH && begin + at < channels; at += COLUMNS * LANES) {
    float sum = shared[0][at];
#pragma unroll
    for (u32 other = 1; other < LANES; ++other) sum += shared[other][at];
    store_element<float>(sums, (u64)blockIdx.y * channels + begin + at, sum);
  }
}

#define KERNELS(T, V)                                                                           \
  KERNEL(bias_##T##_v##V, (Out<T> y, In<float> bias, u32 vectors, u32 channels, u32 relu),      \
         add<T, V>(y, bias, vectors, channels, relu))                                           \
  KERNEL_COOPERATIVE(column_sums_##T##_v##V,                                                    \
                     (In<T> rows, Out<float> sums, u32 count, u32 channels, u32 rows_per_part), \
                     column_sums<T, V>(rows, sums, count, channels, rows_per_part))

FOR_EACH_STORAGE(KERNELS, 8)
