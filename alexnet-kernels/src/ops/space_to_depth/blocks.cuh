// Where the elements of blocks lie in their images. Tensors are (B, H, W, C).
#pragma once

struct Blocks { u32 height, width, channels, rows, columns, side; int top, left; };

// The place of V neighbouring elements of a line of a block: their image, and where in it they
// are, or that they are outside.
struct Place {
  bool inside;
  u32 image, at;
};
template <int V> __device__ inline Place place(u32 i, Blocks size) {
  const u32 run = size.side * size.channels / V, line = i / run, block = line / size.side;
  const u32 row = block / size.columns, image = row / size.rows;
  const int h = (int)(row % size.rows * size.side + line % size.side) - size.top;
  const int at = (int)((block % size.columns * run + i % run) * V) - size.left * (int)size.channels;
  const int length = (int)(size.width * size.channels);
  const bool inside = h >= 0 && h < (int)size.height && at >= 0 && at < length;
  return {inside, image, inside ? (u32)(h * length + at) : 0};
}
