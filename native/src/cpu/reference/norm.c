#include "cpu/reference/reference.h"

void hy_reference_norm(hy_backend *backend)
{
    (void)backend;
}
