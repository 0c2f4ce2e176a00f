/* Attention over a cache where it lies, as f16 or f32, without dense scores.  Definition: reference.py.

   With few queries each key is read once and met by all query heads that share it; the keys are cut into
   pieces of a fixed length, whose results are merged in order, so that any number of threads gives the same.
   With many, blocks of queries and keys are multiplied as matrices that stay in the second-level cache, with a
   running softmax.  What a query may see follows from positions alone; blocks that none sees are skipped. */

#include <math.h>
#include <string.h>

#include "native.h"

#define FEW 8     /* queries that are met key by key */
#define ROWS 6    /* of a register tile: rows × two registers of sums, and the operands, fill the registers */
#define PIECE 512 /* keys whose results are merged, with few queries */
#define BLOCK 64  /* keys that are multiplied together, with many */
#define MANY_ROWS 96

typedef struct {
  const float *queries; /* [A, N, H] */
  const uint8_t *keys, *values; /* of one layer: [K, S, H] */
  const int32_t *positions; /* [S] */
  const int32_t *asking;    /* [A] */
  float *out;               /* [A, N, H] */
  float *partial;           /* [K, pieces, A * G, H + 2]: sums, peak, total */
  long count, heads, kv_heads, groups, slots, size, pieces, tokens; /* tokens: of a block of queries */
  int64_t window; /* 0: none */
  float scale;
  int half; /* whether keys and values are f16 */
} Attention;

INLINE int sees(int32_t asking, int32_t key, int64_t window) {
  return key >= 0 && key <= asking && (!window || (int64_t)asking - key < window);
}

/* Whether any (bit 0) or every (bit 1) of some queries sees any or every one of some keys. */
static int seen(const Attention *a, long first_query, long queries, long first_key, long keys) {
  int32_t low_query = INT32_MAX, high_query = -1, low_key = INT32_MAX, high_key = -1;
  int padding = 0, empty = 0;
  for (long i = first_query; i < first_query + queries; i++) {
    int32_t at = a->asking[i];
    padding |= at < 0;
    if (at >= 0 && at < low_query) low_query = at;
    if (at > high_query) high_query = at;
  }
  for (long i = first_key; i < first_key + keys; i++) {
    int32_t at = a->positions[i];
    empty |= at < 0;
    if (at >= 0 && at < low_key) low_key = at;
    if (at > high_key) high_key = at;
  }
  if (high_query < 0 || high_key < 0 || low_key > high_query) return 0;
  if (a->window && (int64_t)low_query - high_key >= a->window) return 0;
  int every = !padding && !empty && high_key <= low_query &&
              (!a->window || (int64_t)high_query - low_key < a->window);
  return 1 | every << 1;
}

INLINE __m256 eight(const uint8_t *at, long index, int half) {
  if (half) return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)((const uint16_t *)at + index)));
  return _mm256_loadu_ps((const float *)at + index);
}

/* e^x of x ≤ 0, to about a unit in the last place; below -87 it is as good as 0. */
INLINE __m256 exponential(__m256 x) {
  x = _mm256_max_ps(_mm256_set1_ps(-87.0f), x); /* in this order no number stays none */
  __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 p = _mm256_set1_ps(1.9875691500e-4f);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.3981999507e-3f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.3334519073e-3f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.1665795894e-2f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.6666665459e-1f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.0000001201e-1f));
  p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), _mm256_add_ps(r, _mm256_set1_ps(1.0f)));
  __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(p, _mm256_castsi256_ps(power));
}

INLINE float sum_of(__m256 x) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_shuffle_ps(half, half, 1)));
}

INLINE float peak_of(__m256 x) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_shuffle_ps(half, half, 1)));
}

