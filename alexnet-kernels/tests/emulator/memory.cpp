// The memory of the devices. No address is given twice, the zone after each block must stay as it
// was, and memory that is new or released holds NaN.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "emulator.h"

static const u64 ZONE = 256; // bytes after a block, at least
static const u64 PAGE = 4096;
static const u64 SPACE = 1ull << 43;
static std::map<u64, Block> blocks; // by their begin
static std::map<u64, u64> pinned;   // begin, bytes

static u64 addresses(u64 bytes) {
  static u64 next = 0, end = 0;
  if (!next) {
    void *space =
        mmap(nullptr, SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) return 0;
    next = (u64)space, end = next + SPACE;
  }
  if (end - next < bytes + PAGE) return 0;
  u64 here = next;
  next += bytes + PAGE; // never to be touched
  return here;
}
static Block *block_at(u64 address) {
  auto after = blocks.upper_bound(address);
  if (after == blocks.begin()) return nullptr;
  Block &block = std::prev(after)->second;
  return address < block.begin + block.bytes || (address == block.begin && !block.bytes) ? &block
                                                                                         : nullptr;
}

u64 room(u64 address, const char *what) {
  Block *block = block_at(address);
  if (!block) return fail("%s: %llx is no memory of a device", what, address), 0;
  if (!block->live)
    return fail("%s: memory %s", what, block->released ? "was released" : "is not there yet"), 0;
  Device *by = executing();
  if (by && by != block->device && !block->device->reached_by.count(by->number))
    return fail("%s: device %d does not reach memory of device %d", what, by->number,
                block->device->number),
           0;
  return block->begin + block->bytes - address;
}
bool touch(u64 address, u64 bytes, const char *what) {
  if (!bytes) return true;
  const u64 has = room(address, what);
  // How much of a workspace an algorithm uses is its own affair.
  if (has >= bytes && !strstr(what, "workspace")) moved(bytes);
  if (has >= bytes) return true;
  if (has) fail("%s: %llu bytes, where the block has %llu", what, bytes, has);
  return false;
}

static void begin_block(u64 begin) {
  Block &block = blocks[begin];
  mprotect((void *)begin, block.room, PROT_READ | PROT_WRITE);
  // All bits set are a NaN in f32 and in bf16. Of the largest blocks, workspaces, only the ends are
  // set.
  const u64 end = std::min(block.room, 64ull << 20);
  memset((void *)begin, 0xff, end);
  if (end < block.room) memset((void *)(begin + block.room - end), 0xff, end);
  block.live = true;
}
static void end_block(u64 begin) {
  Block &block = blocks[begin];
  for (u64 i = block.bytes; i < block.room; ++i)
    if (((unsigned char *)begin)[i] != 0xff) {
      fail("byte %llu was written, of a block of %llu bytes", i, block.bytes);
      break;
    }
  block.live = false, block.released = true;
  madvise((void *)begin, block.room, MADV_DONTNEED);
  mprotect((void *)begin, block.room, PROT_NONE);
}
static int new_block(u64 *address, u64 bytes, Device *device) {
  if (!bytes) return INVALID_VALUE;
  if (device->used + bytes > device->total) return OUT_OF_MEMORY;
  const u64 room = (bytes + ZONE + PAGE - 1) / PAGE * PAGE, begin = addresses(room);
  if (!begin) return OUT_OF_MEMORY;
  blocks[begin] = {device, begin, bytes, room, false, false};
  device->used += bytes;
  if (device->used > device->most) {
    device->most = device->used;
    ++counts["times the pool grew"];
  }
  ++counts["allocations"];
  *address = begin;
  return OK;
}

