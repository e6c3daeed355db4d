// Space-to-depth: images in blocks of pixels; formula: mod.rs. Tensors are (B, H, W, C).
#include "common.cuh"
#include "blocks.cuh"

template <class T, int V>
__device__ void blocks(In<T> from, Out<T> to, u32 vectors, Blocks size) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const Place from_place = place<V>(i, size);
  const u64 image = (u64)from_place.image * size.height * size.width * size.channels;
  put<V, T>(to, (u64)i * V, fetch_if<V, T>(from, image + from_place.at, from_place.inside));
}

#define BLOCKS(T, V)                                                                         \
  KERNEL(space_to_depth_##T##_v##V,                                                          \
         (In<T> from, Out<T> to, u32 vectors, u32 height, u32 width, u32 channels, u32 rows, \
          u32 columns, u32 side, int top, int left),                                         \
         blocks<T, V>(from, to, vectors,                                                     \
                      {height, width, channels, rows, columns, side, top, left}))

FOR_EACH_STORAGE(BLOCKS, 4)
