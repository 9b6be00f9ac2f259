/* Copies and casts between any strides, constants and progressions. */
#include "cpu/kernels/cast.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/walk.h"

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Casts                                                                                                                  */
/* ---------------------------------------------------------------------------------------------------------------------- */

#define AS_IS(v) (v)
#define NOT_ZERO(v) ((v) != 0)

#define CAST_KERNEL(from, to, from_type, to_type, convert)                            \
    static void cast_##from##_##to(void *const *data, int64_t n, const void *context) \
    {                                                                                 \
        to_type *y = data[0];                                                         \
        const from_type *x = data[1];                                                 \
        for (int64_t i = 0; i < n; i++) y[i] = (to_type)convert(x[i]);                \
    }

#define CASTS_FROM(from, type, to_i32, to_i64, to_u8)  \
    CAST_KERNEL(from, f32, type, float, AS_IS)         \
    CAST_KERNEL(from, f64, type, double, AS_IS)        \
    CAST_KERNEL(from, i32, type, int32_t, to_i32)      \
    CAST_KERNEL(from, i64, type, int64_t, to_i64)      \
    CAST_KERNEL(from, u8, type, uint8_t, to_u8)        \
    CAST_KERNEL(from, bool, type, uint8_t, NOT_ZERO)

CASTS_FROM(f32, float, hy_int32_from_double, hy_int64_from_double, hy_uint8_from_double)
CASTS_FROM(f64, double, hy_int32_from_double, hy_int64_from_double, hy_uint8_from_double)
CASTS_FROM(i32, int32_t, AS_IS, AS_IS, AS_IS)
CASTS_FROM(i64, int64_t, AS_IS, AS_IS, AS_IS)
CASTS_FROM(u8, uint8_t, AS_IS, AS_IS, AS_IS)

#define CAST_ROW(from) {cast_##from##_f32, cast_##from##_f64, cast_##from##_i32, cast_##from##_i64, cast_##from##_u8, cast_##from##_bool}
static const hy_walk_kernel casts[6][6] = {CAST_ROW(f32), CAST_ROW(f64), CAST_ROW(i32), CAST_ROW(i64), CAST_ROW(u8), CAST_ROW(u8)};

static void move1(void *const *data, int64_t n, const void *context) { memcpy(data[0], data[1], (size_t)n); }
static void move4(void *const *data, int64_t n, const void *context) { memcpy(data[0], data[1], (size_t)n * 4); }
static void move8(void *const *data, int64_t n, const void *context) { memcpy(data[0], data[1], (size_t)n * 8); }

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Transposition: the output is written along its rows, the input read along its columns                                   */
/* ---------------------------------------------------------------------------------------------------------------------- */

enum { BLOCK = 32 }; /* a block of both sides stays in the first-level cache */

typedef struct transposition {
    char *y;
    const char *x;
    int64_t outer, rows, columns;                    /* of y */
    int64_t y_outer, y_row, x_outer, x_column, size; /* strides in bytes; y's columns and x's rows are contiguous */
} transposition;

static void transpose_block(const transposition *t, char *y, const char *x, int64_t rows, int64_t columns)
{
    for (int64_t r = 0; r < rows; r++) hy_walk_move(y + r * t->y_row, t->size, x + r * t->size, t->x_column, t->size, columns);
}

/* One unit of work is a band of BLOCK rows of y. */
static void transpose_bands(void *context, int64_t begin, int64_t end)
{
    const transposition *t = context;
    int64_t bands = (t->rows + BLOCK - 1) / BLOCK;
    for (int64_t band = begin; band < end; band++) {
        int64_t row = band % bands * BLOCK, rows = t->rows - row < BLOCK ? t->rows - row : BLOCK;
        char *y = t->y + band / bands * t->y_outer + row * t->y_row;
        const char *x = t->x + band / bands * t->x_outer + row * t->size;
        for (int64_t c = 0; c < t->columns; c += BLOCK) {
            int64_t columns = t->columns - c < BLOCK ? t->columns - c : BLOCK;
            transpose_block(t, y + c * t->size, x + c * t->x_column, rows, columns);
        }
    }
}