/* Scores of a row made weights in place, e^(score - peak); `count` is a multiple of 8. Returns their sum. */
static float weigh(float *scores, long count, float peak) {
  __m256 total = _mm256_setzero_ps();
  const __m256 top = _mm256_set1_ps(peak), unseen = _mm256_set1_ps(-INFINITY);
  for (long i = 0; i < count; i += 8) {
    __m256 score = _mm256_loadu_ps(scores + i);
    __m256 weight = exponential(_mm256_sub_ps(score, top));
    weight = _mm256_andnot_ps(_mm256_cmp_ps(score, unseen, _CMP_EQ_OQ), weight);
    _mm256_storeu_ps(scores + i, weight);
    total = _mm256_add_ps(total, weight);
  }
  return sum_of(total);
}

static float highest(const float *scores, long count) {
  __m256 peak = _mm256_set1_ps(-INFINITY);
  for (long i = 0; i < count; i += 8) peak = _mm256_max_ps(_mm256_loadu_ps(scores + i), peak);
  return peak_of(peak);
}

/* ---- few queries ---- */

typedef struct {
  const float *queries; /* [rows, H], scaled */
  const uint8_t *keys, *values;
  float *scores; /* [rows, PIECE] */
  float *sums;   /* [rows, H + 2] */
  long size, keys_here;
} Few;

INLINE void few_scores(const Few *f, int rows, int half) {
  for (long key = 0; key < f->keys_here; key++) {
    __m256 sums[ROWS];
    for (int r = 0; r < rows; r++) sums[r] = _mm256_setzero_ps();
    for (long i = 0; i < f->size; i += 8) {
      __m256 part = eight(f->keys, key * f->size + i, half);
      for (int r = 0; r < rows; r++)
        sums[r] = _mm256_fmadd_ps(part, _mm256_loadu_ps(f->queries + r * f->size + i), sums[r]);
    }
    for (int r = 0; r < rows; r++) f->scores[r * PIECE + key] = sum_of(sums[r]);
  }
}

INLINE void few_sums(const Few *f, int rows, int half) {
  for (long i = 0; i < f->size; i += 16) {
    __m256 low[ROWS], high[ROWS];
    for (int r = 0; r < rows; r++) low[r] = high[r] = _mm256_setzero_ps();
    for (long key = 0; key < f->keys_here; key++) {
      __m256 first = eight(f->values, key * f->size + i, half), second = eight(f->values, key * f->size + i + 8, half);
      for (int r = 0; r < rows; r++) {
        __m256 weight = _mm256_broadcast_ss(f->scores + r * PIECE + key);
        low[r] = _mm256_fmadd_ps(weight, first, low[r]);
        high[r] = _mm256_fmadd_ps(weight, second, high[r]);
      }
    }
    for (int r = 0; r < rows; r++) {
      _mm256_storeu_ps(f->sums + r * (f->size + 2) + i, low[r]);
      _mm256_storeu_ps(f->sums + r * (f->size + 2) + i + 8, high[r]);
    }
  }
}

#define FOR_ROWS(call)      \
  switch (rows) {           \
    case 1: call(1); break; \
    case 2: call(2); break; \
    case 3: call(3); break; \
    case 4: call(4); break; \
    case 5: call(5); break; \
    default: call(6);       \
  }

static void few_scores_of(const Few *f, int rows, int half) {
#define CALL(n)                    \
  if (half) few_scores(f, n, 1); \
  else few_scores(f, n, 0)
  FOR_ROWS(CALL)
#undef CALL
}

static void few_sums_of(const Few *f, int rows, int half) {
#define CALL(n)                  \
  if (half) few_sums(f, n, 1); \
  else few_sums(f, n, 0)
  FOR_ROWS(CALL)
#undef CALL
}

