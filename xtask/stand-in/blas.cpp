// cuBLASLt's product, column-major, with a bias and a ReLU behind it; and what of cuBLAS and cuRAND is opened.
#include <cstring>

#include "machine.h"

namespace {
enum { SUCCESS = 0, INVALID = 7, FAILED = 13, NOT_SUPPORTED = 15 };
enum { R_32F = 0, R_16BF = 14 };
enum { COMPUTE_32F = 68, COMPUTE_TF32 = 77 };
const u64 MAGIC = 0x616c65786e657400ull;

struct Product {
  int compute, scale;
  u32 transposed[2] = {0, 0}, epilogue = 1;
  u64 bias = 0;
};
struct Matrix {
  int type;
  u64 rows, columns;
  int64_t leading;
};
struct Preference {
  size_t most = 0;
  u32 aligned[4] = {256, 256, 256, 256}; // a, b, c, d: bytes, as cuBLASLt takes them to be unless it is told
};
struct Algorithm { u64 data[8]; };
struct Choice {
  Algorithm algorithm;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Choice) == 96, "as cuBLASLt lays it out");

int refuse(const char *what, int code) {
  fprintf(stderr, "stand-in: cuBLASLt refuses: %s\n", what);
  return code;
}
struct Sizes { u64 m, n, k; };
int check(const Product &p, const Matrix &a, const Matrix &b, const Matrix &c, const Matrix &d, Sizes &sizes) {
  if (a.type != b.type || a.type != c.type || a.type != d.type) return refuse("types differ", NOT_SUPPORTED);
  if (p.scale != R_32F || (p.compute != COMPUTE_32F && p.compute != COMPUTE_TF32))
    return refuse("an arithmetic that is not known here", NOT_SUPPORTED);
  if (p.compute == COMPUTE_TF32 && a.type != R_32F) return refuse("TF32 of another type", NOT_SUPPORTED);
  for (const Matrix *matrix : {&a, &b, &c, &d})
    if (matrix->leading < int64_t(matrix->rows) || !matrix->rows || !matrix->columns) return refuse("a matrix", INVALID);
  const bool turn_a = p.transposed[0], turn_b = p.transposed[1];
  const u64 k = turn_a ? a.rows : a.columns;
  sizes = {turn_a ? a.columns : a.rows, turn_b ? b.rows : b.columns, k};
  if ((turn_b ? b.columns : b.rows) != k || d.rows != sizes.m || d.columns != sizes.n || c.rows != d.rows ||
      c.columns != d.columns)
    return refuse("sizes that do not fit", INVALID);
  if (p.epilogue != 1 && p.epilogue != 4 && p.epilogue != 6) return refuse("an epilogue not known here", NOT_SUPPORTED);
  return SUCCESS;
}
// An algorithm is for these types, sizes and alignments (16 bits for each matrix) and no others.
Algorithm algorithm(const Product &p, const Matrix &a, const Sizes &s, u64 number, u64 workspace, u64 alignments) {
  const u64 kind = u64(a.type) << 32 | u64(p.epilogue) << 24 | u64(p.compute) << 8 | p.transposed[0] << 1 | p.transposed[1];
  return {{MAGIC + number, s.m, s.n, s.k, kind, alignments, 0, workspace}};
}
} // namespace

