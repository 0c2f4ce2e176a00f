/* Attention over a cache where it lies, as f32, f16 or int8, without dense scores.  Definition: reference.py.

   With few queries each key is read once and met by all query heads that share it; the keys are cut into
   pieces of a fixed length, whose results are merged in order, so that any number of threads gives the same.
   With many, blocks of keys are widened once and multiplied, as matrices that stay in the second-level cache,
   with the queries of all heads that share them, and a running softmax.  What a query sees are the keys of an
   interval of positions; blocks in which none sees any are skipped. */

#include <math.h>
#include <string.h>

#include "native.h"

#define FEW 8      /* queries that are met key by key */
#define FEW_ROWS 3 /* of them at a time: with four keys, or registers of columns, their sums fill the registers */
#define ROWS 6     /* of a register tile: rows × two registers of sums, and the operands, fill the registers */
#define PIECE 512  /* keys whose results are merged, with few queries */
#define BLOCK 64   /* keys that are multiplied together, with many */
#define PANEL 24   /* rows of queries in three registers; a multiple of ROWS */
#define KEYS 4     /* of a register tile of scores, with such a panel */
#define ROOM 24576 /* numbers of the queries of a block: with their sums and the keys they fill a cache */

enum { WIDE, HALF, BYTE }; /* how numbers are stored: f32; f16; int8, with the scales of both halves behind, in bf16 */

typedef struct {
  const float *queries; /* [A, N, H] */
  const uint8_t *keys, *values; /* of one layer: [K, S] rows of `row` bytes */
  const int32_t *positions; /* [S] */
  const int32_t *starts;    /* [pieces]: the slot where each piece of the keys begins; NULL: one behind another */
  const int32_t *first, *last; /* [A]: what each query sees lies between, both included */
  float *out;               /* [A, N, H] */
  float *totals;            /* [A, N]: log-sum-exp of the scores */
  float *partial;           /* [K, pieces, A * G, H + 2]: sums, peak, total */
  long count, heads, kv_heads, groups, slots, size, row, pieces, tokens; /* tokens: of a block of queries */
  long own; /* slots of which the pieces consist */
  float scale, softcap; /* softcap: 0 for none */
  int kind;
} Attention;

INLINE int sees(int32_t first, int32_t last, int32_t key) { return key >= 0 && key >= first && key <= last; }

typedef struct {
  int32_t low, high; /* of those that are there */
  int empty;         /* whether some are not */
} Range;

static Range range_of(const int32_t *positions, long count) {
  Range range = {INT32_MAX, -1, 0};
  for (long i = 0; i < count; i++) {
    int32_t at = positions[i];
    range.empty |= at < 0;
    if (at >= 0 && at < range.low) range.low = at;
    if (at > range.high) range.high = at;
  }
  return range;
}

/* What some queries see: any of them, and every one. */
typedef struct {
  int32_t any_first, any_last, every_first, every_last;
} Sight;

static const Sight BLIND = {INT32_MAX, -1, INT32_MIN, INT32_MAX};

INLINE void see_too(Sight *sight, int32_t first, int32_t last) {
  if (last >= 0 && first < sight->any_first) sight->any_first = first;
  if (last > sight->any_last) sight->any_last = last;
  if (first > sight->every_first) sight->every_first = first;
  if (last < sight->every_last) sight->every_last = last;
}

/* Whether any (bit 0) or every (bit 1) of some queries sees any or every one of some keys. */
INLINE int seen(const Sight *sight, const Range *keys) {
  if (keys->high < 0 || keys->low > sight->any_last || keys->high < sight->any_first) return 0;
  return 1 | (!keys->empty && keys->high <= sight->every_last && keys->low >= sight->every_first) << 1;
}

INLINE __m256 eight(const uint8_t *row, long index, int kind) {
  if (kind == HALF) return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)((const uint16_t *)row + index)));
  if (kind == BYTE) return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(row + index))));
  return _mm256_loadu_ps((const float *)row + index);
}

