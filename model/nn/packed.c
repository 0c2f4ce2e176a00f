/* Products with weights in 4 to 8 bits, read where they lie.  Layout and definition: packed.py.

   A vector register holds, for 8 rows, two weights each as 16-bit integers.  The two activations that go with
   them are one 32-bit word, broadcast; a multiply-add of pairs then serves 8 outputs, and no sum across a
   register is ever needed. */

#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "native.h"

#define ROWS 8         /* of a tile */
#define CHUNK 32       /* weights of a row that are stored, and activations that are scaled, together */
#define QUADS 8        /* of a chunk */
#define HEADER 256     /* bytes before a matrix's tiles */
#define MAX_SEGMENTS 7
#define PEAK 32767.0f /* of an activation */

#define PLAIN (ROWS * CHUNK * 2) /* bytes of a chunk when every weight is an integer of 16 bits */

/* Keeps the weights of a work item, as plain integers, in the second-level cache while all tokens pass by. */
#define ITEM_BYTES (192 << 10)

/* With at least this many tokens weights are made plain once for all, else in registers. */
#define MANY 16

/* Rows that are stored alike. */
typedef struct {
  int32_t rows, bits, group, offset, mins, first_unit, reserved[2];
} Segment;

typedef struct {
  int32_t segments, columns, reserved[6];
  Segment segment[MAX_SEGMENTS];
} Header;

_Static_assert(sizeof(Header) == HEADER, "packed.py writes this many bytes");

/* What goes with a chunk of activations: its scale, its scaled sum, and the sums of its halves' integers. */
typedef struct {
  float scale, sum;
  int32_t low, high;
} Scale;

/* ---- activations ---- */

static float peak_of(const float *x) {
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  __m256 peak = _mm256_and_ps(_mm256_loadu_ps(x), magnitude);
  for (int i = 8; i < CHUNK; i += 8)
    peak = _mm256_max_ps(peak, _mm256_and_ps(_mm256_loadu_ps(x + i), magnitude));
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(peak), _mm256_extractf128_ps(peak, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_shuffle_ps(half, half, 1)));
}

/* A row of f32 to 16 bits with a scale for each chunk.  Of four neighbours the first and third come first: so
   they meet the weights, of which even and odd bytes are taken apart. */
static void quantize(const float *x, long columns, int16_t *values, Scale *scales) {
  for (long chunk = 0; chunk < columns / CHUNK; chunk++, x += CHUNK, values += CHUNK) {
    float peak = peak_of(x), step = peak / PEAK;
    const __m256 inverse = _mm256_set1_ps(peak > 0 ? PEAK / peak : 0.0f);
    __m256 none = _mm256_setzero_ps();
    int32_t whole[CHUNK], sums[2] = {0, 0};
    for (int i = 0; i < CHUNK; i += 8) {
      __m256 here = _mm256_loadu_ps(x + i);
      none = _mm256_fmadd_ps(here, _mm256_setzero_ps(), none); /* what is no number stays none */
      _mm256_storeu_si256((__m256i *)(whole + i), _mm256_cvtps_epi32(_mm256_mul_ps(here, inverse)));
    }
    for (int i = 0; i < CHUNK; i += 4) {
      values[i] = (int16_t)whole[i];
      values[i + 1] = (int16_t)whole[i + 2];
      values[i + 2] = (int16_t)whole[i + 1];
      values[i + 3] = (int16_t)whole[i + 3];
      sums[i / 16] += values[i] + values[i + 1] + values[i + 2] + values[i + 3];
    }
    float odd[8];
    _mm256_storeu_ps(odd, none);
    for (int i = 0; i < 8; i++) step += odd[i];
    scales[chunk] = (Scale){step, step * (float)(sums[0] + sums[1]), sums[0], sums[1]};
  }
}

/* ---- one tile ---- */

INLINE int data_bytes(int bits) { return bits * ROWS * CHUNK / 8; }

INLINE long chunk_bytes(int bits, int group, int mins) {
  return data_bytes(bits) + (1 + mins) * (CHUNK / group) * ROWS * 2;
}

