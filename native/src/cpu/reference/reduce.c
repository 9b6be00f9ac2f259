#include "cpu/reference/reference.h"

void hy_reference_reduce(hy_backend *backend)
{
    (void)backend;
}
