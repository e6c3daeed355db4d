// A convolution as cuDNN describes one, channels last, computed by plain loops.
#pragma once

#include "emulator.h"
#include "numbers.h"

enum { FLOAT = 0, BF16 = 9 };                                // cudnnDataType_t
enum { DEFAULT_MATH = 0, TENSOR_OP_MATH = 1, FMA_MATH = 3 }; // cudnnMathType_t

// The sizes of a tensor. Of a filter, n counts outputs and c the inputs of a group.
struct Dims {
  int type = -1, format = -1, n = 0, c = 0, h = 0, w = 0;
  u64 elements() const { return u64(n) * c * h * w; }
  u64 bytes() const { return elements() * (type == BF16 ? 2 : 4); }
};
// A tensor, and where it lies on the device.
struct Placed : Dims {
  u64 at = 0;
};
struct Convolution {
  int pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w, mode, type, groups = 1, math = 0;
};
enum class Pass { Forward, Data, Filter };

// One pass of a convolution: y from x and w, or the gradient of x from w and y, or that of w from x
// and y.
struct Job {
  Pass pass;
  Convolution conv;
  Placed x, w, y;
  const Placed &result() const { return pass == Pass::Forward ? y : pass == Pass::Data ? x : w; }
};

inline std::vector<float> operand(const Placed &d, bool tf32) {
  std::vector<float> values(d.elements());
  if (!touch(d.at, d.bytes(), "an operand of a convolution")) return {};
  for (u64 i = 0; i < values.size(); ++i) {
    values[i] = load_element((const void *)d.at, i, d.type == BF16);
    if (tf32) values[i] = as_tf32(values[i]);
  }
  return values;
}

// Calls f(start in x, start in w, index in y) for each product of a row of channels.
template <class F> void for_each_row(const Job &job, F f) {
  const auto &[pass, conv, x, w, y] = job;
  const u64 group_outputs = w.n / conv.groups;
  for (int n = 0; n < x.n; ++n)
    for (int p = 0; p < y.h; ++p)
      for (int q = 0; q < y.w; ++q)
        for (int r = 0; r < w.h; ++r) {
          const int row = p * conv.stride_h - conv.pad_h + r * conv.dilation_h;
          if (row < 0 || row >= x.h) continue;
          for (int s = 0; s < w.w; ++s) {
            const int column = q * conv.stride_w - conv.pad_w + s * conv.dilation_w;
            if (column < 0 || column >= x.w) continue;
            const u64 pixel = ((u64(n) * x.h + row) * x.w + column) * x.c;
            const u64 out = ((u64(n) * y.h + p) * y.w + q) * y.c;
            for (int k = 0; k < w.n; ++k)
              f(pixel + (k / group_outputs) * w.c, ((u64(k) * w.h + r) * w.w + s) * w.c, out + k);
          }
        }
}

// Computes the pass, as the device does when its stream gets there.
inline void compute(const Job &job, bool tf32, float alpha) {
  const auto &[pass, conv, x, w, y] = job;
  const Placed &result = job.result();
  std::vector<float> xs, ws, ys, out(result.elements());
  if (pass != Pass::Data && (xs = operand(x, tf32)).empty()) return;
  if (pass != Pass::Filter && (ws = operand(w, tf32)).empty()) return;
  if (pass != Pass::Forward && (ys = operand(y, tf32)).empty()) return;
  const int channels = w.c;
  switch (pass) {
  case Pass::Forward:
    for_each_row(job,
                 [&](u64 a, u64 b, u64 o) { out[o] += alpha * dot(&xs[a], &ws[b], channels); });
    break;
  case Pass::Data:
    for_each_row(job, [&](u64 a, u64 b, u64 o) {
      const float gradient = alpha * ys[o];
      for (int i = 0; i < channels; ++i) out[a + i] += gradient * ws[b + i];
    });
    break;
  case Pass::Filter:
    for_each_row(job, [&](u64 a, u64 b, u64 o) {
      const float gradient = alpha * ys[o];
      for (int i = 0; i < channels; ++i) out[b + i] += gradient * xs[a + i];
    });
    break;
  }
  if (!touch(result.at, result.bytes(), "the result of a convolution")) return;
  for (u64 i = 0; i < out.size(); ++i)
    store_element((void *)result.at, i, result.type == BF16, out[i]);
}
