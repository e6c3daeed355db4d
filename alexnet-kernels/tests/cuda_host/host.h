// Lets the host compiler build the .cu files and run them, every access checked: what nvcc and the
// driver give.
//
// A buffer is a pointer with its length. An access outside it, or an unaligned one of several
// elements, is noted and not made; launch() hands the first note back. Threads run one after
// another, in both directions, so that a test can see whether a result depends on their order. A
// cooperative kernel's threads are fibers that take turns at __syncthreads().
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "bf16.h"

#define __device__
#define __global__
#define __shared__ static thread_local
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

struct Index3 { u32 x = 0, y = 0, z = 0; };
static thread_local Index3 blockIdx, blockDim, gridDim, threadIdx;
static thread_local char fault[160];

inline float root(float x) { return sqrtf(x); }
inline float root_of_inverse(float x) { return 1.0f / sqrtf(x); }
inline u32 __umulhi(u32 a, u32 b) { return (u64)a * b >> 32; }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }

template <class T> struct Buffer {
  T *values;
  u64 length;
};
template <class T> using In = Buffer<const T>;
template <class T> using Out = Buffer<T>;

template <class T> Buffer<T> beginning_at(Buffer<T> memory, u64 at) {
  const u64 skipped = at < memory.length ? at : memory.length;
  return {memory.values + skipped, memory.length - skipped};
}

// What nobody has written holds no numbers, as on a GPU.
template <class T, int V> struct Pack {
  T values[V];
  Pack() { memset(values, 0xff, sizeof values); }
};

// Where this is set, it hears of every access that is made: of which buffer, to which bytes, and
// whether they are written.
static thread_local void (*hear_access)(const void *buffer, const void *at, u64 bytes,
                                        bool written) = nullptr;
template <class T> void made_access(const Buffer<T> &buffer, u64 at, u64 count, bool written) {
  if (hear_access) hear_access(buffer.values, buffer.values + at, count * sizeof(T), written);
}

// Whether V elements from `at` may be touched.
template <int V, class T> bool may_touch(const Buffer<T> &buffer, u64 at) {
  const bool inside = at + V <= buffer.length && at + V >= at;
  const bool aligned = ((uintptr_t)buffer.values + at * sizeof(T)) % (V * sizeof(T)) == 0;
  if (inside && aligned) return true;
  if (!fault[0])
    snprintf(fault, sizeof fault, "%d elements at %llu of %llu%s, block (%u, %u), thread %u", V, at,
             buffer.length, inside ? " are not aligned" : " are outside", blockIdx.x, blockIdx.y,
             threadIdx.x);
  return false;
}
template <int V, class T> Pack<T, V> fetch(In<T> from, u64 at) {
  Pack<T, V> pack;
  if (!may_touch<V>(from, at)) return pack;
  memcpy(pack.values, from.values + at, sizeof pack.values);
  made_access(from, at, V, false);
  return pack;
}
template <int V, class T> Pack<T, V> fetch_if(In<T> from, u64 at, bool there) {
  if (there) return fetch<V, T>(from, at);
  Pack<T, V> zeros;
  memset(zeros.values, 0, sizeof zeros.values);
  return zeros;
}
template <int V, class T> Pack<T, V> fetch_own(Out<T> from, u64 at) {
  return fetch<V, T>(In<T>{from.values, from.length}, at);
}
template <int V, class T> void put(Out<T> to, u64 at, const Pack<T, V> &pack) {
  if (!may_touch<V>(to, at)) return;
  memcpy(to.values + at, pack.values, sizeof pack.values);
  made_access(to, at, V, true);
}
template <int V> void round_all(Pack<float, V> &to, const float (&values)[V]) {
  memcpy(to.values, values, sizeof to.values);
}
template <int V> void round_all(Pack<bf16, V> &to, const float (&values)[V]) {
  for (int i = 0; i < V; ++i) to.values[i] = __float2bfloat16(values[i]);
}

