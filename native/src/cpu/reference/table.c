#include "cpu/reference/reference.h"

void hy_reference_fill(hy_backend *backend)
{
    hy_reference_elementwise(backend);
    hy_reference_copy(backend);
    hy_reference_random(backend);
    hy_reference_reduce(backend);
    hy_reference_softmax(backend);
    hy_reference_matmul(backend);
    hy_reference_conv(backend);
    hy_reference_pool(backend);
    hy_reference_norm(backend);
    hy_reference_loss(backend);
    hy_reference_index(backend);
    hy_reference_optim(backend);
    hy_reference_int8(backend);
}
