// cuBLASLt's matmul, column-major, with a bias and a ReLU in its epilogue; and as much of cuBLAS
// and cuRAND as candle opens with a device.
#include <cstring>

#include "emulator.h"
#include "numbers.h"

namespace {
enum { SUCCESS = 0, INVALID = 7, EXECUTION_FAILED = 13, NOT_SUPPORTED = 15 }; // cublasStatus_t
enum { R_32F = 0, R_16BF = 14 };                                              // cudaDataType_t
enum { COMPUTE_32F = 68, COMPUTE_TF32 = 77 };                                 // cublasComputeType_t
enum { DEFAULT = 1, BIAS = 4, RELU_BIAS = 6 };                                // cublasLtEpilogue_t
const u64 MAGIC = 0x616c65786e657400ull;

struct Matmul {
  int compute, scale;
  u32 transposed[2] = {0, 0}, epilogue = DEFAULT;
  u64 bias = 0;
};
struct Matrix {
  int type;
  u64 rows, columns;
  int64_t leading;
};
struct Preference {
  size_t most = 0;
  u32 aligned[4] = {256, 256, 256, 256}; // bytes, of a, b, c and d; cuBLASLt's default
};
struct Algorithm {
  u64 data[8];
};
struct Choice {
  Algorithm algorithm;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Choice) == 96, "as cuBLASLt lays it out");

int refuse(int status, const char *what) {
  fprintf(stderr, "emulator: cuBLASLt refuses: %s\n", what);
  return status;
}
struct Sizes {
  u64 m, n, k;
};
int check(const Matmul &p, const Matrix &a, const Matrix &b, const Matrix &c, const Matrix &d,
          Sizes &sizes) {
  if (a.type != b.type || a.type != c.type || a.type != d.type)
    return refuse(NOT_SUPPORTED, "types differ");
  if (p.scale != R_32F || (p.compute != COMPUTE_32F && p.compute != COMPUTE_TF32))
    return refuse(NOT_SUPPORTED, "arithmetic other than f32 and TF32");
  if (p.compute == COMPUTE_TF32 && a.type != R_32F)
    return refuse(NOT_SUPPORTED, "TF32 of another type");
  for (const Matrix *matrix : {&a, &b, &c, &d})
    if (matrix->leading < int64_t(matrix->rows) || !matrix->rows || !matrix->columns)
      return refuse(INVALID, "a matrix without elements, or with overlapping columns");
  const bool turn_a = p.transposed[0], turn_b = p.transposed[1];
  const u64 k = turn_a ? a.rows : a.columns;
  sizes = {turn_a ? a.columns : a.rows, turn_b ? b.rows : b.columns, k};
  const bool fit = (turn_b ? b.columns : b.rows) == k && d.rows == sizes.m && d.columns == sizes.n;
  if (!fit || c.rows != d.rows || c.columns != d.columns)
    return refuse(INVALID, "sizes that do not fit");
  if (p.epilogue != DEFAULT && p.epilogue != BIAS && p.epilogue != RELU_BIAS)
    return refuse(NOT_SUPPORTED, "an epilogue other than a bias, and ReLU after it");
  return SUCCESS;
}
// An algorithm is for these types, sizes and alignments (16 bits for each matrix) and no others.
Algorithm algorithm(const Matmul &p, const Matrix &a, const Sizes &s, u64 number, u64 workspace,
                    u64 alignments) {
  const u64 turned = p.transposed[0] << 1 | p.transposed[1];
  const u64 kind = u64(a.type) << 32 | u64(p.epilogue) << 24 | u64(p.compute) << 8 | turned;
  return {{MAGIC + number, s.m, s.n, s.k, kind, alignments, 0, workspace}};
}
} // namespace

