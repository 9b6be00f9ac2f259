#include "cpu/reference/reference.h"

void hy_reference_loss(hy_backend *backend)
{
    (void)backend;
}