INLINE __m256i shifted(__m256i words, int right) {
  return right >= 0 ? _mm256_srli_epi16(words, right) : _mm256_slli_epi16(words, -right);
}

/* Half a quad of 8 rows as 16-bit integers: its even (`odd` = 0) or odd columns.  Of less than 8 bits they are
   not centred on zero. */
INLINE __m256i weights_of(const uint8_t *chunk, int quad, int odd, int bits) {
  if (bits == 8) {
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(chunk + 32 * quad));
    return _mm256_srai_epi16(odd ? bytes : _mm256_slli_epi16(bytes, 8), 8);
  }
  __m256i nibbles = _mm256_loadu_si256((const __m256i *)(chunk + 32 * (quad / 2)));
  __m256i low = _mm256_and_si256(shifted(nibbles, 4 * (quad % 2) + 8 * odd), _mm256_set1_epi16(15));
  if (bits == 4) return low;
  int width = bits - 4, a_register = 8 / width;
  __m256i high = _mm256_loadu_si256((const __m256i *)(chunk + 128 + 32 * (quad / a_register)));
  high = shifted(high, width * (quad % a_register) + 8 * odd - 4);
  return _mm256_or_si256(low, _mm256_and_si256(high, _mm256_set1_epi16(bits == 5 ? 16 : 48)));
}

/* Two activations for each of 8 rows. */
INLINE __m256i two_of(const int16_t *activations) {
  int32_t word;
  memcpy(&word, activations, sizeof word);
  return _mm256_set1_epi32(word);
}

INLINE __m256 halves_of(const uint8_t *factors) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)factors));
}

