// cuDNN's descriptors, and the graphs of operations that they describe.
#pragma once

#include <cstring>

#include "convolution.h"

// cudnnStatus_t of cuDNN 9.
enum { SUCCESS = 0, BAD_PARAM = 2000, NOT_SUPPORTED = 3000, EXECUTION_FAILED = 5000 };
// cudnnBackendDescriptorType_t.
enum {
  ENGINE = 2,
  ENGINECFG = 3,
  EXECUTION_PLAN = 5,
  CONVOLUTION_FORWARD = 10,
  CONVOLUTION_BACKWARD_FILTER = 11,
  CONVOLUTION_BACKWARD_DATA = 12,
  OPERATION_POINTWISE = 13,
  OPERATIONGRAPH = 15,
  VARIANT_PACK = 16,
  TENSOR = 17
};
// cudnnBackendAttributeName_t. The attributes of the three passes have other numbers but the same
// order: convolution, then for Forward w, x, y, for Data w, dx, dy and for Filter dw, x, dy.
enum {
  POINTWISE_MODE = 0,
  POINTWISE_NAN_PROPAGATION = 2,
  CONVOLUTION_CONV_MODE = 101,
  CONVOLUTION_DILATIONS = 102,
  CONVOLUTION_FILTER_STRIDES = 103,
  CONVOLUTION_POST_PADDINGS = 104,
  CONVOLUTION_PRE_PADDINGS = 105,
  ENGINEHEUR_MODE = 200,
  ENGINEHEUR_OPERATION_GRAPH = 201,
  ENGINEHEUR_RESULTS = 202,
  ENGINECFG_ENGINE = 300,
  EXECUTION_PLAN_ENGINE_CONFIG = 401,
  EXECUTION_PLAN_WORKSPACE_SIZE = 402,
  FORWARD_CONV = 702,
  FORWARD_W = 703,
  FORWARD_X = 704,
  FORWARD_Y = 705,
  DATA_CONV = 708,
  DATA_W = 709,
  DATA_DX = 710,
  DATA_DY = 711,
  FILTER_CONV = 714,
  FILTER_DW = 715,
  FILTER_X = 716,
  FILTER_DY = 717,
  POINTWISE_DESCRIPTOR = 750,
  POINTWISE_X = 751,
  POINTWISE_B = 752,
  POINTWISE_Y = 753,
  POINTWISE_DX = 756,
  POINTWISE_DY = 757,
  OPERATIONGRAPH_OPS = 801,
  TENSOR_BYTE_ALIGNMENT = 900,
  TENSOR_DATA_TYPE = 901,
  TENSOR_DIMENSIONS = 902,
  TENSOR_STRIDES = 903,
  TENSOR_UNIQUE_ID = 906,
  TENSOR_IS_VIRTUAL = 907,
  VARIANT_PACK_UNIQUE_IDS = 1000,
  VARIANT_PACK_DATA_POINTERS = 1001,
  VARIANT_PACK_WORKSPACE = 1003,
  ENGINE_NUMERICAL_NOTE = 1303
};
enum { MODE_A = 3, FALLBACK = 2 };                                  // cudnnBackendHeurMode_t
enum { TENSOR_CORE = 0, REDUCED_PRECISION_REDUCTION = 2, NONDETERMINISTIC = 4, WINOGRAD = 5 };
enum { POINTWISE_ADD = 0, RELU_FWD = 100, RELU_BWD = 200 };         // cudnnPointwiseMode_t

inline int refuse(int status, const char *what) {
  fprintf(stderr, "emulator: cuDNN refuses: %s\n", what);
  return status;
}

struct Engine {
  int number;
  std::vector<int> notes;
  u64 workspace;
  bool has(int note) const {
    for (int one : notes)
      if (one == note) return true;
    return false;
  }
};

struct Graph;
struct Plan;

// A descriptor: its attributes, and what it became when it was finalized or read. Descriptors that
// it refers to are copied.
struct Descriptor {
  int kind;
  bool finalized = false;
  std::map<int, std::vector<char>> attributes;
  std::map<int, std::vector<std::shared_ptr<const Descriptor>>> others;
  std::shared_ptr<const Engine> engine;
  std::shared_ptr<const Graph> graph;
  std::shared_ptr<const Plan> plan;