/* Eight numbers of a row of so many: those of int8 with their scale. */
INLINE __m256 scaled(const uint8_t *row, long index, long size, int kind) {
  __m256 part = eight(row, index, kind);
  if (kind != BYTE) return part;
  uint16_t upper;
  memcpy(&upper, row + size + (index < size / 2 ? 0 : 2), sizeof upper);
  return _mm256_mul_ps(part, _mm256_castsi256_ps(_mm256_set1_epi32((int32_t)((uint32_t)upper << 16))));
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

/* c·tanh(score / c) of some scores in place; `count` is a multiple of 8. */
static void capped(float *scores, long count, float cap) {
  const __m256 one = _mm256_set1_ps(1.0f), sign = _mm256_set1_ps(-0.0f), all = _mm256_set1_ps(cap);
  const __m256 twice = _mm256_set1_ps(-2.0f / cap);
  for (long i = 0; i < count; i += 8) {
    __m256 score = _mm256_loadu_ps(scores + i), size = _mm256_andnot_ps(sign, score);
    __m256 part = exponential(_mm256_mul_ps(twice, size));
    __m256 share = _mm256_div_ps(_mm256_sub_ps(one, part), _mm256_add_ps(one, part));
    _mm256_storeu_ps(scores + i, _mm256_or_ps(_mm256_mul_ps(all, share), _mm256_and_ps(sign, score)));
  }
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
  long size, row, keys_here;
} Few;

/* Sums of four registers. */
INLINE __m128 sums_of(const __m256 *x) {
  __m128 half[4];
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) half[k] = _mm_add_ps(_mm256_castps256_ps128(x[k]), _mm256_extractf128_ps(x[k], 1));
  __m128 left = _mm_add_ps(_mm_movelh_ps(half[0], half[1]), _mm_movehl_ps(half[1], half[0]));
  __m128 right = _mm_add_ps(_mm_movelh_ps(half[2], half[3]), _mm_movehl_ps(half[3], half[2]));
  return _mm_add_ps(_mm_shuffle_ps(left, right, 0x88), _mm_shuffle_ps(left, right, 0xdd));
}

/* Four keys at a time; behind the last it stands in for those that are missing. */
INLINE void few_scores(const Few *f, int rows, int kind) {
  for (long key = 0; key < f->keys_here; key += 4) {
    const uint8_t *from[4];
    __m256 sums[FEW_ROWS][4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
      from[k] = f->keys + (key + k < f->keys_here ? key + k : f->keys_here - 1) * f->row;
#pragma GCC unroll 3
      for (int r = 0; r < rows; r++) sums[r][k] = _mm256_setzero_ps();
    }
    for (long i = 0; i < f->size; i += 8) {
      __m256 query[FEW_ROWS];
#pragma GCC unroll 3
      for (int r = 0; r < rows; r++) query[r] = _mm256_loadu_ps(f->queries + r * f->size + i);
#pragma GCC unroll 4
      for (int k = 0; k < 4; k++) {
        __m256 part = scaled(from[k], i, f->size, kind);
#pragma GCC unroll 3
        for (int r = 0; r < rows; r++) sums[r][k] = _mm256_fmadd_ps(part, query[r], sums[r][k]);
      }
    }
#pragma GCC unroll 3
    for (int r = 0; r < rows; r++) _mm_storeu_ps(f->scores + r * PIECE + key, sums_of(sums[r]));
  }
}

/* Values in `width` registers of columns from column i on. */
INLINE void few_columns(const Few *f, int rows, int kind, long i, int width) {
  __m256 sums[FEW_ROWS][4];
#pragma GCC unroll 3
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int c = 0; c < width; c++) sums[r][c] = _mm256_setzero_ps();
  for (long key = 0; key < f->keys_here; key++) {
    const uint8_t *value = f->values + key * f->row;
    __m256 weight[FEW_ROWS];
#pragma GCC unroll 3
    for (int r = 0; r < rows; r++) weight[r] = _mm256_broadcast_ss(f->scores + r * PIECE + key);
#pragma GCC unroll 4
    for (int c = 0; c < width; c++) {
      __m256 part = scaled(value, i + 8 * c, f->size, kind);
#pragma GCC unroll 3
      for (int r = 0; r < rows; r++) sums[r][c] = _mm256_fmadd_ps(weight[r], part, sums[r][c]);
    }
  }
#pragma GCC unroll 3
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int c = 0; c < width; c++) _mm256_storeu_ps(f->sums + r * (f->size + 2) + i + 8 * c, sums[r][c]);
}

INLINE void few_sums(const Few *f, int rows, int kind) {
  long i = 0;
  for (; i + 32 <= f->size; i += 32) few_columns(f, rows, kind, i, 4);
  if (i < f->size) few_columns(f, rows, kind, i, 2);
}

