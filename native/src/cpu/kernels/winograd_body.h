/* The transforms of F(OUT x OUT, 3 x 3), which reads TAPS x TAPS inputs; included once for each OUT, whose suffix T(name) carries.
 * T(input_line), T(weight_line) and T(output_line) are Bᵀ, G and Aᵀ of Lavin & Gray; each is applied along both axes. */

/* ---- Input ---- */

/* Bᵀ down the columns of a segment: neighbours lie side by side, and tiles share them. What the last vector holds too much lands where
 * the right border or the next segment goes. */
static void T(combine_rows)(const conv *c, const float *plane, const segment *s, int64_t stride, float *strip)
{
    const int64_t columns = OUT * s->count + TAPS - OUT, left = hy_min(hy_max(0, -s->column), columns);
    const int64_t inside = hy_max(0, hy_min(c->width - s->column, columns) - left);
    const float *row[TAPS], *last = plane;
    float copy[TAPS][STRIP];
    for (int r = 0; r < TAPS; r++) {
        row[r] = zeros;
        if (s->row + r >= 0 && s->row + r < c->height) row[r] = last = plane + (s->row + r) * c->width + s->column + left;
    }
    if (last + inside + LANES > c->x_end) /* a vector might reach over the images' end */
        for (int r = 0; r < TAPS; r++) row[r] = memcpy(copy[r], row[r], (size_t)inside * sizeof(float));
    float *to = strip + s->at + left;
    for (int64_t i = 0; i < inside; i += LANES) {
        vec d[TAPS], o[TAPS];
#pragma GCC unroll 6
        for (int r = 0; r < TAPS; r++) d[r] = *(const vec *)(row[r] + i);
        T(input_line)(d, o);
#pragma GCC unroll 6
        for (int r = 0; r < TAPS; r++) *(vec *)(to + r * stride + i) = o[r];
    }
    for (int r = 0; r < TAPS; r++) {
        float *line = strip + r * stride + s->at;
        for (int64_t i = 0; i < left; i++) line[i] = 0;
        for (int64_t i = left + inside; i < columns; i++) line[i] = 0;
    }
}

/* Bᵀ along the rows of LANES tiles: `v` gets the vector of each frequency. */
static inline __attribute__((always_inline)) void T(combine_columns)(const float *const *at, int64_t stride, float *v, int64_t v_stride)
{
    for (int r = 0; r < TAPS; r++, v += TAPS * v_stride) {
        const float *quad[LANES];
#pragma GCC unroll 16
        for (int l = 0; l < LANES; l++) quad[l] = at[l] + r * stride;
        vec d[TAPS], o[TAPS];
        hy_gather_quads_f32(quad, d);
        if (TAPS > 4) {
            vec rest[4];
#pragma GCC unroll 16
            for (int l = 0; l < LANES; l++) quad[l] += TAPS - 4;
            hy_gather_quads_f32(quad, rest);
#pragma GCC unroll 2
            for (int i = 4; i < TAPS; i++) d[i] = rest[i - (TAPS - 4)];
        }
        T(input_line)(d, o);
#pragma GCC unroll 6
        for (int i = 0; i < TAPS; i++) *(vec *)(v + i * v_stride) = o[i];
    }
}

/* Channels [begin, end) of a block's tiles into v: [frequency][panel of tiles][channel][WIDTH]. */
static void T(transform_input)(const plan *p, const block *b, int64_t begin, int64_t end, float *v)
{
    const conv *c = &p->conv;
    float strip[TAPS * STRIP];
    for (int64_t channel = begin; channel < end; channel++) {
        for (int i = 0; i < b->segments; i++)
            T(combine_rows)(c, c->x + b->segment[i].plane + channel * c->height * c->width, &b->segment[i], STRIP, strip);
        for (int64_t g = 0; g < b->panels * HY_TILE_VECTORS; g++) {
            const float *at[LANES];
            for (int l = 0; l < LANES; l++) at[l] = strip + b->tile[g * LANES + l].strip;
            float *to = v + (g / HY_TILE_VECTORS * c->channels + channel) * WIDTH + g % HY_TILE_VECTORS * LANES;
            T(combine_columns)(at, STRIP, to, p->v_stride);
        }
    }
}

/* ---- Weight ---- */

