// cuDNN 9: descriptors, algorithms to choose from and convolutions, as its documentation describes
// them. What is wrong, or right but not emulated, is refused with cuDNN's own status codes.
#include <algorithm>
#include <cstring>

#include "convolution.h"

namespace {
// cudnnStatus_t of cuDNN 9.
enum { SUCCESS = 0, BAD_PARAM = 2000, NOT_SUPPORTED = 3000, EXECUTION_FAILED = 5000 };

struct Handle {
  Stream *stream = nullptr;
};
// cudnnConvolution…AlgoPerf_t.
struct Found {
  int algorithm, status;
  float time;
  size_t memory;
  int determinism, math, reserved[3];
};
static_assert(sizeof(Found) == 48, "as cuDNN lays it out");

int refuse(int status, const char *what) {
  fprintf(stderr, "emulator: cuDNN refuses: %s\n", what);
  return status;
}
int check(const Job &job) {
  const auto &[pass, c, x, w, y] = job;
  if (x.type != w.type || x.type != y.type) return refuse(BAD_PARAM, "types differ");
  if (x.type != FLOAT && x.type != BF16)
    return refuse(NOT_SUPPORTED, "types other than f32 and bf16");
  if (x.format != 1 || w.format != 1 || y.format != 1)
    return refuse(NOT_SUPPORTED, "formats other than NHWC");
  if (c.type != FLOAT || c.mode != 1)
    return refuse(NOT_SUPPORTED, "anything but cross-correlation summed in f32");
  if (c.groups < 1 || x.c != w.c * c.groups || w.n % c.groups || y.c != w.n || y.n != x.n)
    return refuse(BAD_PARAM, "channels, groups or batches that do not fit");
  const int h = 1 + (x.h + 2 * c.pad_h - ((w.h - 1) * c.dilation_h + 1)) / c.stride_h;
  const int v = 1 + (x.w + 2 * c.pad_w - ((w.w - 1) * c.dilation_w + 1)) / c.stride_w;
  if (y.h != h || y.w != v) return refuse(BAD_PARAM, "an output of another size");
  return SUCCESS;
}

bool works(const Found &found) { return found.status == SUCCESS; }
void working_first(std::vector<Found> &all) {
  std::stable_partition(all.begin(), all.end(), works);
}

// The algorithms to choose from. Some are not deterministic, some need memory, and some refuse; the
// first of the list is none that always can be taken.
std::vector<Found> algorithms(const Job &job) {
  const auto &[pass, c, x, w, y] = job;
  const size_t patches = 4 * u64(y.h) * y.w * w.h * w.w * w.c;
  const bool square3 = w.h == 3 && w.w == 3 && c.stride_h == 1;
  const bool tensor = c.math == TENSOR_OP_MATH || (x.type == FLOAT && c.math == DEFAULT_MATH);
  std::vector<int> maths = {FMA_MATH};
  if (tensor) maths = {TENSOR_OP_MATH, x.type == FLOAT ? FMA_MATH : DEFAULT_MATH};
  std::vector<Found> all;
  auto add = [&](int algorithm, bool can, size_t memory, bool deterministic) {
    const int status = can ? SUCCESS : NOT_SUPPORTED;
    for (int math : maths) {
      const float time = can ? float(all.size() + 1) : -1.0f;
      all.push_back({algorithm, status, time, can ? memory : 0, deterministic, math, {}});
    }
  };
  switch (pass) {
  case Pass::Forward:
    add(1, true, patches, true), add(0, true, 0, true);
    add(7, square3, 1 << 20, true), add(2, false, 0, true);
    break;
  case Pass::Data:
    add(0, true, 0, false), add(1, true, patches, true);
    add(5, square3, 1 << 20, true), add(2, false, 0, true);
    break;
  case Pass::Filter:
    add(0, true, 0, false), add(3, true, 4 * w.elements(), false);
    add(1, true, patches, true), add(2, false, 0, true);
    break;
  }
  working_first(all);
  return all;
}

int run(Handle *handle, const Job &job, int algorithm, u64 space, size_t bytes, float alpha,
        float beta) {
  if (int wrong = check(job)) return wrong;
  if (!handle->stream) return refuse(BAD_PARAM, "a handle without a stream");
  if (beta != 0) return refuse(NOT_SUPPORTED, "a beta other than 0");
  size_t needed = 0;
  bool known = false;
  for (const Found &found : algorithms(job))
    if (found.algorithm == algorithm && works(found))
      known = true, needed = std::max(needed, found.memory);
  if (!known) return refuse(NOT_SUPPORTED, "an algorithm that cannot do this");
  if (bytes < needed || (needed && !space))
    return refuse(BAD_PARAM, "a workspace that is too small");
  if (job.x.at % 16 || job.w.at % 16 || job.y.at % 16 || space % 16)
    ++counts["convolutions of memory not aligned to 16 bytes"];
  ++counts["convolutions"];
  const bool tf32 = job.x.type == FLOAT && job.conv.math != FMA_MATH;
  const int error = enqueue(handle->stream, [=] {
    if (broken()) return;
    if (needed && touch(space, needed, "a workspace")) memset((void *)space, 0xff, needed);
    compute(job, tf32, alpha);
  });
  return error ? EXECUTION_FAILED : SUCCESS;
}

int answer(const Job &job, int most, int *count, Found *found) {
  if (int wrong = check(job)) return wrong;
  const std::vector<Found> all = algorithms(job);
  *count = std::min(most, int(all.size()));
  std::copy_n(all.begin(), *count, found);
  return SUCCESS;
}
// The search runs every algorithm in the given workspace, waits, and leaves the result of any.
int search(Handle *handle, const Job &job, int most, int *count, Found *found, u64 space,
           size_t bytes) {
  if (int wrong = check(job)) return wrong;
  ++counts["searches for algorithms of convolutions"];
  std::vector<Found> all = algorithms(job);
  for (Found &one : all)
    if (one.memory > bytes) one.status = NOT_SUPPORTED, one.time = -1;
  working_first(all);
  *count = std::min(most, int(all.size()));
  std::copy_n(all.begin(), *count, found);
  enqueue(handle->stream, [=] {
    if (bytes && touch(space, bytes, "the workspace of a search"))
      memset((void *)space, 0xff, std::min<size_t>(bytes, 4096));
    for (const Placed &one : {job.x, job.w, job.y})
      touch(one.at, one.bytes(), "an operand of a search");
    const Placed &result = job.result();
    if (touch(result.at, result.bytes(), "the result of a search"))
      memset((void *)result.at, 0xff, result.bytes());
  });
  return finish(handle->stream) ? EXECUTION_FAILED : SUCCESS;
}
} // namespace

