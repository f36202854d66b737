/* Products with weights in float32 (AVX-512): as fast as oneDNN's with weights in the layout that it likes best, and
 * the bias and GELU behind them cost next to nothing, for which oneDNN 2.6 passes over the result once more. */
#include "compute/cpu/kernels.h"

/* A block is 24 registers of sums, beside two of b and one of x; a piece of b is 24 KiB. */
enum { ROWS = 12, DEPTH = 192, PANEL_BLOCKS = 12, PANEL_BYTES = 1 << 20, PANEL_DEPTH = 1 << 24, PARTS = 1 };
typedef act packed;

#include "compute/cpu/panel_product.h"

bool CPU(product_fits)(size_t K, size_t J)
{
    return K % VECTOR == 0 && J % COLUMNS == 0 && panel_blocks(K) > 0;
}

/* Sixteen columns of 16 rows, which lie `stride` floats apart, become 16 rows of them, `pitch` floats apart. */
static void transpose_to(float *to, size_t pitch, const float *from, size_t stride, size_t rows)
{
    __m512i r[VECTOR];
    for (size_t i = 0; i < VECTOR; i++)
        r[i] = i < rows ? _mm512_loadu_si512(from + i * stride) : _mm512_setzero_si512();
    vector_transpose(r);
    for (size_t i = 0; i < VECTOR; i++)
        _mm512_storeu_si512(to + i * pitch, r[i]);
}

static void pack_transposed(packed *to, const float *w, size_t K)
{
    for (size_t k = 0; k < K; k += VECTOR)
        for (size_t j = 0; j < COLUMNS; j += VECTOR)
            transpose_to(to + k * COLUMNS + j, COLUMNS, w + j * K + k, K, VECTOR);
}

static void pack_rows(packed *to, const float *w, size_t rows, size_t J)
{
    for (size_t k = 0; k < rows; k++)
        memcpy(to + k * COLUMNS, w + k * J, COLUMNS * sizeof *to);
}

static void pack_panel(packed *to, const act *x, size_t first, size_t blocks, size_t k, size_t depth, size_t M,
                       size_t K)
{
    for (size_t b = 0; b < blocks; b++, to += ROWS * depth) {
        const size_t row = first + b * ROWS, left = row < M ? M - row : 0, rows = left < ROWS ? left : ROWS;
        for (size_t j = 0; j < depth; j += VECTOR) {
            float columns[VECTOR * VECTOR];
            transpose_to(columns, VECTOR, x + row * K + k + j, K, rows);
            for (size_t i = 0; i < VECTOR; i++)
                _mm512_mask_storeu_ps(to + (j + i) * ROWS, first_lanes(ROWS), _mm512_loadu_ps(columns + i * VECTOR));
        }
    }
}

static void multiply_block(float *sums, bool start, const packed *a, const packed *b, size_t depth, meanwhile *work)
{
    finish_rows(work, ROWS); /* there is nothing idle here that could do it on the side */
    __m512 s[ROWS][2];
    for (size_t i = 0; i < ROWS; i++) {
        s[i][0] = start ? _mm512_setzero_ps() : _mm512_load_ps(sums_low(sums, i));
        s[i][1] = start ? _mm512_setzero_ps() : _mm512_load_ps(sums_high(sums, i));
    }
    for (size_t k = 0; k < depth; k++, a += ROWS, b += COLUMNS) {
        const __m512 low = _mm512_load_ps(b), high = _mm512_load_ps(b + VECTOR);
        for (size_t i = 0; i < ROWS; i++) {
            const __m512 x = _mm512_set1_ps(a[i]);
            s[i][0] = _mm512_fmadd_ps(x, low, s[i][0]);
            s[i][1] = _mm512_fmadd_ps(x, high, s[i][1]);
        }
        if (k % UNIT == 0)
            ask_for_next(work);
    }
    for (size_t i = 0; i < ROWS; i++) {
        _mm512_store_ps(sums + i * COLUMNS, s[i][0]);
        _mm512_store_ps(sums + i * COLUMNS + VECTOR, s[i][1]);
    }
}

static const float *sums_low(const float *sums, size_t i)
{
    return sums + i * COLUMNS;
}

static const float *sums_high(const float *sums, size_t i)
{
    return sums_low(sums, i) + VECTOR;
}

static void begin_thread(void)
{
}

static void end_thread(void)
{
}