/* Sums of 8 rows over `chunks` chunks, for `count` tokens. */
INLINE void few(const uint8_t *tile, const int16_t *const *activations,
                                                      const Scale *const *scales, long chunks, int bits,
                                                      int group, int mins, int count, __m256 *out) {
  const __m256 multiplier = _mm256_loadu_ps((const float *)tile);
  const int halves = CHUNK / group, quads = group / 4, centred = mins || bits == 8;
  const uint8_t *weights = tile + ROWS * sizeof(float);
  __m256 sums[8];
#pragma GCC unroll 8
  for (int c = 0; c < count; c++) sums[c] = _mm256_setzero_ps();
  for (long chunk = 0; chunk < chunks; chunk++, weights += chunk_bytes(bits, group, mins)) {
    const uint8_t *factors = weights + data_bytes(bits);
#pragma GCC unroll 2
    for (int half = 0; half < halves; half++) {
      __m256i totals[8];
#pragma GCC unroll 16
      for (int i = 0; i < 2 * quads; i++) {
        __m256i values = weights_of(weights, half * quads + i / 2, i % 2, bits);
#pragma GCC unroll 8
        for (int c = 0; c < count; c++) {
          __m256i x = two_of(activations[c] + chunk * CHUNK + half * group + 2 * i);
          __m256i products = _mm256_madd_epi16(values, x);
          totals[c] = i ? _mm256_add_epi32(totals[c], products) : products;
          KEEP(totals[c]);
        }
      }
      __m256 scale = halves_of(factors + 16 * half);
#pragma GCC unroll 8
      for (int c = 0; c < count; c++) {
        const Scale *s = scales[c] + chunk;
        if (!centred) {
          int32_t sum = halves == 1 ? s->low + s->high : half ? s->high : s->low;
          totals[c] = _mm256_sub_epi32(totals[c], _mm256_set1_epi32(sum * (1 << (bits - 1))));
        }
        __m256 both = _mm256_mul_ps(scale, _mm256_broadcast_ss(&s->scale));
        sums[c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(totals[c]), both, sums[c]);
        if (mins)
          sums[c] = _mm256_fnmadd_ps(halves_of(factors + 16 * (halves + half)), _mm256_broadcast_ss(&s->sum), sums[c]);
      }
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < count; c++) out[c] = _mm256_mul_ps(sums[c], multiplier);
}

/* The same of two tiles made plain, for four tokens: out[4 * t + c] is of tile t and token c.  A product is added
   up after two more have begun, and KEEP holds the compiler to this order: with every sum right behind its product
   it takes a tenth longer. */
INLINE void many(const uint8_t *const *tiles, const uint8_t *const *plain, const int16_t *const *activations,
                 const Scale *const *scales, long chunks, int bits, int group, int mins, __m256 *restrict out) {
  const int halves = CHUNK / group, pairs = group / 2;
  long at = ROWS * sizeof(float) + data_bytes(bits);
  for (int i = 0; i < 8; i++) out[i] = _mm256_setzero_ps();
  for (long chunk = 0; chunk < chunks; chunk++, at += chunk_bytes(bits, group, mins)) {
#pragma GCC unroll 2
    for (int half = 0; half < halves; half++) {
      __m256i totals[8], late[2];
#pragma GCC unroll 16
      for (int i = 0; i < pairs; i++) {
        long place = chunk * PLAIN + 32 * (half * pairs + i);
        __m256i first = _mm256_load_si256((const __m256i *)(plain[0] + place));
        __m256i second = _mm256_load_si256((const __m256i *)(plain[1] + place));
        KEEP(first);
        KEEP(second);
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++) {
          __m256i x = two_of(activations[c] + chunk * CHUNK + half * group + 2 * i);
          int before = (c + 3) % 4, owed = i > 1 || (i == 1 && c);
          KEEP(x);
          __m256i one = _mm256_madd_epi16(first, x);
          KEEP(one);
          if (owed) {
            totals[before] = _mm256_add_epi32(totals[before], late[0]);
            KEEP(totals[before]);
          }
          __m256i other = _mm256_madd_epi16(second, x);
          KEEP(other);
          if (owed) {
            totals[4 + before] = _mm256_add_epi32(totals[4 + before], late[1]);
            KEEP(totals[4 + before]);
          }
          if (i) late[0] = one, late[1] = other;
          else totals[c] = one, totals[4 + c] = other;
        }
      }
      totals[3] = _mm256_add_epi32(totals[3], late[0]);
      totals[7] = _mm256_add_epi32(totals[7], late[1]);
#pragma GCC unroll 2
      for (int t = 0; t < 2; t++) {
        const uint8_t *factors = tiles[t] + at;
        __m256 scale = halves_of(factors + 16 * half);
        __m256 min = mins ? halves_of(factors + 16 * (halves + half)) : _mm256_setzero_ps();
#pragma GCC unroll 4
        for (int c = 0; c < 4; c++) {
          const Scale *s = scales[c] + chunk;
          __m256 both = _mm256_mul_ps(scale, _mm256_broadcast_ss(&s->scale));
          __m256 sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(totals[4 * t + c]), both, out[4 * t + c]);
          if (mins) sum = _mm256_fnmadd_ps(min, _mm256_broadcast_ss(&s->sum), sum);
          out[4 * t + c] = sum;
        }
      }
    }
  }
  for (int i = 0; i < 8; i++)
    out[i] = _mm256_mul_ps(out[i], _mm256_loadu_ps((const float *)tiles[i / 4]));
}

typedef void Few(const uint8_t *, const int16_t *const *, const Scale *const *, long, __m256 *);
typedef void Many(const uint8_t *const *, const uint8_t *const *, const int16_t *const *, const Scale *const *, long,
                  __m256 *);
typedef void Unpack(const uint8_t *, long, uint8_t *);

/* How one kind of weights is computed with, one token at a time, four, eight, or four and two tiles; and made plain. */
typedef struct {
  int bits, mins;
  Few *one, *four, *eight;
  Many *many;
  Unpack *unpack;
} Kind;