// The three functions of a pass: the convolution, the search that runs it, and the heuristic. Its
// operands A and B and its result C are x, w and y in the order of that pass.
#define PASS(PASS, RUN, SEARCH, HEURISTIC, A, B, C)                                                \
  int RUN(Handle *handle, const float *alpha, Dims *A, u64 at_##A, Dims *B, u64 at_##B,            \
          Convolution *c, int algorithm, u64 space, size_t bytes, const float *beta, Dims *C,      \
          u64 at_##C) {                                                                            \
    Locked lock(emulator_lock());                                                                  \
    const Job job = {Pass::PASS, *c, {*x, at_x}, {*w, at_w}, {*y, at_y}};                          \
    return run(handle, job, algorithm, space, bytes, *alpha, *beta);                               \
  }                                                                                                \
  int SEARCH(Handle *handle, Dims *A, u64 at_##A, Dims *B, u64 at_##B, Convolution *c, Dims *C,    \
             u64 at_##C, int most, int *count, Found *found, u64 space, size_t bytes) {            \
    Locked lock(emulator_lock());                                                                  \
    const Job job = {Pass::PASS, *c, {*x, at_x}, {*w, at_w}, {*y, at_y}};                          \
    return search(handle, job, most, count, found, space, bytes);                                  \
  }                                                                                                \
  int HEURISTIC(Handle *, Dims *A, Dims *B, Convolution *c, Dims *C, int most, int *count,         \
                Found *found) {                                                                    \
    return answer({Pass::PASS, *c, {*x}, {*w}, {*y}}, most, count, found);                         \
  }

extern "C" {
PASS(Forward, cudnnConvolutionForward, cudnnFindConvolutionForwardAlgorithmEx,
     cudnnGetConvolutionForwardAlgorithm_v7, x, w, y)
PASS(Data, cudnnConvolutionBackwardData, cudnnFindConvolutionBackwardDataAlgorithmEx,
     cudnnGetConvolutionBackwardDataAlgorithm_v7, w, y, x)
PASS(Filter, cudnnConvolutionBackwardFilter, cudnnFindConvolutionBackwardFilterAlgorithmEx,
     cudnnGetConvolutionBackwardFilterAlgorithm_v7, x, y, w)

size_t cudnnGetVersion() { return 92100; }
const char *cudnnGetErrorString(int status) {
  switch (status) {
  case SUCCESS: return "CUDNN_STATUS_SUCCESS";
  case BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
  case NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
  case EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
  default: return "a status that the emulator does not give";
  }
}
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
  if (n < 1 || c < 1 || h < 1 || w < 1) return refuse(BAD_PARAM, "a tensor without elements");
  *dims = {type, format, n, c, h, w};
  return dims->elements() < 1ull << 31 ? SUCCESS : refuse(NOT_SUPPORTED, "2^31 elements or more");
}
int cudnnSetFilter4dDescriptor(Dims *dims, int type, int format, int k, int c, int h, int w) {
  return cudnnSetTensor4dDescriptor(dims, format, type, k, c, h, w);
}
int cudnnSetConvolution2dDescriptor(Convolution *conv, int pad_h, int pad_w, int stride_h,
                                    int stride_w, int dilation_h, int dilation_w, int mode,
                                    int type) {
  const bool strides = stride_h > 0 && stride_w > 0 && dilation_h > 0 && dilation_w > 0;
  if (pad_h < 0 || pad_w < 0 || !strides) return refuse(BAD_PARAM, "padding, stride or dilation");
  *conv = {pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w, mode, type, 1, 0};
  return SUCCESS;
}
int cudnnSetConvolutionGroupCount(Convolution *conv, int groups) {
  return conv->groups = groups, SUCCESS;
}
int cudnnSetConvolutionMathType(Convolution *conv, int math) {
  if (math < 0 || math > 3) return refuse(BAD_PARAM, "a type of arithmetic");
  return conv->math = math, SUCCESS;
}
}
