// The few of candle's own kernels that a training calls, by candle's names and with its parameters:
// copies of views, casts and sums.
#include <cstring>

#include "emulator.h"
#include "numbers.h"

namespace {
template <class T> T value(const std::vector<char> &bytes) {
  T value;
  memcpy(&value, bytes.data(), sizeof value);
  return value;
}
typedef std::vector<std::vector<char>> Parameters;
u64 threads(const Grid &grid) { return u64(grid.blocks[0]) * grid.threads[0]; }

// Rows of d2 elements from one place to another: (from, to, d1, d2, stride of from, stride of to).
template <int BYTES> const char *copy2d(const Grid &grid, Parameters &p) {
  const u64 from = value<u64>(p[0]), to = value<u64>(p[1]);
  const u64 d1 = value<u32>(p[2]), d2 = value<u32>(p[3]), stride_from = value<u32>(p[4]),
            stride_to = value<u32>(p[5]);
  if (threads(grid) < d1 * d2) return "a grid that is too small";
  if (!d1 || !d2) return nullptr;
  if (!touch(from, ((d1 - 1) * stride_from + d2) * BYTES, "copy2d from") ||
      !touch(to, ((d1 - 1) * stride_to + d2) * BYTES, "copy2d to"))
    return nullptr;
  for (u64 row = 0; row < d1; ++row)
    memcpy((char *)to + row * stride_to * BYTES, (const char *)from + row * stride_from * BYTES,
           d2 * BYTES);
  return nullptr;
}
// Elements of a tensor by their number; dims and strides are null where it is contiguous.
struct View {
  u64 from, n, rank;
  const size_t *dims, *strides;
  u64 offset(u64 i) const {
    if (!dims) return i;
    u64 offset = 0;
    for (u64 d = rank; d-- > 0; i /= dims[d]) offset += i % dims[d] * strides[d];
    return offset;
  }
  // Strides are not negative: no element lies further than the last.
  bool readable(u64 wide) const { return touch(from, (offset(n - 1) + 1) * wide, "a view"); }
  float load(u64 i, bool is_bf16) const {
    return load_element((const void *)from, offset(i), is_bf16);
  }
};
// One view, copied or cast: (n, rank, dims and strides on the device or null, from, to).
template <class F> const char *each(Parameters &p, u64 bytes_from, u64 bytes_to, F f) {
  const u64 n = value<u64>(p[0]), rank = value<u64>(p[1]), to = value<u64>(p[4]);
  const size_t *info = value<const size_t *>(p[2]);
  if (info && !touch((u64)info, 2 * rank * 8, "a view's sizes")) return nullptr;
  const View view = {value<u64>(p[3]), n, rank, info, info + rank};
  if (!n || !touch(to, n * bytes_to, "the result of a view") || !view.readable(bytes_from))
    return nullptr;
  for (u64 i = 0; i < n; ++i) f(view, i, (char *)to);
  return nullptr;
}
template <int BYTES> const char *copy(const Grid &, Parameters &p) {
  return each(p, BYTES, BYTES, [](const View &view, u64 i, char *to) {
    memcpy(to + i * BYTES, (const char *)view.from + view.offset(i) * BYTES, BYTES);
  });
}
template <bool FROM, bool TO> const char *cast(const Grid &, Parameters &p) {
  return each(p, FROM ? 2 : 4, TO ? 2 : 4, [](const View &view, u64 i, char *to) {
    store_element(to, i, TO, view.load(i, FROM));
  });
}
// Sums of two views: (n, rank, dims and both strides on the device or null, left, right, to).
template <bool BF16> const char *add(const Grid &, Parameters &p) {
  const u64 n = value<u64>(p[0]), rank = value<u64>(p[1]), to = value<u64>(p[5]),
            wide = BF16 ? 2 : 4;
  const size_t *info = value<const size_t *>(p[2]);
  if (info && !touch((u64)info, 3 * rank * 8, "the sizes of views")) return nullptr;
  const View left = {value<u64>(p[3]), n, rank, info, info + rank};
  const View right = {value<u64>(p[4]), n, rank, info, info + 2 * rank};
  if (!n || !touch(to, n * wide, "a sum") || !left.readable(wide) || !right.readable(wide))
    return nullptr;
  for (u64 i = 0; i < n; ++i)
    store_element((void *)to, i, BF16, left.load(i, BF16) + right.load(i, BF16));
  return nullptr;
}
const bool entered = [] {
  const std::vector<size_t> rows = {8, 8, 4, 4, 4, 4}, views = {8, 8, 8, 8, 8};
  auto enter = [](const char *name, const std::vector<size_t> &parameters,
                  const char *(*run)(const Grid &, Parameters &)) {
    kernels()[name] = Kernel{parameters, run};
  };
  enter("copy2d_f32", rows, copy2d<4>), enter("copy2d_u32", rows, copy2d<4>);
  enter("copy2d_bf16", rows, copy2d<2>), enter("copy2d_u8", rows, copy2d<1>);
  enter("ucopy_f32", views, copy<4>), enter("ucopy_u32", views, copy<4>);
  enter("ucopy_bf16", views, copy<2>), enter("ucopy_u8", views, copy<1>);
  const std::vector<size_t> pairs = {8, 8, 8, 8, 8, 8};
  enter("badd_f32", pairs, add<false>), enter("badd_bf16", pairs, add<true>);
  enter("cast_f32_bf16", views, cast<false, true>),
      enter("cast_bf16_f32", views, cast<true, false>);
  enter("cast_f32_f32", views, cast<false, false>),
      enter("cast_bf16_bf16", views, cast<true, true>);
  return true;
}();
} // namespace
