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

#define CASTS_FROM(from, type, to_i32, to_i64, to_u8, to_i8) \
    CAST_KERNEL(from, f32, type, float, AS_IS)         \
    CAST_KERNEL(from, f64, type, double, AS_IS)        \
    CAST_KERNEL(from, i32, type, int32_t, to_i32)      \
    CAST_KERNEL(from, i64, type, int64_t, to_i64)      \
    CAST_KERNEL(from, u8, type, uint8_t, to_u8)        \
    CAST_KERNEL(from, i8, type, int8_t, to_i8)         \
    CAST_KERNEL(from, bool, type, uint8_t, NOT_ZERO)

CASTS_FROM(f32, float, hy_int32_from_float, hy_int64_from_double, hy_uint8_from_float, hy_int8_from_float)
CASTS_FROM(f64, double, hy_int32_from_double, hy_int64_from_double, hy_uint8_from_double, hy_int8_from_double)
CASTS_FROM(i32, int32_t, AS_IS, AS_IS, AS_IS, AS_IS)
CASTS_FROM(i64, int64_t, AS_IS, AS_IS, AS_IS, AS_IS)
CASTS_FROM(u8, uint8_t, AS_IS, AS_IS, AS_IS, AS_IS)
CASTS_FROM(i8, int8_t, AS_IS, AS_IS, AS_IS, AS_IS)

/* The 16-bit types are float32 here: the walk widens and narrows them. */
#define CAST_ROW(from)                                                                                                                    \
    {[HY_FLOAT32] = cast_##from##_f32, [HY_FLOAT64] = cast_##from##_f64, [HY_INT32] = cast_##from##_i32, [HY_INT64] = cast_##from##_i64,  \
     [HY_UINT8] = cast_##from##_u8, [HY_BOOL] = cast_##from##_bool, [HY_INT8] = cast_##from##_i8}
static const hy_walk_kernel casts[HY_DTYPES][HY_DTYPES] = {
    [HY_FLOAT32] = CAST_ROW(f32), [HY_FLOAT64] = CAST_ROW(f64), [HY_INT32] = CAST_ROW(i32), [HY_INT64] = CAST_ROW(i64),
    [HY_UINT8] = CAST_ROW(u8), [HY_BOOL] = CAST_ROW(u8), [HY_INT8] = CAST_ROW(i8)};

static void move1(void *const *data, int64_t n, const void *context) { memcpy(data[0], data[1], (size_t)n); }
static void move2(void *const *data, int64_t n, const void *context) { memcpy(data[0], data[1], (size_t)n * 2); }
static void move4(void *const *data, int64_t n, const void *context) { memcpy(data[0], data[1], (size_t)n * 4); }
static void move8(void *const *data, int64_t n, const void *context) { memcpy(data[0], data[1], (size_t)n * 8); }

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Transposition: x is contiguous along another axis than y. A block of as many rows and columns as a cache line has elements is turned   */
/* in a buffer, so that each line is touched once, whole: with strides of powers of two, lines of one block push each other out.     */
/* ---------------------------------------------------------------------------------------------------------------------- */

enum { LINE = 64 };

typedef struct transposition {
    hy_walk outer;                  /* operand 0 is y, operand 1 is x; with an extent of 1 along the two axes that are turned */
    int64_t rows, columns, bands;   /* of y; bands of LINE bytes of x */
    int64_t y_row, x_column, size;  /* strides in bytes; y's columns and x's rows are contiguous */
} transposition;

typedef hy_raw4 __attribute__((vector_size(16), aligned(4))) words;

/* 4 x 4 words: `to` points at the first of four, one in each row. */
static inline void turn_words(const char *x, int64_t x_column, words (*to)[4])
{
    const words a = *(const words *)x, b = *(const words *)(x + x_column);
    const words c = *(const words *)(x + 2 * x_column), d = *(const words *)(x + 3 * x_column);
    const words ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const words ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    to[0][0] = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    to[1][0] = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    to[2][0] = __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5);
    to[3][0] = __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7);
}

static void turn4(char *y, int64_t y_row, const char *x, int64_t x_column)
{
    words block[16][4];
    for (int c = 0; c < 4; c++)
        for (int r = 0; r < 16; r += 4) turn_words(x + 4 * c * x_column + r * 4, x_column, (words(*)[4]) & block[r][c]);
    for (int r = 0; r < 16; r++)
        for (int c = 0; c < 4; c++) ((words *)(y + r * y_row))[c] = block[r][c]; /* as wide as it was stored, or loads would wait */
}

