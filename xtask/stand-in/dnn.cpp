// cuDNN's convolutions, channels last, as its documentation describes them: plain loops, and a refusal of what does not fit.
#include <algorithm>
#include <cstring>

#include "machine.h"

namespace {
enum { SUCCESS = 0, BAD_PARAM = 3, EXECUTION_FAILED = 8, NOT_SUPPORTED = 9 };
enum { FLOAT = 0, BF16 = 9 };
enum { DEFAULT_MATH = 0, TENSOR_OP_MATH = 1, FMA_MATH = 3 };

struct Handle { Stream *stream = nullptr; };
struct Dims { int type = -1, format = -1, n = 0, c = 0, h = 0, w = 0; }; // of a filter: n is outputs, c inputs of a group
struct Convolution { int pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w, mode, type, groups = 1, math = 0; };
struct Found { int algorithm, status; float time; size_t memory; int determinism, math, reserved[3]; };
static_assert(sizeof(Found) == 48, "as cuDNN lays it out");

enum class Pass { Forward, Data, Filter };

int refuse(const char *what) {
  fprintf(stderr, "stand-in: cuDNN refuses: %s\n", what);
  return BAD_PARAM;
}
int check(const Dims &x, const Dims &w, const Dims &y, const Convolution &c) {
  if (x.type != w.type || x.type != y.type) return refuse("types differ");
  if (x.type != FLOAT && x.type != BF16) return refuse("a type that is not known here");
  if (x.format != 1 || w.format != 1 || y.format != 1) return refuse("formats other than NHWC are not known here");
  if (c.type != FLOAT || c.mode != 1) return refuse("sums in f32, cross-correlation: nothing else is known here");
  if (c.groups < 1 || x.c != w.c * c.groups || w.n % c.groups || y.c != w.n || y.n != x.n)
    return refuse("channels, groups or batches that do not fit");
  const int h = 1 + (x.h + 2 * c.pad_h - ((w.h - 1) * c.dilation_h + 1)) / c.stride_h;
  const int v = 1 + (x.w + 2 * c.pad_w - ((w.w - 1) * c.dilation_w + 1)) / c.stride_w;
  if (y.h != h || y.w != v) return refuse("an output of another size");
  return SUCCESS;
}
u64 elements(const Dims &d) { return u64(d.n) * d.c * d.h * d.w; }

// What there is to choose from. Some are not deterministic, some want memory, some cannot do it; the first in the list
// is none that always can be taken.
std::vector<Found> list(Pass pass, const Dims &x, const Dims &w, const Dims &y, const Convolution &c) {
  const size_t patches = 4 * u64(y.h) * y.w * w.h * w.w * w.c;
  const bool square3 = w.h == 3 && w.w == 3 && c.stride_h == 1;
  std::vector<Found> all;
  auto add = [&](int algorithm, bool can, size_t memory, bool deterministic) {
    const bool tensor = c.math == TENSOR_OP_MATH || (x.type == FLOAT && c.math == DEFAULT_MATH);
    for (int math : {tensor ? int(TENSOR_OP_MATH) : int(FMA_MATH), x.type == FLOAT ? int(FMA_MATH) : int(DEFAULT_MATH)}) {
      if (!tensor && math != FMA_MATH && x.type == FLOAT) continue;
      all.push_back({algorithm, can ? int(SUCCESS) : int(NOT_SUPPORTED), can ? float(all.size() + 1) : -1.0f,
                     can ? memory : 0, deterministic, math, {0, 0, 0}});
      if (!tensor) break;
    }
  };
  switch (pass) {
  case Pass::Forward:
    add(1, true, patches, true), add(0, true, 0, true), add(7, square3, 1 << 20, true), add(2, false, 0, true);
    break;
  case Pass::Data:
    add(0, true, 0, false), add(1, true, patches, true), add(5, square3, 1 << 20, true), add(2, false, 0, true);
    break;
  case Pass::Filter:
    add(0, true, 0, false), add(3, true, 4 * elements(w), false), add(1, true, patches, true), add(2, false, 0, true);
    break;
  }
  std::stable_sort(all.begin(), all.end(), [](const Found &a, const Found &b) { return a.status < b.status; });
  return all;
}

std::vector<float> operand(u64 address, const Dims &d, bool tf32) {
  std::vector<float> values(elements(d));
  if (!touch(address, values.size() * (d.type == BF16 ? 2 : 4), "an operand of a convolution")) return {};
  for (u64 i = 0; i < values.size(); ++i) {
    values[i] = load_element((const void *)address, i, d.type == BF16);
    if (tf32) values[i] = as_tf32(values[i]);
  }
  return values;
}
void result(u64 address, const Dims &d, const std::vector<float> &values) {
  if (!touch(address, values.size() * (d.type == BF16 ? 2 : 4), "the result of a convolution")) return;
  for (u64 i = 0; i < values.size(); ++i) store_element((void *)address, i, d.type == BF16, values[i]);
}

// Calls f(row of x, row of w, value of y) for each product of a row of channels.
template <class F> void each(const Dims &x, const Dims &w, const Dims &y, const Convolution &c, F f) {
  const u64 group_outputs = w.n / c.groups;
  for (int n = 0; n < x.n; ++n)
    for (int p = 0; p < y.h; ++p)
      for (int q = 0; q < y.w; ++q)
        for (int r = 0; r < w.h; ++r) {
          const int row = p * c.stride_h - c.pad_h + r * c.dilation_h;
          if (row < 0 || row >= x.h) continue;
          for (int s = 0; s < w.w; ++s) {
            const int column = q * c.stride_w - c.pad_w + s * c.dilation_w;
            if (column < 0 || column >= x.w) continue;
            const u64 pixel = (u64(n) * x.h + row) * x.w + column, out = (u64(n) * y.h + p) * y.w + q;
            for (int k = 0; k < w.n; ++k)
              f(pixel * x.c + (k / group_outputs) * w.c, ((u64(k) * w.h + r) * w.w + s) * w.c, out * y.c + k);
          }
        }
}
float dot(const float *a, const float *b, int n) {
  float parts[8] = {};
  int i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; ++j) parts[j] += a[i + j] * b[i + j];
  float sum = 0;
  for (float part : parts) sum += part;
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

int run(Pass pass, Handle *handle, const Dims &x, u64 at_x, const Dims &w, u64 at_w, const Dims &y, u64 at_y,
        const Convolution &c, int algorithm, u64 space, size_t bytes, float alpha, float beta) {
  if (int wrong = check(x, w, y, c)) return wrong;
  if (!handle->stream) return refuse("a handle without a stream");
  if (beta != 0) return refuse("a beta is not known here");
  size_t needed = 0;
  bool known = false;
  for (const Found &found : list(pass, x, w, y, c))
    if (found.algorithm == algorithm && found.status == SUCCESS) known = true, needed = std::max(needed, found.memory);
  if (!known) return refuse("an algorithm that cannot do this"), NOT_SUPPORTED;
  if (bytes < needed || (needed && !space)) return refuse("a workspace that is too small");
  if (at_x % 16 || at_w % 16 || at_y % 16 || space % 16) ++counts["convolutions of memory not aligned to 16 bytes"];
  ++counts["convolutions"];
  const bool tf32 = x.type == FLOAT && c.math != FMA_MATH;
  return enqueue(handle->stream, [=] {
    if (broken()) return;
    if (needed && touch(space, needed, "a workspace")) memset((void *)space, 0xff, needed);
    const Dims &result_dims = pass == Pass::Forward ? y : pass == Pass::Data ? x : w;
    std::vector<float> xs, ws, ys, out(elements(result_dims));
    if (pass != Pass::Data && (xs = operand(at_x, x, tf32)).empty()) return;
    if (pass != Pass::Filter && (ws = operand(at_w, w, tf32)).empty()) return;
    if (pass != Pass::Forward && (ys = operand(at_y, y, tf32)).empty()) return;
    switch (pass) {
    case Pass::Forward:
      each(x, w, y, c, [&](u64 a, u64 b, u64 o) { out[o] += alpha * dot(&xs[a], &ws[b], w.c); });
      return result(at_y, y, out);
    case Pass::Data:
      each(x, w, y, c, [&](u64 a, u64 b, u64 o) {
        const float gradient = alpha * ys[o];
        for (int i = 0; i < w.c; ++i) out[a + i] += gradient * ws[b + i];
      });
      return result(at_x, x, out);
    case Pass::Filter:
      each(x, w, y, c, [&](u64 a, u64 b, u64 o) {
        const float gradient = alpha * ys[o];
        for (int i = 0; i < w.c; ++i) out[b + i] += gradient * xs[a + i];
      });
      return result(at_w, w, out);
    }
  }) ? EXECUTION_FAILED : SUCCESS;
}

int answer(Pass pass, const Dims &x, const Dims &w, const Dims &y, const Convolution &c, int most, int *count,
           Found *found) {
  if (int wrong = check(x, w, y, c)) return wrong;
  *count = 0;
  for (const Found &one : list(pass, x, w, y, c))
    if (*count < most) found[(*count)++] = one;
  return SUCCESS;
}
// The search runs every algorithm in the given workspace, waits, and leaves the result of any.
int search(Pass pass, Handle *handle, const Dims &x, u64 at_x, const Dims &w, u64 at_w, const Dims &y, u64 at_y,
           const Convolution &c, int most, int *count, Found *found, u64 space, size_t bytes) {
  if (int wrong = answer(pass, x, w, y, c, most, count, found)) return wrong;
  ++counts["searches for algorithms of convolutions"];
  for (int i = 0; i < *count; ++i)
    if (found[i].memory > bytes) found[i].status = NOT_SUPPORTED, found[i].time = -1;
  std::stable_sort(found, found + *count, [](const Found &a, const Found &b) { return a.status < b.status; });
  const Dims &result_dims = pass == Pass::Forward ? y : pass == Pass::Data ? x : w;
  const u64 at_result = pass == Pass::Forward ? at_y : pass == Pass::Data ? at_x : at_w;
  const u64 result_bytes = elements(result_dims) * (result_dims.type == BF16 ? 2 : 4);
  enqueue(handle->stream, [=] {
    if (bytes && touch(space, bytes, "the workspace of a search")) memset((void *)space, 0xff, std::min<size_t>(bytes, 4096));
    for (auto &[at, dims] : {std::pair<u64, Dims>{at_x, x}, {at_w, w}, {at_y, y}})
      touch(at, elements(dims) * (dims.type == BF16 ? 2 : 4), "an operand of a search");
    if (touch(at_result, result_bytes, "the result of a search")) memset((void *)at_result, 0xff, result_bytes);
  });
  return finish(handle->stream) ? EXECUTION_FAILED : SUCCESS;
}
} // namespace

