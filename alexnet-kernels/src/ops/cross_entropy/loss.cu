// Softmax and multinomial logistic loss with their gradient; formula: mod.rs.
//
// A block computes one row of logits. Its threads reduce in shared memory, always in the same
// order, so that the same bits come out each time.
#include "common.cuh"

static const u32 THREADS = 256; // per block

// Reduces one value per thread to one for the block: f combines the upper half of the
// values with the lower half, until one is left.
template <class V, class F> __device__ V reduce(V mine, V *shared, F f) {
  const u32 t = threadIdx.x;
  __syncthreads(); // all threads have read the result of an earlier call
  shared[t] = mine;
  for (u32 half = THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) shared[t] = f(shared[t], shared[t + half]);
  }
  __syncthreads();
  return shared[0];
}

struct Largest { __device__ float operator()(float a, float b) const { return b > a ? b : a; } };
template <class V> struct Sum { __device__ V operator()(V a, V b) const { return a + b; } };

// `write`: whether the gradient of the mean loss is wanted, and after the losses how right each
// guess is: 1 over the number of largest logits where that of the label is one of them. A label of
// `classes` or more makes loss and gradient NaN, because checking it on the host would mean waiting
// for the GPU.
template <class T>
__device__ void softmax(In<T> logits, In<u32> labels, Out<float> results, Out<T> gradient,
                        u32 batch, u32 classes, u32 write) {
  __shared__ float shared[THREADS];
  const u64 row = (u64)blockIdx.x * classes;
  const u32 label = fetch<1, u32>(labels, blockIdx.x).values[0];
  float largest = -INFINITY, sum = 0.0f, ties = 0.0f;
  for (u32 j = threadIdx.x; j < classes; j += THREADS) {
    const float z = element<T>(logits, row + j);
    largest = z > largest ? z : largest;
  }
  largest = reduce(largest, shared, Largest());
  for (u32 j = threadIdx.x; j < classes; j += THREADS) {
    const float z = element<T>(logits, row + j);
    sum += expf(z - largest), ties += z == largest ? 1.0f : 0.0f;
  }
  sum = reduce(sum, shared, Sum<float>());
  if (write) ties = reduce(ties, shared, Sum<float>());
  const bool known = label < classes;
  if (threadIdx.x == 0) {
    const float z = known ? element<T>(logits, row + label) : NAN;
    store_element<float>(results, blockIdx.x, logf(sum) - (z - largest));
    if (write) store_element<float>(results, batch + blockIdx.x, z == largest ? 1.0f / ties : 0.0f);
  }
  if (!write) return;
  const float each = known ? 1.0f / (sum * (float)batch) : NAN, one = 1.0f / (float)batch;
  for (u32 j = threadIdx.x; j < classes; j += THREADS) {
    const float share = expf(element<T>(logits, row + j) - largest) * each;
    store_element<T>(gradient, row + j, share - (j == label ? one : 0.0f));
  }
}

// The mean of all losses, in one block.
__device__ inline void mean(In<float> losses, Out<float> result, u32 batch) {
  __shared__ double shared[THREADS];
  double sum = 0.0;
  for (u32 i = threadIdx.x; i < batch; i += THREADS) sum += (double)element<float>(losses, i);
  sum = reduce(sum, shared, Sum<double>());
  if (threadIdx.x == 0) store_element<float>(result, 0, (float)(sum / batch));
}

#define SOFTMAX(T)                                                                                 \
  KERNEL_COOPERATIVE(softmax_##T,                                                                  \
                     (In<T> logits, In<u32> labels, Out<float> results, Out<T> gradient,           \
                      u32 batch, u32 classes, u32 write),                                          \
                     softmax<T>(logits, labels, results, gradient, batch, classes, write))

SOFTMAX(float)
SOFTMAX(bf16)
KERNEL_COOPERATIVE(mean_loss, (In<float> losses, Out<float> result, u32 batch),
                   mean(losses, result, batch))
