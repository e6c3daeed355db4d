// The machine that is not there: devices, streams, events, memory, kernels; shared by the libraries that stand in for it.
//
// Work is put into streams and done as late as the interface allows: when somebody waits for it. Of two streams neither
// goes on without an event. So a wait that is missing, or a look at memory that is not written yet, gives a wrong result.
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

// A driver's answers.
enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_CONTEXT = 201,
       UNSUPPORTED_PTX_VERSION = 222,
       INVALID_HANDLE = 400, NOT_FOUND = 500, NOT_READY = 600, ILLEGAL_ADDRESS = 700 };

struct Stream;

struct Device {
  int number = 0, major = 0, minor = 0;
  std::string name;
  u64 total = 0, used = 0, most = 0; // bytes; what the pool has had at once stays with it
  std::set<int> reached_by;
  std::set<Stream *> streams;
};

// One point of a stream, made by recording an event.
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
  std::function<void()> run;           // either work,
  std::shared_ptr<Mark> wait, passing; // or a point of another stream that must be passed, or one of this that is
};
struct Stream {
  Device *device;
  std::deque<Task> tasks;
};

// Memory of a device, from when its stream gets to its allocation until it gets to its release.
struct Block {
  Device *device;
  u64 begin, bytes, room;
  bool live, released;
};

// Everything below is called with this lock held.
std::recursive_mutex &machine_lock();
typedef std::lock_guard<std::recursive_mutex> Locked;

std::vector<Device> &devices();
u64 setting(const char *name, u64 otherwise); // ALEXNET_STAND_IN_<name>
int fail(const char *format, ...);            // says what was wrong, and every wait from now on fails
int broken();                                 // OK until then
extern std::map<std::string, u64> counts;

int enqueue(Stream *stream, std::function<void()> work);
int finish(Stream *stream);
int finish(const std::shared_ptr<Mark> &mark);
Device *executing(); // whose stream is at work
Device *current_device(); // whose context the calling thread has, or none

// Bytes from `address` to the end of its block, which must be live and within reach of the device at work.
u64 room(u64 address, const char *what);
bool touch(u64 address, u64 bytes, const char *what);

// A kernel by its name: the bytes of its parameters, and what runs a grid, giving back what was wrong.
struct Grid { u32 blocks[3], threads[3]; };
struct Kernel {
  std::vector<size_t> parameters;
  std::function<const char *(const Grid &, std::vector<std::vector<char>> &)> run;
};
std::map<std::string, Kernel> &kernels();

// For the libraries above the driver.
float load_element(const void *from, u64 index, bool bf16);
void store_element(void *to, u64 index, bool bf16, float value);
float as_tf32(float value);
