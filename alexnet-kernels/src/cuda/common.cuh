// What all kernels share: float and bf16 storage read as floats, 16-byte accesses, one index per
// thread.
//
// A kernel is a template over the storage type T and the number V of neighbouring channels that a
// thread computes: 16 bytes of them where sizes and alignment allow, else one. All arithmetic is in
// float. No kernel uses float atomics, so the same launch gives the same bits. A test builds these
// files with the host's C++ compiler, where every access is checked: `In` and `Out` are plain
// pointers here and checked ones there (host.h).
#pragma once

#ifdef __CUDACC__
#include <cuda_bf16.h>

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef __nv_bfloat16 bf16;

// Memory that no thread writes while the kernel runs, and memory that the kernel writes.
template <class T> using In = const T *;
template <class T> using Out = T *;

// The same memory from an element on.
template <class T> __device__ T *beginning_at(T *memory, u64 at) { return memory + at; }

// Registers the kernel with the host build; expands to nothing on the GPU.
#define HOST_ENTRY(kernel)
#define HOST_ENTRY_COOPERATIVE(kernel)

template <int N> struct Bits;
template <> struct Bits<1> { typedef u8 type; };
template <> struct Bits<2> { typedef unsigned short type; };
template <> struct Bits<4> { typedef u32 type; };
template <> struct Bits<8> { typedef uint2 type; };
template <> struct Bits<16> { typedef uint4 type; };

// V elements as they lie in memory, loaded and stored in one access.
template <class T, int V> union Pack {
  typename Bits<V * sizeof(T)>::type bits;
  T values[V];
  __device__ Pack() {}
};

// Loads V neighbours from `at`, a multiple of V, through the read-only cache.
template <int V, class T> __device__ Pack<T, V> fetch(In<T> from, u64 at) {
  typedef typename Bits<V * sizeof(T)>::type type;
  Pack<T, V> pack;
  pack.bits = __ldg(reinterpret_cast<const type *>(from + at));
  return pack;
}

// Loads V neighbours, or zeros where they are not `there`.
template <int V, class T> __device__ Pack<T, V> fetch_if(In<T> from, u64 at, bool there) {
  typedef typename Bits<V * sizeof(T)>::type type;
  Pack<T, V> pack;
  pack.bits = type();
  if (there) pack.bits = __ldg(reinterpret_cast<const type *>(from + at));
  return pack;
}

// Loads V neighbours of memory that this kernel also writes, so not through the read-only cache.
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

// Rounds V floats to T; bf16 in pairs, for which there is an instruction.
template <int V> __device__ void round_all(Pack<float, V> &to, const float (&values)[V]) {
#pragma unroll
  for (int i = 0; i < V; ++i) to.values[i] = values[i];
}
template <int V> __device__ void round_all(Pack<bf16, V> &to, const float (&values)[V]) {
  __nv_bfloat162 pairs[(V + 1) / 2];
#pragma unroll
  for (int i = 0; i < V; i += 2)
    pairs[i / 2] = __floats2bfloat162_rn(values[i], i + 1 < V ? values[i + 1] : 0.0f);
  memcpy(to.values, pairs, sizeof to.values);
}

// √x and 1/√x by the GPU's own approximation, without the steps around it that keep results exact
// for x below all normal floats; such x count as 0.
__device__ inline float root(float x) {
  float y;
  asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ inline float root_of_inverse(float x) {
  float y;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
#else
#include "host.h"
#endif

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(bf16 x) { return __bfloat162float(x); }
__device__ inline float to_float(u8 x) { return (float)x; }
__device__ inline void from_float(float &to, float x) { to = x; }
__device__ inline void from_float(bf16 &to, float x) { to = __float2bfloat16(x); }

// The floats of V elements.
template <class T, int V> __device__ void widen_all(float (&values)[V], const Pack<T, V> &pack) {
#pragma unroll
  for (int i = 0; i < V; ++i) values[i] = to_float(pack.values[i]);
}
#ifdef __CUDACC__
// A bf16 is the upper half of a float, so one instruction makes either half of a word one.
template <int V> __device__ void widen_all(float (&values)[V], const Pack<bf16, V> &pack) {
  u32 words[(V + 1) / 2];
  memcpy(words, pack.values, sizeof pack.values);
#pragma unroll
  for (int i = 0; i < V; ++i)
    values[i] = __uint_as_float(i % 2 ? words[i / 2] & 0xffff0000 : words[i / 2] << 16);
}
#endif

// Loads V neighbours from `at` as floats.
template <int V, class T> __device__ void load(float (&values)[V], In<T> from, u64 at) {
  widen_all(values, fetch<V, T>(from, at));
}

// The same, or zeros where they are not `there`.
template <int V, class T>
__device__ void load_if(float (&values)[V], In<T> from, u64 at, bool there) {
  widen_all(values, fetch_if<V, T>(from, at, there));
}

// Loads V floats in accesses of at most 16 bytes.
template <int V> __device__ void load_floats(float (&values)[V], In<float> from, u64 at) {
  const int part = V < 4 ? V : 4;
#pragma unroll
  for (int i = 0; i < V; i += part) {
    float some[part];
    load<part, float>(some, from, at + i);
#pragma unroll
    for (int j = 0; j < part; ++j) values[i + j] = some[j];
  }
}

// Loads V neighbours of memory that this kernel also writes as floats.
template <int V, class T> __device__ void load_own(float (&values)[V], Out<T> from, u64 at) {
  widen_all(values, fetch_own<V, T>(from, at));
}

// Stores V floats at `at`, rounded to T.
template <int V, class T> __device__ void store(Out<T> to, u64 at, const float (&values)[V]) {
  Pack<T, V> pack;
  round_all(pack, values);
  put<V, T>(to, at, pack);
}

// Stores V floats in accesses of at most 16 bytes.
template <int V> __device__ void store_floats(Out<float> to, u64 at, const float (&values)[V]) {
  const int part = V < 4 ? V : 4;
#pragma unroll
  for (int i = 0; i < V; i += part) {
    float some[part];
#pragma unroll
    for (int j = 0; j < part; ++j) some[j] = values[i + j];
    store<part, float>(to, at + i, some);
  }
}

// One element as a float, and a float stored as one.
template <class T> __device__ float element(In<T> from, u64 at) {
  float value[1];
  load<1, T>(value, from, at);
  return value[0];
}
template <class T> __device__ void store_element(Out<T> to, u64 at, float value) {
  const float one[1] = {value};
  store<1, T>(to, at, one);
}

// This thread's number in a one-dimensional grid; a launch has fewer than 2^32 threads.
__device__ inline u32 thread_number() { return blockIdx.x * blockDim.x + threadIdx.x; }

// Defines the kernel `name` with these parameters, in parentheses, and this body. The threads of a
// cooperative one share memory and wait for each other; its blocks have 256 threads.
#define KERNEL(name, parameters, ...)                         \
  extern "C" __global__ void name parameters { __VA_ARGS__; } \
  HOST_ENTRY(name)
#define KERNEL_COOPERATIVE(name, parameters, ...)                                    \
  extern "C" __global__ void __launch_bounds__(256) name parameters { __VA_ARGS__; } \
  HOST_ENTRY_COOPERATIVE(name)

// KERNELS(T, V) for both storages, each with vectors and with single elements; WIDE is a vector of
// bf16.
#define FOR_EACH_STORAGE(KERNELS, WIDE) \
  KERNELS(float, 4) KERNELS(float, 1) KERNELS(bf16, WIDE) KERNELS(bf16, 1)
