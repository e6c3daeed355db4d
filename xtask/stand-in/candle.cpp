// The few kernels of candle's own that a training calls: copies of views, and casts. By name, with candle's parameters.
#include <cstring>

#include "machine.h"

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
  const u64 d1 = value<u32>(p[2]), d2 = value<u32>(p[3]), stride_from = value<u32>(p[4]), stride_to = value<u32>(p[5]);
  if (threads(grid) < d1 * d2) return "a grid that is too small";
  if (!d1 || !d2) return nullptr;
  if (!touch(from, ((d1 - 1) * stride_from + d2) * BYTES, "copy2d from") ||
      !touch(to, ((d1 - 1) * stride_to + d2) * BYTES, "copy2d to"))
    return nullptr;
  for (u64 row = 0; row < d1; ++row)
    memcpy((char *)to + row * stride_to * BYTES, (const char *)from + row * stride_from * BYTES, d2 * BYTES);
  return nullptr;
}
// Element after element of a view: (n, rank, dims and strides on the device or null, from, to).
template <class F> const char *each(Parameters &p, u64 bytes_from, u64 bytes_to, F f) {
  const u64 n = value<u64>(p[0]), rank = value<u64>(p[1]), info = value<u64>(p[2]);
  const u64 from = value<u64>(p[3]), to = value<u64>(p[4]);
  if (info && !touch(info, 2 * rank * 8, "a view's sizes")) return nullptr;
  if (!n || !touch(to, n * bytes_to, "the result of a view")) return nullptr;
  const size_t *dims = (const size_t *)info, *strides = dims + rank;
  u64 furthest = n - 1;
  if (info) {
    furthest = 0;
    for (u64 d = 0; d < rank; ++d) furthest += (dims[d] - 1) * strides[d];
  }
  if (!touch(from, (furthest + 1) * bytes_from, "a view")) return nullptr;
  for (u64 i = 0; i < n; ++i) {
    u64 at = i;
    if (info) {
      u64 rest = i;
      at = 0;
      for (u64 d = rank; d-- > 0; rest /= dims[d]) at += rest % dims[d] * strides[d];
    }
    f((const void *)from, at, (void *)to, i);
  }
  return nullptr;
}
template <int BYTES> const char *copy(const Grid &, Parameters &p) {
  return each(p, BYTES, BYTES, [](const void *from, u64 at, void *to, u64 i) {
    memcpy((char *)to + i * BYTES, (const char *)from + at * BYTES, BYTES);
  });
}
template <bool FROM, bool TO> const char *cast(const Grid &, Parameters &p) {
  return each(p, FROM ? 2 : 4, TO ? 2 : 4, [](const void *from, u64 at, void *to, u64 i) {
    store_element(to, i, TO, load_element(from, at, FROM));
  });
}
// Sums of two views: (n, rank, dims and both strides on the device or null, left, right, to).
template <bool BF16> const char *add(const Grid &, Parameters &p) {
  const u64 n = value<u64>(p[0]), rank = value<u64>(p[1]), info = value<u64>(p[2]), wide = BF16 ? 2 : 4;
  const u64 left = value<u64>(p[3]), right = value<u64>(p[4]), to = value<u64>(p[5]);
  if (info && !touch(info, 3 * rank * 8, "the sizes of views")) return nullptr;
  const size_t *dims = (const size_t *)info;
  u64 furthest[2] = {n - 1, n - 1};
  for (int side = 0; info && side < 2; ++side) {
    furthest[side] = 0;
    for (u64 d = 0; d < rank; ++d) furthest[side] += (dims[d] - 1) * dims[(1 + side) * rank + d];
  }
  if (!n || !touch(left, (furthest[0] + 1) * wide, "a sum's left") ||
      !touch(right, (furthest[1] + 1) * wide, "a sum's right") || !touch(to, n * wide, "a sum"))
    return nullptr;
  for (u64 i = 0; i < n; ++i) {
    u64 at[2] = {i, i};
    for (int side = 0; info && side < 2; ++side) {
      u64 rest = i;
      at[side] = 0;
      for (u64 d = rank; d-- > 0; rest /= dims[d]) at[side] += rest % dims[d] * dims[(1 + side) * rank + d];
    }
    const float sum = load_element((const void *)left, at[0], BF16) + load_element((const void *)right, at[1], BF16);
    store_element((void *)to, i, BF16, sum);
  }
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
  enter("cast_f32_bf16", views, cast<false, true>), enter("cast_bf16_f32", views, cast<true, false>);
  enter("cast_f32_f32", views, cast<false, false>), enter("cast_bf16_bf16", views, cast<true, true>);
  return true;
}();
} // namespace