#define FOR_ROWS(call)      \
  switch (rows) {           \
    case 1: call(1); break; \
    case 2: call(2); break; \
    default: call(3);       \
  }

static void few_scores_of(const Few *f, int rows, int kind) {
#define CALL(n)                                         \
  if (kind == HALF) few_scores(f, n, HALF);             \
  else if (kind == BYTE) few_scores(f, n, BYTE);        \
  else few_scores(f, n, WIDE)
  FOR_ROWS(CALL)
#undef CALL
}

static void few_sums_of(const Few *f, int rows, int kind) {
#define CALL(n)                                       \
  if (kind == HALF) few_sums(f, n, HALF);             \
  else if (kind == BYTE) few_sums(f, n, BYTE);        \
  else few_sums(f, n, WIDE)
  FOR_ROWS(CALL)
#undef CALL
}

/* One piece of the keys of one key/value head, for all queries. */
static void few_item(const void *context, long item) {
  const Attention *a = context;
  long head = item / a->pieces, piece = item % a->pieces, all = a->count * a->groups;
  long first = a->starts ? a->starts[piece] : piece * PIECE;
  long keys = a->own - piece * PIECE < PIECE ? a->own - piece * PIECE : PIECE;
  long padded = (keys + 7) / 8 * 8;
  float *sums = a->partial + item * all * (a->size + 2);
  float scores[FEW_ROWS * PIECE], queries[FEW_ROWS * a->size];
  Range range = range_of(a->positions + first, keys);
  Sight sight = BLIND;
  for (long i = 0; i < a->count; i++) see_too(&sight, a->first[i], a->last[i]);
  int visible = seen(&sight, &range);
  /* Rows are queries, and for each the heads that read this key/value head. */
  for (long row = 0; row < all;) {
    long left = all - row, groups_left = (left + FEW_ROWS - 1) / FEW_ROWS;
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
    long offset = (head * a->slots + first) * a->row;
    Few f = {queries, a->keys + offset, a->values + offset, scores, to, a->size, a->row, keys};
    few_scores_of(&f, rows, a->kind);
    for (int r = 0; r < rows; r++) {
      float *of = scores + r * PIECE;
      long query = (row + r) / a->groups;
      for (long key = keys; key < padded; key++) of[key] = 0;
      if (a->softcap != 0) capped(of, padded, a->softcap);
      if (!(visible & 2))
        for (long key = 0; key < keys; key++)
          if (!sees(a->first[query], a->last[query], a->positions[first + key])) of[key] = -INFINITY;
      for (long key = keys; key < padded; key++) of[key] = -INFINITY;
      float peak = highest(of, padded);
      to[r * (a->size + 2) + a->size] = peak;
      to[r * (a->size + 2) + a->size + 1] = weigh(of, padded, peak == -INFINITY ? 0 : peak);
    }
    few_sums_of(&f, rows, a->kind);
    row += rows;
  }
}

/* The pieces of one query head merged. */
static void merge_item(const void *context, long row) {
  const Attention *a = context;
  long all = a->count * a->groups, head = row / all, line = row % all, stride = a->size + 2;
  long place = line / a->groups * a->heads + head * a->groups + line % a->groups;
  float *out = a->out + place * a->size;
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
  a->totals[place] = total != 0 ? peak + logf(total) : -INFINITY;
}

/* ---- many queries ---- */

/* Scores of four keys and a panel: to[KEYS, PANEL] = keys[KEYS, H] · queries[H, PANEL]. */
INLINE void score_tile(float *to, const float *keys, const float *queries, long size) {
  __m256 sums[KEYS][3];
#pragma GCC unroll 4
  for (int k = 0; k < KEYS; k++) sums[k][0] = sums[k][1] = sums[k][2] = _mm256_setzero_ps();
  for (long i = 0; i < size; i++) {
    const float *from = queries + i * PANEL;
    __m256 first = _mm256_load_ps(from), second = _mm256_load_ps(from + 8), third = _mm256_load_ps(from + 16);
    KEEP(first); KEEP(second); KEEP(third); /* else each is read again for every key */
#pragma GCC unroll 4
    for (int k = 0; k < KEYS; k++) {
      __m256 factor = _mm256_broadcast_ss(keys + k * size + i);
      sums[k][0] = _mm256_fmadd_ps(factor, first, sums[k][0]);
      sums[k][1] = _mm256_fmadd_ps(factor, second, sums[k][1]);
      sums[k][2] = _mm256_fmadd_ps(factor, third, sums[k][2]);
    }
  }
#pragma GCC unroll 4
  for (int k = 0; k < KEYS; k++)
#pragma GCC unroll 3
    for (int part = 0; part < 3; part++) _mm256_store_ps(to + k * PANEL + part * 8, sums[k][part]);
}

