/* The typed half of gemm.c, included once with `real` float and once double; T(name) carries the type's suffix. */

#define WIDTH ((int64_t)(HY_TILE_VECTORS * HY_TILE_VECTOR / sizeof(real)))
#define TYPE (sizeof(real) == 4 ? HY_FLOAT32 : HY_FLOAT64)
#define LANES ((int64_t)(HY_TILE_VECTOR / sizeof(real)))

typedef real T(vec) __attribute__((vector_size(HY_TILE_VECTOR)));
typedef __typeof__((T(vec)){0} < 0) T(mask);
typedef real T(vec_at) __attribute__((vector_size(HY_TILE_VECTOR), aligned(sizeof(real)), may_alias));
typedef real T(quad) __attribute__((vector_size(4 * sizeof(real))));
typedef real T(quad_at) __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));

/* ---- Packing ---- */

/* Four vectors of four elements, turned. */
static inline void T(turn)(const real *const *rows, int64_t at, int64_t width, real *panel)
{
    T(quad) r0 = *(const T(quad_at) *)(rows[0] + at), r1 = *(const T(quad_at) *)(rows[1] + at);
    T(quad) r2 = *(const T(quad_at) *)(rows[2] + at), r3 = *(const T(quad_at) *)(rows[3] + at);
    T(quad) low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5), high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
    T(quad) low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5), high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
    *(T(quad_at) *)(panel) = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
    *(T(quad_at) *)(panel + width) = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
    *(T(quad_at) *)(panel + 2 * width) = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
    *(T(quad_at) *)(panel + 3 * width) = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
}

void HY_ISA(T(hy_pack_rows))(const real *const *rows, int64_t count, int64_t stride, int64_t width, int64_t kc, real *panel)
{
    int64_t turned_rows = stride == 1 ? count & ~3 : 0, turned_k = kc & ~3;
    if (count < width) memset(panel, 0, (size_t)(kc * width) * sizeof(real)); /* no denormals for the idle lanes to stumble over */
    for (int64_t i = 0; i < turned_rows; i += 4) {
        for (int64_t p = 0; p < turned_k; p += 4) T(turn)(rows + i, p, width, panel + p * width + i);
        for (int64_t p = turned_k; p < kc; p++)
            for (int64_t r = i; r < i + 4; r++) panel[p * width + r] = rows[r][p];
    }
    for (int64_t i = turned_rows; i < count; i++)
        for (int64_t p = 0; p < kc; p++) panel[p * width + i] = rows[i][p * stride];
}

/* `width` is a constant where this is inlined, so that a full panel's rows are copied by vector moves. */
static inline __attribute__((always_inline)) void T(pack_columns)(const real *data, int64_t count, const int64_t width, int64_t k_stride,
                                                                  int64_t kc, real *panel)
{
    if (count == width) {
        for (int64_t p = 0; p < kc; p++) memcpy(panel + p * width, data + p * k_stride, (size_t)width * sizeof(real));
    } else {
        for (int64_t p = 0; p < kc; p++)
            for (int64_t i = 0; i < width; i++) panel[p * width + i] = i < count ? data[p * k_stride + i] : 0;
    }
}

static void T(pack_matrix)(const hy_gemm_operand *o, const void *data, int64_t first, int64_t count, int64_t width, int64_t k0,
                           int64_t kc, void *panel)
{
    const real *x = (const real *)data + first * o->vector_stride + k0 * o->k_stride;
    if (o->vector_stride == 1 && width == WIDTH) {
        T(pack_columns)(x, count, WIDTH, o->k_stride, kc, panel);
    } else if (o->vector_stride == 1) {
        T(pack_columns)(x, count, HY_TILE_ROWS, o->k_stride, kc, panel);
    } else {
        const real *rows[MAX_WIDTH];
        for (int64_t i = 0; i < count; i++) rows[i] = x + i * o->vector_stride;
        HY_ISA(T(hy_pack_rows))(rows, count, o->k_stride, width, kc, panel);
    }
}

