#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[4096]; /* holds the paths of libraries that were not found */

hy_status hy_fail(hy_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char text[sizeof message]; /* an argument may be the previous message itself */
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(message, text, sizeof message);
    return status;
}

const char *hy_format_shape(const hy_tensor *t, char text[256])
{
    size_t length = 0;
    text[length++] = '[';
    int ndim = t->ndim < 0 ? 0 : t->ndim > HY_MAX_DIMS ? HY_MAX_DIMS : t->ndim;
    for (int i = 0; i < ndim; i++) length += (size_t)snprintf(text + length, 256 - length, i ? ", %lld" : "%lld", (long long)t->shape[i]);
    text[length++] = ']';
    text[length] = 0;
    return text;
}

const char *hy_last_error(void)
{
    return message;
}