  int set(int name, int type, i64 count, const void *values) {
    // cudnnBackendAttributeType_t: the types whose elements do not have 4 bytes.
    enum { HANDLE = 0, BOOLEAN = 2, INT64 = 3, DOUBLE = 5, VOID_PTR = 6, DESCRIPTOR = 15 };
    if (type == DESCRIPTOR) {
      for (i64 i = 0; i < count; ++i) {
        const Descriptor *other = ((const Descriptor *const *)values)[i];
        if (!other->finalized && other->kind != ENGINECFG)
          return refuse(BAD_PARAM, "a reference to a descriptor that is not finalized");
        others[name].push_back(std::make_shared<const Descriptor>(*other));
      }
      return SUCCESS;
    }
    const bool eight = type == HANDLE || type == INT64 || type == DOUBLE || type == VOID_PTR;
    const size_t bytes = count * (type == BOOLEAN ? 1 : eight ? 8 : 4);
    attributes[name].assign((const char *)values, (const char *)values + bytes);
    return SUCCESS;
  }
  template <class T> std::vector<T> all(int name) const {
    const auto found = attributes.find(name);
    if (found == attributes.end()) return {};
    std::vector<T> values(found->second.size() / sizeof(T));
    memcpy(values.data(), found->second.data(), values.size() * sizeof(T));
    return values;
  }
  int number(int name) const {
    const auto values = all<int>(name);
    return values.empty() ? -1 : values[0];
  }
  std::shared_ptr<const Descriptor> one(int name) const {
    const auto found = others.find(name);
    return found == others.end() ? nullptr : found->second.at(0);
  }
  int check() const {
    if (kind != TENSOR) return SUCCESS;
    const auto sizes = all<i64>(TENSOR_DIMENSIONS), strides = all<i64>(TENSOR_STRIDES);
    const int type = number(TENSOR_DATA_TYPE);
    if (sizes.size() != 4 || strides.size() != 4)
      return refuse(NOT_SUPPORTED, "tensors of other than four dimensions");
    for (i64 size : sizes)
      if (size < 1) return refuse(BAD_PARAM, "a tensor without elements");
    if (type != FLOAT && type != BF16)
      return refuse(NOT_SUPPORTED, "types other than f32 and bf16");
    if (strides[1] != 1) return refuse(NOT_SUPPORTED, "channels that are no neighbours");
    return all<i64>(TENSOR_UNIQUE_ID).size() == 1 ? SUCCESS : refuse(BAD_PARAM, "no number");
  }
  bool is_virtual() const { return all<char>(TENSOR_IS_VIRTUAL) == std::vector<char>{1}; }
  Placed placed() const {
    const auto sizes = all<i64>(TENSOR_DIMENSIONS), strides = all<i64>(TENSOR_STRIDES);
    Placed tensor;
    tensor.type = number(TENSOR_DATA_TYPE);
    tensor.n = sizes[0], tensor.c = sizes[1], tensor.h = sizes[2], tensor.w = sizes[3];
    tensor.image = strides[0], tensor.row = strides[2], tensor.pixel = strides[3];
    return tensor;
  }
  i64 id() const { return all<i64>(TENSOR_UNIQUE_ID).at(0); }
};

// A convolution and what follows it, as its operations say.
struct Graph {
  Job job;
  i64 x = 0, w = 0, y = 0, extra = 0; // the tensors' numbers

  int read(const Descriptor &descriptor) {
    const auto &operations = descriptor.others.at(OPERATIONGRAPH_OPS);
    std::shared_ptr<const Descriptor> result;
    if (int wrong = convolution(*operations.at(0), result)) return wrong;
    for (size_t i = 1; i < operations.size(); ++i) {
      if (!result->is_virtual()) return refuse(BAD_PARAM, "an operation on what is in memory");
      if (int wrong = pointwise(*operations[i], result)) return wrong;
    }
    if (result->is_virtual()) return refuse(BAD_PARAM, "a graph without a result");
    Placed &out = job.pass == Pass::Forward ? job.y : job.pass == Pass::Data ? job.x : job.w;
    out = result->placed();
    (job.pass == Pass::Forward ? y : job.pass == Pass::Data ? x : w) = result->id();
    return check();
  }

