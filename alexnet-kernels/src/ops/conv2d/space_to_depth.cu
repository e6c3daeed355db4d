// Space-to-depth: a strided convolution as one with stride 1 over blocks of pixels; formulas:
// space_to_depth.rs. Tensors are (B, H, W, C), weights (O, kH, kW, C).
#include "common.cuh"

struct Sizes { u32 height, width, channels, rows, columns, side; int top, left; };

// to[b, row, column, (dy, dx, c)] = from[b, row·side + dy - top, column·side + dx - left, c], or 0
// where there is no such pixel. The side·channels elements of a dy are neighbours in both.
template <class T, int V>
__device__ void blocks(In<T> from, Out<T> to, u32 vectors, Sizes size) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 run = size.side * size.channels / V, line = i / run, block = line / size.side;
  const u32 row = block / size.columns, image = row / size.rows;
  const int h = (int)(row % size.rows * size.side + line % size.side) - size.top;
  const int at = (int)(block % size.columns * run + i % run) * V - size.left * (int)size.channels;
  const int length = (int)(size.width * size.channels);
  Pack<T, V> pack;
  if (h >= 0 && h < (int)size.height && at >= 0 && at < length) {
    pack = fetch<V, T>(from, ((u64)image * size.height + h) * length + at);
  } else {
#pragma unroll
    for (int j = 0; j < V; ++j) from_float(pack.values[j], 0.0f);
  }
  put<V, T>(to, (u64)i * V, pack);
}

struct Kernel { u32 height, width, channels, rows, columns, side; };

// to[o, row, column, (dy, dx, c)] = from[o, row·side + dy, column·side + dx, c], or 0 beyond the
// kernel.
template <class T> __device__ void weights(In<T> from, Out<T> to, u32 elements, Kernel size) {
  const u32 i = thread_number();
  if (i >= elements) return;
  const u32 c = i % size.channels, pixel = i / size.channels;
  const u32 dx = pixel % size.side, dy = pixel / size.side % size.side;
  const u32 block = pixel / size.side / size.side, row = block / size.columns;
  const u32 h = row % size.rows * size.side + dy, w = block % size.columns * size.side + dx;
  const u32 o = row / size.rows;
  const bool inside = h < size.height && w < size.width;
  store_element<T>(to, i, inside ? element<T>(from, ((u64)(o * size.height + h) * size.width + w) *
                                                        size.channels + c)
                                 : 0.0f);
}

// The way back: to[o, h, w, c] from the weights in blocks.
template <class T> __device__ void pixels(In<T> from, Out<T> to, u32 elements, Kernel size) {
  const u32 i = thread_number();
  if (i >= elements) return;
  const u32 c = i % size.channels, pixel = i / size.channels;
  const u32 w = pixel % size.width, row = pixel / size.width, h = row % size.height;
  const u32 o = row / size.height, side = size.side;
  const u64 block = ((u64)o * size.rows + h / side) * size.columns + w / side;
  const u64 phase = (block * side + h % side) * side + w % side;
  store_element<T>(to, i, element<T>(from, phase * size.channels + c));
}

#define BLOCKS(T, V)                                                                             \
  KERNEL(space_to_depth_##T##_v##V,                                                              \
         (In<T> from, Out<T> to, u32 vectors, u32 height, u32 width, u32 channels, u32 rows,     \
          u32 columns, u32 side, int top, int left),                                             \
         blocks<T, V>(from, to, vectors,                                                         \
                      {height, width, channels, rows, columns, side, top, left}))
#define WEIGHTS(T)                                                                               \
  KERNEL(weights_to_depth_##T,                                                                   \
         (In<T> from, Out<T> to, u32 elements, u32 height, u32 width, u32 channels, u32 rows,    \
          u32 columns, u32 side),                                                                \
         weights<T>(from, to, elements, {height, width, channels, rows, columns, side}))         \
  KERNEL(weights_from_depth_##T,                                                                 \
         (In<T> from, Out<T> to, u32 elements, u32 height, u32 width, u32 channels, u32 rows,    \
          u32 columns, u32 side),                                                                \
         pixels<T>(from, to, elements, {height, width, channels, rows, columns, side}))

FOR_EACH_STORAGE(BLOCKS, 4)
WEIGHTS(float)
WEIGHTS(bf16)
