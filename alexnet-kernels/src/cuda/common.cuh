// What all kernels share: buffers, float and bf16 storage read as floats, 16-byte accesses, one index a thread.
//
// A kernel is a template over the storage type T and the number V of neighbouring channels a thread handles:
// 16 bytes of them where sizes allow, else one. All arithmetic is in float. No kernel uses float atomics, so the
// same launch gives the same bits. The host compiler builds these files too, see tests/cuda_host/host.h.
#pragma once

#ifdef __CUDACC__
#include <cuda_bf16.h>

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef __nv_bfloat16 bf16;

// Memory that no other thread writes meanwhile, and memory this kernel writes.
template <class T> using In = const T *;
template <class T> using Out = T *;

// Registers the kernel with the host emulation; nothing on the device.
#define HOST_ENTRY(kernel)
#define HOST_ENTRY_COOPERATIVE(kernel)

template <int N> struct Bits;
template <> struct Bits<1> { typedef u8 type; };
template <> struct Bits<2> { typedef unsigned short type; };
template <> struct Bits<4> { typedef u32 type; };
template <> struct Bits<8> { typedef uint2 type; };
template <> struct Bits<16> { typedef uint4 type; };

// V elements as they lie in memory.
template <class T, int V> union Pack {
  typename Bits<V * sizeof(T)>::type bits;
  T values[V];
  __device__ Pack() {}
};

// V neighbours from `at`, a multiple of V, through the read-only cache.
template <int V, class T> __device__ Pack<T, V> fetch(In<T> from, u64 at) {
  typedef typename Bits<V * sizeof(T)>::type type;
  Pack<T, V> pack;
  pack.bits = __ldg(reinterpret_cast<const type *>(from + at));
  return pack;
}

// The same of memory that this kernel also writes.
template <int V, class T> __device__ Pack<T, V> fetch_own(Out<T> from, u64 at) {
  typedef typename Bits<V * sizeof(T)>::type type;
  Pack<T, V> pack;
  pack.bits = *reinterpret_cast<const type *>(from + at);
  return pack;
}

template <int V, class T> __device__ void put(Out<T> to, u64 at, const Pack<T, V> &pack) {
  typedef typename Bits<V * sizeof(T)>::type type;
  *reinterpret_cast<type *>(to + at) = pack.bits;
}
#else
#include "host.h"
#endif

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(bf16 x) { return __bfloat162float(x); }
__device__ inline float to_float(u8 x) { return (float)x; }
__device__ inline void from_float(float &to, float x) { to = x; }
__device__ inline void from_float(bf16 &to, float x) { to = __float2bfloat16(x); }

// V neighbours from `at` as floats.
template <int V, class T> __device__ void load(float (&values)[V], In<T> from, u64 at) {
  const Pack<T, V> pack = fetch<V, T>(from, at);
#pragma unroll
  for (int i = 0; i < V; ++i) values[i] = to_float(pack.values[i]);
}

// The same of memory that this kernel also writes.
template <int V, class T> __device__ void load_own(float (&values)[V], Out<T> from, u64 at) {
  const Pack<T, V> pack = fetch_own<V, T>(from, at);
#pragma unroll
  for (int i = 0; i < V; ++i) values[i] = to_float(pack.values[i]);
}

// V floats to `at`, rounded to T.
template <int V, class T> __device__ void store(Out<T> to, u64 at, const float (&values)[V]) {
  Pack<T, V> pack;
#pragma unroll
  for (int i = 0; i < V; ++i) from_float(pack.values[i], values[i]);
  put<V, T>(to, at, pack);
}

// This thread's number in a one-dimensional grid; the launcher keeps them below 2^32.
__device__ inline u32 thread_number() { return blockIdx.x * blockDim.x + threadIdx.x; }

// s^-beta and 1/s; beta = 3/4 by square roots.
struct Powers { float power, inverse; };
__device__ inline Powers powers(float s, float beta) {
  if (beta != 0.75f) return {powf(s, -beta), 1.0f / s};
  const float r = rsqrtf(s);
  return {r * sqrtf(r), r * r};
}
__device__ inline float power(float s, float beta) { return powers(s, beta).power; }