/* One piece of the keys of one key/value head, for all queries. */
static void few_item(const void *context, long item) {
  const Attention *a = context;
  long head = item / a->pieces, piece = item % a->pieces, all = a->count * a->groups;
  long first = piece * PIECE, keys = a->slots - first < PIECE ? a->slots - first : PIECE;
  long padded = (keys + 7) / 8 * 8;
  float *sums = a->partial + item * all * (a->size + 2);
  float scores[ROWS * PIECE], queries[ROWS * a->size];
  int visible = seen(a, 0, a->count, first, keys);
  /* Rows are queries, and for each the heads that read this key/value head. */
  for (long row = 0; row < all;) {
    long left = all - row, groups_left = (left + ROWS - 1) / ROWS;
    int rows = (int)((left + groups_left - 1) / groups_left);
    float *to = sums + row * (a->size + 2);
    if (!visible) {
      for (int r = 0; r < rows; r++) {
        memset(to + r * (a->size + 2), 0, a->size * sizeof(float));
        to[r * (a->size + 2) + a->size] = -INFINITY;
        to[r * (a->size + 2) + a->size + 1] = 0;
      }
      row += rows;
      continue;
    }
    for (int r = 0; r < rows; r++) {
      long token = (row + r) / a->groups, query = head * a->groups + (row + r) % a->groups;
      const float *from = a->queries + (token * a->heads + query) * a->size;
      for (long i = 0; i < a->size; i++) queries[r * a->size + i] = from[i] * a->scale;
    }
    long width = a->half ? 2 : 4, offset = (head * a->slots + first) * a->size * width;
    Few f = {queries, a->keys + offset, a->values + offset, scores, to, a->size, keys};
    few_scores_of(&f, rows, a->half);
    for (int r = 0; r < rows; r++) {
      float *of = scores + r * PIECE;
      int32_t asking = a->asking[(row + r) / a->groups];
      if (!(visible & 2))
        for (long key = 0; key < keys; key++)
          if (!sees(asking, a->positions[first + key], a->window)) of[key] = -INFINITY;
      for (long key = keys; key < padded; key++) of[key] = -INFINITY;
      float peak = highest(of, padded);
      to[r * (a->size + 2) + a->size] = peak;
      to[r * (a->size + 2) + a->size + 1] = weigh(of, padded, peak == -INFINITY ? 0 : peak);
    }
    few_sums_of(&f, rows, a->half);
    row += rows;
  }
}

/* The pieces of one query head merged. */
static void merge_item(const void *context, long row) {
  const Attention *a = context;
  long all = a->count * a->groups, head = row / all, line = row % all, stride = a->size + 2;
  float *out = a->out + (line / a->groups * a->heads + head * a->groups + line % a->groups) * a->size;
  float peak = -INFINITY, total = 0;
  for (long piece = 0; piece < a->pieces; piece++) {
    float here = a->partial[((head * a->pieces + piece) * all + line) * stride + a->size];
    if (here > peak || isnan(here)) peak = here;
  }
  memset(out, 0, a->size * sizeof(float));
  for (long piece = 0; piece < a->pieces; piece++) {
    const float *part = a->partial + ((head * a->pieces + piece) * all + line) * stride;
    if (part[a->size + 1] == 0) continue;
    float factor = expf(part[a->size] - peak);
    total += part[a->size + 1] * factor;
    for (long i = 0; i < a->size; i++) out[i] += part[i] * factor;
  }
  if (total != 0)
    for (long i = 0; i < a->size; i++) out[i] /= total;
}

/* ---- many queries ---- */

/* to[rows, 16 columns] (+)= left[rows, inner] · right[inner, 16 columns], rows of `to` and `left` apart. */
INLINE void product(float *to, long to_row, const float *left, long left_row, const float *right, long right_row,
                    long inner, int rows, int add) {
  __m256 low[ROWS], high[ROWS];
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++) {
    low[r] = add ? _mm256_loadu_ps(to + r * to_row) : _mm256_setzero_ps();
    high[r] = add ? _mm256_loadu_ps(to + r * to_row + 8) : _mm256_setzero_ps();
  }
  for (long i = 0; i < inner; i++) {
    __m256 first = _mm256_loadu_ps(right + i * right_row), second = _mm256_loadu_ps(right + i * right_row + 8);
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
      __m256 factor = _mm256_broadcast_ss(left + r * left_row + i);
      low[r] = _mm256_fmadd_ps(factor, first, low[r]);
      high[r] = _mm256_fmadd_ps(factor, second, high[r]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++) {
    _mm256_storeu_ps(to + r * to_row, low[r]);
    _mm256_storeu_ps(to + r * to_row + 8, high[r]);
  }
}

