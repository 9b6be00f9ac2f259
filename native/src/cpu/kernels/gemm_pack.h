/* The typed packings of gemm.c: matrices into panels; see gemm_body.h for `real` and T(name). */

typedef real T(quad) __attribute__((vector_size(4 * sizeof(real))));
typedef real T(quad_at) __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));

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

/* Contiguous vectors go in fours; a rest of one to three is part of a last four that writes some lanes again. What lies `ahead`, if that is
 * not 0, is asked for early: the processor does not foresee where the next vectors begin. */
static inline __attribute__((always_inline)) void T(pack_vectors)(const real *const *rows, int64_t count, int64_t stride, int64_t width, int64_t kc,
                                                                  int64_t ahead, real *panel)
{
    const int64_t line = 64 / (int64_t)sizeof(real);
    int64_t turned_k = kc & ~3, done = 0;
    for (; stride == 1 && count >= 4 && done < count; done += 4) {
        int64_t i = hy_min(done, count - 4);
        const real *const four[4] = {rows[i], rows[i + 1], rows[i + 2], rows[i + 3]};
        for (int64_t p = 0; p < turned_k; p += 4) {
            if (ahead && p % line == 0)
                for (int r = 0; r < 4; r++) __builtin_prefetch(four[r] + p + ahead, 0, 2);
            T(turn)(four, p, width, panel + p * width + i);
        }
        for (int64_t p = turned_k; p < kc; p++)
            for (int r = 0; r < 4; r++) panel[p * width + i + r] = four[r][p];
    }
    for (int64_t i = done; i < count; i++)
        for (int64_t p = 0; p < kc; p++) panel[p * width + i] = rows[i][p * stride];
}

/* No denormals for the idle lanes to stumble over. */
static inline void T(clear_lanes)(int64_t count, int64_t width, int64_t kc, real *panel)
{
    if (count < width) memset(panel, 0, (size_t)(kc * width) * sizeof(real));
}

/* Vectors that lie side by side: `count` and `width` are constants where this is inlined, so that rows move as vectors. */
static inline __attribute__((always_inline)) void T(pack_columns)(const real *data, const int64_t count, const int64_t width,
                                                                  int64_t k_stride, int64_t kc, real *panel)
{
    for (int64_t p = 0; p < kc; p++) {
        memcpy(panel + p * width, data + p * k_stride, (size_t)count * sizeof(real));
        for (int64_t i = count; i < width; i++) panel[p * width + i] = 0;
    }
}

#define HY_PACK_CASE(n)                                                              \
    case n:                                                                          \
        if (n <= HY_TILE_ROWS) T(pack_columns)(x, n, HY_TILE_ROWS, o->k_stride, kc, panel); \
        break;

static void T(pack_matrix)(const hy_gemm_operand *o, const void *data, int64_t first, int64_t count, int64_t width, int64_t k0,
                           int64_t kc, void *panel)
{
    const real *x = (const real *)data + first * o->vector_stride + k0 * o->k_stride;
    if (o->vector_stride == 1 && width == HY_TILE_ROWS) {
        switch (count) {
            HY_PACK_CASE(1) HY_PACK_CASE(2) HY_PACK_CASE(3) HY_PACK_CASE(4) HY_PACK_CASE(5) HY_PACK_CASE(6) HY_PACK_CASE(7)
            HY_PACK_CASE(8) HY_PACK_CASE(9) HY_PACK_CASE(10) HY_PACK_CASE(11) HY_PACK_CASE(12) HY_PACK_CASE(13) HY_PACK_CASE(14)
        }
    } else if (o->vector_stride == 1 && count == WIDTH) {
        T(pack_columns)(x, WIDTH, WIDTH, o->k_stride, kc, panel);
    } else {
        const real *rows[MAX_WIDTH];
        for (int64_t i = 0; i < count; i++) rows[i] = x + i * o->vector_stride;
        T(clear_lanes)(count, width, kc, panel);
        T(pack_vectors)(rows, count, o->k_stride, width, kc, width * o->vector_stride, panel);
    }
}

/* Whole panels side by side, row by row: long runs instead of one cache line from each of kc pages. */
static void T(pack_wide)(const real *x, int64_t panels, int64_t k_stride, int64_t kc, real *to)
{
    for (int64_t p = 0; p < kc; p++, x += k_stride)
        for (int64_t j = 0; j < panels; j++) {
            __builtin_prefetch(x + 16 * k_stride + j * WIDTH, 0, 2);
            memcpy(to + (j * kc + p) * WIDTH, x + j * WIDTH, (size_t)WIDTH * sizeof(real));
        }
}

/* The panels [begin, end) of one k block, one after another. */
static void T(pack_panels)(const side *s, const void *data, int64_t begin, int64_t end, int64_t k0, int64_t kc, real *to)
{
    const hy_gemm_operand *o = s->operand;
    int64_t whole = s->balanced ? 0 : hy_min(end, s->whole);
    if (!o->pack && o->vector_stride == 1 && whole > begin) {
        T(pack_wide)((const real *)data + begin * WIDTH + k0 * o->k_stride, whole - begin, o->k_stride, kc, to);
        to += (whole - begin) * WIDTH * kc;
        begin = whole;
    }
    for (; begin < end; begin++, to += s->width * kc)
        (o->pack ? o->pack : T(pack_matrix))(o, data, panel_start(s, begin), panel_start(s, begin + 1) - panel_start(s, begin), s->width, k0, kc,
                                             to);
}