static inline void T(pack)(const hy_gemm_operand *o, const void *data, int64_t first, int64_t count, int64_t width, int64_t k0,
                           int64_t kc, real *panel)
{
    (o->pack ? o->pack : T(pack_matrix))(o, data, first, count, width, k0, kc, panel);
}

/* ---- The register tile ---- */

/* What a tile adds to: C itself, the bias, or nothing (NULL). A column stride of 0 broadcasts, else it is 1. */
typedef struct T(prior) {
    const real *at;
    int64_t row_stride, col_stride;
} T(prior);

/* c = prior + A · B for `rows` rows, a constant where this is inlined, and all lanes; what is below `low` becomes 0: relu, or nothing. */
static inline __attribute__((always_inline)) void T(tile_rows)(const int rows, int64_t kc, const real *a, const real *b, int64_t b_stride,
                                                               T(prior) prior, real low, real *c, int64_t c_stride)
{
    T(vec) sum[HY_TILE_ROWS][HY_TILE_VECTORS];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < HY_TILE_VECTORS; j++) sum[i][j] = (T(vec)){0};
    for (int64_t p = 0; p < kc; p++, a += HY_TILE_ROWS, b += b_stride) {
        T(vec) column[HY_TILE_VECTORS];
#pragma GCC unroll 4
        for (int j = 0; j < HY_TILE_VECTORS; j++) column[j] = *(const T(vec_at) *)(b + j * LANES);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
            for (int j = 0; j < HY_TILE_VECTORS; j++) sum[i][j] += a[i] * column[j];
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < HY_TILE_VECTORS; j++) {
            if (prior.at) {
                const real *at = prior.at + i * prior.row_stride;
                if (prior.col_stride) sum[i][j] += *(const T(vec_at) *)(at + j * LANES);
                else sum[i][j] += *at;
            }
            *(T(vec_at) *)(c + i * c_stride + j * LANES) = (T(vec))((T(mask))sum[i][j] & ~(sum[i][j] < low));
        }
    }
}

#define HY_TILE_CASE(n)                                                         \
    case n:                                                                     \
        if (n <= HY_TILE_ROWS) T(tile_rows)(n, kc, a, b, b_stride, prior, low, c, c_stride); \
        break;

static __attribute__((noinline)) void T(tile)(int64_t rows, int64_t kc, const real *a, const real *b, int64_t b_stride, T(prior) prior,
                                              real low, real *c, int64_t c_stride)
{
    switch (rows) {
        HY_TILE_CASE(1) HY_TILE_CASE(2) HY_TILE_CASE(3) HY_TILE_CASE(4) HY_TILE_CASE(5) HY_TILE_CASE(6) HY_TILE_CASE(7)
        HY_TILE_CASE(8) HY_TILE_CASE(9) HY_TILE_CASE(10) HY_TILE_CASE(11) HY_TILE_CASE(12) HY_TILE_CASE(13) HY_TILE_CASE(14)
    }
}

/* A tile whose columns are not all there or not side by side: through a full one. */
static void T(tile_edge)(int64_t rows, int64_t columns, int64_t kc, const real *a, const real *b, int64_t b_stride, T(prior) prior, real low,
                         real *c, int64_t row_stride, int64_t col_stride)
{
    _Alignas(64) real full[HY_TILE_ROWS * MAX_WIDTH];
    T(tile)(rows, kc, a, b, b_stride, (T(prior)){0}, -INFINITY, full, WIDTH);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            real before = prior.at ? prior.at[i * prior.row_stride + j * prior.col_stride] : 0;
            real value = full[i * WIDTH + j] + before;
            c[i * row_stride + j * col_stride] = value < low ? 0 : value;
        }
    }
}

/* ---- Blocks ---- */

typedef struct T(target) {
    real *c;
    int64_t row_stride, col_stride;
    T(prior) prior;  /* of the first k block; later ones add to C */
} T(target);

