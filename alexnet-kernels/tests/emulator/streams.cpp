// Streams and events, which decide what is done when, and the state that all libraries share.
#include <cstdarg>

#include "emulator.h"

static int state = OK;
static Device *at_work = nullptr;
std::map<std::string, u64> counts;

std::recursive_mutex &emulator_lock() {
  static auto *lock = new std::recursive_mutex;
  return *lock;
}
std::map<std::string, Kernel> &kernels() {
  static auto *all = new std::map<std::string, Kernel>;
  return *all;
}
u64 setting(const char *name, u64 otherwise) {
  const char *value = getenv((std::string("ALEXNET_EMULATOR_") + name).c_str());
  return value ? strtoull(value, nullptr, 10) : otherwise;
}
std::string text_setting(const char *name) {
  const char *value = getenv((std::string("ALEXNET_EMULATOR_") + name).c_str());
  return value ? value : "";
}
static bool looking = false;
bool profiled() { return looking; }
void moved(u64 bytes) {
  if (looking) counts["bytes moved in the profiled range"] += bytes;
}
int fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("emulator: ", stderr), vfprintf(stderr, format, arguments), fputc('\n', stderr);
  va_end(arguments);
  return state = ILLEGAL_ADDRESS;
}
int broken() { return state; }
Device *executing() { return at_work; }

static struct Report {
  ~Report() {
    if (!setting("COUNTS", 0)) return;
    for (auto &[name, count] : counts) fprintf(stderr, "emulator: %s %llu\n", name.c_str(), count);
  }
} report;

// The devices' clock. A task takes a microsecond and what it spends, so that what is measured is
// the same in each run.
static double now;
void spend(double seconds) { now += seconds; }

// Whether the first task can be done without any other stream.
static bool may_go_on(Stream *stream) {
  return !stream->tasks.empty() &&
         (!stream->tasks.front().wait || stream->tasks.front().wait->passed);
}
static void step(Stream *stream) {
  Task task = std::move(stream->tasks.front());
  stream->tasks.pop_front();
  if (task.passing) task.passing->passed = true, task.passing->time = now;
  if (!task.run) return;
  Device *before = at_work;
  at_work = stream->device;
  spend(1e-6);
  task.run();
  at_work = before;
}
// With a seed, other streams go on meanwhile, as they may on a GPU.
static void others() {
  static u64 word = setting("SEED", 0);
  if (!word) return;
  for (auto &device : devices())
    for (Stream *stream : device.streams) {
      word = word * 6364136223846793005ull + 1442695040888963407ull;
      if (word >> 62 == 0 && may_go_on(stream)) step(stream);
    }
}
static int until(Stream *stream, const std::function<bool()> &done, int depth) {
  if (depth > 64) return fail("streams wait for each other in a circle");
  while (!done() && !stream->tasks.empty()) {
    others();
    if (done() || stream->tasks.empty()) break;
    if (auto mark = stream->tasks.front().wait; mark && !mark->passed)
      if (int error = until(mark->stream, [&] { return mark->passed; }, depth + 1)) return error;
    if (!stream->tasks.empty()) step(stream);
  }
  return state;
}
int finish(Stream *stream) {
  return until(stream, [] { return false; }, 0);
}
int finish(const std::shared_ptr<Mark> &mark) {
  return until(mark->stream, [&] { return mark->passed; }, 0);
}
int enqueue(Stream *stream, std::function<void()> work) {
  if (!stream) return fail("work for the stream that belongs to nobody"), INVALID_HANDLE;
  stream->tasks.push_back({std::move(work), nullptr, nullptr});
  // A GPU's queue is of about this length: then whoever asks for more waits.
  if (stream->tasks.size() > 1024)
    if (int error = until(stream, [&] { return stream->tasks.size() <= 512; }, 0)) return error;
  return state;
}

extern "C" {
// All streams are idle then: the program has waited.
int cuProfilerStart() {
  Locked lock(emulator_lock());
  ++counts["ranges for a profiler"];
  return looking = true, OK;
}
int cuProfilerStop() {
  Locked lock(emulator_lock());
  return looking = false, OK;
}
int cuStreamCreate(Stream **stream, u32) {
  Locked lock(emulator_lock());
  Device *device = current_device();
  if (!device) return INVALID_CONTEXT;
  *stream = new Stream{device, {}};
  device->streams.insert(*stream);
  return OK;
}
int cuStreamDestroy_v2(Stream *stream) {
  Locked lock(emulator_lock());
  int error = finish(stream); // work that waits in it is still done
  stream->device->streams.erase(stream);
  return error;
}
int cuStreamSynchronize(Stream *stream) {
  Locked lock(emulator_lock());
  ++counts["waits for a stream"];
  return stream ? finish(stream) : (int)INVALID_HANDLE;
}
int cuStreamIsCapturing(Stream *, int *status) { return *status = 0; }
int cuCtxSynchronize() {
  Locked lock(emulator_lock());
  Device *device = current_device();
  if (!device) return INVALID_CONTEXT;
  ++counts["waits for a device"];
  for (Stream *stream : device->streams) finish(stream);
  return state;
}
int cuStreamWaitEvent(Stream *stream, Event *event, u32) {
  Locked lock(emulator_lock());
  if (!stream || !event) return INVALID_HANDLE;
  if (event->mark && !event->mark->passed) stream->tasks.push_back({nullptr, event->mark, nullptr});
  return state;
}
int cuEventCreate(Event **event, u32 flags) {
  Locked lock(emulator_lock());
  if (!current_device()) return INVALID_CONTEXT;
  ++counts["events made"];
  *event = new Event{current_device(), !(flags & 2), nullptr};
  return OK;
}
int cuEventDestroy_v2(Event *event) {
  Locked lock(emulator_lock());
  delete event;
  return OK;
}
int cuEventRecord(Event *event, Stream *stream) {
  Locked lock(emulator_lock());
  if (!stream || !event) return INVALID_HANDLE;
  if (event->device != stream->device)
    return fail("an event of another device is recorded"), INVALID_HANDLE;
  event->mark = std::make_shared<Mark>(Mark{stream});
  stream->tasks.push_back({nullptr, nullptr, event->mark});
  return state;
}
int cuEventSynchronize(Event *event) {
  Locked lock(emulator_lock());
  if (event->mark && !event->mark->passed) ++counts["waits for an event"];
  return event->mark ? finish(event->mark) : state;
}
int cuEventQuery(Event *event) {
  Locked lock(emulator_lock());
  return event->mark && !event->mark->passed ? NOT_READY : state;
}
int cuEventElapsedTime_v2(float *milliseconds, Event *start, Event *end) {
  Locked lock(emulator_lock());
  if (!start->timed || !end->timed || !start->mark || !end->mark) return INVALID_HANDLE;
  if (!start->mark->passed || !end->mark->passed) return NOT_READY;
  *milliseconds = float((end->mark->time - start->mark->time) * 1e3);
  return OK;
}
int cuEventElapsedTime(float *milliseconds, Event *start, Event *end) {
  return cuEventElapsedTime_v2(milliseconds, start, end);
}
}
