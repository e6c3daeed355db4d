// A convolution as cuDNN describes one, channels last, computed by plain loops.
#pragma once

#include "emulator.h"
#include "numbers.h"

enum { FLOAT = 0, BF16 = 9 }; // cudnnDataType_t

// A tensor and where it lies on the device. Channels are neighbours; of a filter, n counts outputs
// and c the inputs of a group.
struct Placed {
  int type = -1;
  u64 n = 0, c = 0, h = 0, w = 0;
  u64 image = 0, row = 0, pixel = 0; // strides in elements
  u64 at = 0;
  u64 elements() const { return n * c * h * w; }
  // Bytes from the first element to the end of the last.
  u64 bytes() const {
    return ((n - 1) * image + (h - 1) * row + (w - 1) * pixel + c) * (type == BF16 ? 2 : 4);
  }
  // Calls f(number of the element among all, its place in memory).
  template <class F> void each(F f) const {
    u64 number = 0;
    for (u64 i = 0; i < n; ++i)
      for (u64 y = 0; y < h; ++y)
        for (u64 x = 0; x < w; ++x)
          for (u64 k = 0; k < c; ++k) f(number++, i * image + y * row + x * pixel + k);
  }
};
enum class Pass { Forward, Data, Filter };
// What follows on each element of the result; with a bias, or with a map of the result's sizes.
enum class After { Nothing, Bias, BiasRelu, ZeroWhereNotPositive };

struct Convolution {
  i64 pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0, stride_h = 1, stride_w = 1;
};

// One pass of a convolution: y from x and w, or the gradient of x from w and y, or that of w from x
// and y.
struct Job {
  Pass pass = Pass::Forward;
  After after = After::Nothing;
  Convolution conv;
  Placed x, w, y, extra;
  const Placed &result() const { return pass == Pass::Forward ? y : pass == Pass::Data ? x : w; }
  u64 groups() const { return x.c / w.c; }
};

inline std::vector<float> operand(const Placed &d, bool tf32) {
  std::vector<float> values(d.elements());
  if (!touch(d.at, d.bytes(), "an operand of a convolution")) return {};
  d.each([&](u64 number, u64 place) {
    const float value = load_element((const void *)d.at, place, d.type == BF16);
    values[number] = tf32 ? as_tf32(value) : value;
  });
  return values;
}

// Calls f(start in x, start in w, index in y) for each product of a row of channels.
template <class F> void for_each_row(const Job &job, F f) {
  const auto &conv = job.conv;
  const Placed &x = job.x, &w = job.w, &y = job.y;
  const u64 group_outputs = w.n / job.groups();
  for (u64 n = 0; n < x.n; ++n)
    for (u64 p = 0; p < y.h; ++p)
      for (u64 q = 0; q < y.w; ++q)
        for (u64 r = 0; r < w.h; ++r) {
          const i64 row = i64(p) * conv.stride_h - conv.pad_top + i64(r);
          if (row < 0 || row >= i64(x.h)) continue;
          for (u64 s = 0; s < w.w; ++s) {
            const i64 column = i64(q) * conv.stride_w - conv.pad_left + i64(s);
            if (column < 0 || column >= i64(x.w)) continue;
            const u64 pixel = ((n * x.h + row) * x.w + column) * x.c;
            const u64 out = ((n * y.h + p) * y.w + q) * y.c;
            for (u64 k = 0; k < w.n; ++k)
              f(pixel + (k / group_outputs) * w.c, ((k * w.h + r) * w.w + s) * w.c, out + k);
          }
        }
}

// Computes the pass, as the device does when its stream gets there.
inline void compute(const Job &job, bool tf32) {
  const Placed &x = job.x, &w = job.w, &y = job.y, &result = job.result(), &extra = job.extra;
  std::vector<float> xs, ws, ys, others, out(result.elements());
  if (job.pass != Pass::Data && (xs = operand(x, tf32)).empty()) return;
  if (job.pass != Pass::Filter && (ws = operand(w, tf32)).empty()) return;
  if (job.pass != Pass::Forward && (ys = operand(y, tf32)).empty()) return;
  if (job.after != After::Nothing && (others = operand(extra, false)).empty()) return;
  const u64 channels = w.c;
  switch (job.pass) {
  case Pass::Forward:
    for_each_row(job, [&](u64 a, u64 b, u64 o) { out[o] += dot(&xs[a], &ws[b], channels); });
    break;
  case Pass::Data:
    for_each_row(job, [&](u64 a, u64 b, u64 o) {
      for (u64 i = 0; i < channels; ++i) out[a + i] += ys[o] * ws[b + i];
    });
    break;
  case Pass::Filter:
    for_each_row(job, [&](u64 a, u64 b, u64 o) {
      for (u64 i = 0; i < channels; ++i) out[b + i] += ys[o] * xs[a + i];
    });
    break;
  }
  for (u64 i = 0; i < out.size(); ++i) {
    if (job.after == After::ZeroWhereNotPositive && !(others[i] > 0)) out[i] = 0;
    if (job.after == After::Bias || job.after == After::BiasRelu) out[i] += others[i % result.c];
    if (job.after == After::BiasRelu && out[i] <= 0) out[i] = 0; // NaN stays NaN
  }
  if (!touch(result.at, result.bytes(), "the result of a convolution")) return;
  result.each([&](u64 number, u64 place) {
    store_element((void *)result.at, place, result.type == BF16, out[number]);
  });
}
