/*
 * The checks that the functions of hybrid.h are built from, and the step from there to a backend. Each check returns HY_OK, or fails
 * with a sentence that starts with the operation's name as users of the library know it: "conv2d" in a call reads "Conv2d" there.
 */
#ifndef HY_API_CHECK_H
#define HY_API_CHECK_H

#include <stdbool.h>

#include "backend.h"
#include "core/status.h"
#include "core/tensor.h"

/** The call being checked. */
typedef struct hy_call {
    const char *name;   /* of the operation, as in hybrid.h without hy_ */
    const char *suffix; /* what follows the name, "_backward" say; may be NULL */
    hy_device *device;
} hy_call;

/** Sets of dtypes. */
enum {
    HY_SET_FLOATING = 1 << HY_FLOAT32 | 1 << HY_FLOAT64 | 1 << HY_BFLOAT16 | 1 << HY_FLOAT16,
    HY_SET_SIGNED = HY_SET_FLOATING | 1 << HY_INT32 | 1 << HY_INT64,
    HY_SET_NUMBERS = HY_SET_SIGNED | 1 << HY_UINT8,
    HY_SET_ANY = HY_SET_NUMBERS | 1 << HY_BOOL,
    HY_SET_STORED = HY_SET_ANY | 1 << HY_INT8 /* moved, not calculated with */
};
#define HY_ONLY(dtype) (1 << (dtype))

/** Returns from the calling function unless a check passes. */
#define HY_TRY(check)                          \
    do {                                       \
        hy_status status_ = (check);           \
        if (status_ != HY_OK) return status_;  \
    } while (0)

/** Starts a function of hybrid.h: declares its call, `call`, and checks the device. */
#define HY_CALL(operation, ending)                             \
    const hy_call call = {operation, ending, device};          \
    if (!device) return hy_refuse(&call, HY_BAD_ARGUMENT, "the device is NULL")

/** Ends one: hands over to the backend's slot. */
#define HY_DISPATCH(slot, ...) return device->backend.slot ? device->backend.slot(device, __VA_ARGS__) : hy_refuse_unsupported(&call)

/** Fails with "Operation: what the format says". */
hy_status hy_refuse(const hy_call *call, hy_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
hy_status hy_refuse_unsupported(const hy_call *call);

/** Fails when a pointer that is no tensor is NULL. */
hy_status hy_check_pointer(const hy_call *call, const char *what, const void *pointer);

/** A view that may be read: of the call's device, of a dtype in the set, sound in its extents and strides. */
hy_status hy_check_input(const hy_call *call, const char *what, const hy_tensor *t, int dtypes);

/** A view that may be written: also one that does not alias itself. */
hy_status hy_check_output(const hy_call *call, const char *what, const hy_tensor *t, int dtypes);

/** As above, with NULL allowed. */
hy_status hy_check_optional_input(const hy_call *call, const char *what, const hy_tensor *t, int dtypes);
hy_status hy_check_optional_output(const hy_call *call, const char *what, const hy_tensor *t, int dtypes);

/** Fails unless t has the shape; `what` names t, `why` says where the expectation comes from ("as input has"), NULL for nothing. */
hy_status hy_check_shape(const hy_call *call, const char *what, const hy_tensor *t, int32_t ndim, const int64_t *shape);
hy_status hy_check_same_shape(const hy_call *call, const char *what, const hy_tensor *t, const char *like_what, const hy_tensor *like);

/** Fails unless t has one axis of the extent. NULL passes. */
hy_status hy_check_vector(const hy_call *call, const char *what, const hy_tensor *t, int64_t extent);
hy_status hy_check_ndim(const hy_call *call, const char *what, const hy_tensor *t, int32_t ndim);

/** Widens `shape` (of *ndim axes) to what it and t's first `axes` axes broadcast to. */
hy_status hy_check_broadcast(const hy_call *call, const hy_tensor *t, int32_t axes, int32_t *ndim, int64_t shape[HY_MAX_DIMS]);

/** Fails unless t broadcasts to exactly the shape of y. */
hy_status hy_check_broadcasts_to(const hy_call *call, const char *what, const hy_tensor *t, const char *to_what, const hy_tensor *to);

/** HY_NO_ACTIVATION, or an operation of ops.def without a parameter. */
hy_status hy_check_activation(const hy_call *call, int32_t activation);

/** The weights of a quantised layer: packed for so many inputs and outputs, with scales and perhaps a bias (NULL) to match. */
hy_status hy_check_quantized(const hy_call *call, const hy_tensor *packed, const hy_tensor *scale, const hy_tensor *bias, int64_t inputs, int64_t outputs);

/** An operand laid out ahead, unless NULL: one axis, with room for so many elements, contiguous. */
hy_status hy_check_prepared(const hy_call *call, const hy_tensor *prepared, int64_t elements);

hy_status hy_check_axis(const hy_call *call, const hy_tensor *x, int32_t axis);

/** Fails unless low <= value <= high; a NaN fails. */
hy_status hy_check_range(const hy_call *call, const char *what, double value, double low, double high);
hy_status hy_check_integer(const hy_call *call, const char *what, int64_t value, int64_t low, int64_t high);

#endif
