// The norm within a map in one pass over memory, for windows of 5 by 5 pixels, beta = 3/4 and maps
// that are at most 64 pixels wide; formula: map_norm.rs. Tensors are (B, H, W, C).
//
// A block has a few neighbouring vectors of V channels of an image. A thread walks down two columns
// of one vector, and keeps what five rows of them add up to in registers; sums of five columns go
// through shared memory, row by row. Rows are loaded before they are needed: the next one at least
// is on its way while one is computed.
#include "common.cuh"
#include "powers.cuh"

static const u32 THREADS = 256, VECTORS = 16, // the most that a block has
                 ROWS = 3; // after so many rows FiveRows has its values where they were: no moves

struct Map { u32 height, width, channels, vectors; };

// What a thread has of a row: V channels of a pixel, then those of the pixel to its right.
template <int V> struct Pair { float values[2 * V]; };
template <class T, int V> struct PackedPair { Pack<T, V> pixels[2]; };

// A row in shared memory: vector v of pair p is at (p + 1) * map.vectors + v, so that there is a
// pair of zeros on both sides.
template <int V> struct Row { Pair<V> places[THREADS + 2 * VECTORS]; };

// A thread's two columns.
struct Columns {
  u64 top;             // the first element of the left one in memory
  u32 channels, pitch; // elements from there to the right one, and to the next row
  u32 height[2];       // rows of each; none where there is no column
  u32 place;           // in shared memory
};
template <int V> __device__ Columns columns_of_thread(Map map) {
  const u32 slabs = (map.channels / V + map.vectors - 1) / map.vectors;
  const u32 image = blockIdx.x / slabs, slab = blockIdx.x - image * slabs;
  const u32 pair = threadIdx.x / map.vectors, v = threadIdx.x - pair * map.vectors;
  const u32 w = 2 * pair, c = (slab * map.vectors + v) * V, pitch = map.width * map.channels;
  const u32 height = c < map.channels ? map.height : 0;
  return {(u64)image * map.height * pitch + w * map.channels + c,
          map.channels,
          pitch,
          {w < map.width ? height : 0, w + 1 < map.width ? height : 0},
          threadIdx.x + map.vectors};
}

// Loads row `row` of the columns, which begins at `next`, and goes on to the one below; zeros where
// there is no such row.
template <class T, int V>
__device__ PackedPair<T, V> fetch_row(In<T> &next, const Columns &columns, u32 row) {
  PackedPair<T, V> pair;
#pragma unroll
  for (u32 i = 0; i < 2; ++i)
    pair.pixels[i] = fetch_if<V, T>(next, i * columns.channels, row < columns.height[i]);
  next = beginning_at(next, columns.pitch);
  return pair;
}

template <class T, int V>
__device__ void store_row(Out<T> &next, const Columns &columns, const Pair<V> &pair) {
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    float values[V];
#pragma unroll
    for (int j = 0; j < V; ++j) values[j] = pair.values[i * V + j];
    Pack<T, V> pack;
    round_all(pack, values);
    if (columns.height[i]) put<V, T>(next, i * columns.channels, pack);
  }
  next = beginning_at(next, columns.pitch);
}

template <class T, int V> __device__ Pair<V> unpack(const PackedPair<T, V> &packed) {
  Pair<V> pair;
#pragma unroll
  for (u32 i = 0; i < 2; ++i) {
    float values[V];
    widen_all(values, packed.pixels[i]);
#pragma unroll
    for (int j = 0; j < V; ++j) pair.values[i * V + j] = values[j];
  }
  return pair;
}
// sums += the squares.
template <class T, int V>
__device__ void add_squares(Pair<V> &sums, const PackedPair<T, V> &packed) {
  const Pair<V> pair = unpack<T, V>(packed);
#pragma unroll
  for (int j = 0; j < 2 * V; ++j) sums.values[j] += pair.values[j] * pair.values[j];
}