// The threads of one block as fibers: __syncthreads() goes to the next one.
struct Fibers {
  std::vector<ucontext_t> threads;
  std::vector<bool> done;
  ucontext_t scheduler;
  u32 current = 0;
  void (*body)(void *) = nullptr;
  void *argument = nullptr;
};
static thread_local Fibers *fibers = nullptr;

inline void __syncthreads() {
  const Index3 mine = threadIdx;
  swapcontext(&fibers->threads[fibers->current], &fibers->scheduler);
  threadIdx = mine;
}
inline void fiber_main() {
  fibers->body(fibers->argument);
  fibers->done[fibers->current] = true;
  swapcontext(&fibers->threads[fibers->current], &fibers->scheduler);
}
inline void run_block_of_fibers(void (*body)(void *), void *argument, bool backwards) {
  static thread_local std::vector<std::vector<char>> stacks; // kept from block to block
  Fibers all;
  const u32 n = blockDim.x;
  if (stacks.size() < n) stacks.resize(n, std::vector<char>(64 << 10));
  all.threads.resize(n), all.done.assign(n, false);
  all.body = body, all.argument = argument, fibers = &all;
  for (u32 i = 0; i < n; ++i) {
    getcontext(&all.threads[i]);
    all.threads[i].uc_stack.ss_sp = stacks[i].data();
    all.threads[i].uc_stack.ss_size = stacks[i].size();
    all.threads[i].uc_link = nullptr;
    makecontext(&all.threads[i], fiber_main, 0);
  }
  for (u32 finished = 0; finished < n;) {
    u32 before = finished;
    for (u32 turn = 0; turn < n; ++turn) {
      all.current = backwards ? n - 1 - turn : turn;
      if (all.done[all.current]) continue;
      threadIdx.x = all.current;
      swapcontext(&all.scheduler, &all.threads[all.current]);
      finished += all.done[all.current];
    }
    // On the device a barrier that some threads never reach is undefined.
    if (finished != before && finished != n && !fault[0])
      snprintf(fault, sizeof fault, "%u threads of %u returned before a barrier of the others",
               finished, n);
  }
  fibers = nullptr;
}

struct Launch {
  Index3 grid, block;
  bool backwards;
};

template <class... A> struct Call {
  void (*kernel)(A...);
  void **arguments;
  template <size_t... I> void run(std::index_sequence<I...>) { kernel(*(A *)arguments[I]...); }
  static void body(void *self) { ((Call *)self)->run(std::index_sequence_for<A...>()); }
};

// Runs a whole grid; arguments are pointers to the values, as the driver takes them.
template <class... A>
const char *run_grid(void (*kernel)(A...), const Launch &launch, void **arguments, u32 count,
                     bool cooperative) {
  fault[0] = 0;
  if (count != sizeof...(A)) {
    snprintf(fault, sizeof fault, "%u arguments for a kernel of %zu", count, sizeof...(A));
    return fault;
  }
  Call<A...> call{kernel, arguments};
  gridDim = launch.grid, blockDim = launch.block;
  const u32 blocks = gridDim.x * gridDim.y;
  for (u32 number = 0; number < blocks; ++number) {
    const u32 block = launch.backwards ? blocks - 1 - number : number;
    blockIdx.x = block % gridDim.x, blockIdx.y = block / gridDim.x;
    if (cooperative) {
      run_block_of_fibers(call.body, &call, launch.backwards);
      continue;
    }
    for (u32 thread = 0; thread < blockDim.x; ++thread) {
      threadIdx.x = launch.backwards ? blockDim.x - 1 - thread : thread;
      call.body(&call);
    }
  }
  return fault[0] ? fault : nullptr;
}

#define HOST_ENTRY_AS(kernel, cooperative)                                                 \
  extern "C" const char *run_##kernel(const Launch *launch, void **arguments, u32 count) { \
    return run_grid(kernel, *launch, arguments, count, cooperative);                       \
  }
#define HOST_ENTRY(kernel) HOST_ENTRY_AS(kernel, false)
#define HOST_ENTRY_COOPERATIVE(kernel) HOST_ENTRY_AS(kernel, true)
