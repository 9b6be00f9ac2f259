/* The typed half of conv_windows.h; see gemm_body.h for `real` and T(name). */

#ifndef LANES
#define LANES ((int64_t)(HY_TILE_VECTOR / sizeof(real)))
#endif

typedef real T(vec) __attribute__((vector_size(HY_TILE_VECTOR)));
typedef real T(vec_at) __attribute__((vector_size(HY_TILE_VECTOR), aligned(sizeof(real)), may_alias));
typedef __typeof__((T(vec)){0} < 0) T(mask);

typedef real T(half_at) __attribute__((vector_size(HY_TILE_VECTOR / 2), aligned(sizeof(real)), may_alias));

/* The last vector of a run overlaps the one before. */
static inline void T(copy_run)(real *to, const real *from, int64_t n)
{
    if (n < LANES) {
        if (n >= LANES / 2) {
            T(half_at) first = *(const T(half_at) *)from, last = *(const T(half_at) *)(from + n - LANES / 2);
            *(T(half_at) *)to = first;
            *(T(half_at) *)(to + n - LANES / 2) = last;
            return;
        }
        for (int64_t i = 0; i < n; i++) to[i] = from[i];
        return;
    }
    for (int64_t i = 0; i < n - LANES; i += LANES) *(T(vec_at) *)(to + i) = *(const T(vec_at) *)(from + i);
    *(T(vec_at) *)(to + n - LANES) = *(const T(vec_at) *)(from + n - LANES);
}

/* One row of the image into the middle of zeros. */
static inline void T(stage_row)(const hy_windows *w, const real *from, real *to)
{
    int64_t step = w->x->strides[3], left = w->origin[1];
    for (int64_t phase = 0; phase < w->stride[1]; phase++, to += w->phase) {
        int64_t begin = hy_ceil_div(hy_max(0, left - phase), w->stride[1]); /* the first column inside the image, and the one behind the last */
        int64_t end = hy_min(w->phase, hy_ceil_div(hy_max(0, left + w->x->shape[3] - phase), w->stride[1]));
        const real *first = from + (begin * w->stride[1] + phase - left) * step;
        if (w->stride[1] * step == 1) T(copy_run)(to + begin, first, end - begin);
        else for (int64_t i = begin; i < end; i++, first += w->stride[1] * step) to[i] = *first;
    }
}

/* One image: what each column of the kernel sees of it, between zeros. */
static void T(stage_flat)(const hy_windows *w, const real *planes, real *scratch)
{
    const hy_tensor *x = w->x;
    int64_t top = w->origin[0], left = w->origin[1], step = x->strides[3];
    if (top || left || w->height > x->shape[2] || w->width + w->reach[1] > x->shape[3]) memset(scratch, 0, (size_t)w->bytes);
    for (int64_t c = 0; c < w->channels; c++) {
        for (int64_t i = hy_max(0, top); i < hy_min(w->height, top + x->shape[2]); i++) {
            const real *from = planes + c * x->strides[1] + (i - top) * x->strides[2];
            real *to = scratch + c * w->channel + i * w->width;
            for (int64_t right = 0; right <= w->reach[1]; right++, to += w->copy) {
                int64_t begin = hy_max(0, left - right), end = hy_min(w->width, left - right + x->shape[3]), shift = right - left;
                if (step == 1) T(copy_run)(to + begin, from + begin + shift, end - begin);
                else for (int64_t j = begin; j < end; j++) to[j] = from[(j + shift) * step];
            }
        }
    }
}

/** Where windows of `rows` rows from `row` on begin: in the image, or in `scratch` after staging them there. */
static const real *T(hy_windows_at)(const hy_windows *w, int64_t image, int64_t group, int64_t row, int64_t rows, real *scratch)
{
    const hy_tensor *x = w->x;
    const real *planes = (const real *)x->data + image * x->strides[0] + group * w->channels * x->strides[1];
    if (w->flat) {
        T(stage_flat)(w, planes, scratch);
        return scratch;
    }
    int64_t top = row * w->stride[0] - w->origin[0], height = (rows - 1) * w->stride[0] + w->reach[0] + 1;
    if (w->in_place) return planes + top * x->strides[2];
    memset(scratch, 0, (size_t)w->bytes);
    for (int64_t c = 0; c < w->channels; c++)
        for (int64_t i = hy_max(0, -top); i < hy_min(height, x->shape[2] - top); i++)
            T(stage_row)(w, planes + c * x->strides[1] + (top + i) * x->strides[2], scratch + c * w->channel + i * w->row);
    return scratch;
}
