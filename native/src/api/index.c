/* Indexing. */
#include "api/check.h"

/* The index of a gather: as many axes as `from`, and but for `axis` no extent beyond it. */
static hy_status check_gather_index(const hy_call *call, const hy_tensor *index, const char *from_what, const hy_tensor *from, int32_t axis)
{
    bool fits = index->ndim == from->ndim;
    for (int i = 0; fits && i < from->ndim; i++) fits = i == axis || index->shape[i] <= from->shape[i];
    if (fits) return HY_OK;
    char given[256], wanted[256];
    return hy_refuse(call, HY_BAD_SHAPE, "index has shape %s, expected the axes of %s %s with no extent beyond its own, axis %d aside",
                     hy_format_shape(index, given), from_what, hy_format_shape(from, wanted), axis);
}

/* `few` is `many` with as many slices along `axis` as the one-dimensional index names. */
static hy_status check_selection(const hy_call *call, const char *what, const hy_tensor *few, const hy_tensor *many, int32_t axis, const hy_tensor *index)
{
    HY_TRY(hy_check_ndim(call, "index", index, 1));
    hy_tensor expected = *many;
    expected.shape[axis] = index->shape[0];
    return hy_check_shape(call, what, few, many->ndim, expected.shape);
}

hy_status hy_gather(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    HY_CALL("gather", NULL);
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_STORED));
    HY_TRY(hy_check_axis(&call, x, axis));
    HY_TRY(hy_check_input(&call, "index", index, HY_ONLY(HY_INT64)));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(x->dtype)));
    HY_TRY(check_gather_index(&call, index, "the input", x, axis));
    HY_TRY(hy_check_same_shape(&call, "output", y, "the index", index));
    HY_DISPATCH(gather, x, axis, index, y);
}

hy_status hy_scatter_add(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    HY_CALL("scatter_add", NULL);
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_SIGNED));
    HY_TRY(hy_check_axis(&call, x, axis));
    HY_TRY(hy_check_input(&call, "index", index, HY_ONLY(HY_INT64)));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_same_shape(&call, "input", x, "the index", index));
    HY_TRY(check_gather_index(&call, index, "the output", y, axis));
    HY_DISPATCH(scatter_add, x, axis, index, y);
}

hy_status hy_index_select(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    HY_CALL("index_select", NULL);
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_STORED));
    HY_TRY(hy_check_axis(&call, x, axis));
    HY_TRY(hy_check_input(&call, "index", index, HY_ONLY(HY_INT64)));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(x->dtype)));
    HY_TRY(check_selection(&call, "output", y, x, axis, index));
    HY_DISPATCH(index_select, x, axis, index, y);
}

hy_status hy_index_add(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    HY_CALL("index_add", NULL);
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_SIGNED));
    HY_TRY(hy_check_input(&call, "index", index, HY_ONLY(HY_INT64)));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_axis(&call, y, axis));
    HY_TRY(check_selection(&call, "input", x, y, axis, index));
    HY_DISPATCH(index_add, x, axis, index, y);
}

hy_status hy_one_hot(hy_device *device, const hy_tensor *index, const hy_tensor *y)
{
    HY_CALL("one_hot", NULL);
    HY_TRY(hy_check_input(&call, "index", index, HY_ONLY(HY_INT64)));
    HY_TRY(hy_check_output(&call, "output", y, HY_SET_ANY));
    bool fits = y->ndim == index->ndim + 1;
    for (int i = 0; fits && i < index->ndim; i++) fits = y->shape[i] == index->shape[i];
    if (!fits) {
        char given[256], wanted[256];
        return hy_refuse(&call, HY_BAD_SHAPE, "output has shape %s, expected that of the index, %s, and one more axis at the end", hy_format_shape(y, given),
                         hy_format_shape(index, wanted));
    }
    HY_DISPATCH(one_hot, index, y);
}
