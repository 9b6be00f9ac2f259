/* pack.h: contiguous stand-ins for the operands of kernels that want contiguous memory. A contiguous operand is its own stand-in. Likewise
 * stand-ins in float32 for operands of the 16-bit types. */
#ifndef HY_CPU_PACK_H
#define HY_CPU_PACK_H

#include "backend.h"
#include "core/tensor.h"

enum { HY_PACK_OPERANDS = 8 };

/** The operands of one call. Check `status` after the last hy_pack_in or hy_pack_out; end with hy_pack_end in any case. */
typedef struct hy_pack {
    hy_device *device;
    hy_status status;
    int count;
    struct {
        hy_tensor view;
        const hy_tensor *original; /* where an output goes in the end; NULL for an input */
    } item[HY_PACK_OPERANDS];
} hy_pack;

static inline const hy_tensor *hy_pack_new(hy_pack *pack, const hy_tensor *t, int32_t dtype, const hy_tensor *original)
{
    void *data = NULL;
    pack->status = hy_alloc(pack->device, hy_numel(t) * hy_dtype_size(dtype), &data);
    if (pack->status != HY_OK) return t;
    hy_tensor *view = &pack->item[pack->count].view;
    *view = hy_contiguous_like(t, data);
    view->dtype = dtype;
    pack->item[pack->count++].original = original;
    return view;
}

/** A contiguous view with t's values; NULL for NULL. */
static inline const hy_tensor *hy_pack_in(hy_pack *pack, const hy_tensor *t)
{
    if (t == NULL || hy_is_contiguous(t) || pack->status != HY_OK) return t;
    const hy_tensor *view = hy_pack_new(pack, t, t->dtype, NULL);
    if (pack->status == HY_OK) pack->status = pack->device->backend.copy(pack->device, t, view);
    return view;
}

/** A contiguous view whose values hy_pack_end takes to t; NULL for NULL. */
static inline const hy_tensor *hy_pack_out(hy_pack *pack, const hy_tensor *t)
{
    return t == NULL || hy_is_contiguous(t) || pack->status != HY_OK ? t : hy_pack_new(pack, t, t->dtype, t);
}

/** The same for an operand of a 16-bit type: a contiguous one in float32, with t's values when it is `read`, which go back to t when it is
 *  `written`. Any other operand, and NULL, is itself. */
static inline const hy_tensor *hy_pack_float(hy_pack *pack, const hy_tensor *t, bool read, bool written)
{
    if (t == NULL || !hy_is_half(t->dtype) || pack->status != HY_OK) return t;
    const hy_tensor *view = hy_pack_new(pack, t, HY_FLOAT32, written ? t : NULL);
    if (read && pack->status == HY_OK) pack->status = pack->device->backend.copy(pack->device, t, view);
    return view;
}

/** Stores the outputs when `status` is HY_OK, frees the stand-ins, and returns the first failure. */
static inline hy_status hy_pack_end(hy_pack *pack, hy_status status)
{
    for (int i = 0; i < pack->count; i++) {
        const hy_tensor *original = pack->item[i].original;
        if (original && status == HY_OK) status = pack->device->backend.copy(pack->device, &pack->item[i].view, original);
        hy_free(pack->device, pack->item[i].view.data);
    }
    return status;
}

#endif
