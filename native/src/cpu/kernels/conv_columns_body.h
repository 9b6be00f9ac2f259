/* The typed half of conv_columns.c; see gemm_body.h for `real` and T(name). */

#define LANES ((int64_t)(HY_TILE_VECTOR / sizeof(real)))

typedef real T(vec) __attribute__((vector_size(HY_TILE_VECTOR)));
typedef real T(vec_at) __attribute__((vector_size(HY_TILE_VECTOR), aligned(sizeof(real)), may_alias));
typedef __typeof__((T(vec)){0} < 0) T(mask);

/* Where a phase's vector begins; the last one of a row overlaps the one before. */
static inline int64_t T(place)(const plan *p, int64_t phase, int64_t vector) { return hy_min(vector * LANES, places_of_phase(p, phase) - LANES); }

static inline T(mask) *T(masks_of)(const plan *p, int64_t phase, int64_t vector)
{
    return (T(mask) *)p->mask + (phase * p->phase_vectors + vector) * p->w->shape[3];
}

static void T(fill_masks)(const plan *p)
{
    for (int64_t phase = 0; phase < p->phases; phase++) {
        for (int64_t v = 0; v < p->phase_vectors; v++) {
            for (int64_t t = 0; t < p->phase_taps[phase]; t++) {
                int64_t first = T(place)(p, phase, v) + p->shift[phase * p->w->shape[3] + t];
                for (int64_t lane = 0; lane < LANES; lane++)
                    T(masks_of)(p, phase, v)[t][lane] = first + lane >= 0 && first + lane < p->dy->shape[3] ? -1 : 0;
            }
        }
    }
}

/* unit = (group, panel) */
static void T(pack_weights)(void *context, int64_t begin, int64_t end)
{
    const plan *p = context;
    const hy_tensor *w = p->w;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t group = unit / p->panels, first = panel_start(p, unit % p->panels), last = panel_start(p, unit % p->panels + 1);
        real *to = (real *)p->weights + (group * p->rows + first) * p->depth;
        for (int64_t k = 0; k < p->depth; k++) {
            for (int64_t row = first; row < last; row++) {
                int64_t c = row / p->taps, r = row % p->taps / w->shape[3], s = row % w->shape[3];
                *to++ = ((const real *)w->data)[(group * p->depth + k) * w->strides[0] + c * w->strides[1] + r * w->strides[2] + s * w->strides[3]];
            }
        }
    }
}

/* The planes of dy that a block reads: in place but asked for in order, since the processor does not foresee a walk across so many planes,
 * or copied apart. */
static const real *T(bring_planes)(const plan *p, const real *dy, int64_t pixels, real *scratch)
{
    for (int64_t k = 0; k < p->depth; k++, dy += p->dy->strides[1]) {
        if (p->staged) memcpy(scratch + k * p->plane, dy, (size_t)pixels * sizeof(real));
        else for (int64_t i = 0; i < pixels; i += 64 / (int64_t)sizeof(real)) __builtin_prefetch(dy + i, 0, 2);
    }
    return p->staged ? scratch : dy - p->depth * p->dy->strides[1];
}

/* columns = wᵀ · dy for `pixels` pixels that follow one another. */
static void T(multiply_columns)(const plan *p, int64_t group, const real *dy, int64_t pixels, real *columns, int64_t *at)
{
    static const real zeros[HY_TILE_ROWS];
    int64_t vectors = hy_ceil_div(pixels, LANES);
    for (int64_t v = 0; v < vectors; v++) at[v] = hy_min(v * LANES, pixels - LANES);
    for (int64_t v = 0; v < vectors; v += CHUNK) {
        for (int64_t i = 0; i < p->panels; i++) {
            int64_t first = panel_start(p, i);
            hy_sweep sweep = {.start = zeros, .panel = (const real *)p->weights + (group * p->rows + first) * p->depth, .x = dy, .offset = p->offset,
                              .from = at + v, .to = at + v, .depth = p->depth, .vectors = hy_min(CHUNK, vectors - v),
                              .y = columns + first * p->pitch, .row_stride = p->pitch};
            HY_ISA(T(hy_sweep))(panel_start(p, i + 1) - first, &sweep);
        }
    }
}