/* Where a batch item's result goes: C, or its own part of the partial sums when k is split. */
static T(target) T(target_of)(const plan *p, int64_t item, int64_t split)
{
    const hy_gemm *g = p->g;
    if (p->splits > 1) {
        real *partial = (real *)p->partial + (item * p->splits + split) * g->m * g->n;
        return (T(target)){partial, g->n, 1, {0}};
    }
    real *c = (real *)g->c + hy_gemm_batch_offset(g, g->c_batch_strides, item);
    const real *bias = g->bias ? (const real *)g->bias + hy_gemm_batch_offset(g, g->bias_batch_strides, item) : NULL;
    return (T(target)){c, g->c_row_stride, g->c_col_stride, {bias, g->bias_row_stride, g->bias_col_stride}};
}

static void T(multiply_panels)(const plan *p, const block *k, const real *packed_a, const real *packed_b, const real *direct_b, T(target) t)
{
    const hy_gemm *g = p->g;
    bool first = k->k0 == k->k_begin, last = k->k0 + k->kc == k->k_end;
    real low = last && p->splits == 1 && g->activation == HY_ACTIVATION(HY_UNARY_relu) ? 0 : -INFINITY;
    for (int64_t j = k->b_begin; j < k->b_end; j++) {
        int64_t column = j * WIDTH, columns = g->n - column < WIDTH ? g->n - column : WIDTH;
        bool direct = direct_b && columns == WIDTH;
        const real *b = direct ? direct_b + column : packed_b + (j - k->b_begin) * WIDTH * k->kc;
        int64_t b_stride = direct ? g->b.k_stride : WIDTH;
        for (int64_t i = k->a_begin; i < k->a_end; i++) {
            int64_t row = panel_start(g->m, p->a_panels, i), rows = panel_start(g->m, p->a_panels, i + 1) - row;
            const real *a = packed_a + (i - k->a_begin) * HY_TILE_ROWS * k->kc;
            real *c = t.c + row * t.row_stride + column * t.col_stride;
            T(prior) prior = {c, t.row_stride, t.col_stride};
            if (first) {
                prior = t.prior;
                if (prior.at) prior.at += row * prior.row_stride + column * prior.col_stride;
            }
            bool whole = columns == WIDTH && t.col_stride == 1 && prior.col_stride <= 1;
            if (whole) T(tile)(rows, k->kc, a, b, b_stride, prior, low, c, t.row_stride);
            else T(tile_edge)(rows, columns, k->kc, a, b, b_stride, prior, low, c, t.row_stride, t.col_stride);
        }
    }
}

static void T(pack_a_panels)(const plan *p, const void *data, int64_t begin, int64_t end, int64_t k0, int64_t kc, real *to)
{
    const hy_gemm *g = p->g;
    for (int64_t i = begin; i < end; i++, to += HY_TILE_ROWS * kc) {
        int64_t row = panel_start(g->m, p->a_panels, i);
        T(pack)(&g->a, data, row, panel_start(g->m, p->a_panels, i + 1) - row, HY_TILE_ROWS, k0, kc, to);
    }
}

/* What the tile's store has not done already, while the block is in the cache. */
static void T(activate_block)(const plan *p, const block *k, T(target) t)
{
    const hy_gemm *g = p->g;
    int64_t row = panel_start(g->m, p->a_panels, k->a_begin), rows = panel_start(g->m, p->a_panels, k->a_end) - row;
    int64_t column = k->b_begin * WIDTH, columns = min(g->n, k->b_end * WIDTH) - column;
    hy_activate(p->device, TYPE, g->activation, t.c + row * t.row_stride + column * t.col_stride, rows, columns, t.row_stride, t.col_stride);
}