static void products(float *to, long columns, const float *left, long inner, const float *right, long right_row,
                     long all, int add) {
  for (long column = 0; column < columns; column += 16)
    for (long row = 0; row < all; row += ROWS) {
      int rows = all - row < ROWS ? (int)(all - row) : ROWS;
      float *here = to + row * columns + column;
#define CALL(n)                                                                             \
  if (add) product(here, columns, left + row * inner, inner, right + column, right_row, inner, n, 1); \
  else product(here, columns, left + row * inner, inner, right + column, right_row, inner, n, 0)
      FOR_ROWS(CALL)
#undef CALL
    }
}

/* A block of keys turned round: f32 [H, BLOCK] of [keys, H]. */
static void turned(const Attention *a, const uint8_t *from, long keys, float *to) {
  for (long key = 0; key < BLOCK; key += 8)
    for (long i = 0; i < a->size; i += 8) {
      float square[8][8];
      for (int k = 0; k < 8; k++)
        _mm256_storeu_ps(square[k], key + k < keys ? eight(from, (key + k) * a->size + i, a->half) : _mm256_setzero_ps());
      for (int j = 0; j < 8; j++)
        for (int k = 0; k < 8; k++) to[(i + j) * BLOCK + key + k] = square[k][j];
    }
}

/* A block of queries of one key/value head over all keys. */
static void many_item(const void *context, long item) {
  const Attention *a = context;
  long head = item % a->kv_heads, first = item / a->kv_heads * a->tokens;
  long count = a->count - first < a->tokens ? a->count - first : a->tokens, rows = count * a->groups;
  long size = a->size, width = a->half ? 2 : 4;
  float *queries = (float *)room((2 * rows * size + rows * (BLOCK + 2) + 2 * BLOCK * size) * sizeof(float));
  if (!queries) {
    for (long i = 0; i < rows; i++) /* no memory: no number, which the engine reports */
      for (long j = 0; j < size; j++)
        a->out[((first + i / a->groups) * a->heads + head * a->groups + i % a->groups) * size + j] = NAN;
    return;
  }
  float *sums = queries + rows * size, *scores = sums + rows * size, *keys = scores + rows * BLOCK;
  float *values = keys + BLOCK * size, *peaks = values + BLOCK * size, *totals = peaks + rows;
  for (long row = 0; row < rows; row++) {
    long token = first + row / a->groups, query = head * a->groups + row % a->groups;
    const float *from = a->queries + (token * a->heads + query) * size;
    for (long i = 0; i < size; i++) queries[row * size + i] = from[i] * a->scale;
    peaks[row] = -INFINITY;
    totals[row] = 0;
  }
  memset(sums, 0, rows * size * sizeof(float));
  for (long start = 0; start < a->slots; start += BLOCK) {
    long here = a->slots - start < BLOCK ? a->slots - start : BLOCK;
    int visible = seen(a, first, count, start, here);
    if (!visible) continue;
    long offset = (head * a->slots + start) * size;
    turned(a, a->keys + offset * width, here, keys);
    for (long i = 0; i < BLOCK * size; i += 8)
      _mm256_storeu_ps(values + i,
                       i < here * size ? eight(a->values + offset * width, i, a->half) : _mm256_setzero_ps());
    products(scores, BLOCK, queries, size, keys, BLOCK, rows, 0);
    for (long row = 0; row < rows; row++) {
      float *of = scores + row * BLOCK;
      int32_t asking = a->asking[first + row / a->groups];
      if (!(visible & 2))
        for (long key = 0; key < here; key++)
          if (!sees(asking, a->positions[start + key], a->window)) of[key] = -INFINITY;
      for (long key = here; key < BLOCK; key++) of[key] = -INFINITY;
      float peak = highest(of, BLOCK);
      if (peak > peaks[row]) {
        float decay = peaks[row] == -INFINITY ? 0 : expf(peaks[row] - peak);
        __m256 factor = _mm256_set1_ps(decay);
        for (long i = 0; i < size; i += 8)
          _mm256_storeu_ps(sums + row * size + i, _mm256_mul_ps(factor, _mm256_loadu_ps(sums + row * size + i)));
        totals[row] *= decay;
        peaks[row] = peak;
      }
      totals[row] += weigh(of, BLOCK, peaks[row] == -INFINITY ? 0 : peaks[row]);
    }
    products(sums, size, scores, BLOCK, values, size, rows, 1);
  }
  for (long row = 0; row < rows; row++) {
    float *out = a->out + ((first + row / a->groups) * a->heads + head * a->groups + row % a->groups) * size;
    float share = totals[row] != 0 ? 1 / totals[row] : 0;
    for (long i = 0; i < size; i++) out[i] = sums[row * size + i] * share;
  }
}