#define KIND(name, bits, group, mins)                                                                          \
  static void name##_one(const uint8_t *w, const int16_t *const *a, const Scale *const *s, long chunks,        \
                         __m256 *out) {                                                                        \
    few(w, a, s, chunks, bits, group, mins, 1, out);                                                           \
  }                                                                                                            \
  static void name##_four(const uint8_t *w, const int16_t *const *a, const Scale *const *s, long chunks,       \
                          __m256 *out) {                                                                       \
    few(w, a, s, chunks, bits, group, mins, 4, out);                                                           \
  }                                                                                                            \
  static void name##_eight(const uint8_t *w, const int16_t *const *a, const Scale *const *s, long chunks,      \
                           __m256 *out) {                                                                      \
    few(w, a, s, chunks, bits, group, mins, 8, out);                                                           \
  }                                                                                                            \
  static void name##_many(const uint8_t *const *w, const uint8_t *const *p, const int16_t *const *a,           \
                          const Scale *const *s, long chunks, __m256 *out) {                                   \
    many(w, p, a, s, chunks, bits, group, mins, out);                                                          \
  }                                                                                                            \
  static void name##_unpack(const uint8_t *w, long chunks, uint8_t *to) {                                      \
    const __m256i offset = _mm256_set1_epi16(mins || bits == 8 ? 0 : 1 << (bits - 1));                         \
    w += ROWS * sizeof(float);                                                                                 \
    for (long chunk = 0; chunk < chunks; chunk++, w += chunk_bytes(bits, group, mins), to += PLAIN)            \
      for (int i = 0; i < 2 * QUADS; i++)                                                                      \
        _mm256_store_si256((__m256i *)(to + 32 * i),                                                           \
                           _mm256_sub_epi16(weights_of(w, i / 2, i % 2, bits), offset));                       \
  }

KIND(bits4, 4, 32, 0)
KIND(bits4_mins, 4, 32, 1)
KIND(bits5, 5, 32, 0)
KIND(bits5_mins, 5, 32, 1)
KIND(bits6, 6, 16, 0)
KIND(bits8, 8, 32, 0)

#define ENTRY(name, bits, mins) {bits, mins, name##_one, name##_four, name##_eight, name##_many, name##_unpack}
static const Kind kinds[] = {ENTRY(bits4, 4, 0),      ENTRY(bits4_mins, 4, 1), ENTRY(bits5, 5, 0),
                             ENTRY(bits5_mins, 5, 1), ENTRY(bits6, 6, 0),      ENTRY(bits8, 8, 0)};

static const Kind *kind_of(const Segment *segment) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (kinds[i].bits == segment->bits && kinds[i].mins == segment->mins)
      return segment->group == (segment->bits == 6 ? CHUNK / 2 : CHUNK) ? &kinds[i] : NULL;
  return NULL;
}

/* ---- one matrix ---- */

typedef struct {
  const uint8_t *matrix; /* its header */
  const float *x;        /* [tokens, columns] */
  float *y;              /* [tokens, rows] */
  int16_t *values;       /* [tokens and padding, columns] */
  Scale *scales;         /* [tokens and padding, columns / CHUNK] */
  long tokens, columns, rows, first, tiles_an_item;
} Product;

static long tile_bytes(const Segment *segment, long columns) {
  return ROWS * sizeof(float) + columns / CHUNK * chunk_bytes(segment->bits, segment->group, segment->mins);
}

/* How many rows a matrix of these columns and bytes has; -1 where its header describes no such matrix. */
static long rows_of(const Header *header, long columns, long bytes) {
  long rows = 0;
  if (bytes < HEADER || columns < CHUNK || columns % CHUNK || header->columns != columns) return -1;
  if (header->segments < 0 || header->segments > MAX_SEGMENTS) return -1;
  for (int i = 0; i < header->segments; i++) {
    const Segment *s = &header->segment[i];
    if (!kind_of(s) || s->rows < 0 || s->first_unit < 0 || rows % ROWS) return -1;
    if (64L * s->first_unit + (s->rows + ROWS - 1L) / ROWS * tile_bytes(s, columns) > bytes) return -1;
    rows += s->rows;
  }
  return rows;
}

static void quantize_some(const void *context, long item) {
  const Product *p = context;
  long end = (item + 1) * 16;
  for (long token = item * 16; token < p->tokens && token < end; token++)
    quantize(p->x + token * p->columns, p->columns, p->values + token * p->columns,
             p->scales + token * (p->columns / CHUNK));
}

static void store(const Product *p, long token, long row, long valid, __m256 sums) {
  float *to = p->y + token * p->rows + row;
  if (valid >= ROWS) {
    _mm256_storeu_ps(to, sums);
  } else {
    float all[ROWS];
    _mm256_storeu_ps(all, sums);
    memcpy(to, all, valid * sizeof(float));
  }
}