extern "C" {
int cublasLtCreate(void **handle) { return *handle = new char, SUCCESS; }
int cublasLtDestroy(void *handle) { return delete (char *)handle, SUCCESS; }
size_t cublasLtGetVersion() { return 130100; }
int cublasLtMatmulDescCreate(Product **product, int compute, int scale) {
  *product = new Product{compute, scale};
  return SUCCESS;
}
int cublasLtMatmulDescDestroy(Product *product) { return delete product, SUCCESS; }
int cublasLtMatmulDescSetAttribute(Product *product, int attribute, const void *value, size_t bytes) {
  switch (attribute) {
  case 3: case 4:
    if (bytes != 4) return INVALID;
    memcpy(&product->transposed[attribute - 3], value, 4);
    return SUCCESS;
  case 7: return bytes != 4 ? int(INVALID) : (memcpy(&product->epilogue, value, 4), SUCCESS);
  case 8: return bytes != 8 ? int(INVALID) : (memcpy(&product->bias, value, 8), SUCCESS);
  default: return refuse("an attribute that is not known here", NOT_SUPPORTED);
  }
}
int cublasLtMatrixLayoutCreate(Matrix **matrix, int type, u64 rows, u64 columns, int64_t leading) {
  *matrix = new Matrix{type, rows, columns, leading};
  return SUCCESS;
}
int cublasLtMatrixLayoutDestroy(Matrix *matrix) { return delete matrix, SUCCESS; }
int cublasLtMatmulPreferenceCreate(Preference **preference) { return *preference = new Preference, SUCCESS; }
int cublasLtMatmulPreferenceDestroy(Preference *preference) { return delete preference, SUCCESS; }
int cublasLtMatmulPreferenceSetAttribute(Preference *preference, int attribute, const void *value, size_t bytes) {
  if (attribute == 1 && bytes == sizeof(size_t)) return memcpy(&preference->most, value, bytes), SUCCESS;
  if (attribute >= 5 && attribute <= 8 && bytes == 4)
    return memcpy(&preference->aligned[attribute - 5], value, bytes), SUCCESS;
  return refuse("a preference that is not known here", INVALID);
}
int cublasLtMatmulAlgoGetHeuristic(void *, Product *p, Matrix *a, Matrix *b, Matrix *c, Matrix *d,
                                   Preference *preference, int most, Choice *choices, int *count) {
  Sizes sizes;
  if (int wrong = check(*p, *a, *b, *c, *d, sizes)) return wrong;
  if ((p->epilogue & 4) && !p->bias) return refuse("a list is asked for and the bias is not there yet", INVALID);
  *count = 0;
  u64 alignments = 0;
  for (u32 bytes : preference->aligned) {
    if (!bytes || bytes & (bytes - 1) || bytes > 256) return refuse("an alignment", INVALID);
    alignments = alignments << 16 | bytes;
  }
  const u64 workspaces[] = {1 << 20, 0, 4096}; // by number
  for (u64 number = 0; number < 3 && *count < most; ++number)
    if (workspaces[number] <= preference->most)
      choices[(*count)++] = {algorithm(*p, *a, sizes, number, workspaces[number], alignments), workspaces[number], 0, 1.0f, {}};
  return SUCCESS;
}
int cublasLtMatmul(void *handle, Product *p, const float *alpha, u64 at_a, Matrix *a, u64 at_b, Matrix *b,
                   const float *beta, u64 at_c, Matrix *c, u64 at_d, Matrix *d, const Algorithm *chosen, u64 space,
                   size_t bytes, Stream *stream) {
  Locked lock(machine_lock());
  Sizes sizes;
  if (int wrong = check(*p, *a, *b, *c, *d, sizes)) return wrong;
  if (chosen) {
    const Algorithm expected = algorithm(*p, *a, sizes, chosen->data[0] - MAGIC, chosen->data[7], chosen->data[5]);
    if (memcmp(chosen, &expected, sizeof expected)) return refuse("an algorithm for another product", NOT_SUPPORTED);
    if (bytes < chosen->data[7]) return refuse("a workspace that is too small", INVALID);
  }
  const size_t needed = chosen ? chosen->data[7] : 0;
  const bool biased = p->epilogue & 4, relu = p->epilogue & 2;
  if (biased && !p->bias) return refuse("no bias", INVALID);
  if (*beta != 0) return refuse("a beta is not known here", NOT_SUPPORTED);
  if (needed && space % 256) return refuse("a workspace that is not aligned to 256 bytes", INVALID);
  const u64 addresses[] = {at_a, at_b, at_c, at_d};
  for (int i = 0; chosen && i < 4; ++i)
    if (addresses[i] % (chosen->data[5] >> 16 * (3 - i) & 0xffff))
      return refuse("memory that is aligned less than the algorithm was chosen for", INVALID);
  for (u64 at : addresses)
    if (at % 16) ++counts["products of memory not aligned to 16 bytes"];
  ++counts["products"];
  const bool bf16 = a->type == R_16BF, tf32 = p->compute == COMPUTE_TF32;
  const float factor = *alpha;
  return enqueue(stream, [=, p = *p, a = *a, b = *b, d = *d] {
    if (broken()) return;
    const u64 wide = bf16 ? 2 : 4;
    auto end = [&](const Matrix &matrix) { return (matrix.leading * (matrix.columns - 1) + matrix.rows) * wide; };
    if (needed && touch(space, needed, "a workspace")) memset((void *)space, 0xff, needed);
    if (!touch(at_a, end(a), "a product's first") || !touch(at_b, end(b), "a product's second") ||
        !touch(at_d, end(d), "a product's result") || (biased && !touch(p.bias, sizes.m * wide, "a product's bias")))
      return;
    // Both with k as the inner dimension.
    auto rows = [&](u64 at, const Matrix &matrix, u64 count, bool inner) {
      std::vector<float> values(count * sizes.k);
      for (u64 i = 0; i < count; ++i)
        for (u64 k = 0; k < sizes.k; ++k) {
          const u64 index = inner ? i * matrix.leading + k : k * matrix.leading + i;
          const float value = load_element((const void *)at, index, bf16);
          values[i * sizes.k + k] = tf32 ? as_tf32(value) : value;
        }
      return values;
    };
    // Of a product that only shows how fast a card is nobody sees the result.
    if (sizes.m * sizes.n > setting("LARGEST_PRODUCT", ~0ull) / sizes.k) {
      memset((void *)at_d, 0xff, end(d));
      return;
    }
    const std::vector<float> left = rows(at_a, a, sizes.m, p.transposed[0]), right = rows(at_b, b, sizes.n, !p.transposed[1]);
    for (u64 j = 0; j < sizes.n; ++j)
      for (u64 i = 0; i < sizes.m; ++i) {
        const float *x = &left[i * sizes.k], *y = &right[j * sizes.k];
        float parts[8] = {}, sum = 0;
        u64 k = 0;
        for (; k + 8 <= sizes.k; k += 8)
          for (int part = 0; part < 8; ++part) parts[part] += x[k + part] * y[k + part];
        for (float part : parts) sum += part;
        for (; k < sizes.k; ++k) sum += x[k] * y[k];
        sum *= factor;
        if (biased) sum += load_element((const void *)p.bias, i, bf16);
        store_element((void *)at_d, j * d.leading + i, bf16, relu && sum < 0 ? 0 : sum);
      }
  }) ? FAILED : SUCCESS;
}

// candle opens these with a device; nothing here calls more of them.
int cublasCreate_v2(void **handle) { return *handle = new char, SUCCESS; }
int cublasDestroy_v2(void *handle) { return delete (char *)handle, SUCCESS; }
int cublasSetStream_v2(void *, void *) { return SUCCESS; }
int curandCreateGenerator(void **generator, int) { return *generator = new char, SUCCESS; }
int curandDestroyGenerator(void *generator) { return delete (char *)generator, SUCCESS; }
int curandSetPseudoRandomGeneratorSeed(void *, u64) { return SUCCESS; }
int curandSetStream(void *, void *) { return SUCCESS; }
}