/* Weighted values added up: to[ROWS, 16 of H] += weights[keys, ROWS] · values[keys, 16]. */
INLINE void value_tile(float *to, long size, const float *weights, const float *values, long keys) {
  __m256 low[ROWS], high[ROWS];
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; r++) {
    low[r] = _mm256_load_ps(to + r * size);
    high[r] = _mm256_load_ps(to + r * size + 8);
  }
  for (long key = 0; key < keys; key++) {
    __m256 first = _mm256_load_ps(values + key * 16), second = _mm256_load_ps(values + key * 16 + 8);
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; r++) {
      __m256 weight = _mm256_broadcast_ss(weights + key * PANEL + r);
      low[r] = _mm256_fmadd_ps(weight, first, low[r]);
      high[r] = _mm256_fmadd_ps(weight, second, high[r]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; r++) {
    _mm256_store_ps(to + r * size, low[r]);
    _mm256_store_ps(to + r * size + 8, high[r]);
  }
}

/* A block of keys f32 [BLOCK, H], and of values in columns of 16, f32 [H / 16, BLOCK, 16]; zeros behind them. */
INLINE void widened(const Attention *a, long offset, long here, float *keys, float *values, int kind) {
  for (long key = 0; key < here; key++) {
    const uint8_t *from = a->keys + offset + key * a->row, *other = a->values + offset + key * a->row;
    for (long i = 0; i < a->size; i += 8) {
      _mm256_store_ps(keys + key * a->size + i, scaled(from, i, a->size, kind));
      _mm256_store_ps(values + (i / 16 * BLOCK + key) * 16 + i % 16, scaled(other, i, a->size, kind));
    }
  }
  for (long key = here; key < BLOCK; key++) {
    memset(keys + key * a->size, 0, a->size * sizeof(float));
    for (long i = 0; i < a->size; i += 16) memset(values + (i / 16 * BLOCK + key) * 16, 0, 16 * sizeof(float));
  }
}

/* A panel of queries on its way through the keys. */
typedef struct {
  float *queries; /* [H, PANEL], scaled */
  float *scores;  /* [BLOCK, PANEL] */
  float *sums;    /* [PANEL, H] */
  float *peaks, *totals;
  int32_t *first, *last;
  Sight sight;
  int visible; /* of the block at hand */
} Panel;

/* Scores of a block made weights; what was summed before shrinks to the new peaks. */
static void taken(const Attention *a, Panel *p, const int32_t *positions, long here) {
  if (a->softcap != 0) capped(p->scores, BLOCK * PANEL, a->softcap);
  float decay[PANEL];
  const __m256 unseen = _mm256_set1_ps(-INFINITY);
  for (int part = 0; part < PANEL; part += 8) {
    float *scores = p->scores + part;
    __m256 old = _mm256_load_ps(p->peaks + part), peak = old;
    if (p->visible & 2) {
      for (long key = 0; key < BLOCK; key++) peak = _mm256_max_ps(_mm256_load_ps(scores + key * PANEL), peak);
    } else {
      __m256i first = _mm256_load_si256((const __m256i *)(p->first + part));
      __m256i last = _mm256_load_si256((const __m256i *)(p->last + part));
      for (long key = 0; key < BLOCK; key++) {
        int32_t position = key < here ? positions[key] : -1;
        __m256i at = _mm256_set1_epi32(position);
        __m256i out = _mm256_or_si256(_mm256_cmpgt_epi32(first, at), _mm256_cmpgt_epi32(at, last));
        if (position < 0) out = _mm256_set1_epi32(-1);
        __m256 score = _mm256_blendv_ps(_mm256_load_ps(scores + key * PANEL), unseen, _mm256_castsi256_ps(out));
        _mm256_store_ps(scores + key * PANEL, score);
        peak = _mm256_max_ps(score, peak); /* in this order what is no number is no peak */
      }
    }
    __m256 top = _mm256_blendv_ps(peak, _mm256_setzero_ps(), _mm256_cmp_ps(peak, unseen, _CMP_EQ_OQ));
    __m256 shrink = exponential(_mm256_sub_ps(old, top)), total = _mm256_setzero_ps();
    for (long key = 0; key < BLOCK; key++) {
      __m256 score = _mm256_load_ps(scores + key * PANEL);
      __m256 weight = exponential(_mm256_sub_ps(score, top));
      if (!(p->visible & 2)) weight = _mm256_andnot_ps(_mm256_cmp_ps(score, unseen, _CMP_EQ_OQ), weight);
      _mm256_store_ps(scores + key * PANEL, weight);
      total = _mm256_add_ps(total, weight);
    }
    _mm256_store_ps(p->totals + part, _mm256_fmadd_ps(_mm256_load_ps(p->totals + part), shrink, total));
    _mm256_store_ps(p->peaks + part, peak);
    _mm256_storeu_ps(decay + part, shrink);
  }
  for (int row = 0; row < PANEL; row++) {
    if (decay[row] == 1.0f) continue;
    __m256 factor = _mm256_set1_ps(decay[row]);
    for (long i = 0; i < a->size; i += 8) {
      float *sum = p->sums + row * a->size + i;
      _mm256_store_ps(sum, _mm256_mul_ps(factor, _mm256_load_ps(sum)));
    }
  }
}

