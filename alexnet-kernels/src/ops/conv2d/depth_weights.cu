// The weights of a strided convolution as those over blocks of pixels, and back; formulas:
// over_blocks.rs. Weights are (O, kH, kW, C).
#include "common.cuh"

struct Sizes { u32 height, width, channels, rows, columns, side; };

// to[o, row, column, (dy, dx, c)] = from[o, row·side + dy, column·side + dx, c], or 0 beyond the
// kernel.
template <class T> __device__ void to_depth(In<T> from, Out<T> to, u32 elements, Sizes size) {
  const u32 i = thread_number();
  if (i >= elements) return;
  const u32 c = i % size.channels, pixel = i / size.channels;
  const u32 dx = pixel % size.side, dy = pixel / size.side % size.side;
  const u32 block = pixel / size.side / size.side, row = block / size.columns;
  const u32 h = row % size.rows * size.side + dy, w = block % size.columns * size.side + dx;
  const u64 at = ((u64)row / size.rows * size.height + h) * size.width + w;
  const bool inside = h < size.height && w < size.width;
  store_element<T>(to, i, inside ? element<T>(from, at * size.channels + c) : 0.0f);
}

// The way back: to[o, h, w, c].
template <class T> __device__ void from_depth(In<T> from, Out<T> to, u32 elements, Sizes size) {
  const u32 i = thread_number();
  if (i >= elements) return;
  const u32 c = i % size.channels, pixel = i / size.channels;
  const u32 w = pixel % size.width, row = pixel / size.width, h = row % size.height;
  const u32 o = row / size.height, side = size.side;
  const u64 block = ((u64)o * size.rows + h / side) * size.columns + w / side;
  const u64 phase = (block * side + h % side) * side + w % side;
  store_element<T>(to, i, element<T>(from, phase * size.channels + c));
}

#define WEIGHTS(T)                                                                            \
  KERNEL(weights_to_depth_##T,                                                                \
         (In<T> from, Out<T> to, u32 elements, u32 height, u32 width, u32 channels, u32 rows, \
          u32 columns, u32 side),                                                             \
         to_depth<T>(from, to, elements, {height, width, channels, rows, columns, side}))     \
  KERNEL(weights_from_depth_##T,                                                              \
         (In<T> from, Out<T> to, u32 elements, u32 height, u32 width, u32 channels, u32 rows, \
          u32 columns, u32 side),                                                             \
         from_depth<T>(from, to, elements, {height, width, channels, rows, columns, side}))

WEIGHTS(float)
WEIGHTS(bf16)
