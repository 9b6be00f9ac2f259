/* The typed register tile of gemm.c; see gemm_body.h for `real` and T(name). */

typedef real T(vec) __attribute__((vector_size(HY_TILE_VECTOR)));
typedef __typeof__((T(vec)){0} < 0) T(mask);
typedef real T(vec_at) __attribute__((vector_size(HY_TILE_VECTOR), aligned(sizeof(real)), may_alias));

/* What a tile multiplies: `rows` rows of A, element (i, p) at a[i * a_row + p * a_k] where a_row or a_k is 1, and a vector row of B for
 * each p. */
typedef struct T(factors) {
    const real *a, *b;
    int64_t a_row, a_k, b_k, kc;
} T(factors);

/* What it adds to: C itself, the bias, or nothing (NULL). A column stride of 0 broadcasts, else it is 1. What is below `low` then becomes
 * 0: relu, or nothing. */
typedef struct T(prior) {
    const real *at;
    int64_t row_stride, col_stride;
    real low;
} T(prior);

/* c = prior + A · B for `rows` rows, a constant where this is inlined, and all lanes. */
static inline __attribute__((always_inline)) void T(tile_rows)(const int rows, const bool by_rows, const T(factors) *f,
                                                               const T(prior) *prior, real *c, int64_t c_stride)
{
    const real *a = f->a, *b = f->b;
    const int64_t kc = f->kc, a_k = f->a_k, b_k = f->b_k;
    T(vec) sum[HY_TILE_ROWS][HY_TILE_VECTORS];
    const real *row[HY_TILE_ROWS];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        row[i] = a + i * f->a_row;
        __builtin_prefetch(c + i * c_stride, 1);
        __builtin_prefetch(c + i * c_stride + WIDTH - 1, 1);
#pragma GCC unroll 4
        for (int j = 0; j < HY_TILE_VECTORS; j++) sum[i][j] = (T(vec)){0};
    }
    for (int64_t p = 0; p < kc; p++, a += a_k, b += b_k) {
        T(vec) column[HY_TILE_VECTORS];
#pragma GCC unroll 4
        for (int j = 0; j < HY_TILE_VECTORS; j++) column[j] = *(const T(vec_at) *)(b + j * LANES);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (int j = 0; j < HY_TILE_VECTORS; j++) sum[i][j] = ADD_PRODUCT(sum[i][j], by_rows ? row[i] + p : a + i, column[j]);
    }
    const real low = prior->low;
    if (!prior->at && low == -INFINITY) { /* nothing to add or cut off: after a short sum, asking row by row would take a tenth of the time */
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (int j = 0; j < HY_TILE_VECTORS; j++) *(T(vec_at) *)(c + i * c_stride + j * LANES) = sum[i][j];
        return;
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < HY_TILE_VECTORS; j++) {
            if (prior->at) {
                const real *at = prior->at + i * prior->row_stride;
                if (prior->col_stride) sum[i][j] += *(const T(vec_at) *)(at + j * LANES);
                else sum[i][j] += *at;
            }
            *(T(vec_at) *)(c + i * c_stride + j * LANES) = (T(vec))((T(mask))sum[i][j] & ~(sum[i][j] < low));
        }
    }
}

#define HY_TILE_CASE(n)                                                    \
    case n:                                                                \
        if (n > HY_TILE_ROWS) break;                                       \
        if (f->a_row == 1) T(tile_rows)(n, false, f, prior, c, c_stride);   \
        else T(tile_rows)(n, true, f, prior, c, c_stride);                 \
        break;

static __attribute__((noinline)) void T(tile)(int64_t rows, const T(factors) *f, const T(prior) *prior, real *c, int64_t c_stride)
{
    switch (rows) {
        HY_TILE_CASE(1) HY_TILE_CASE(2) HY_TILE_CASE(3) HY_TILE_CASE(4) HY_TILE_CASE(5) HY_TILE_CASE(6) HY_TILE_CASE(7)
        HY_TILE_CASE(8) HY_TILE_CASE(9) HY_TILE_CASE(10) HY_TILE_CASE(11) HY_TILE_CASE(12) HY_TILE_CASE(13) HY_TILE_CASE(14)
    }
}

/* A tile whose columns are not all there or not side by side: through a full one. */
static void T(tile_edge)(int64_t rows, int64_t columns, const T(factors) *f, const T(prior) *prior, real *c, int64_t row_stride,
                         int64_t col_stride)
{
    _Alignas(64) real full[HY_TILE_ROWS * MAX_WIDTH];
    T(tile)(rows, f, &(T(prior)){.low = -INFINITY}, full, WIDTH);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            real before = prior->at ? prior->at[i * prior->row_stride + j * prior->col_stride] : 0;
            real value = full[i * WIDTH + j] + before;
            c[i * row_stride + j * col_stride] = value < prior->low ? 0 : value;
        }
    }
}