/* A block of queries of one key/value head over all keys. */
static void many_item(const void *context, long item) {
  const Attention *a = context;
  long blocks = (a->count + a->tokens - 1) / a->tokens;
  /* The last queries see the most keys: what takes longest is begun first. */
  long head = item % a->kv_heads, first = (blocks - 1 - item / a->kv_heads) * a->tokens;
  long count = a->count - first < a->tokens ? a->count - first : a->tokens, rows = count * a->groups;
  long size = a->size, panels = (rows + PANEL - 1) / PANEL, each = PANEL * (2 * size + BLOCK + 4);
  float *keys = (float *)room((panels * each + 2 * BLOCK * size) * sizeof(float) + panels * sizeof(Panel));
  if (!keys) {
    for (long i = 0; i < rows; i++) { /* no memory: no number, which the engine reports */
      long place = (first + i / a->groups) * a->heads + head * a->groups + i % a->groups;
      a->totals[place] = NAN;
      for (long j = 0; j < size; j++) a->out[place * size + j] = NAN;
    }
    return;
  }
  float *values = keys + BLOCK * size, *own = values + BLOCK * size;
  Panel *all = (Panel *)(own + panels * each);
  for (long number = 0; number < panels; number++) {
    Panel *p = all + number;
    p->queries = own + number * each;
    p->sums = p->queries + PANEL * size;
    p->scores = p->sums + PANEL * size;
    p->peaks = p->scores + PANEL * BLOCK;
    p->totals = p->peaks + PANEL;
    p->first = (int32_t *)(p->totals + PANEL);
    p->last = p->first + PANEL;
    p->sight = BLIND;
    memset(p->sums, 0, PANEL * size * sizeof(float));
    for (long r = 0; r < PANEL; r++) {
      long row = number * PANEL + r, token = first + row / a->groups, query = head * a->groups + row % a->groups;
      int real = row < rows;
      p->first[r] = real ? a->first[token] : 0;
      p->last[r] = real ? a->last[token] : -1;
      p->peaks[r] = -INFINITY;
      p->totals[r] = 0;
      if (real) see_too(&p->sight, p->first[r], p->last[r]);
      const float *from = real ? a->queries + (token * a->heads + query) * size : NULL;
      for (long i = 0; i < size; i++) p->queries[i * PANEL + r] = real ? from[i] * a->scale : 0;
    }
  }
  for (long start = 0; start < a->slots; start += BLOCK) {
    long here = a->slots - start < BLOCK ? a->slots - start : BLOCK;
    Range range = range_of(a->positions + start, here);
    range.empty |= here < BLOCK;
    int any = 0;
    for (long number = 0; number < panels; number++) any |= all[number].visible = seen(&all[number].sight, &range);
    if (!any) continue;
    long offset = (head * a->slots + start) * a->row;
    if (a->kind == HALF) widened(a, offset, here, keys, values, HALF);
    else if (a->kind == BYTE) widened(a, offset, here, keys, values, BYTE);
    else widened(a, offset, here, keys, values, WIDE);
    for (long number = 0; number < panels; number++) {
      Panel *p = all + number;
      if (!p->visible) continue;
      for (long key = 0; key < BLOCK; key += KEYS)
        score_tile(p->scores + key * PANEL, keys + key * size, p->queries, size);
      taken(a, p, a->positions + start, here);
    }
    for (long column = 0; column < size; column += 16)
      for (long number = 0; number < panels; number++) {
        Panel *p = all + number;
        if (!p->visible) continue;
        for (int row = 0; row < PANEL; row += ROWS)
          value_tile(p->sums + row * size + column, size, p->scores + row, values + column * BLOCK, BLOCK);
      }
  }
  for (long row = 0; row < rows; row++) {
    const Panel *p = all + row / PANEL;
    long place = (first + row / a->groups) * a->heads + head * a->groups + row % a->groups, r = row % PANEL;
    float total = p->totals[r], share = total != 0 ? 1 / total : 0;
    for (long i = 0; i < size; i++) a->out[place * size + i] = p->sums[r * size + i] * share;
    a->totals[place] = total != 0 ? p->peaks[r] + logf(total) : -INFINITY;
  }
}