#define TURN(bytes)                                                                                   \
    static void turn##bytes(char *y, int64_t y_row, const char *x, int64_t x_column)                  \
    {                                                                                                 \
        enum { N = LINE / bytes };                                                                    \
        hy_raw##bytes block[N][N];                                                                    \
        for (int c = 0; c < N; c++)                                                                   \
            for (int r = 0; r < N; r++) block[r][c] = ((const hy_raw##bytes *)(x + c * x_column))[r]; \
        for (int r = 0; r < N; r++) memcpy(y + r * y_row, block[r], LINE);                            \
    }
TURN(1)
TURN(2)
TURN(8)

/* What is left of blocks: along the longer side, so that a few interleaved channels are one loop. */
static void turn_edge(const transposition *t, char *y, const char *x, int64_t rows, int64_t columns)
{
    if (columns < rows)
        for (int64_t c = 0; c < columns; c++) hy_walk_move(y + c * t->size, t->y_row, x + c * t->x_column, t->size, t->size, rows);
    else
        for (int64_t r = 0; r < rows; r++) hy_walk_move(y + r * t->y_row, t->size, x + r * t->size, t->x_column, t->size, columns);
}

/* One unit of work is a band of y's rows, a line of x. */
static void turn_bands(void *context, int64_t begin, int64_t end)
{
    const transposition *t = context;
    const int64_t block = LINE / t->size;
    for (int64_t band = begin; band < end; band++) {
        const hy_walk_cursor at = hy_walk_seek(&t->outer, band / t->bands);
        const int64_t row = band % t->bands * block, rows = t->rows - row < block ? t->rows - row : block;
        char *y = at.at[0] + row * t->y_row;
        const char *x = at.at[1] + row * t->size;
        int64_t c = 0;
        for (; rows == block && c + block <= t->columns; c += block) {
            char *to = y + c * t->size;
            const char *from = x + c * t->x_column;
            for (int64_t next = block; next < 2 * block && c + next < t->columns; next++) __builtin_prefetch(from + next * t->x_column);
            if (t->size == 4) turn4(to, t->y_row, from, t->x_column);
            else if (t->size == 8) turn8(to, t->y_row, from, t->x_column);
            else if (t->size == 2) turn2(to, t->y_row, from, t->x_column);
            else turn1(to, t->y_row, from, t->x_column);
        }
        turn_edge(t, y + c * t->size, x + c * t->x_column, rows, t->columns - c);
    }
}

/* Whether y and x are contiguous along two different axes; fills `t` if so. */
static bool is_transposition(const hy_walk *w, transposition *t)
{
    const int column = w->ndim - 1;
    const int64_t size = w->size[0];
    int row = -1;
    for (int d = 0; d < column; d++)
        if (w->strides[1][d] == size) row = d;
    if (row < 0 || w->strides[0][column] != size || w->strides[1][column] == size || w->strides[1][column] == 0) return false;
    *t = (transposition){.outer = *w, .rows = w->shape[row], .columns = w->shape[column], .y_row = w->strides[0][row],
                         .x_column = w->strides[1][column], .size = size};
    t->bands = (t->rows + LINE / size - 1) / (LINE / size);
    t->outer.shape[row] = t->outer.shape[column] = 1;
    return t->rows * t->columns >= 64;
}

static hy_status copy(hy_device *device, const hy_tensor *x, const hy_tensor *y)
{
    const hy_tensor *operands[] = {y, x};
    bool cast = x->dtype != y->dtype && !(x->dtype == HY_BOOL && y->dtype == HY_UINT8);
    if (!cast && !hy_walk_is_flat(hy_numel(y), 2, operands)) {
        hy_walk w;
        transposition t;
        int64_t n = hy_walk_prepare(&w, 1, 2, operands);
        if (n > 0 && is_transposition(&w, &t)) {
            int64_t tasks = n / (t.rows * t.columns) * t.bands, grain = HY_WALK_GRAIN / (n / tasks);
            hy_parallel_for(tasks, grain > 0 ? grain : 1, turn_bands, &t);
            return HY_OK;
        }
    }
    int64_t size = hy_dtype_size(y->dtype);
    if (!cast) return hy_walk_run_bits(size == 4 ? move4 : size == 8 ? move8 : size == 2 ? move2 : move1, NULL, 2, operands);
    return hy_walk_run(casts[hy_compute_dtype(x->dtype)][hy_compute_dtype(y->dtype)], NULL, 1, false, 2, operands);
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
        if (hy_is_contiguous(p->y))                                                      \
            for (int64_t i = begin; i < end; i++) y[i] = (type)(start + (number)i * step); \
        else                                                                             \
            for (int64_t i = begin; i < end; i++)                                        \
                y[hy_row_major_offset(p->y, i)] = (type)(start + (number)i * step);      \
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