/* The 3 x 3 weights of LANES filters, turned if the gradient wants them so. */
static inline __attribute__((always_inline)) void T(gather_weights)(const float *const *at, bool flipped, vec g[9])
{
    const float *quad[LANES];
    vec taps[12];
#pragma GCC unroll 3
    for (int q = 0; q < 3; q++) {
#pragma GCC unroll 16
        for (int l = 0; l < LANES; l++) quad[l] = at[l] + (q < 2 ? 4 * q : 5); /* 5 to 8: nothing behind the last is read */
        hy_gather_quads_f32(quad, taps + 4 * q);
    }
    taps[8] = taps[11];
#pragma GCC unroll 9
    for (int i = 0; i < 9; i++) g[i] = flipped ? taps[8 - i] : taps[i];
}

/* G g Gᵀ for one vector of filters. */
static inline __attribute__((always_inline)) void T(transform_weights)(const vec g[9], float *u, int64_t u_stride)
{
    vec lines[3][TAPS];
#pragma GCC unroll 3
    for (int j = 0; j < 3; j++) T(weight_line)((vec[3]){g[j], g[3 + j], g[6 + j]}, lines[j]);
#pragma GCC unroll 6
    for (int r = 0; r < TAPS; r++) {
        vec o[TAPS];
        T(weight_line)((vec[3]){lines[0][r], lines[1][r], lines[2][r]}, o);
#pragma GCC unroll 6
        for (int i = 0; i < TAPS; i++) *(vec *)(u + (r * TAPS + i) * u_stride) = o[i];
    }
}

/* A panel of filters into u: [frequency][channel][HY_TILE_ROWS]. Lanes past a panel's rows are written over by the next channel. */
static void T(transform_panel)(const plan *p, int64_t panel, float *u)
{
    const conv *c = &p->conv;
    const int64_t first = first_filter(p, panel), rows = first_filter(p, panel + 1) - first;
    for (int64_t channel = 0; channel < c->channels; channel++, u += HY_TILE_ROWS) {
        for (int64_t row = 0; row < rows; row += LANES) {
            const float *at[LANES];
            for (int l = 0; l < LANES; l++)
                at[l] = c->w + (first + hy_min(row + l, rows - 1)) * c->w_filter + channel * c->w_channel;
            vec g[9];
            if (c->flipped) T(gather_weights)(at, true, g);
            else T(gather_weights)(at, false, g);
            T(transform_weights)(g, u + row, p->u_stride);
        }
    }
}

/* ---- Output ---- */

static inline __attribute__((always_inline)) void T(store_tile)(const tile *t, const float *from, float *y, int64_t width)
{
    if (t->rows == OUT && t->columns == OUT) {
#pragma GCC unroll 4
        for (int i = 0; i < OUT; i++) memcpy(y + i * width, from + i * OUT, OUT * sizeof(float));
    } else {
        for (int i = 0; i < t->rows; i++)
            for (int j = 0; j < t->columns; j++) y[i * width + j] = from[i * OUT + j];
    }
}

/* Aᵀ m A for LANES tiles of one filter, whose frequencies lie m_stride apart, and the way home to the image. */
static void T(transform_output)(const conv *c, const tile *tiles, int64_t count, const float *m, int64_t m_stride, float bias, float *y)
{
    vec lines[TAPS][OUT], out[OUT * OUT];
#pragma GCC unroll 6
    for (int j = 0; j < TAPS; j++) {
        vec d[TAPS];
#pragma GCC unroll 6
        for (int i = 0; i < TAPS; i++) d[i] = *(const vec *)(m + (i * TAPS + j) * m_stride);
        T(output_line)(d, lines[j]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < OUT; i++) {
        vec d[TAPS];
#pragma GCC unroll 6
        for (int j = 0; j < TAPS; j++) d[j] = lines[j][i];
        T(output_line)(d, out + i * OUT);
    }
#pragma GCC unroll 16
    for (int i = 0; i < OUT * OUT; i++) {
        out[i] += bias;
        out[i] = (vec)((mask)out[i] & ~(out[i] < c->low)); /* a NaN stays */
    }
    _Alignas(64) float turned[LANES][OUT * OUT];
#pragma GCC unroll 4
    for (int i = 0; i < OUT * OUT; i += 4) {
        hy_turn_quads_f32(out + i);
#pragma GCC unroll 16
        for (int l = 0; l < LANES; l++) *(hy_quad_f32 *)&turned[l][i] = hy_quad_of_f32(out + i, l);
    }
    for (int64_t l = 0; l < count; l++) T(store_tile)(&tiles[l], turned[l], y + tiles[l].y, c->out_width);
}