/* Whether the walk is a (batched) transposition of matrices worth blocking; fills `t` if it is. */
static bool is_transposition(const hy_walk *w, transposition *t)
{
    int row = w->ndim - 2, column = w->ndim - 1;
    if (w->ndim < 2 || w->ndim > 3) return false;
    *t = (transposition){
        .y = w->data[0], .x = w->data[1], .size = w->size[0],
        .outer = w->ndim == 3 ? w->shape[0] : 1, .rows = w->shape[row], .columns = w->shape[column],
        .y_outer = w->ndim == 3 ? w->strides[0][0] : 0, .x_outer = w->ndim == 3 ? w->strides[1][0] : 0,
        .y_row = w->strides[0][row], .x_column = w->strides[1][column],
    };
    return w->strides[0][column] == t->size && w->strides[1][row] == t->size && t->x_column > t->size && t->rows >= 8 && t->columns >= 8;
}

static hy_status copy(hy_device *device, const hy_tensor *x, const hy_tensor *y)
{
    const hy_tensor *operands[] = {y, x};
    bool cast = x->dtype != y->dtype && !(x->dtype == HY_BOOL && y->dtype == HY_UINT8);
    hy_walk w;
    transposition t;
    if (!cast && hy_walk_prepare(&w, 1, 2, operands) > 0 && is_transposition(&w, &t)) {
        int64_t bands = (t.rows + BLOCK - 1) / BLOCK, grain = HY_WALK_GRAIN / (BLOCK * t.columns);
        hy_parallel_for(t.outer * bands, grain > 0 ? grain : 1, transpose_bands, &t);
        return HY_OK;
    }
    int64_t size = hy_dtype_size(y->dtype);
    hy_walk_kernel move = size == 4 ? move4 : size == 8 ? move8 : move1;
    hy_walk_run(cast ? casts[x->dtype][y->dtype] : move, NULL, 1, false, 2, operands);
    return HY_OK;
}

static hy_status fill(hy_device *device, double value, const hy_tensor *y)
{
    hy_element element = hy_element_from_double(value, y->dtype);
    hy_tensor x = {.data = &element, .device = device, .dtype = y->dtype};
    return copy(device, &x, y);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Progressions                                                                                                           */
/* ---------------------------------------------------------------------------------------------------------------------- */

typedef struct progression {
    double start, step;
    const hy_tensor *y;
} progression;

#define ARANGE_KERNEL(suffix, type, number, convert)                                     \
    static void arange_##suffix(void *context, int64_t begin, int64_t end)               \
    {                                                                                    \
        const progression *p = context;                                                  \
        type *y = p->y->data;                                                            \
        const number start = convert(p->start), step = convert(p->step);                 \
        for (int64_t i = begin; i < end; i++)                                            \
            y[hy_row_major_offset(p->y, i)] = (type)(start + (number)i * step);          \
    }

ARANGE_KERNEL(f32, float, double, AS_IS)
ARANGE_KERNEL(f64, double, double, AS_IS)
ARANGE_KERNEL(i32, int32_t, int64_t, hy_int64_from_double)
ARANGE_KERNEL(i64, int64_t, int64_t, hy_int64_from_double)
ARANGE_KERNEL(u8, uint8_t, int64_t, hy_int64_from_double)

static hy_status arange(hy_device *device, double start, double step, const hy_tensor *y)
{
    static const hy_parallel_body bodies[] = {arange_f32, arange_f64, arange_i32, arange_i64, arange_u8};
    progression p = {start, step, y};
    if (hy_numel(y) > 0) hy_parallel_for(hy_numel(y), HY_WALK_GRAIN, bodies[y->dtype], &p);
    return HY_OK;
}

void HY_ISA(hy_fill_copy)(hy_backend *backend)
{
    backend->copy = copy;
    backend->fill = fill;
    backend->arange = arange;
}
