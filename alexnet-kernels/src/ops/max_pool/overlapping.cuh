// Max-pooling with windows of 3 by 3 pixels 2 apart, as max_pool.cu and lrn_pool.cu compute it for
// V neighbouring channels.
#pragma once

template <class A> __device__ inline A none() { return (A)(~(A)0); }

// Whether `value`, which comes later in its window, takes the place of `best`: the first of equal
// maxima takes the whole gradient, and NaN counts as larger than any number.
__device__ inline bool is_larger(float value, float best) {
  return !(value <= best) && best == best;
}

struct Sizes { u32 height, width, out_height, out_width, channels; };

// How the towers of a map lie: a row is the channels of all towers, or, where towers lie apart,
// those of one.
struct Towers { u32 batch, x_row, y_row; };

// Where channel c is in a tensor of maps: of pixel 0, and how far it is from pixel to pixel.
struct Channel {
  u64 first;
  u32 pitch;
  __device__ u64 of(u64 pixel) const { return first + pixel * pitch; }
};
__device__ inline Channel channel(u32 c, u32 row, u64 pixels) {
  const u32 tower = c / row;
  return {tower * pixels * row + (c - tower * row), row};
}
__device__ inline Channel channel_of_x(u32 c, Sizes size, Towers towers) {
  return channel(c, towers.x_row, (u64)towers.batch * size.height * size.width);
}
__device__ inline Channel channel_of_y(u32 c, Sizes size, Towers towers) {
  return channel(c, towers.y_row, (u64)towers.batch * size.out_height * size.out_width);
}

// The gradients of the square of 2 by 2 pixels at (2·row, 2·column): sums over the up to four
// windows that reach into it, (row - 1, column - 1) to (row, column), in this order.
template <class T, int V>
__device__ void gradients_of_square(float (&sums)[2][2][V], In<u8> argmax, In<T> dy, u32 image,
                                    u32 row, u32 column, Channel of_y, Sizes size) {
  Pack<u8, V> found[2][2];
  Pack<T, V> gradient[2][2];
  bool is_there[2][2];
  const u64 first = (u64)image * size.out_height * size.out_width;
#pragma unroll
  for (u32 i = 0; i < 2; ++i)
#pragma unroll
    for (u32 j = 0; j < 2; ++j) {
      const u32 h = row + i - 1, w = column + j - 1; // 0 less 1 is more than every size
      is_there[i][j] = h < size.out_height && w < size.out_width;
      const u32 window = is_there[i][j] ? h * size.out_width + w : 0;
      const u64 at = of_y.of(first + window);
      found[i][j] = fetch<V, u8>(argmax, at);
      gradient[i][j] = fetch<V, T>(dy, at);
    }
#pragma unroll
  for (int i = 0; i < 2; ++i)
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      u32 words[V / 4]; // bytes are taken out of words, which is faster
      memcpy(words, found[i][j].values, V);
#pragma unroll
      for (int l = 0; l < V; ++l) {
        const u32 where = words[l / 4] >> l % 4 * 8 & 0xff;
        const float value = to_float(gradient[i][j].values[l]);
#pragma unroll
        for (int h = 0; h <= i; ++h)
#pragma unroll
          for (int w = 0; w <= j; ++w) {
            const u32 here = (h + 2 - 2 * i) * 3 + w + 2 - 2 * j;
            const bool is_maximum = where == (is_there[i][j] ? here : 256);
            if (i == h && j == w) sums[h][w][l] = is_maximum ? value : 0.0f; // the first term
            else if (is_maximum) sums[h][w][l] += value;
          }
      }
    }
}