/* Tokens whose queries are multiplied together: as many as stay in a cache, yet work for all threads. */
static long block_tokens(const Attention *a) {
  long rows = ROOM / a->size / PANEL * PANEL;
  if (rows < 2 * PANEL) rows = 2 * PANEL;
  for (; rows > PANEL; rows -= PANEL) {
    long tokens = rows / a->groups;
    if (tokens > 0 && a->kv_heads * ((a->count + tokens - 1) / tokens) >= 8) break;
  }
  return rows / a->groups > 0 ? rows / a->groups : 1;
}

/* Arguments: queries f32 [A, N, H]; keys and values f32 or u16 (f16) [L, K, S, H], or s8 [L, K, S, H + 4], the
   bf16 scales of each row's halves behind it; layer s32 []; positions s32 [S]; first and last s32 [A], the positions that each
   query sees.  Results: f32 [A, N, H]; log-sum-exp of the scores f32 [A, N]; scratch f32.
   Attributes, by name: scale f32; softcap f32, 0 for none. */
XLA_FFI_Error *gemcli_attention(XLA_FFI_CallFrame *frame) {
  if (described(frame)) return NULL;
  const XLA_FFI_Buffer *queries = argument(frame, 0), *keys = argument(frame, 1);
  XLA_FFI_Buffer *scratch = result(frame, 2);
  Attention a = {0};
  a.kind = keys->dtype == XLA_FFI_DataType_U16 ? HALF : keys->dtype == XLA_FFI_DataType_S8 ? BYTE : WIDE;
  a.count = queries->dims[0];
  a.heads = queries->dims[1];
  a.size = queries->dims[2];
  a.kv_heads = keys->dims[1];
  a.slots = a.own = keys->dims[2];
  a.groups = a.heads / a.kv_heads;
  a.row = keys->dims[3] * (a.kind == HALF ? 2 : a.kind == BYTE ? 1 : 4);
  if (a.size % 16 || keys->dims[3] != a.size + (a.kind == BYTE ? 4 : 0) || a.heads % a.kv_heads)
    return problem(frame, "attention: heads must be multiples of 16 wide, and of one width");
  int32_t layer = *(const int32_t *)argument(frame, 3)->data;
  long skip = (long)layer * a.kv_heads * a.slots * a.row;
  a.queries = queries->data;
  a.keys = (const uint8_t *)keys->data + skip;
  a.values = (const uint8_t *)argument(frame, 2)->data + skip;
  a.positions = argument(frame, 4)->data;
  a.first = argument(frame, 5)->data;
  a.last = argument(frame, 6)->data;
  a.out = result(frame, 0)->data;
  a.totals = result(frame, 1)->data;
  a.partial = scratch->data;
  a.scale = *(const float *)((const XLA_FFI_Scalar *)frame->attrs.attrs[0])->value;
  a.softcap = *(const float *)((const XLA_FFI_Scalar *)frame->attrs.attrs[1])->value;
  if (a.count <= FEW) {
    a.pieces = (a.slots + PIECE - 1) / PIECE;
    long rows = a.kv_heads * a.count * a.groups;
    if (scratch->dims[0] < rows * a.pieces * (a.size + 2)) return problem(frame, "attention: too little scratch");
    in_parallel(frame, a.kv_heads * a.pieces, few_item, &a);
    for (long row = 0; row < rows; row++) merge_item(&a, row);
  } else {
    a.tokens = block_tokens(&a);
    in_parallel(frame, a.kv_heads * ((a.count + a.tokens - 1) / a.tokens), many_item, &a);
  }
  return NULL;
}