#define PASS(NAME, FIND, GET, PASS_NAME, A, B, C)                                                                      \
  int NAME(Handle *handle, const float *alpha, Dims *A, u64 at_##A, Dims *B, u64 at_##B, Convolution *c,               \
           int algorithm, u64 space, size_t bytes, const float *beta, Dims *C, u64 at_##C) {                           \
    Locked lock(machine_lock());                                                                                       \
    return run(Pass::PASS_NAME, handle, *x, at_x, *w, at_w, *y, at_y, *c, algorithm, space, bytes, *alpha, *beta);     \
  }                                                                                                                    \
  int FIND(Handle *handle, Dims *A, u64 at_##A, Dims *B, u64 at_##B, Convolution *c, Dims *C, u64 at_##C, int most,    \
           int *count, Found *found, u64 space, size_t bytes) {                                                        \
    Locked lock(machine_lock());                                                                                       \
    return search(Pass::PASS_NAME, handle, *x, at_x, *w, at_w, *y, at_y, *c, most, count, found, space, bytes);        \
  }                                                                                                                    \
  int GET(Handle *, Dims *A, Dims *B, Convolution *c, Dims *C, int most, int *count, Found *found) {                   \
    return answer(Pass::PASS_NAME, *x, *w, *y, *c, most, count, found);                                                \
  }