/* The sum of `taps` columns as one vector of dx sees them; two accumulators, for the latency of an addition. */
static inline T(vec) T(gather)(const real *at, const int64_t *column, const T(mask) *mask, int64_t taps)
{
    T(vec) even = {0}, odd = {0};
    int64_t t = 0;
    for (; t + 2 <= taps; t += 2) {
        even += (T(vec))((T(mask))*(const T(vec_at) *)(at + column[t]) & mask[t]);
        odd += (T(vec))((T(mask))*(const T(vec_at) *)(at + column[t + 1]) & mask[t + 1]);
    }
    if (t < taps) even += (T(vec))((T(mask))*(const T(vec_at) *)(at + column[t]) & mask[t]);
    return even + odd;
}

/* One row of dx: the sum of what each tap's columns, which begin with row `first` of dy, hold for it. */
static void T(gather_row)(const plan *p, const real *columns, int64_t row, int64_t first, int64_t last, real *dx)
{
    const int64_t kernel = p->w->shape[3], width = p->dy->shape[3], stride = p->c->stride[0];
    for (int64_t phase = 0; phase < p->phases; phase++) {
        int64_t taps = p->phase_taps[phase];
        for (int64_t v = 0; v < hy_ceil_div(places_of_phase(p, phase), LANES); v++) {
            int64_t place = T(place)(p, phase, v);
            T(vec) sum = {0};
            for (int64_t r = 0; r < p->w->shape[2]; r++) {
                int64_t from = row + p->c->padding[0] - r * p->c->dilation[0], i = stride == 1 ? from : from / stride;
                if (from != i * stride || i < first || i > last) continue;
                sum += T(gather)(columns + r * kernel * p->pitch + (i - first) * width + place, p->column + phase * kernel, T(masks_of)(p, phase, v), taps);
            }
            if (p->phases == 1) *(T(vec_at) *)(dx + place) = sum;
            else for (int64_t lane = 0; lane < LANES; lane++) dx[phase + (place + lane) * p->phases] = sum[lane];
        }
    }
}

/* task = (image, group, block of dx's rows) */
static void T(add_block)(const plan *p, int64_t task, void *scratch)
{
    const hy_tensor *dx = p->dx, *dy = p->dy;
    int64_t row = task % p->blocks * p->block_rows, group = task / p->blocks % p->c->groups, image = task / p->blocks / p->c->groups;
    int64_t row_end = hy_min(dx->shape[2], row + p->block_rows), first, last;
    rows_that_reach(p, row, row_end - row, &first, &last);
    int64_t *at = scratch;
    real *columns = (real *)(at + hy_ceil_div(p->pixels, LANES)) + p->front, *staged = columns + p->rows * p->pitch + p->front;
    const real *from = (const real *)dy->data + image * dy->strides[0] + group * p->depth * dy->strides[1] + first * dy->shape[3];
    if (first <= last) {
        int64_t pixels = (last - first + 1) * dy->shape[3];
        T(multiply_columns)(p, group, T(bring_planes)(p, from, pixels, staged), pixels, columns, at);
    }
    for (int64_t c = 0; c < p->channels; c++)
        for (int64_t i = row; i < row_end; i++)
            T(gather_row)(p, columns + c * p->taps * p->pitch, i, first, last,
                          (real *)dx->data + image * dx->strides[0] + (group * p->channels + c) * dx->strides[1] + i * dx->strides[2]);
}

static void T(add_blocks)(void *context, int64_t begin, int64_t end)
{
    plan *p = context;
    int slot = hy_slots_take(&p->slots);
    for (int64_t task = begin; task < end; task++) T(add_block)(p, task, p->slots.memory + slot * p->slots.bytes);
    hy_slots_give(&p->slots, slot);
}

#undef LANES
