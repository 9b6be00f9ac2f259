/* The typed half of matmul.c's matrix-vector product: y[j] = bias[j] + sum over k of x[k] * B[k, j]; see gemm_body.h for `real` and
 * T(name). */

typedef real T(gemv_vec) __attribute__((vector_size(HY_TILE_VECTOR)));
typedef real T(gemv_vec_at) __attribute__((vector_size(HY_TILE_VECTOR), aligned(sizeof(real)), may_alias));

static real T(dot)(const real *a, const real *b, int64_t n)
{
    enum { LANES = HY_TILE_VECTOR / sizeof(real), CHAINS = 4 };
    T(gemv_vec) sums[CHAINS] = {{0}};
    int64_t i = 0;
    for (; i + CHAINS * LANES <= n; i += CHAINS * LANES)
        for (int c = 0; c < CHAINS; c++)
            sums[c] += *(const T(gemv_vec_at) *)(a + i + c * LANES) * *(const T(gemv_vec_at) *)(b + i + c * LANES);
    T(gemv_vec) all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    real sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += all[lane];
    for (; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* The same of STREAMS vectors b, `stride` apart, which are read side by side. */
static void T(dots)(const real *a, const real *b, int64_t stride, int64_t n, real *dots)
{
    enum { LANES = HY_TILE_VECTOR / sizeof(real) };
    T(gemv_vec) even[STREAMS] = {{0}}, odd[STREAMS] = {{0}};
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        const T(gemv_vec) a0 = *(const T(gemv_vec_at) *)(a + i), a1 = *(const T(gemv_vec_at) *)(a + i + LANES);
        for (int s = 0; s < STREAMS; s++) {
            even[s] += a0 * *(const T(gemv_vec_at) *)(b + s * stride + i);
            odd[s] += a1 * *(const T(gemv_vec_at) *)(b + s * stride + i + LANES);
        }
    }
    for (int s = 0; s < STREAMS; s++) {
        const T(gemv_vec) all = even[s] + odd[s];
        dots[s] = 0;
        for (int lane = 0; lane < LANES; lane++) dots[s] += all[lane];
        for (int64_t k = i; k < n; k++) dots[s] += a[k] * b[s * stride + k];
    }
}

/* B's columns are contiguous: a dot product each. */
static void T(gemv_dots)(void *context, int64_t begin, int64_t end)
{
    const gemv *v = context;
    const real *b = v->b, *bias = v->bias;
    real *y = v->y;
    for (int64_t j = begin, count; j < end; j += count) {
        real sums[STREAMS];
        count = v->streams && end - j >= STREAMS ? STREAMS : 1;
        if (count == STREAMS) T(dots)(v->x, b + j * v->b_column, v->b_column, v->k, sums);
        else sums[0] = T(dot)(v->x, b + j * v->b_column, v->k);
        for (int64_t s = 0; s < count; s++) y[(j + s) * v->y_stride] = sums[s] + (bias ? bias[(j + s) * v->bias_stride] : 0);
    }
}

/* B's rows are contiguous: sums of scaled rows, four rows a pass, over columns that stay in L1. */
static void T(gemv_rows)(void *context, int64_t begin, int64_t end)
{
    const gemv *v = context;
    const real *x = v->x, *bias = v->bias;
    real *y = v->y;
    real sums[GEMV_COLUMNS];
    int64_t n = end - begin, k = 0;
    for (int64_t j = 0; j < n; j++) sums[j] = 0;
    for (; k + 4 <= v->k; k += 4) {
        const real *b0 = (const real *)v->b + k * v->b_row + begin, *b1 = b0 + v->b_row, *b2 = b1 + v->b_row, *b3 = b2 + v->b_row;
        real x0 = x[k], x1 = x[k + 1], x2 = x[k + 2], x3 = x[k + 3];
        for (int64_t j = 0; j < n; j++) sums[j] += (x0 * b0[j] + x1 * b1[j]) + (x2 * b2[j] + x3 * b3[j]);
    }
    for (; k < v->k; k++) {
        const real *b = (const real *)v->b + k * v->b_row + begin;
        for (int64_t j = 0; j < n; j++) sums[j] += x[k] * b[j];
    }
    for (int64_t j = 0; j < n; j++) y[(begin + j) * v->y_stride] = sums[j] + (bias ? bias[(begin + j) * v->bias_stride] : 0);
}

static void T(gemv_gather)(const real *x, int64_t stride, int64_t n, real *to)
{
    for (int64_t i = 0; i < n; i++) to[i] = x[i * stride];
}
