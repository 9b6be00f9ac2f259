/* Small questions about views. */
#ifndef HY_CORE_TENSOR_H
#define HY_CORE_TENSOR_H

#include <stdbool.h>

#include "hybrid/hybrid.h"

/** The number of dtypes. */
enum { HY_DTYPES = HY_INT8 + 1 };

static inline int64_t hy_dtype_size(int32_t dtype)
{
    static const int8_t size[] = {4, 8, 4, 8, 1, 1, 2, 2, 1};
    return size[dtype];
}

static inline const char *hy_dtype_name(int32_t dtype)
{
    static const char *const name[] = {"float32", "float64", "int32", "int64", "uint8", "bool", "bfloat16", "float16", "int8"};
    return dtype >= 0 && dtype < HY_DTYPES ? name[dtype] : "unknown";
}

/** Whether the elements are halves of a float32: they are stored so and computed with as float32. */
static inline bool hy_is_half(int32_t dtype) { return dtype == HY_BFLOAT16 || dtype == HY_FLOAT16; }

static inline bool hy_is_floating(int32_t dtype) { return dtype == HY_FLOAT32 || dtype == HY_FLOAT64 || hy_is_half(dtype); }

/** What a kernel computes in. */
static inline int32_t hy_compute_dtype(int32_t dtype) { return hy_is_half(dtype) ? HY_FLOAT32 : dtype; }

static inline int64_t hy_numel(const hy_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) n *= t->shape[i];
    return n;
}

static inline bool hy_same_shape(const hy_tensor *a, const hy_tensor *b)
{
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

/** Whether the elements lie one after another in row-major order. */
static inline bool hy_is_contiguous(const hy_tensor *t)
{
    int64_t expected = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] == 0) return true;
        if (t->shape[i] != 1 && t->strides[i] != expected) return false;
        expected *= t->shape[i];
    }
    return true;
}

/** A contiguous view of `data` with the shape of `like`. */
static inline hy_tensor hy_contiguous_like(const hy_tensor *like, void *data)
{
    hy_tensor t = *like;
    t.data = data;
    int64_t stride = 1;
    for (int i = t.ndim - 1; i >= 0; i--) {
        t.strides[i] = stride;
        stride *= t.shape[i];
    }
    return t;
}

#endif