/* One block of C: all of its k blocks, one after another. */
static void T(run_block)(const plan *p, int64_t task, real *scratch)
{
    const hy_gemm *g = p->g;
    block k = block_of(p, task);
    const real *a_data = (const real *)g->a.data + hy_gemm_batch_offset(g, g->a.batch_strides, k.item);
    const real *b_data = (const real *)g->b.data + hy_gemm_batch_offset(g, g->b.batch_strides, k.item);
    T(target) target = T(target_of)(p, k.item, k.split);
    real *a_scratch = scratch, *b_scratch = scratch + p->a_scratch;
    k.k0 = k.k_begin;
    do {
        k.kc = k.k_end - k.k0 < p->kc ? k.k_end - k.k0 : p->kc;
        for (int64_t j = k.b_begin; j < k.b_end; j++) {
            int64_t columns = g->n - j * WIDTH < WIDTH ? g->n - j * WIDTH : WIDTH;
            if (p->direct_b && columns == WIDTH) continue;
            T(pack)(&g->b, b_data, j * WIDTH, columns, WIDTH, k.k0, k.kc, b_scratch + (j - k.b_begin) * WIDTH * k.kc);
        }
        const real *a = a_scratch;
        int64_t a_item = hy_gemm_batch_offset(g, p->a_item_strides, k.item);
        if (p->ahead) a = (const real *)p->ahead + ahead_offset(p, a_item, k.k0, k.kc, k.a_begin);
        else T(pack_a_panels)(p, a_data, k.a_begin, k.a_end, k.k0, k.kc, a_scratch);
        T(multiply_panels)(p, &k, a, b_scratch, p->direct_b ? b_data + k.k0 * g->b.k_stride : NULL, target);
        k.k0 += k.kc;
    } while (k.k0 < k.k_end);
    if (p->splits == 1 && g->activation != HY_ACTIVATION(HY_UNARY_relu)) T(activate_block)(p, &k, target);
}

static void T(run_blocks)(void *context, int64_t begin, int64_t end)
{
    plan *p = context;
    int slot = take_slot(p);
    real *scratch = (real *)(p->scratch + slot * p->slot_bytes);
    for (int64_t task = begin; task < end; task++) T(run_block)(p, task, scratch);
    give_slot(p, slot);
}

/* Packs A before anything is multiplied, where several blocks share it: unit = (item, k block, panel). */
static void T(pack_ahead)(void *context, int64_t begin, int64_t end)
{
    const plan *p = context;
    const hy_gemm *g = p->g;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t panel = unit % p->a_panels, k0 = unit / p->a_panels % p->k_blocks * p->kc, item = unit / p->a_panels / p->k_blocks;
        int64_t kc = g->k - k0 < p->kc ? g->k - k0 : p->kc;
        const real *data = (const real *)g->a.data + hy_gemm_batch_offset(g, g->a.batch_strides, item_of(p, item));
        T(pack_a_panels)(p, data, panel, panel + 1, k0, kc, (real *)p->ahead + ahead_offset(p, item, k0, kc, panel));
    }
}

/* C = activation(bias + the sum of the partial products), always in the same order: unit = (item, row). */
static void T(add_partials)(void *context, int64_t begin, int64_t end)
{
    const plan *p = context;
    const hy_gemm *g = p->g;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t item = unit / g->m, row = unit % g->m;
        real *sum = (real *)p->partial + item * p->splits * g->m * g->n + row * g->n;
        for (int64_t s = 1; s < p->splits; s++)
            for (int64_t j = 0; j < g->n; j++) sum[j] += sum[s * g->m * g->n + j];
        real *c = (real *)g->c + hy_gemm_batch_offset(g, g->c_batch_strides, item) + row * g->c_row_stride;
        const real *bias = g->bias;
        if (bias) bias += hy_gemm_batch_offset(g, g->bias_batch_strides, item) + row * g->bias_row_stride;
        for (int64_t j = 0; j < g->n; j++) c[j * g->c_col_stride] = sum[j] + (bias ? bias[j * g->bias_col_stride] : 0);
        hy_activate(p->device, TYPE, g->activation, c, 1, g->n, g->n * g->c_col_stride, g->c_col_stride);
    }
}

hy_status HY_ISA(T(hy_gemm))(hy_device *device, const hy_gemm *g)
{
    static const bodies typed = {T(pack_ahead), T(run_blocks), T(add_partials)};
    return run(device, g, sizeof(real), WIDTH, &typed);
}

#undef WIDTH
#undef LANES
#undef TYPE
#undef HY_TILE_CASE