  int convolution(const Descriptor &operation, std::shared_ptr<const Descriptor> &result) {
    static const int names[3][4] = {{FORWARD_CONV, FORWARD_W, FORWARD_X, FORWARD_Y},
                                    {DATA_CONV, DATA_W, DATA_DX, DATA_DY},
                                    {FILTER_CONV, FILTER_DW, FILTER_X, FILTER_DY}};
    switch (operation.kind) {
    case CONVOLUTION_FORWARD: job.pass = Pass::Forward; break;
    case CONVOLUTION_BACKWARD_DATA: job.pass = Pass::Data; break;
    case CONVOLUTION_BACKWARD_FILTER: job.pass = Pass::Filter; break;
    default: return refuse(NOT_SUPPORTED, "a graph that does not begin with a convolution");
    }
    const int *name = names[int(job.pass)];
    const auto conv = operation.one(name[0]);
    const auto of_w = operation.one(name[1]), of_x = operation.one(name[2]);
    const auto of_y = operation.one(name[3]);
    if (!conv || !of_w || !of_x || !of_y) return refuse(BAD_PARAM, "a convolution without a part");
    job.w = of_w->placed(), job.x = of_x->placed(), job.y = of_y->placed();
    w = of_w->id(), x = of_x->id(), y = of_y->id();
    result = job.pass == Pass::Forward ? of_y : job.pass == Pass::Data ? of_x : of_w;
    const auto pre = conv->all<i64>(CONVOLUTION_PRE_PADDINGS);
    const auto post = conv->all<i64>(CONVOLUTION_POST_PADDINGS);
    const auto stride = conv->all<i64>(CONVOLUTION_FILTER_STRIDES);
    if (conv->number(CONVOLUTION_CONV_MODE) != 1)
      return refuse(NOT_SUPPORTED, "anything but cross-correlation");
    if (conv->all<i64>(CONVOLUTION_DILATIONS) != std::vector<i64>{1, 1})
      return refuse(NOT_SUPPORTED, "dilations");
    if (pre != post) return refuse(NOT_SUPPORTED, "padding of one side");
    job.conv = {pre.at(0), pre.at(1), post.at(0), post.at(1), stride.at(0), stride.at(1)};
    return SUCCESS;
  }

  int pointwise(const Descriptor &operation, std::shared_ptr<const Descriptor> &result) {
    if (operation.kind != OPERATION_POINTWISE) return refuse(NOT_SUPPORTED, "two convolutions");
    const Descriptor &how = *operation.one(POINTWISE_DESCRIPTOR);
    const int mode = how.number(POINTWISE_MODE);
    const auto from = operation.one(mode == RELU_BWD ? POINTWISE_DY : POINTWISE_X);
    if (from->id() != result->id()) return refuse(BAD_PARAM, "an operation on another tensor");
    std::shared_ptr<const Descriptor> other;
    if (mode == POINTWISE_ADD && job.after == After::Nothing) {
      other = operation.one(POINTWISE_B), job.after = After::Bias;
    } else if (mode == RELU_FWD && job.after == After::Bias) {
      if (how.number(POINTWISE_NAN_PROPAGATION) != 1) return refuse(BAD_PARAM, "NaN gets lost");
      job.after = After::BiasRelu;
    } else if (mode == RELU_BWD && job.after == After::Nothing) {
      other = operation.one(POINTWISE_X), job.after = After::ZeroWhereNotPositive;
    } else {
      return refuse(NOT_SUPPORTED, "such an operation after a convolution");
    }
    if (other) job.extra = other->placed(), extra = other->id();
    result = operation.one(mode == RELU_BWD ? POINTWISE_DX : POINTWISE_Y);
    return SUCCESS;
  }

  int check() const {
    const auto &[pass, after, c, x, w, y, extra] = job;
    if (x.type != w.type || x.type != y.type) return refuse(BAD_PARAM, "types differ");
    if (x.c % w.c || w.n % (x.c / w.c) || y.c != w.n || y.n != x.n)
      return refuse(BAD_PARAM, "channels, groups or batches that do not fit");
    if (i64(y.h) != 1 + (i64(x.h) + c.pad_top + c.pad_bottom - i64(w.h)) / c.stride_h ||
        i64(y.w) != 1 + (i64(x.w) + c.pad_left + c.pad_right - i64(w.w)) / c.stride_w)
      return refuse(BAD_PARAM, "an output of another size");
    const Placed &result = job.result();
    if (after == After::ZeroWhereNotPositive && extra.elements() != result.elements())
      return refuse(BAD_PARAM, "a map of another size");
    if ((after == After::Bias || after == After::BiasRelu) && extra.elements() != result.c)
      return refuse(BAD_PARAM, "a bias of another size");
    return SUCCESS;
  }
};

struct Plan {
  Graph graph;
  Engine engine;
  Job job = graph.job;
  // The number of a tensor of a copy of the job.
  i64 number(const Job &copy, const Placed *tensor) const {
    return tensor == &copy.x   ? graph.x
           : tensor == &copy.w ? graph.w
           : tensor == &copy.y ? graph.y
                               : graph.extra;
  }
};

// The memory of a plan's tensors, by their numbers.
struct Pack {
  std::map<i64, u64> addresses;
  u64 workspace = 0;
};