// What the last five rows add up to. No sum is made of another one, so that errors do not add up
// down the column.
template <int V> struct FiveRows {
  float first_pair[2 * V] = {}, second_pair[2 * V] = {}, third_pair[2 * V] = {};
  float fourth[2 * V] = {};

  // Takes the next row, and replaces it by its sum with the four before.
  __device__ void add(Pair<V> &row) {
#pragma unroll
    for (int j = 0; j < 2 * V; ++j) {
      const float fifth = row.values[j];
      row.values[j] = first_pair[j] + third_pair[j] + fifth;
      first_pair[j] = second_pair[j], second_pair[j] = third_pair[j];
      third_pair[j] = fourth[j] + fifth, fourth[j] = fifth;
    }
  }
};

template <int V, u32 N> __device__ void clear(Row<V> (&rows)[N]) {
  for (u32 place = threadIdx.x; place < THREADS + 2 * VECTORS; place += blockDim.x)
#pragma unroll
    for (u32 n = 0; n < N; ++n)
#pragma unroll
      for (int j = 0; j < 2 * V; ++j) rows[n].places[place].values[j] = 0.0f;
  __syncthreads();
}

// Adds to each pixel the two on both sides of it. Neighbours read `row` until the barrier of the
// next call, which so has to be with another one.
template <int V> __device__ void add_neighbours(Pair<V> &own, Row<V> &row, u32 place, Map map) {
  row.places[place] = own;
  __syncthreads();
  const Pair<V> left = row.places[place - map.vectors], right = row.places[place + map.vectors];
#pragma unroll
  for (int j = 0; j < V; ++j) {
    const float four = left.values[V + j] + (own.values[j] + own.values[V + j]) + right.values[j];
    own.values[j] = left.values[j] + four;
    own.values[V + j] = four + right.values[V + j];
  }
}

template <class T, int V>
__device__ void forward(In<T> x, Out<T> y, Map map, float k, float a) {
  __shared__ __align__(16) Row<V> rows[ROWS];
  const Columns columns = columns_of_thread<V>(map);
  x = beginning_at(x, columns.top), y = beginning_at(y, columns.top);
  FiveRows<V> squares;
  PackedPair<T, V> kept[2 + ROWS], next[ROWS]; // rows of x: the last ones, and those to come
#pragma unroll
  for (u32 r = 0; r < ROWS; ++r) next[r] = fetch_row<T, V>(x, columns, r);
  clear<V>(rows);
  for (u32 first = 0; first < map.height + 2; first += ROWS) {
#pragma unroll
    for (u32 r = 0; r < 2; ++r) kept[r] = kept[ROWS + r];
#pragma unroll
    for (u32 r = 0; r < ROWS; ++r) {
      // Row `first + r` completes the windows of the row two above it.
      const u32 center = first + r - 2;
      kept[2 + r] = next[r];
      next[r] = fetch_row<T, V>(x, columns, first + r + ROWS);
      Pair<V> energy = {};
      add_squares<T, V>(energy, kept[2 + r]);
      squares.add(energy);
      if (center >= map.height) continue;
      add_neighbours<V>(energy, rows[r], columns.place, map);
      Pair<V> values = unpack<T, V>(kept[r]);
#pragma unroll
      for (int j = 0; j < 2 * V; ++j) values.values[j] *= powers(k + a * energy.values[j]).power;
      store_row<T, V>(y, columns, values);
    }
  }
}

