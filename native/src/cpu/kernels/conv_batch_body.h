/* The typed half of conv_batch.c; see gemm_body.h for `real` and T(name). */

#define LANES ((int64_t)(HY_TILE_VECTOR / sizeof(real)))

/* x's rows [first, end) of some images to [row][column][channel][image]. */
static void T(turn_in)(const plan *p, int64_t image, int64_t images, int64_t group, int64_t first, int64_t end, real *to)
{
    const hy_tensor *x = p->c->x;
    const int64_t channels = p->c->channels, width = x->shape[3], pixel = channels * p->images;
    const bool whole = x->strides[2] == width * x->strides[3];
    const int64_t runs = whole ? hy_min(1, end - first) : end - first, length = whole ? (end - first) * width : width;
    if (images < p->images) memset(to, 0, (size_t)((end - first) * width * pixel) * sizeof(real)); /* idle lanes must not stumble over denormals */
    for (int64_t c = 0; c < channels; c++) {
        const real *at[MOST_IMAGES];
        for (int64_t n = 0; n < images; n++)
            at[n] = (const real *)x->data + (image + n) * x->strides[0] + (group * channels + c) * x->strides[1] + first * x->strides[2];
        for (int64_t i = 0; i < runs; i++) {
            HY_ISA(T(hy_turn_rows))(at, images, x->strides[3], pixel, length, to + i * width * pixel + c * p->images);
            for (int64_t n = 0; n < images; n++) at[n] += x->strides[2];
        }
    }
}

/* One channel's [pixel][image] to y's rows [row, row + rows). */
static void T(turn_out)(const plan *p, int64_t image, int64_t images, int64_t channel, int64_t row, int64_t rows, const real *from)
{
    const hy_tensor *y = p->c->y;
    const int64_t width = y->shape[3];
    const bool whole = y->strides[2] == width;
    const int64_t length = whole ? rows * width : width;
    for (int64_t i = 0; i < (whole ? 1 : rows); i++) {
        real *to = (real *)y->data + image * y->strides[0] + channel * y->strides[1] + (row + i) * y->strides[2];
        for (int64_t j = 0; j < length; j += MOST_IMAGES) {
            const real *at[MOST_IMAGES];
            const int64_t count = hy_min(MOST_IMAGES, length - j);
            for (int64_t k = 0; k < count; k++) at[k] = from + (i * width + j + k) * p->images;
            HY_ISA(T(hy_turn_rows))(at, count, 1, y->strides[0], images, to + j);
        }
    }
}

/* All channels of one pixel of y, for all images of the block: `x` is where its window begins, `y` is the pixel of the first channel. */
static void T(sweep_pixel)(const plan *p, int64_t group, const run *runs, int64_t count, int64_t vectors, const real *x, real *y, int64_t row_stride)
{
    const hy_correlation *c = p->c;
    const run none = {0, 0};
    const bool relu = c->activation == HY_ACTIVATION(HY_UNARY_relu);
    for (int64_t i = 0; i < p->panels; i++) {
        const int64_t first = panel_start(p, i), rows = panel_start(p, i + 1) - first;
        const real *start = (const real *)p->weights.start + group * c->rows + first;
        const real *panel = (const real *)p->weights.panels + (group * c->rows + first) * depth_of(p);
        for (int64_t k = 0; k < hy_max(1, count); k++) {
            const run r = count ? runs[k] : none;
            hy_sweep sweep = {.start = k == 0 ? start : NULL, .panel = panel + r.first * c->channels * rows, .x = x,
                              .offset = p->offset + r.first * c->channels, .from = p->at, .to = p->at, .depth = (r.end - r.first) * c->channels,
                              .vectors = vectors, .y = y + first * row_stride, .row_stride = row_stride, .relu = relu && k + 1 >= count};
            HY_ISA(T(hy_sweep))(rows, &sweep);
        }
    }
}

/* task = (block of images, group, band of rows) */
static void T(correlate_task)(const plan *p, int64_t task, real *x, run *runs)
{
    const hy_correlation *c = p->c;
    const hy_tensor *y = c->y;
    const int64_t band = task % p->bands, group = task / p->bands % c->groups, image = task / p->bands / c->groups * p->images;
    const int64_t images = hy_min(p->images, y->shape[0] - image), row = band * p->block_rows, rows = hy_min(p->block_rows, y->shape[2] - row);
    int64_t first, end;
    rows_seen(p, band, &first, &end);
    T(turn_in)(p, image, images, group, first, end, x);
    real *turned = x + staged_x(p), *pixel = turned;
    for (int64_t i = row; i < row + rows; i++) {
        for (int64_t j = 0; j < y->shape[3]; j++, pixel += p->images) {
            const int64_t top = i * c->stride[0] - c->origin[0], left = j * c->stride[1] - c->origin[1];
            const int64_t count = list_runs(c, top, left, runs);
            T(sweep_pixel)(p, group, runs, count, hy_ceil_div(images, LANES), x + ((top - first) * c->x->shape[3] + left) * c->channels * p->images,
                           pixel, rows * y->shape[3] * p->images);
        }
    }
    for (int64_t k = 0; k < c->rows; k++) {
        T(turn_out)(p, image, images, group * c->rows + k, row, rows, turned + k * rows * y->shape[3] * p->images);
        if (c->activation == HY_NO_ACTIVATION || c->activation == HY_ACTIVATION(HY_UNARY_relu)) continue;
        for (int64_t n = image; n < image + images; n++)
            hy_activate(p->device, y->dtype, c->activation,
                        (real *)y->data + n * y->strides[0] + (group * c->rows + k) * y->strides[1] + row * y->strides[2], rows, y->shape[3], y->strides[2], 1);
    }
}

static void T(correlate_blocks)(void *context, int64_t begin, int64_t end)
{
    plan *p = context;
    int slot = hy_slots_take(&p->slots);
    char *scratch = p->slots.memory + slot * p->slots.bytes;
    for (int64_t task = begin; task < end; task++) T(correlate_task)(p, task, (real *)scratch, (run *)(scratch + staged_bytes(p)));
    hy_slots_give(&p->slots, slot);
}

#undef LANES
