// Padding and cropping of maps: cuDNN can only pad both sides alike, the first layer of AlexNet
// pads one.
#include "common.cuh"

struct Sizes {
  u32 height, width, to_height, to_width, channels;
  int top, left;
};

// to[h, w] = from[h - top, w - left], or 0 where there is no such pixel.
template <class T, int V> __device__ void pad(In<T> from, Out<T> to, u32 vectors, Sizes size) {
  const u32 i = thread_number();
  if (i >= vectors) return;
  const u32 per_pixel = size.channels / V, pixel = i / per_pixel, row = pixel / size.to_width;
  const int h = (int)(row % size.to_height) - size.top,
            w = (int)(pixel % size.to_width) - size.left;
  const bool inside = h >= 0 && w >= 0 && h < (int)size.height && w < (int)size.width;
  const u64 image = (u64)(row / size.to_height) * size.height * size.width;
  const u64 at = (image + (u64)h * size.width + w) * size.channels + i % per_pixel * V;
  put<V, T>(to, (u64)i * V, fetch_if<V, T>(from, at, inside));
}

#define PAD(T, V)                                                                                 \
  KERNEL(pad_##T##_v##V,                                                                          \
         (In<T> from, Out<T> to, u32 vectors, u32 height, u32 width, u32 to_height, u32 to_width, \
          u32 channels, int top, int left),                                                       \
         pad<T, V>(from, to, vectors, {height, width, to_height, to_width, channels, top, left}))

FOR_EACH_STORAGE(PAD, 8)
