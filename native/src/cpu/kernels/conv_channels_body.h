/* The typed half of conv_channels.c; see gemm_body.h for `real` and T(name). */

#define LANES ((int64_t)(HY_TILE_VECTOR / sizeof(real)))

/* unit = (group, block of channels, image) */
static void T(turn_x)(void *context, int64_t begin, int64_t end)
{
    const plan *p = context;
    const hy_tensor *x = p->x;
    const int64_t here = p->pixels / (p->dy->shape[2] * p->dy->shape[3]), top = p->c->padding[0], left = p->c->padding[1];
    const int64_t first = hy_min(left, p->width), last = hy_max(first, hy_min(p->width, left + x->shape[3])); /* columns in the image */
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t image = unit % here, block = unit / here % p->blocks, group = unit / here / p->blocks;
        int64_t count = hy_min(LANES, p->channels - block * LANES);
        const real *from = (const real *)x->data + (p->first_image + image) * x->strides[0] + (group * p->channels + block * LANES) * x->strides[1];
        real *to = (real *)p->x_turned + ((group * p->blocks + block) * p->images + image) * p->height * p->width * p->step;
        for (int64_t i = 0; i < p->height; i++, to += p->width * p->step) {
            bool inside = i >= top && i - top < x->shape[2] && first < last;
            int64_t before = inside ? first : p->width;
            memset(to, 0, (size_t)(before * p->step) * sizeof(real));
            if (!inside) continue;
            const real *row[LANES];
            for (int64_t lane = 0; lane < count; lane++) row[lane] = from + lane * x->strides[1] + (i - top) * x->strides[2];
            HY_ISA(T(hy_pack_rows))(row, count, x->strides[3], p->step, last - first, to + first * p->step);
            memset(to + last * p->step, 0, (size_t)((p->width - last) * p->step) * sizeof(real));
        }
    }
}

/* unit = (group, panel, image) */
static void T(turn_dy)(void *context, int64_t begin, int64_t end)
{
    const plan *p = context;
    const hy_tensor *dy = p->dy;
    const int64_t pixels = dy->shape[2] * dy->shape[3], here = p->pixels / pixels;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t image = unit % here, panel = unit / here % p->panels, group = unit / here / p->panels;
        int64_t first = panel_start(p, panel), rows = panel_start(p, panel + 1) - first;
        const real *row[HY_TILE_ROWS];
        for (int64_t i = 0; i < rows; i++)
            row[i] = (const real *)dy->data + (p->first_image + image) * dy->strides[0] + (group * p->rows + first + i) * dy->strides[1];
        HY_ISA(T(hy_pack_rows))(row, rows, 1, rows, pixels, (real *)p->dy_turned + (group * p->rows + first) * p->pixels + image * pixels * rows);
    }
}

/* task = (part of the pixels, group, run of vectors, band of panels) */
static void T(multiply_turned)(void *context, int64_t begin, int64_t end)
{
    const plan *p = context;
    for (int64_t task = begin; task < end; task++) {
        int64_t band = task % p->bands, run = task / p->bands % p->runs, rest = task / p->bands / p->runs;
        int64_t group = rest % p->c->groups, part = rest / p->c->groups;
        int64_t v = (run * p->vectors / p->runs) & ~1, v_end = run + 1 == p->runs ? p->vectors : ((run + 1) * p->vectors / p->runs) & ~1;
        hy_sweep sweep = {.from = p->from + v, .to = p->to + v, .vectors = v_end - v, .row_stride = p->vectors * LANES};
        sweep.x = (const real *)p->x_turned + group * p->blocks * p->images * p->height * p->width * p->step;
        real *sums = (real *)p->sums + (part * p->dw->shape[0] + group * p->rows) * sweep.row_stride;
        int64_t pixel_end = (part + 1) * p->pixels / p->parts;
        for (int64_t pixel = part * p->pixels / p->parts; pixel < pixel_end; pixel += sweep.depth) {
            sweep.depth = hy_min(PIXELS, pixel_end - pixel);
            sweep.offset = p->offset + pixel;
            for (int64_t i = band * p->panels / p->bands; i < (band + 1) * p->panels / p->bands; i++) {
                int64_t first = panel_start(p, i), rows = panel_start(p, i + 1) - first;
                sweep.panel = (const real *)p->dy_turned + (group * p->rows + first) * p->pixels + pixel * rows;
                sweep.y = sums + first * sweep.row_stride;
                HY_ISA(T(hy_sweep))(rows, &sweep);
            }
        }
    }
}

/* Where a channel's tap stands among the vectors of an output channel. */
static inline int64_t T(place)(const plan *p, int64_t channel, int64_t tap)
{
    int64_t kernel = p->dw->shape[3], r = tap / kernel, s = tap % kernel;
    if (p->across < kernel) return r * p->across * LANES + s * p->channels + channel;
    return (channel / LANES * p->taps + tap) * LANES + channel % LANES;
}

/* dw = the sum of all parts, turned back: unit = output channel. */
static void T(store_sums)(void *context, int64_t begin, int64_t end)
{
    const plan *p = context;
    const int64_t count = p->vectors * LANES;
    for (int64_t k = begin; k < end; k++) {
        real *sum = (real *)p->sums + k * count;
        for (int64_t part = 1; part < p->parts; part++)
            for (int64_t i = 0; i < count; i++) sum[i] += sum[part * p->dw->shape[0] * count + i];
        real *dw = (real *)p->dw->data + k * p->channels * p->taps;
        for (int64_t c = 0; c < p->channels; c++)
            for (int64_t t = 0; t < p->taps; t++) dw[c * p->taps + t] = sum[T(place)(p, c, t)];
    }
}

#undef LANES
