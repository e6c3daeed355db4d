// Registers kernels by name, as a driver finds them. It is included before each file of kernels, in
// a namespace of that file's own, since all files use the same names.
#pragma once
#include "host.h"

template <class T> struct Parameter {
  static constexpr size_t bytes = sizeof(T);
  static T from(const char *bytes) {
    T value;
    memcpy(&value, bytes, sizeof value);
    return value;
  }
};
// The driver takes a pointer; the kernel gets its length too, so that accesses are checked.
template <class T> struct Parameter<Buffer<T>> {
  static constexpr size_t bytes = 8;
  static Buffer<T> from(const char *bytes) {
    u64 address;
    memcpy(&address, bytes, 8);
    return {(T *)address, address ? room(address, "a kernel's argument") / sizeof(T) : 0};
  }
};

// What one launch reads of each buffer, and what it writes: from the first byte to the last.
struct Extent {
  const void *buffer;
  bool written;
  const char *first, *last;
};
static thread_local std::vector<Extent> extents;
static void widen(const void *buffer, const void *at, u64 bytes, bool written) {
  const char *first = (const char *)at, *last = first + bytes;
  for (Extent &extent : extents)
    if (extent.buffer == buffer && extent.written == written) {
      if (first < extent.first) extent.first = first;
      if (last > extent.last) extent.last = last;
      return;
    }
  extents.push_back({buffer, written, first, last});
}

template <class... A> struct Run {
  void (*kernel)(A...);
  bool cooperative;
  const char *operator()(const Grid &grid, std::vector<std::vector<char>> &bytes) const {
    return with(grid, bytes, std::index_sequence_for<A...>());
  }
  template <size_t... I> const char *with(const Grid &grid, std::vector<std::vector<char>> &bytes,
                                          std::index_sequence<I...>) const {
    std::tuple<A...> values{Parameter<A>::from(bytes[I].data())...};
    void *arguments[] = {(void *)&std::get<I>(values)...};
    Launch launch;
    launch.grid.x = grid.blocks[0], launch.grid.y = grid.blocks[1], launch.grid.z = 1;
    launch.block.x = grid.threads[0], launch.block.y = launch.block.z = 1;
    launch.backwards = setting("SEED", 0) % 2;
    if (grid.blocks[2] != 1 || grid.threads[1] != 1 || grid.threads[2] != 1)
      return "a grid of more dimensions";
    extents.clear();
    hear_access = profiled() ? widen : nullptr;
    const char *wrong = run_grid(kernel, launch, arguments, sizeof...(A), cooperative);
    for (const Extent &extent : extents) moved(u64(extent.last - extent.first));
    return wrong;
  }
};
template <class... A> bool enter(const char *name, void (*kernel)(A...), bool cooperative) {
  return kernels()
      .emplace(name, Kernel{{Parameter<A>::bytes...}, Run<A...>{kernel, cooperative}})
      .second;
}

#undef HOST_ENTRY_AS
#define HOST_ENTRY_AS(kernel, cooperative)                                                         \
  static const bool entered_##kernel = enter(#kernel, kernel, cooperative);
