// The driver's devices, contexts (a context is its device), modules and launches: libcuda.so.1.
#include <cstring>

#include "emulator.h"

struct Module {
  Device *device;
  std::string text;
};
struct Function {
  Device *device;
  std::string name;
  const Kernel *kernel;
};
static thread_local Device *current = nullptr;
Device *current_device() { return current; }

std::vector<Device> &devices() {
  static auto *all = [] {
    auto *all = new std::vector<Device>(setting("DEVICES", 2));
    for (size_t i = 0; i < all->size(); ++i) {
      Device &device = (*all)[i];
      const u64 first = setting("CAPABILITY", 90);
      const u64 capability = i == 0 ? first : setting("CAPABILITY_OF_OTHERS", first);
      device.number = int(i), device.major = int(capability / 10),
      device.minor = int(capability % 10);
      device.name = "emulated GPU of compute capability " + std::to_string(capability);
      device.total = setting("MEMORY", 8ull << 30);
    }
    return all;
  }();
  return *all;
}

extern "C" {
int cuInit(u32) { return devices().empty() ? NO_DEVICE : OK; }
int cuDeviceGetCount(int *count) { return *count = int(devices().size()), OK; }
int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return ordinal >= 0 && size_t(ordinal) < devices().size() ? OK : INVALID_DEVICE;
}
int cuDeviceGetName(char *name, int length, int device) {
  snprintf(name, size_t(length), "%s", devices()[device].name.c_str());
  return OK;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { return *bytes = devices()[device].total, OK; }
int cuDeviceGetUuid_v2(char *uuid, int device) {
  memset(uuid, 0, 16);
  uuid[0] = char(device);
  return OK;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  switch (attribute) {
  case 75: *value = devices()[device].major; return OK;
  case 76: *value = devices()[device].minor; return OK;
  case 115: *value = 1; return OK;  // memory pools
  case 16: *value = 132; return OK; // multiprocessors
  case 10: *value = 32; return OK;  // threads of a warp
  default: return fail("attribute %d of a device is not emulated", attribute), INVALID_VALUE;
  }
}
int cuDeviceCanAccessPeer(int *can, int device, int peer) {
  *can = device != peer && setting("PEERS", 1);
  return OK;
}
int cuDevicePrimaryCtxRetain(Device **context, int device) {
  return *context = &devices()[device], OK;
}
int cuDevicePrimaryCtxRelease_v2(int) { return OK; }
int cuCtxSetCurrent(Device *context) { return current = context, OK; }
int cuCtxGetCurrent(Device **context) { return *context = current, OK; }
int cuGetErrorName(int error, const char **name) {
  static const std::map<int, const char *> names = {
      {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"},
      {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY"},
      {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"},
      {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE"},
      {NOT_FOUND, "CUDA_ERROR_NOT_FOUND"},
      {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS"},
      {UNSUPPORTED_PTX_VERSION, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"}};
  auto found = names.find(error);
  *name = found == names.end() ? "CUDA_ERROR" : found->second;
  return OK;
}
int cuGetErrorString(int error, const char **text) { return cuGetErrorName(error, text); }

int cuModuleLoadData(Module **module, const void *image) {
  Locked lock(emulator_lock());
  if (!current) return INVALID_CONTEXT;
  if (setting("PTX_TOO_NEW", 0)) return UNSUPPORTED_PTX_VERSION;
  *module = new Module{current, (const char *)image};
  return OK;
}
int cuModuleUnload(Module *module) {
  delete module;
  return OK;
}
int cuModuleGetFunction(Function **function, Module *module, const char *name) {
  Locked lock(emulator_lock());
  auto found = kernels().find(name);
  // A module that was built without a CUDA compiler is empty; any other must hold the kernel.
  const std::string entry = std::string(".entry ") + name + "(";
  const bool compiled = module->text.empty() || module->text.find(entry) != std::string::npos;
  const std::string refused = text_setting("WITHOUT_KERNELS"); // those whose names begin like that
  const bool absent = !refused.empty() && !strncmp(name, refused.c_str(), refused.size());
  if (found == kernels().end() || !compiled || absent) {
    fprintf(stderr, "emulator: there is no kernel %s\n", name);
    return NOT_FOUND;
  }
  *function = new Function{module->device, name, &found->second};
  return OK;
}
int cuLaunchKernel(Function *function, u32 x, u32 y, u32 z, u32 threads_x, u32 threads_y,
                   u32 threads_z, u32 shared, Stream *stream, void **parameters, void **extra) {
  Locked lock(emulator_lock());
  const char *kernel = function->name.c_str();
  if (!stream || stream->device != function->device || current != function->device)
    return fail("%s is launched in a stream of another device", kernel), INVALID_HANDLE;
  const bool blocks = x && y && z && x <= 0x7fffffffu && y <= 65535 && z <= 65535;
  const bool threads = threads_x && u64(threads_x) * threads_y * threads_z <= 1024;
  if (!blocks || !threads || shared > 49152 || extra)
    return fail("%s: no such grid: %u %u %u of %u %u %u", kernel, x, y, z, threads_x, threads_y,
                threads_z),
           INVALID_VALUE;
  ++counts["launches"], ++stream->launches;
  if (profiled()) ++counts["launches in the profiled range"];
  std::vector<std::vector<char>> bytes;
  for (size_t i = 0; i < function->kernel->parameters.size(); ++i) {
    const char *value = (const char *)parameters[i];
    bytes.emplace_back(value, value + function->kernel->parameters[i]);
  }
  const Grid grid = {{x, y, z}, {threads_x, threads_y, threads_z}};
  return enqueue(stream, [=, kernel = function->kernel, name = function->name]() mutable {
    if (broken()) return;
    if (const char *wrong = kernel->run(grid, bytes)) fail("%s: %s", name.c_str(), wrong);
  });
}
}
