/* Matrix products. */
#include "cpu/reference/access.h"
#include "cpu/reference/reference.h"

/** The first matrix's first element of each leading index: t with extent 1 on the last two axes. */
static hy_tensor leading(const hy_tensor *t)
{
    const hy_tensor rows = hy_first_slice(t, t->ndim - 2);
    return hy_first_slice(&rows, t->ndim - 1);
}

static hy_status reference_matmul(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias,
                                  int32_t activation, const hy_tensor *y)
{
    const int64_t m = y->shape[y->ndim - 2], n = y->shape[y->ndim - 1], k = a->shape[a->ndim - 1];
    const int64_t *sa = a->strides + a->ndim - 2, *sb = b->strides + b->ndim - 2, *sy = y->strides + y->ndim - 2;
    if (hy_numel(y) == 0) return HY_OK;

    const hy_tensor ya = leading(a), yb = leading(b), yy = leading(y);
    for (hy_walk w = HY_WALK(&yy, &ya, &yb, &yy); w.left > 0; hy_walk_next(&w))
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double sum = bias ? hy_load(bias, j * bias->strides[0]) : 0;
                for (int64_t l = 0; l < k; l++)
                    sum += hy_load(a, w.at[0] + i * sa[0] + l * sa[1]) * hy_load(b, w.at[1] + l * sb[0] + j * sb[1]);
                hy_store(y, w.at[2] + i * sy[0] + j * sy[1], sum);
            }
    return activation ? device->backend.unary(device, activation - HY_ACTIVATION(0), 0, y, y) : HY_OK;
}

/* The loops read B as it is. */
static hy_status reference_matmul_prepare(hy_device *device, const hy_tensor *b, int64_t *elements, const hy_tensor *prepared)
{
    *elements = 0;
    return HY_OK;
}

static hy_status reference_matmul_prepared(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *prepared,
                                           const hy_tensor *bias, int32_t activation, const hy_tensor *y)
{
    return reference_matmul(device, a, b, bias, activation, y);
}

void hy_reference_matmul(hy_backend *backend)
{
    backend->matmul_prepare = reference_matmul_prepare;
    backend->matmul_prepared = reference_matmul_prepared;
    backend->matmul = reference_matmul;
}