/* Rows from … to of y, in the tiles of one segment whose first row is row `begins` of y. */
static void part_of_segment(const Product *p, const Segment *segment, long begins, long from, long to) {
  const Kind *kind = kind_of(segment);
  long chunks = p->columns / CHUNK, size = tile_bytes(segment, p->columns);
  const uint8_t *tiles = p->matrix + 64L * segment->first_unit + (from - begins) / ROWS * size;
  long count = (to - from + ROWS - 1) / ROWS, plain_size = chunks * PLAIN;
  uint8_t *plain = p->tokens >= MANY ? room(count * plain_size) : NULL;
  for (long i = 0; plain && i < count; i++) kind->unpack(tiles + i * size, chunks, plain + i * plain_size);
  for (long token = 0; token < p->tokens;) {
    long left = p->tokens - token;
    int step = plain ? 4 : left > 4 ? 8 : left > 1 ? 4 : 1;
    const int16_t *values[8];
    const Scale *scales[8];
    for (int c = 0; c < step; c++) {
      values[c] = p->values + (token + c) * p->columns;
      scales[c] = p->scales + (token + c) * chunks;
    }
    for (long i = 0; i < count; i += plain ? 2 : 1) {
      __m256 sums[8];
      long other = i + 1 < count ? i + 1 : i; /* a last tile that is alone is computed twice */
      if (plain) {
        const uint8_t *two[2] = {tiles + i * size, tiles + other * size};
        const uint8_t *two_plain[2] = {plain + i * plain_size, plain + other * plain_size};
        kind->many(two, two_plain, values, scales, chunks, sums);
      } else {
        (step == 8 ? kind->eight : step == 4 ? kind->four : kind->one)(tiles + i * size, values, scales, chunks, sums);
      }
      for (long tile = i; tile <= (plain ? other : i); tile++)
        for (int c = 0; c < step && token + c < p->tokens; c++)
          store(p, token + c, from + tile * ROWS, to - from - tile * ROWS, sums[4 * (tile - i) + c]);
    }
    token += step;
  }
}

static void some_tiles(const void *context, long item) {
  const Product *p = context;
  const Header *header = (const Header *)p->matrix;
  long from = item * p->tiles_an_item * ROWS, to = from + p->tiles_an_item * ROWS;
  if (to > p->rows) to = p->rows;
  long begins = -p->first; /* the row of y where a segment begins */
  for (int i = 0; i < header->segments; i++) {
    long ends = begins + header->segment[i].rows;
    long first = from > begins ? from : begins, last = to < ends ? to : ends;
    if (first < last) part_of_segment(p, &header->segment[i], begins, first, last);
    begins = ends;
  }
}

/* ---- what the array library calls ---- */

/* Arguments: x f32 [T, in], matrices u8 [layers, bytes], layer s32 [].  Results: y f32 [T, out], scratch u8.
   Attribute: first, the row of the matrix where y begins. */
