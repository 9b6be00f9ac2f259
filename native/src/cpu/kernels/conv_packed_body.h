/* The typed half of conv_packed.c: how an image is padded and packed; see gemm_body.h for `real` and T(name). */

#define WIDTH ((int64_t)(HY_TILE_VECTORS * HY_TILE_VECTOR / sizeof(real)))

/* ---- Planes ---- */

/* Copies planes into the middle of zeros. */
static void T(pad_planes)(void *context, int64_t begin, int64_t end)
{
    const padding_job *job = context;
    const hy_tensor *x = job->x;
    int64_t height = job->top + x->shape[2] + job->bottom, width = job->left + x->shape[3] + job->right;
    for (int64_t plane = begin; plane < end; plane++) {
        const real *from = (const real *)x->data + plane / x->shape[1] * x->strides[0] + plane % x->shape[1] * x->strides[1];
        real *to = (real *)job->to + plane * height * width;
        memset(to, 0, (size_t)(job->top * width) * sizeof(real));
        to += job->top * width;
        for (int64_t row = 0; row < x->shape[2]; row++, from += x->strides[2], to += width) {
            memset(to, 0, (size_t)job->left * sizeof(real));
            if (x->strides[3] == 1) memcpy(to + job->left, from, (size_t)x->shape[3] * sizeof(real));
            else for (int64_t i = 0; i < x->shape[3]; i++) to[job->left + i] = from[i * x->strides[3]];
            memset(to + job->left + x->shape[3], 0, (size_t)job->right * sizeof(real));
        }
        memset(to, 0, (size_t)(job->bottom * width) * sizeof(real));
    }
}

/* ---- Packings ---- */

/* Vectors are pixels, elements are (channel, tap): the columns that im2col would build. Runs of pixels of one row are copied in whole
 * panel widths: what is too much lands where the next run or row goes. */
static void T(pack_pixels)(const hy_gemm_operand *o, const void *data, int64_t first, int64_t count, int64_t width, int64_t k0,
                           int64_t kc, void *panel)
{
    const grid *g = o->context;
    struct { int64_t from, at, length; } run[MAX_WIDTH];
    int runs = 0;
    for (int64_t j = 0; j < count; runs++) {
        int64_t row = (first + j) / g->width, column = (first + j) % g->width;
        run[runs].from = row * g->row_step + column * g->column_step;
        run[runs].at = j;
        run[runs].length = g->width - column < count - j ? g->width - column : count - j;
        j += run[runs].length;
    }
    const real *x = data;
    real *to = panel;
    bool whole = g->column_step == 1 && x + run[runs - 1].from + g->greatest + WIDTH <= (const real *)g->end;
    for (int64_t p = k0; p < k0 + kc; p++, to += WIDTH) {
        const real *from = x + g->offset[p];
        if (whole) {
            for (int r = 0; r < runs; r++) memcpy(to + run[r].at, from + run[r].from, (size_t)WIDTH * sizeof(real));
        } else {
            for (int r = 0; r < runs; r++)
                for (int64_t i = 0; i < run[r].length; i++) to[run[r].at + i] = from[run[r].from + i * g->column_step];
            for (int64_t i = count; i < WIDTH; i++) to[i] = 0;
        }
    }
}

/* Vectors are (channel, tap), elements are (image, pixel): the same columns, turned. */
static void T(pack_patches)(const hy_gemm_operand *o, const void *data, int64_t first, int64_t count, int64_t width, int64_t k0,
                            int64_t kc, void *panel)
{
    const grid *g = o->context;
    const real *rows[MAX_WIDTH];
    real *to = panel;
    for (int64_t p = k0, length; p < k0 + kc; p += length, to += length * width) {
        int64_t image = p / g->pixels, row = p % g->pixels / g->width, column = p % g->pixels % g->width;
        length = g->width - column < k0 + kc - p ? g->width - column : k0 + kc - p;
        const real *from = (const real *)data + image * g->image_step + row * g->row_step + column * g->column_step;
        for (int64_t i = 0; i < count; i++) rows[i] = from + g->offset[first + i];
        HY_ISA(T(hy_pack_rows))(rows, count, g->column_step, width, length, to);
    }
}

/* Vectors are output channels, elements are (image, pixel). */
static void T(pack_planes)(const hy_gemm_operand *o, const void *data, int64_t first, int64_t count, int64_t width, int64_t k0,
                           int64_t kc, void *panel)
{
    const grid *g = o->context;
    const real *rows[MAX_WIDTH];
    real *to = panel;
    for (int64_t p = k0, length; p < k0 + kc; p += length, to += length * width) {
        int64_t image = p / g->pixels, pixel = p % g->pixels;
        length = g->pixels - pixel < k0 + kc - p ? g->pixels - pixel : k0 + kc - p;
        for (int64_t i = 0; i < count; i++) rows[i] = (const real *)data + image * g->image_step + (first + i) * g->pixels + pixel;
        HY_ISA(T(hy_pack_rows))(rows, count, 1, width, length, to);
    }
}

/* Elements lie where a table says. */
static void T(pack_indexed)(const hy_gemm_operand *o, const void *data, int64_t first, int64_t count, int64_t width, int64_t k0,
                            int64_t kc, void *panel)
{
    const int64_t *offset = o->context;
    const real *x = (const real *)data + first * o->vector_stride;
    real *to = panel;
    for (int64_t p = k0; p < k0 + kc; p++, to += width)
        for (int64_t i = 0; i < width; i++) to[i] = i < count ? x[i * o->vector_stride + offset[p]] : 0;
}

#undef WIDTH