/* ---- tokens of many sequences ---- */

typedef struct {
  const Attention *rows; /* one query each */
  const long *ends;      /* items up to the end of each row's */
} Apart;

static void apart_item(const void *context, long item) {
  const Apart *apart = context;
  long row = 0;
  while (item >= apart->ends[row]) row++;
  few_item(apart->rows + row, row ? item - apart->ends[row - 1] : item);
}

static void apart_merge(const void *context, long row) {
  const Attention *a = ((const Apart *)context)->rows + row;
  for (long head = 0; head < a->heads; head++) merge_item(a, head);
}

/* Every query over keys of its own.  Arguments: as gemcli_attention, and starts s32 [A, pieces], the slot where
   each piece of a query's keys begins, -1 behind the last.  Results: f32 [A, N, H]; log-sum-exp; scratch f32.
   Attributes, by name: own s64, slots of which a query's pieces consist; scale f32; softcap f32. */
XLA_FFI_Error *gemcli_attention_apart(XLA_FFI_CallFrame *frame) {
  if (described(frame)) return NULL;
  const XLA_FFI_Buffer *queries = argument(frame, 0), *keys = argument(frame, 1), *starts = argument(frame, 7);
  Attention a = {0};
  a.kind = keys->dtype == XLA_FFI_DataType_U16 ? HALF : keys->dtype == XLA_FFI_DataType_S8 ? BYTE : WIDE;
  long count = queries->dims[0], pieces = starts->dims[1];
  a.count = 1;
  a.heads = queries->dims[1];
  a.size = queries->dims[2];
  a.kv_heads = keys->dims[1];
  a.slots = keys->dims[2];
  a.groups = a.heads / a.kv_heads;
  a.row = keys->dims[3] * (a.kind == HALF ? 2 : a.kind == BYTE ? 1 : 4);
  if (a.size % 16 || keys->dims[3] != a.size + (a.kind == BYTE ? 4 : 0) || a.heads % a.kv_heads)
    return problem(frame, "attention: heads must be multiples of 16 wide, and of one width");
  long skip = (long)*(const int32_t *)argument(frame, 3)->data * a.kv_heads * a.slots * a.row;
  a.keys = (const uint8_t *)keys->data + skip;
  a.values = (const uint8_t *)argument(frame, 2)->data + skip;
  a.positions = argument(frame, 4)->data;
  a.own = *(const int64_t *)((const XLA_FFI_Scalar *)frame->attrs.attrs[0])->value;
  a.scale = *(const float *)((const XLA_FFI_Scalar *)frame->attrs.attrs[1])->value;
  a.softcap = *(const float *)((const XLA_FFI_Scalar *)frame->attrs.attrs[2])->value;
  long partial = a.heads * pieces * (a.size + 2);
  if (result(frame, 2)->dims[0] < count * partial) return problem(frame, "attention: too little scratch");
  if (a.own > pieces * PIECE) return problem(frame, "attention: too few pieces");
  Attention *rows = malloc(count * (sizeof *rows + sizeof(long)));
  if (!rows) return problem(frame, "attention: no memory");
  long *ends = (long *)(rows + count), items = 0;
  for (long i = 0; i < count; i++) {
    rows[i] = a;
    rows[i].queries = (const float *)queries->data + i * a.heads * a.size;
    rows[i].first = (const int32_t *)argument(frame, 5)->data + i;
    rows[i].last = (const int32_t *)argument(frame, 6)->data + i;
    rows[i].starts = (const int32_t *)starts->data + i * pieces;
    rows[i].out = (float *)result(frame, 0)->data + i * a.heads * a.size;
    rows[i].totals = (float *)result(frame, 1)->data + i * a.heads;
    rows[i].partial = (float *)result(frame, 2)->data + i * partial;
    for (long piece = 0; piece < pieces && rows[i].starts[piece] >= 0; piece++) {
      long here = a.own - piece * PIECE < PIECE ? a.own - piece * PIECE : PIECE;
      if (here <= 0 || rows[i].starts[piece] + here > a.slots) break;
      rows[i].pieces = piece + 1;
    }
    ends[i] = items += a.kv_heads * rows[i].pieces;
  }
  Apart apart = {rows, ends};
  in_parallel(frame, items, apart_item, &apart);
  in_parallel(frame, count, apart_merge, &apart);
  free(rows);
  return NULL;
}
