#include "cpu/reference/reference.h"

void hy_reference_softmax(hy_backend *backend)
{
    (void)backend;
}