extern "C" {
int cublasLtCreate(void **handle) { return *handle = new char, SUCCESS; }
int cublasLtDestroy(void *handle) { return delete (char *)handle, SUCCESS; }
size_t cublasLtGetVersion() { return 130100; }
int cublasLtMatmulDescCreate(Matmul **matmul, int compute, int scale) {
  *matmul = new Matmul{compute, scale};
  return SUCCESS;
}
int cublasLtMatmulDescDestroy(Matmul *matmul) { return delete matmul, SUCCESS; }
int cublasLtMatmulDescSetAttribute(Matmul *matmul, int attribute, const void *value, size_t bytes) {
  switch (attribute) {
  case 3:
  case 4:
    if (bytes != 4) return INVALID;
    memcpy(&matmul->transposed[attribute - 3], value, 4);
    return SUCCESS;
  case 7: return bytes != 4 ? int(INVALID) : (memcpy(&matmul->epilogue, value, 4), SUCCESS);
  case 8: return bytes != 8 ? int(INVALID) : (memcpy(&matmul->bias, value, 8), SUCCESS);
  default: return refuse(NOT_SUPPORTED, "an attribute that is not emulated");
  }
}
int cublasLtMatrixLayoutCreate(Matrix **matrix, int type, u64 rows, u64 columns, int64_t leading) {
  *matrix = new Matrix{type, rows, columns, leading};
  return SUCCESS;
}
int cublasLtMatrixLayoutDestroy(Matrix *matrix) { return delete matrix, SUCCESS; }
int cublasLtMatmulPreferenceCreate(Preference **preference) {
  return *preference = new Preference, SUCCESS;
}
int cublasLtMatmulPreferenceDestroy(Preference *preference) { return delete preference, SUCCESS; }
int cublasLtMatmulPreferenceSetAttribute(Preference *preference, int attribute, const void *value,
                                         size_t bytes) {
  if (attribute == 1 && bytes == sizeof(size_t))
    return memcpy(&preference->most, value, bytes), SUCCESS;
  if (attribute >= 5 && attribute <= 8 && bytes == 4)
    return memcpy(&preference->aligned[attribute - 5], value, bytes), SUCCESS;
  return refuse(INVALID, "a preference that is not emulated");
}
int cublasLtMatmulAlgoGetHeuristic(void *, Matmul *p, Matrix *a, Matrix *b, Matrix *c, Matrix *d,
                                   Preference *preference, int most, Choice *choices, int *count) {
  Sizes sizes;
  if (int wrong = check(*p, *a, *b, *c, *d, sizes)) return wrong;
  if (p->epilogue != DEFAULT && !p->bias)
    return refuse(INVALID, "to list algorithms before the bias is given");
  *count = 0;
  u64 alignments = 0;
  for (u32 bytes : preference->aligned) {
    if (!bytes || bytes & (bytes - 1) || bytes > 256)
      return refuse(INVALID, "an alignment that is no power of two up to 256");
    alignments = alignments << 16 | bytes;
  }
  const u64 workspaces[] = {1 << 20, 0, 4096}; // by number
  for (u64 number = 0; number < 3 && *count < most; ++number)
    if (workspaces[number] <= preference->most)
      choices[(*count)++] = {algorithm(*p, *a, sizes, number, workspaces[number], alignments),
                             workspaces[number],
                             0,
                             1.0f,
                             {}};
  return SUCCESS;
}
int cublasLtMatmul(void *handle, Matmul *p, const float *alpha, u64 at_a, Matrix *a, u64 at_b,
                   Matrix *b, const float *beta, u64 at_c, Matrix *c, u64 at_d, Matrix *d,
                   const Algorithm *chosen, u64 space, size_t bytes, Stream *stream) {
  Locked lock(emulator_lock());
  Sizes sizes;
  if (int wrong = check(*p, *a, *b, *c, *d, sizes)) return wrong;
  if (chosen) {
    const Algorithm expected =
        algorithm(*p, *a, sizes, chosen->data[0] - MAGIC, chosen->data[7], chosen->data[5]);
    if (memcmp(chosen, &expected, sizeof expected))
      return refuse(NOT_SUPPORTED, "an algorithm of another matmul");
    if (bytes < chosen->data[7]) return refuse(INVALID, "a workspace that is too small");
  }
  const size_t needed = chosen ? chosen->data[7] : 0;
  const bool biased = p->epilogue != DEFAULT, relu = p->epilogue == RELU_BIAS;
  if (biased && !p->bias) return refuse(INVALID, "no bias");
  if (*beta != 0) return refuse(NOT_SUPPORTED, "a beta other than 0");
  if (needed && space % 256) return refuse(INVALID, "a workspace that is not aligned to 256 bytes");
  const u64 addresses[] = {at_a, at_b, at_c, at_d};
  for (int i = 0; chosen && i < 4; ++i)
    if (addresses[i] % (chosen->data[5] >> 16 * (3 - i) & 0xffff))
      return refuse(INVALID, "memory that is aligned less than the algorithm was chosen for");
  for (u64 at : addresses)
    if (at % 16) ++counts["matmuls of memory not aligned to 16 bytes"];
  ++counts["matmuls"];
  const bool is_bf16 = a->type == R_16BF, tf32 = p->compute == COMPUTE_TF32;
  const float factor = *alpha;
  return enqueue(stream,
                 [=, p = *p, a = *a, b = *b, d = *d] {
                   if (broken()) return;
                   const u64 wide = is_bf16 ? 2 : 4;
                   auto end = [&](const Matrix &matrix) {
                     return (matrix.leading * (matrix.columns - 1) + matrix.rows) * wide;
                   };
                   if (needed && touch(space, needed, "a workspace"))
                     memset((void *)space, 0xff, needed);
                   if (!touch(at_a, end(a), "a matmul's first operand") ||
                       !touch(at_b, end(b), "a matmul's second operand") ||
                       !touch(at_d, end(d), "a matmul's result") ||
                       (biased && !touch(p.bias, sizes.m * wide, "a matmul's bias")))
                     return;
                   // A matmul that only measures how fast the GPU is may be left out: nobody looks
                   // at its result.
                   if (sizes.m * sizes.n > setting("LARGEST_MATMUL", ~0ull) / sizes.k) {
                     memset((void *)at_d, 0xff, end(d));
                     return;
                   }
                   // Both operands are read with k as the inner dimension.
                   auto rows = [&](u64 at, const Matrix &matrix, u64 count, bool inner) {
                     std::vector<float> values(count * sizes.k);
                     for (u64 i = 0; i < count; ++i)
                       for (u64 k = 0; k < sizes.k; ++k) {
                         const u64 index = inner ? i * matrix.leading + k : k * matrix.leading + i;
                         const float value = load_element((const void *)at, index, is_bf16);
                         values[i * sizes.k + k] = tf32 ? as_tf32(value) : value;
                       }
                     return values;
                   };
                   const std::vector<float> left = rows(at_a, a, sizes.m, p.transposed[0]);
                   const std::vector<float> right = rows(at_b, b, sizes.n, !p.transposed[1]);
                   for (u64 j = 0; j < sizes.n; ++j)
                     for (u64 i = 0; i < sizes.m; ++i) {
                       float sum = factor * dot(&left[i * sizes.k], &right[j * sizes.k], sizes.k);
                       if (biased) sum += load_element((const void *)p.bias, i, is_bf16);
                       store_element((void *)at_d, j * d.leading + i, is_bf16,
                                     relu && sum < 0 ? 0 : sum);
                     }
                 })
             ? EXECUTION_FAILED
             : SUCCESS;
}

// candle opens these with a device; this project calls no more of them.
int cublasCreate_v2(void **handle) { return *handle = new char, SUCCESS; }
int cublasDestroy_v2(void *handle) { return delete (char *)handle, SUCCESS; }
int cublasSetStream_v2(void *, void *) { return SUCCESS; }
int curandCreateGenerator(void **generator, int) { return *generator = new char, SUCCESS; }
int curandDestroyGenerator(void *generator) { return delete (char *)generator, SUCCESS; }
int curandSetPseudoRandomGeneratorSeed(void *, u64) { return SUCCESS; }
int curandSetStream(void *, void *) { return SUCCESS; }
}
