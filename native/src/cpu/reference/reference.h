/* The reference: naive loops in double precision (integers exactly), always right, for every slot. Fast kernels override them. */
#ifndef HY_CPU_REFERENCE_H
#define HY_CPU_REFERENCE_H

#include "backend.h"

void hy_reference_elementwise(hy_backend *backend);
void hy_reference_copy(hy_backend *backend);
void hy_reference_random(hy_backend *backend);
void hy_reference_reduce(hy_backend *backend);
void hy_reference_softmax(hy_backend *backend);
void hy_reference_matmul(hy_backend *backend);
void hy_reference_conv(hy_backend *backend);
void hy_reference_pool(hy_backend *backend);
void hy_reference_norm(hy_backend *backend);
void hy_reference_loss(hy_backend *backend);
void hy_reference_index(hy_backend *backend);
void hy_reference_optim(hy_backend *backend);
void hy_reference_int8(hy_backend *backend);

/** Fills every slot but those of the device itself: memory, transfer, synchronisation. */
void hy_reference_fill(hy_backend *backend);

#endif
