/* What gemm.c has for float and for double: the product, and the packings that others use. */
#include "cpu/kernels/gemm_body.h"

hy_status HY_ISA(T(hy_gemm))(hy_device *device, const hy_gemm *g) { return T(run_gemm)(device, g); }

void HY_ISA(T(hy_turn_rows))(const real *const *rows, int64_t count, int64_t stride, int64_t width, int64_t kc, real *panel)
{
    T(pack_vectors)(rows, count, stride, width, kc, 0, panel);
}

void HY_ISA(T(hy_pack_rows))(const real *const *rows, int64_t count, int64_t stride, int64_t width, int64_t kc, real *panel)
{
    T(clear_lanes)(count, width, kc, panel);
    T(pack_vectors)(rows, count, stride, width, kc, 0, panel);
}

/* ---- Packing ahead of all products ---- */

int64_t HY_ISA(T(hy_gemm_prepared))(int64_t n, int64_t k) { return hy_ceil_div(n, WIDTH) * WIDTH * k; }

typedef struct T(preparation) {
    side s;
    real *to;
    int64_t k;
} T(preparation);

static void T(prepare_panels)(void *context, int64_t begin, int64_t end)
{
    const T(preparation) *p = context;
    for (int64_t j = begin; j < end; j++) T(pack_panels)(&p->s, p->s.operand->data, j, j + 1, 0, p->k, p->to + j * p->k * WIDTH);
}

void HY_ISA(T(hy_gemm_prepare))(const hy_gemm_operand *b, int64_t n, int64_t k, real *to)
{
    const hy_gemm g = {.n = n, .k = k};
    const plan whole = {.g = &g};
    T(preparation) p = {.to = to, .k = k};
    if (n == 0 || k == 0) return;
    make_side(&whole, &p.s, b, n, WIDTH, false);
    hy_parallel_for(p.s.panels, hy_ceil_div(1 << 15, k * WIDTH), T(prepare_panels), &p);
}

#undef WIDTH
#undef LANES
#undef TYPE
#undef HY_TILE_CASE
#undef HY_PACK_CASE