extern "C" {
int cuMemAllocAsync(u64 *address, size_t bytes, Stream *stream) {
  Locked lock(emulator_lock());
  if (!stream) return INVALID_HANDLE;
  if (int error = new_block(address, bytes, stream->device)) return error;
  const u64 begin = *address;
  return enqueue(stream, [=] { begin_block(begin); });
}
int cuMemFreeAsync(u64 address, Stream *stream) {
  Locked lock(emulator_lock());
  auto found = blocks.find(address);
  if (!stream || found == blocks.end()) return INVALID_VALUE;
  found->second.device->used -= found->second.bytes;
  return enqueue(stream, [=] {
    if (room(address, "released")) end_block(address);
  });
}
int cuMemAlloc_v2(u64 *address, size_t bytes) {
  Locked lock(emulator_lock());
  if (!current_device()) return INVALID_CONTEXT;
  if (int error = new_block(address, bytes, current_device())) return error;
  begin_block(*address);
  return OK;
}
int cuMemFree_v2(u64 address) {
  Locked lock(emulator_lock());
  auto found = blocks.find(address);
  if (found == blocks.end() || !found->second.live) return INVALID_VALUE;
  for (Stream *stream : found->second.device->streams) finish(stream);
  found->second.device->used -= found->second.bytes;
  end_block(address);
  return broken();
}
int cuMemHostAlloc(void **host, size_t bytes, u32) {
  Locked lock(emulator_lock());
  if (!current_device()) return INVALID_CONTEXT;
  *host = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  pinned[(u64)*host] = bytes;
  ++counts["pinned buffers"];
  return OK;
}
int cuMemFreeHost(void *host) {
  Locked lock(emulator_lock());
  auto found = pinned.find((u64)host);
  if (found == pinned.end()) return INVALID_VALUE;
  memset(host, 0xff, found->second); // It stays mapped: a copy that still reads it reads NaN.
  pinned.erase(found);
  return OK;
}
static bool is_pinned(const void *host) {
  auto after = pinned.upper_bound((u64)host);
  if (after == pinned.begin()) return false;
  auto &[begin, bytes] = *std::prev(after);
  return (u64)host < begin + bytes;
}
int cuMemcpyHtoDAsync_v2(u64 to, const void *from, size_t bytes, Stream *stream) {
  Locked lock(emulator_lock());
  ++counts["copies to a device"];
  if (is_pinned(from))
    return enqueue(stream, [=] {
      if (touch(to, bytes, "copy to a device")) memcpy((void *)to, from, bytes);
    });
  // Memory that is not pinned is read before the call returns; a driver may wait for the stream
  // first.
  ++counts["copies of memory that is not pinned"];
  auto kept = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + bytes);
  return enqueue(stream, [=] {
    if (touch(to, bytes, "copy to a device")) memcpy((void *)to, kept->data(), bytes);
  });
}
int cuMemcpyDtoHAsync_v2(void *to, u64 from, size_t bytes, Stream *stream) {
  Locked lock(emulator_lock());
  ++counts["copies to the host"];
  const int error = enqueue(stream, [=] {
    if (touch(from, bytes, "copy to the host")) memcpy(to, (const void *)from, bytes);
  });
  if (error || is_pinned(to)) return error;
  ++counts["copies of memory that is not pinned"];
  // A conversion of what is copied is one launch, a pass through a network is many.
  if (stream->launches > 4) ++counts["copies to the host that wait for a pass"];
  stream->launches = 0;
  return finish(stream);
}
int cuMemcpyDtoDAsync_v2(u64 to, u64 from, size_t bytes, Stream *stream) {
  Locked lock(emulator_lock());
  ++counts["copies on a device"];
  return enqueue(stream, [=] {
    if (touch(from, bytes, "copy from") && touch(to, bytes, "copy to"))
      memmove((void *)to, (const void *)from, bytes);
  });
}
int cuMemcpyPeerAsync(u64 to, Device *to_device, u64 from, Device *from_device, size_t bytes,
                      Stream *stream) {
  Locked lock(emulator_lock());
  ++counts["copies between devices"];
  Block *target = block_at(to), *source = block_at(from);
  if (!target || !source || target->device != to_device || source->device != from_device)
    return fail("a copy between devices that do not have that memory"), INVALID_VALUE;
  return enqueue(stream, [=] {
    // The driver makes this copy whether the devices reach each other or not.
    auto holds = [bytes](u64 address) {
      const Block *block = block_at(address);
      return block->live && block->begin + block->bytes - address >= bytes;
    };
    if (!holds(to) || !holds(from))
      fail("a copy of %zu bytes between devices: memory is too small, released or not there yet",
           bytes);
    else
      memcpy((void *)to, (const void *)from, bytes);
  });
}
int cuMemsetD8Async(u64 to, unsigned char value, size_t bytes, Stream *stream) {
  Locked lock(emulator_lock());
  return enqueue(stream, [=] {
    if (touch(to, bytes, "fill")) memset((void *)to, value, bytes);
  });
}
int cuMemGetInfo_v2(size_t *free, size_t *total) {
  Locked lock(emulator_lock());
  Device *device = current_device();
  if (!device) return INVALID_CONTEXT;
  *total = device->total, *free = device->total - device->most;
  return OK;
}
int cuDeviceGetDefaultMemPool(Device **pool, int number) {
  *pool = &devices()[number];
  return OK;
}
int cuMemPoolSetAttribute(Device *, int, void *) { return OK; }
int cuMemPoolGetAttribute(Device *pool, int attribute, void *value) {
  Locked lock(emulator_lock());
  *(u64 *)value = attribute == 7 ? pool->used : pool->most;
  return attribute >= 5 && attribute <= 8 ? OK : INVALID_VALUE;
}
int cuMemPoolSetAccess(Device *pool, const u32 *rights, size_t count) {
  Locked lock(emulator_lock());
  const bool of_a_device = count == 1 && rights[0] == 1 && rights[1] < devices().size();
  if (!of_a_device || !setting("PEERS", 1)) return INVALID_DEVICE;
  pool->reached_by.insert(int(rights[1]));
  return OK;
}
}