template <class T, int V>
__device__ void backward(In<T> x, In<T> dy, Out<T> dx, Map map, float k, float a,
                         u32 through_relu) {
  __shared__ __align__(16) Row<V> energy_rows[ROWS], share_rows[ROWS];
  // dy·s^-beta of a thread's last rows. In registers it would leave room for half the threads, as
  // would sums of squares: those are made anew for each row.
  __shared__ __align__(16) Pair<V> scaled[ROWS][THREADS];
  const Columns columns = columns_of_thread<V>(map);
  x = beginning_at(x, columns.top), dy = beginning_at(dy, columns.top);
  dx = beginning_at(dx, columns.top);
  const float factor = 2.0f * a * 0.75f;
  // Beside the map gradients are 0, and so have to be shares, whatever k is.
  const float offsets[2] = {columns.height[0] ? k : 1.0f, columns.height[1] ? k : 1.0f};
  FiveRows<V> shares; // a share is dy·x·s^(-beta-1)
  PackedPair<T, V> kept[4 + ROWS]; // the last rows of x, those above the map as zeros
#pragma unroll
  for (u32 r = ROWS; r < 4 + ROWS; ++r)
#pragma unroll
    for (u32 i = 0; i < 2; ++i) kept[r].pixels[i] = fetch_if<V, T>(x, 0, false);
  PackedPair<T, V> next = fetch_row<T, V>(x, columns, 0), next_dy = fetch_row<T, V>(dy, columns, 0);
  clear<V>(energy_rows);
  clear<V>(share_rows);
  for (u32 first = 0; first < map.height + 4; first += ROWS) {
#pragma unroll
    for (u32 r = 0; r < 4; ++r) kept[r] = kept[ROWS + r];
#pragma unroll
    for (u32 r = 0; r < ROWS; ++r) {
      // Row `first + r` of x completes the energies of the row two above it, whose shares complete
      // the gradient of the row two above them.
      const u32 center = first + r - 2, done = center - 2;
      kept[4 + r] = next;
      next = fetch_row<T, V>(x, columns, first + r + 1);
      Pair<V> share = {};
      if (center < map.height) {
        Pair<V> energy = {};
#pragma unroll
        for (u32 i = 0; i < 5; ++i) add_squares<T, V>(energy, kept[r + i]);
        add_neighbours<V>(energy, energy_rows[r], columns.place, map);
        Pair<V> gradient = unpack<T, V>(next_dy);
        next_dy = fetch_row<T, V>(dy, columns, center + 1);
        share = unpack<T, V>(kept[2 + r]);
#pragma unroll
        for (int j = 0; j < 2 * V; ++j) {
          const Powers of_s = powers(offsets[j / V] + a * energy.values[j]);
          gradient.values[j] *= of_s.power;
          share.values[j] *= gradient.values[j] * of_s.inverse;
        }
        scaled[r][threadIdx.x] = gradient;
      }
      shares.add(share);
      if (done >= map.height) continue;
      add_neighbours<V>(share, share_rows[r], columns.place, map);
      const Pair<V> values = unpack<T, V>(kept[r]);
      Pair<V> gradient = scaled[(r + 1) % ROWS][threadIdx.x];
#pragma unroll
      for (int j = 0; j < 2 * V; ++j) {
        gradient.values[j] -= factor * values.values[j] * share.values[j];
        if (through_relu && !(values.values[j] > 0.0f)) gradient.values[j] = 0.0f;
      }
      store_row<T, V>(dx, columns, gradient);
    }
  }
}

#define KERNELS(T, V)                                                                             \
  KERNEL_COOPERATIVE(map_norm_forward_columns_##T##_v##V,                                         \
                     (In<T> x, Out<T> y, u32 height, u32 width, u32 channels, u32 vectors,        \
                      float k, float a),                                                          \
                     forward<T, V>(x, y, {height, width, channels, vectors}, k, a))               \
  KERNEL_COOPERATIVE(map_norm_backward_columns_##T##_v##V,                                        \
                     (In<T> x, In<T> dy, Out<T> dx, u32 height, u32 width, u32 channels,          \
                      u32 vectors, float k, float a, u32 through_relu),                           \
                     backward<T, V>(x, dy, dx, {height, width, channels, vectors}, k, a,          \
                                    through_relu))

KERNELS(float, 1)
KERNELS(bf16, 2)