extern "C" {
PASS(cudnnConvolutionForward, cudnnFindConvolutionForwardAlgorithmEx, cudnnGetConvolutionForwardAlgorithm_v7, Forward,
     x, w, y)
PASS(cudnnConvolutionBackwardData, cudnnFindConvolutionBackwardDataAlgorithmEx,
     cudnnGetConvolutionBackwardDataAlgorithm_v7, Data, w, y, x)
PASS(cudnnConvolutionBackwardFilter, cudnnFindConvolutionBackwardFilterAlgorithmEx,
     cudnnGetConvolutionBackwardFilterAlgorithm_v7, Filter, x, y, w)

size_t cudnnGetVersion() { return 91900; }
const char *cudnnGetErrorString(int) { return "an error of the stand-in"; }
int cudnnCreate(Handle **handle) { return *handle = new Handle, SUCCESS; }
int cudnnDestroy(Handle *handle) { return delete handle, SUCCESS; }
int cudnnSetStream(Handle *handle, Stream *stream) { return handle->stream = stream, SUCCESS; }
int cudnnCreateTensorDescriptor(Dims **dims) { return *dims = new Dims, SUCCESS; }
int cudnnDestroyTensorDescriptor(Dims *dims) { return delete dims, SUCCESS; }
int cudnnCreateFilterDescriptor(Dims **dims) { return *dims = new Dims, SUCCESS; }
int cudnnDestroyFilterDescriptor(Dims *dims) { return delete dims, SUCCESS; }
int cudnnCreateConvolutionDescriptor(Convolution **c) { return *c = new Convolution(), SUCCESS; }
int cudnnDestroyConvolutionDescriptor(Convolution *c) { return delete c, SUCCESS; }
int cudnnSetTensor4dDescriptor(Dims *dims, int format, int type, int n, int c, int h, int w) {
  if (n < 1 || c < 1 || h < 1 || w < 1 || u64(n) * c * h * w >= 1ull << 31) return refuse("a tensor of such a size");
  *dims = {type, format, n, c, h, w};
  return SUCCESS;
}
int cudnnSetFilter4dDescriptor(Dims *dims, int type, int format, int k, int c, int h, int w) {
  return cudnnSetTensor4dDescriptor(dims, format, type, k, c, h, w);
}
int cudnnSetConvolution2dDescriptor(Convolution *conv, int pad_h, int pad_w, int stride_h, int stride_w, int dilation_h,
                                    int dilation_w, int mode, int type) {
  if (pad_h < 0 || pad_w < 0 || stride_h < 1 || stride_w < 1 || dilation_h < 1 || dilation_w < 1) return BAD_PARAM;
  *conv = {pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w, mode, type, 1, 0};
  return SUCCESS;
}
int cudnnSetConvolutionGroupCount(Convolution *conv, int groups) { return conv->groups = groups, SUCCESS; }
int cudnnSetConvolutionMathType(Convolution *conv, int math) {
  return math < 0 || math > 3 ? int(BAD_PARAM) : (conv->math = math, SUCCESS);
}
}