XLA_FFI_Error *gemcli_packed_product(XLA_FFI_CallFrame *frame) {
  if (described(frame)) return NULL;
  const XLA_FFI_Buffer *x = argument(frame, 0), *matrices = argument(frame, 1);
  XLA_FFI_Buffer *y = result(frame, 0), *scratch = result(frame, 1);
  Product p = {0};
  long layer = *(const int32_t *)argument(frame, 2)->data, bytes = matrices->dims[1];
  if (layer < 0 || layer >= matrices->dims[0]) return problem(frame, "packed product: there is no such layer");
  p.matrix = (const uint8_t *)matrices->data + layer * bytes;
  p.x = x->data;
  p.y = y->data;
  p.tokens = x->dims[0];
  p.columns = x->dims[1];
  p.rows = y->dims[1];
  p.first = *(const int64_t *)((const XLA_FFI_Scalar *)frame->attrs.attrs[0])->value;
  const Header *header = (const Header *)p.matrix;
  long chunks = p.columns / CHUNK, lines = (p.tokens + 7) / 8 * 8;
  long needed = lines * (p.columns * (long)sizeof(int16_t) + chunks * (long)sizeof(Scale));
  long held = rows_of(header, p.columns, bytes);
  if (held < 0 || p.first < 0 || p.first % ROWS || p.first + p.rows > held || scratch->dims[0] < needed)
    return problem(frame, "packed product: the matrix is not of this shape");
  if (!p.rows) return NULL;
  p.scales = scratch->data;
  p.values = (int16_t *)(p.scales + lines * chunks);
  /* Lines behind the last token are computed with and never stored. */
  memset(p.values + p.tokens * p.columns, 0, (lines - p.tokens) * p.columns * sizeof(int16_t));
  memset(p.scales + p.tokens * chunks, 0, (lines - p.tokens) * chunks * sizeof(Scale));
  in_parallel(frame, (p.tokens + 15) / 16, quantize_some, &p);
  long tiles = (p.rows + ROWS - 1) / ROWS, fit = ITEM_BYTES / (chunks * PLAIN) / 2 * 2;
  p.tiles_an_item = fit > 2 ? fit : 2;
  if (p.tiles_an_item > (tiles + 7) / 8) p.tiles_an_item = (tiles + 7) / 8; /* some for every core */
  in_parallel(frame, (tiles + p.tiles_an_item - 1) / p.tiles_an_item, some_tiles, &p);
  return NULL;
}

/* Arguments: rows s32 [T], matrices u8 [layers, bytes].  Result: f32 [T, in], those rows of the first matrix. */
XLA_FFI_Error *gemcli_packed_rows(XLA_FFI_CallFrame *frame) {
  if (described(frame)) return NULL;
  const XLA_FFI_Buffer *wanted = argument(frame, 0);
  const uint8_t *matrix = argument(frame, 1)->data;
  const Header *header = (const Header *)matrix;
  XLA_FFI_Buffer *out = result(frame, 0);
  long columns = out->dims[1];
  if (rows_of(header, columns, argument(frame, 1)->dims[1]) < 0)
    return problem(frame, "packed rows: the matrix is not of this shape");
  for (long t = 0; t < wanted->dims[0]; t++) {
    long row = ((const int32_t *)wanted->data)[t], begins = 0;
    float *to = (float *)out->data + t * columns;
    int i = 0;
    while (i < header->segments && row >= begins + header->segment[i].rows) begins += header->segment[i++].rows;
    if (row < 0 || i == header->segments) return problem(frame, "packed rows: there is no such row");
    const Segment *s = &header->segment[i];
    const uint8_t *tile = matrix + 64L * s->first_unit + (row - begins) / ROWS * tile_bytes(s, columns);
    int lane = (row - begins) % ROWS, halves = CHUNK / s->group;
    float multiplier = ((const float *)tile)[lane];
    const uint8_t *chunk = tile + ROWS * sizeof(float);
    for (long k = 0; k < columns; k += CHUNK, chunk += chunk_bytes(s->bits, s->group, s->mins)) {
      const uint16_t *factors = (const uint16_t *)(chunk + data_bytes(s->bits));
      for (int j = 0; j < CHUNK; j++) {
        int quad = j / 4, byte = 4 * lane + j % 4, half = j / s->group;
        float scale = _cvtsh_ss(factors[half * ROWS + lane]), weight;
        if (s->bits == 8) {
          weight = (int8_t)chunk[32 * quad + byte];
        } else {
          int value = chunk[32 * (quad / 2) + byte] >> 4 * (quad % 2) & 15;
          if (s->bits == 5) value |= (chunk[128 + byte] >> quad & 1) << 4;
          if (s->bits == 6) value |= (chunk[128 + 32 * (quad / 4) + byte] >> 2 * (quad % 4) & 3) << 4;
          weight = (float)(s->mins ? value : value - (1 << (s->bits - 1)));
        }
        float min = s->mins ? _cvtsh_ss(factors[(halves + half) * ROWS + lane]) : 0.0f;
        to[k + j] = (weight * scale - min) * multiplier;
      }
    }
  }
  return NULL;
}
