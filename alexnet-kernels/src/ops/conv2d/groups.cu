// Weights of a convolution in groups as those of one over all channels, which are 0 between the
// groups, and back. In groups they are (O, kH, kW, C/groups), else (O, kH, kW, C).
#include "common.cuh"

struct Sizes { u32 outputs, taps, channels, groups; }; // channels of a group

// to[o, tap, c] = from[o, tap, c - the first channel of o's group], or 0 in other groups.
template <class T, int V>
__device__ void with_zeros(In<T> from, Out<T> to, u32 vectors, Sizes size) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 own = size.channels / V, all = own * size.groups, row = i / all, at = i % all;
  const u32 group = row / size.taps / (size.outputs / size.groups);
  const u64 in_group = (u64)row * own + at % own;
  put<V, T>(to, (u64)i * V, fetch_if<V, T>(from, in_group * V, at / own == group));
}

// to[o, tap, c] = from[o, tap, the first channel of o's group + c].
template <class T, int V>
__device__ void of_groups(In<T> from, Out<T> to, u32 vectors, Sizes size) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 own = size.channels / V, row = i / own;
  const u32 group = row / size.taps / (size.outputs / size.groups);
  const u64 at = ((u64)row * size.groups + group) * own + i % own;
  put<V, T>(to, (u64)i * V, fetch<V, T>(from, at * V));
}

#define GROUPS(T, V)                                                                           \
  KERNEL(with_zeros_##T##_v##V,                                                                \
         (In<T> from, Out<T> to, u32 vectors, u32 outputs, u32 taps, u32 channels, u32 groups), \
         with_zeros<T, V>(from, to, vectors, {outputs, taps, channels, groups}))               \
  KERNEL(of_groups_##T##_v##V,                                                                 \
         (In<T> from, Out<T> to, u32 vectors, u32 outputs, u32 taps, u32 channels, u32 groups), \
         of_groups<T, V>(from, to, vectors, {outputs, taps, channels, groups}))

FOR_EACH_STORAGE(GROUPS, 8)
