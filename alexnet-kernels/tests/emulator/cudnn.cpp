// cuDNN 9's graph interface: descriptors, graphs, engines to choose from and plans, as its
// documentation describes them. What is wrong, or right but not emulated, is refused with cuDNN's
// own status codes.
#include <algorithm>
#include <cstring>

#include "graph.h"

namespace {
struct Handle {
  Stream *stream = nullptr;
};

// The engines that the heuristics list for a graph. Some are not deterministic, some round, some
// need memory, and one refuses; the first is none that always can be taken.
std::vector<Engine> engines(const Job &job, int mode) {
  const u64 patches = 4 * job.y.h * job.y.w * job.w.h * job.w.w * job.w.c;
  const bool fused = job.after != After::Nothing;
  std::vector<Engine> all;
  if (mode == MODE_A) {
    if (job.pass != Pass::Forward) all.push_back({0, {TENSOR_CORE, NONDETERMINISTIC}, 0});
    all.push_back({1, {TENSOR_CORE}, 0}); // refuses to become a plan
    all.push_back({2, {TENSOR_CORE, REDUCED_PRECISION_REDUCTION}, 0});
    all.push_back({3, {TENSOR_CORE}, patches});
    if (!fused) all.push_back({4, {}, patches});
    if (!fused && job.w.h == 3 && job.w.w == 3) all.push_back({5, {WINOGRAD}, 1 << 20});
  }
  if (mode == FALLBACK && !fused) all.push_back({6, {}, 0});
  return all;
}

int run(Handle *handle, const Plan &plan, const Pack &pack) {
  if (!handle->stream) return refuse(BAD_PARAM, "a handle without a stream");
  Job job = plan.job;
  for (Placed *tensor : {&job.x, &job.w, &job.y, &job.extra}) {
    const bool used = tensor != &job.extra || job.after != After::Nothing;
    const auto at = pack.addresses.find(plan.number(job, tensor));
    if (!used) continue;
    if (at == pack.addresses.end()) return refuse(BAD_PARAM, "a tensor without memory");
    tensor->at = at->second;
    if (tensor->at % 16) ++counts["convolutions of memory not aligned to 16 bytes"];
  }
  const u64 bytes = plan.engine.workspace, space = pack.workspace;
  if (bytes && !space) return refuse(BAD_PARAM, "a plan without its workspace");
  ++counts["convolutions"];
  const bool tf32 = job.x.type == FLOAT && plan.engine.has(TENSOR_CORE);
  const bool bad = plan.engine.has(REDUCED_PRECISION_REDUCTION);
  // How fast an engine is differs from graph to graph and from seed to seed, so that each way is
  // taken by some.
  const u64 kind = plan.engine.number + 7 * u64(job.after) + 31 * job.groups() + 97 * job.x.pixel +
                   389 * job.w.elements() + 1543 * u64(job.pass) + 6151 * setting("SEED", 0);
  const int error = enqueue(handle->stream, [=] {
    if (broken()) return;
    spend(double(kind * 2654435761u % 1000) * 1e-6);
    if (bytes && touch(space, bytes, "a workspace")) memset((void *)space, 0xff, bytes);
    compute(job, tf32);
    if (bad) memset((void *)job.result().at, 0xff, job.result().bytes()); // nobody may take it
  });
  return error ? EXECUTION_FAILED : SUCCESS;
}

// Writes as many of `values` as there is room for, and how many there are.
template <class T>
int give(const std::vector<T> &values, i64 most, i64 *count, void *to) {
  *count = values.size();
  if (most) {
    *count = std::min<i64>(most, values.size());
    std::copy_n(values.begin(), *count, (T *)to);
  }
  return SUCCESS;
}
} // namespace

extern "C" {
int cudnnBackendCreateDescriptor(int kind, Descriptor **descriptor) {
  *descriptor = new Descriptor{kind};
  return SUCCESS;
}
int cudnnBackendDestroyDescriptor(Descriptor *descriptor) { return delete descriptor, SUCCESS; }

int cudnnBackendSetAttribute(Descriptor *descriptor, int name, int type, i64 count,
                             const void *values) {
  if (descriptor->finalized) return refuse(BAD_PARAM, "an attribute of a finalized descriptor");
  if (name == TENSOR_BYTE_ALIGNMENT && *(const i64 *)values % 16)
    return refuse(NOT_SUPPORTED, "an alignment other than 16 bytes");
  return descriptor->set(name, type, count, values);
}

int cudnnBackendFinalize(Descriptor *descriptor) {
  Locked lock(emulator_lock());
  if (int wrong = descriptor->check()) return wrong;
  switch (descriptor->kind) {
  case OPERATIONGRAPH: {
    Graph graph;
    if (int wrong = graph.read(*descriptor)) return wrong;
    descriptor->graph = std::make_shared<Graph>(graph);
    break;
  }
  case EXECUTION_PLAN: {
    const Descriptor &config = *descriptor->one(EXECUTION_PLAN_ENGINE_CONFIG);
    if (!config.engine) return refuse(BAD_PARAM, "a plan of no engine");
    if (config.engine->number == 1) return refuse(NOT_SUPPORTED, "an engine on this GPU");
    descriptor->plan = std::make_shared<Plan>(Plan{*config.graph, *config.engine});
    ++counts["searches for algorithms of convolutions"];
    break;
  }
  }
  descriptor->finalized = true;
  return SUCCESS;
}

int cudnnBackendGetAttribute(Descriptor *descriptor, int name, int type, i64 most, i64 *count,
                             void *values) {
  Descriptor **others = (Descriptor **)values;
  switch (name) {
  case ENGINEHEUR_RESULTS: {
    const auto graph = descriptor->one(ENGINEHEUR_OPERATION_GRAPH)->graph;
    const auto all = engines(graph->job, descriptor->number(ENGINEHEUR_MODE));
    *count = most ? std::min<i64>(most, all.size()) : all.size();
    for (i64 i = 0; most && i < *count; ++i) {
      others[i]->engine = std::make_shared<Engine>(all[i]);
      others[i]->graph = graph;
    }
    return SUCCESS;
  }
  case ENGINECFG_ENGINE:
    *count = 1;
    if (most) others[0]->engine = descriptor->engine;
    return SUCCESS;
  case ENGINE_NUMERICAL_NOTE:
    return give<int>(descriptor->engine->notes, most, count, values);
  case EXECUTION_PLAN_WORKSPACE_SIZE:
    return give<i64>({(i64)descriptor->plan->engine.workspace}, most, count, values);
  default:
    return refuse(NOT_SUPPORTED, "reading an attribute");
  }
}

int cudnnBackendExecute(Handle *handle, Descriptor *plan, Descriptor *pack) {
  Locked lock(emulator_lock());
  if (!plan->plan || pack->kind != VARIANT_PACK || !pack->finalized)
    return refuse(BAD_PARAM, "what is no plan, or no pack");
  Pack memory;
  const auto numbers = pack->all<i64>(VARIANT_PACK_UNIQUE_IDS);
  const auto addresses = pack->all<u64>(VARIANT_PACK_DATA_POINTERS);
  if (numbers.size() != addresses.size()) return refuse(BAD_PARAM, "tensors without addresses");
  for (size_t i = 0; i < numbers.size(); ++i) memory.addresses[numbers[i]] = addresses[i];
  memory.workspace = pack->all<u64>(VARIANT_PACK_WORKSPACE).at(0);
  return run(handle, *plan->plan, memory);
}

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
}