/* Arguments: queries f32 [A, N, H], keys and values u16 (f16) or f32 [L, K, S, H], layer s32 [], positions
   s32 [S], asking s32 [A].  Results: f32 [A, N, H], scratch f32.
   Attributes, by name: scale f32; window s64, 0 for none. */
XLA_FFI_Error *gemcli_attention(XLA_FFI_CallFrame *frame) {
  if (described(frame)) return NULL;
  const XLA_FFI_Buffer *queries = argument(frame, 0), *keys = argument(frame, 1);
  XLA_FFI_Buffer *scratch = result(frame, 1);
  Attention a = {0};
  a.half = keys->dtype == XLA_FFI_DataType_U16;
  a.count = queries->dims[0];
  a.heads = queries->dims[1];
  a.size = queries->dims[2];
  a.kv_heads = keys->dims[1];
  a.slots = keys->dims[2];
  a.groups = a.heads / a.kv_heads;
  if (a.size % 16 || keys->dims[3] != a.size || a.heads % a.kv_heads)
    return problem(frame, "attention: heads must be multiples of 16 wide, and of one width");
  int32_t layer = *(const int32_t *)argument(frame, 3)->data;
  long skip = (long)layer * a.kv_heads * a.slots * a.size * (a.half ? 2 : 4);
  a.queries = queries->data;
  a.keys = (const uint8_t *)keys->data + skip;
  a.values = (const uint8_t *)argument(frame, 2)->data + skip;
  a.positions = argument(frame, 4)->data;
  a.asking = argument(frame, 5)->data;
  a.out = result(frame, 0)->data;
  a.partial = scratch->data;
  a.scale = *(const float *)((const XLA_FFI_Scalar *)frame->attrs.attrs[0])->value;
  a.window = *(const int64_t *)((const XLA_FFI_Scalar *)frame->attrs.attrs[1])->value;
  if (a.count <= FEW) {
    a.pieces = (a.slots + PIECE - 1) / PIECE;
    long rows = a.kv_heads * a.count * a.groups;
    if (scratch->dims[0] < rows * a.pieces * (a.size + 2)) return problem(frame, "attention: too little scratch");
    in_parallel(frame, a.kv_heads * a.pieces, few_item, &a);
    for (long row = 0; row < rows; row++) merge_item(&a, row);
  } else {
    a.tokens = MANY_ROWS / a.groups > 0 ? MANY_ROWS / a.groups : 1;
    in_parallel(frame, a.kv_heads * ((a.count + a.tokens - 1) / a.tokens), many_item, &a);
  }
  return NULL;
}
