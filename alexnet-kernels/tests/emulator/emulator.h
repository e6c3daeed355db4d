// The emulated GPUs, as the emulated libraries share them: devices, streams, events, memory,
// kernels.
//
// Work waits in its stream and is done as late as the interface allows: when somebody waits for it.
// Nothing but an event orders two streams. So a wait that is missing, or a look at memory that is
// not written yet, gives a wrong result.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

// The driver's status codes, CUresult.
enum {
  OK = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  INVALID_CONTEXT = 201,
  UNSUPPORTED_PTX_VERSION = 222,
  INVALID_HANDLE = 400,
  NOT_FOUND = 500,
  NOT_READY = 600,
  ILLEGAL_ADDRESS = 700
};

struct Stream;

struct Device {
  int number = 0, major = 0, minor = 0;
  std::string name;
  u64 total = 0, used = 0, most = 0; // bytes; the pool keeps the most that it has ever had
  std::set<int> reached_by;
  std::set<Stream *> streams;
};

// A point of a stream, made by recording an event.
struct Mark {
  Stream *stream;
  bool passed = false;
  double time = 0; // seconds
};
struct Event {
  Device *device;
  bool timed;
  std::shared_ptr<Mark> mark;
};
struct Task {
  std::function<void()> run;     // either this is work,
  std::shared_ptr<Mark> wait;    // or it waits until another stream has passed this point,
  std::shared_ptr<Mark> passing; // or its own stream passes this point
};
struct Stream {
  Device *device;
  std::deque<Task> tasks;
  u64 launches = 0; // since a copy to the host waited for it
};

// Memory of a device. It is live from when its stream reaches the allocation until its stream
// reaches the release.
struct Block {
  Device *device;
  u64 begin, bytes, room;
  bool live, released;
};

// Everything below is called with this lock held.
std::recursive_mutex &emulator_lock();
typedef std::lock_guard<std::recursive_mutex> Locked;

std::vector<Device> &devices();
u64 setting(const char *name, u64 otherwise); // the variable ALEXNET_EMULATOR_<name>
int fail(const char *format, ...);            // says what was wrong; every wait from now on fails
int broken();                                 // OK until then
extern std::map<std::string, u64> counts;     // how often what was done
std::string text_setting(const char *name);   // the same variable as a text, empty where not set

// Adds to the bytes that kernels and libraries read and wrote while a profiler looks. `touch` does
// so by itself for each operand of a library; a kernel's accesses come through kernels.h.
void moved(u64 bytes);
bool profiled(); // between the start and the stop of the profiler

int enqueue(Stream *stream, std::function<void()> work);
int finish(Stream *stream);
int finish(const std::shared_ptr<Mark> &mark);
void spend(double seconds); // makes the task at work take so much longer
Device *executing();      // the device whose stream is at work
Device *current_device(); // the device whose context the calling thread has, or none

// Gives the bytes from `address` to the end of its block, which must be live and within reach of
// the device at work.
u64 room(u64 address, const char *what);
bool touch(u64 address, u64 bytes, const char *what);

struct Grid {
  u32 blocks[3], threads[3];
};
// The bytes of each parameter of a kernel, and a function that runs it over a grid and returns what
// went wrong.
struct Kernel {
  std::vector<size_t> parameters;
  std::function<const char *(const Grid &, std::vector<std::vector<char>> &)> run;
};
std::map<std::string, Kernel> &kernels(); // by name
