/* Tiles of Intel's matrix extension: eight registers of 16 rows of 64 bytes.
 *
 * A product c (16, 16) += a (16, 32) b (32, 16) takes a as rows of bfloat16, b as 16 rows of "pairs": element
 * [k/2][j][k%2] is b(k, j); c is float32. The instructions are written out, since the compilers' own names for them do
 * not say that they read memory: a store before them could then be moved behind. */
#ifndef SSFER_COMPUTE_CPU_AMX_H
#define SSFER_COMPUTE_CPU_AMX_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { TILE = 16, TILE_K = 32, TILE_ACTS = TILE * TILE_K, TILE_BYTES = 64 };

#define TILE_ZERO(t) __asm__ volatile("tilezero %%tmm" #t : :)
#define TILE_LOAD(t, from, stride_bytes)                                                                               \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"(from), "r"((size_t)(stride_bytes)) : "memory")
#define TILE_STORE(t, to, stride_bytes)                                                                                \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" : : "r"(to), "r"((size_t)(stride_bytes)) : "memory")
#define TILE_PRODUCT(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c : :)

/* All eight registers full. Each thread does so before its first product and releases them after its last: what lies in
 * them would have to be saved whenever the thread is interrupted. */
static inline void tiles_configure(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        config.row_bytes[t] = TILE_BYTES;
        config.rows[t] = TILE;
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
}

static inline void tiles_release(void)
{
    __asm__ volatile("tilerelease" : :);
}

/* Two rows of 32 as one line of pairs of a tile: that of the first 16 columns, that of the others. */
static inline __m512i tile_pairs_low(__m512i even, __m512i odd)
{
    const __m512i order = _mm512_set_epi32(0x002F000F, 0x002E000E, 0x002D000D, 0x002C000C, 0x002B000B, 0x002A000A,
                                           0x00290009, 0x00280008, 0x00270007, 0x00260006, 0x00250005, 0x00240004,
                                           0x00230003, 0x00220002, 0x00210001, 0x00200000);
    return _mm512_permutex2var_epi16(even, order, odd);
}

static inline __m512i tile_pairs_high(__m512i even, __m512i odd)
{
    const __m512i order = _mm512_set_epi32(0x003F001F, 0x003E001E, 0x003D001D, 0x003C001C, 0x003B001B, 0x003A001A,
                                           0x00390019, 0x00380018, 0x00370017, 0x00360016, 0x00350015, 0x00340014,
                                           0x00330013, 0x00320012, 0x00310011, 0x00300010);
    return _mm512_permutex2var_epi16(even, order, odd);
}

static inline void tile_fill(uint16_t *to, const __m512i rows[TILE])
{
    for (size_t i = 0; i < TILE; i++)
        _mm512_storeu_si512(to + i * TILE_K, rows[i]);
}

/* Where the tiles of an operand lie: from tile to tile along k, and along the columns of b; in acts. */
typedef struct tile_operand {
    const uint16_t *first;
    size_t row_bytes, k_step, column_step;
} tile_operand;

/* c (16, 16 * count) = a b over `steps` tiles of k, for a constant count of 1 to 4; ldc in floats. */
static inline __attribute__((always_inline)) void tile_strip(size_t count, float *c, size_t ldc, const tile_operand *a,
                                                             const tile_operand *b, const uint16_t *b_first,
                                                             size_t steps)
{
    TILE_ZERO(0);
    if (count > 1)
        TILE_ZERO(1);
    if (count > 2)
        TILE_ZERO(2);
    if (count > 3)
        TILE_ZERO(3);
    for (size_t k = 0; k < steps; k++) {
        const uint16_t *from = b_first + k * b->k_step;
        TILE_LOAD(4, a->first + k * a->k_step, a->row_bytes);
        TILE_LOAD(5, from, b->row_bytes);
        TILE_PRODUCT(0, 4, 5);
        if (count > 1) {
            TILE_LOAD(6, from + b->column_step, b->row_bytes);
            TILE_PRODUCT(1, 4, 6);
        }
        if (count > 2) {
            TILE_LOAD(7, from + 2 * b->column_step, b->row_bytes);
            TILE_PRODUCT(2, 4, 7);
        }
        if (count > 3) {
            TILE_LOAD(5, from + 3 * b->column_step, b->row_bytes);
            TILE_PRODUCT(3, 4, 5);
        }
    }
    TILE_STORE(0, c, ldc * sizeof *c);
    if (count > 1)
        TILE_STORE(1, c + TILE, ldc * sizeof *c);
    if (count > 2)
        TILE_STORE(2, c + 2 * TILE, ldc * sizeof *c);
    if (count > 3)
        TILE_STORE(3, c + 3 * TILE, ldc * sizeof *c);
}

/* c (16, 16 * columns) = a b. */
static inline void tile_row(float *c, size_t ldc, const tile_operand *a, const tile_operand *b, size_t steps,
                            size_t columns)
{
    for (size_t j = 0; j < columns; j += 4) {
        const uint16_t *from = b->first + j * b->column_step;
        switch (columns - j) {
        case 1:
            tile_strip(1, c + j * TILE, ldc, a, b, from, steps);
            break;
        case 2:
            tile_strip(2, c + j * TILE, ldc, a, b, from, steps);
            break;
        case 3:
            tile_strip(3, c + j * TILE, ldc, a, b, from, steps);
            break;
        default:
            tile_strip(4, c + j * TILE, ldc, a, b, from, steps);
        }
    }
}

#endif
