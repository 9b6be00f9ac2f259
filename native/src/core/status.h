/* Status and the calling thread's message. */
#ifndef HY_CORE_STATUS_H
#define HY_CORE_STATUS_H

#include "hybrid/hybrid.h"

/** Formats the calling thread's message (at most 1023 bytes) and returns `status`, so that `return hy_fail(…)` reads well.
 *  %T is not printf: format a tensor's shape with hy_format_shape first. */
hy_status hy_fail(hy_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Writes "[8, 3, 28, 28]" to `text` and returns it. */
const char *hy_format_shape(const hy_tensor *t, char text[256]);

#endif
