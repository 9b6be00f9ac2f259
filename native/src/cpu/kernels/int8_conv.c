/* Convolution of quantised weights: the implicit product of int8.c, whose rows are the pixels of the output. Each image has a scale of its own; it is
 * quantised into padded planes once, from which the panels are gathered. */
#include <string.h>

#include "core/parallel.h"
#include "core/status.h"
#include "core/tensor.h"
#include "cpu/kernels/int8.h"
#include "cpu/kernels/numbers.h"
#include "cpu/kernels/pack.h"
#include "cpu/kernels/slots.h"

enum {
    BLOCK_BYTES = 128 << 10,               /* of pixels that a task keeps in the second-level cache */
    TASKS_WANTED = 16,
    WIDE = (HY_INT8_ROWS + 7) / 8 * 8      /* pixels are gathered in whole vectors; what is too much is written over by what follows */
};

typedef struct conv {
    hy_device *device;
    hy_int8_product product;
    const hy_conv2d_params *p;
    const hy_tensor *x, *y;
    int64_t height, width;          /* of the kernel */
    int64_t rows, row;              /* of a padded plane, and its elements a row */
    int64_t images, channels;
    float *extremes;                /* smallest and largest of each plane */
    hy_int8_range *range;           /* of each image */
    int16_t *planes;
    int64_t *offset;                /* of the place of the kernel that each of a row's elements is */
    int64_t blocks, block_rows;     /* rows of outputs that a task makes */
    int64_t panels, per_panel;      /* of a row of outputs; int16s of one */
    hy_slots slots;
} conv;

static inline int64_t plane_size(const conv *c) { return c->rows * c->row; }

static inline const float *plane(const conv *c, int64_t i) { return (const float *)c->x->data + i * c->x->shape[2] * c->x->shape[3]; }

/* One unit of work is a plane. */
static void find_extremes(void *context, int64_t begin, int64_t end)
{
    const conv *c = context;
    const int64_t n = c->x->shape[2] * c->x->shape[3];
    for (int64_t i = begin; i < end; i++) {
        c->extremes[2 * i] = n ? HY_ISA(hy_int8_smallest)(plane(c, i), n) : 0;
        c->extremes[2 * i + 1] = n ? HY_ISA(hy_int8_largest)(plane(c, i), n) : 0;
    }
}

static void find_ranges(const conv *c)
{
    for (int64_t image = 0; image < c->images; image++) {
        float smallest = 0, largest = 0;
        for (int64_t i = image * c->channels; i < (image + 1) * c->channels; i++) {
            const float s = c->extremes[2 * i], l = c->extremes[2 * i + 1];
            smallest = s < smallest || s != s ? s : smallest; /* a NaN, once there, stays */
            largest = l > largest || l != l ? l : largest;
        }
        c->range[image] = HY_ISA(hy_int8_range_of)(smallest, largest);
    }
}

/* Zeros are 0 as integers, too. */
static void quantize_planes(void *context, int64_t begin, int64_t end)
{
    const conv *c = context;
    const int64_t height = c->x->shape[2], width = c->x->shape[3], top = c->p->padding[0], left = c->p->padding[1];
    for (int64_t i = begin; i < end; i++) {
        const float *x = plane(c, i);
        int16_t *to = c->planes + i * plane_size(c);
        memset(to, 0, (size_t)plane_size(c) * sizeof *to);
        for (int64_t r = 0; r < height; r++)
            HY_ISA(hy_int8_quantize)(&c->range[i / c->channels], x + r * width, width, to + (top + r) * c->row + left);
    }
}

typedef int16_t eight __attribute__((vector_size(16), aligned(2), may_alias));

/* `count` pixels of a row of outputs, the first of whose windows begins at x. */
static void gather(const conv *c, const int16_t *x, int64_t count, int16_t *panel)
{
    const int64_t step = c->p->stride[1];
    for (int64_t p = 0; p < c->product.pairs; p++, panel += 2 * HY_INT8_ROWS) {
        const int16_t *first = x + c->offset[2 * p], *second = x + c->offset[2 * p + 1];
        if (step == 1)
            for (int i = 0; i < WIDE; i += 8) {
                const eight a = *(const eight *)(first + i), b = *(const eight *)(second + i);
                *(eight *)(panel + 2 * i) = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
                *(eight *)(panel + 2 * i + 8) = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
            }
        else
            for (int64_t i = 0; i < count; i++) panel[2 * i] = first[i * step], panel[2 * i + 1] = second[i * step];
    }
}

static void convolve_blocks(void *context, int64_t begin, int64_t end)
{
    conv *c = context;
    const int64_t width = c->y->shape[3], image_size = c->y->shape[1] * c->y->shape[2] * width;
    const int slot = hy_slots_take(&c->slots);
    hy_int8_panel *panels = (hy_int8_panel *)(c->slots.memory + slot * c->slots.bytes);
    int16_t *gathered = (int16_t *)(panels + c->block_rows * c->panels);
    for (int64_t task = begin; task < end; task++) {
        const int64_t image = task / c->blocks, row = task % c->blocks * c->block_rows, rows = hy_min(c->block_rows, c->y->shape[2] - row);
        for (int64_t i = 0; i < rows * c->panels; i++) {
            const int64_t r = row + i / c->panels, part = i % c->panels, first = hy_share(width, c->panels, part);
            const int16_t *x = c->planes + image * c->channels * plane_size(c) + r * c->p->stride[0] * c->row + first * c->p->stride[1];
            panels[i] = (hy_int8_panel){gathered + i * c->per_panel, hy_share(width, c->panels, part + 1) - first, &c->range[image].scale,
                                        (float *)c->y->data + image * image_size + r * width + first};
            gather(c, x, panels[i].rows, gathered + i * c->per_panel);
        }
        HY_ISA(hy_int8_multiply)(c->device, &c->product, panels, rows * c->panels, 0, hy_ceil_div(c->product.outputs, HY_INT8_COLUMNS));
    }
    hy_slots_give(&c->slots, slot);
}

static void find_offsets(const conv *c)
{
    int64_t n = 0;
    for (int64_t channel = 0; channel < c->channels; channel++)
        for (int64_t r = 0; r < c->height; r++)
            for (int64_t s = 0; s < c->width; s++) c->offset[n++] = channel * plane_size(c) + r * c->p->dilation[0] * c->row + s * c->p->dilation[1];
    if (n % 2) c->offset[n] = c->offset[n - 1]; /* the weight there is 0 */
}

static int64_t align64(int64_t bytes) { return (bytes + 63) & ~(int64_t)63; }

static hy_status run(conv *c)
{
    const int64_t planes = c->images * c->channels, tasks = c->images * c->blocks;
    const int64_t plane_bytes = align64((planes * plane_size(c) + WIDE) * 2), offset_bytes = align64(2 * c->product.pairs * (int64_t)sizeof *c->offset);
    const int64_t range_bytes = align64(c->images * (int64_t)sizeof *c->range), extreme_bytes = align64(planes * 2 * (int64_t)sizeof *c->extremes);
    const int64_t slot_panels = c->block_rows * c->panels;
    if (c->rows > INT32_MAX / c->row)
        return hy_fail(HY_OUT_OF_MEMORY, "QuantizedConv2d: padded planes of %lld x %lld elements are too large", (long long)c->rows, (long long)c->row);
    hy_slots_plan(&c->slots, slot_panels * ((int64_t)sizeof(hy_int8_panel) + c->per_panel * 2) + 4 * WIDE, tasks);
    char *memory;
    hy_status status = hy_alloc(c->device, plane_bytes + offset_bytes + range_bytes + extreme_bytes + c->slots.count * c->slots.bytes, (void **)&memory);
    if (status != HY_OK) return status;
    c->planes = (int16_t *)memory;
    c->offset = (int64_t *)(memory + plane_bytes);
    c->range = (hy_int8_range *)((char *)c->offset + offset_bytes);
    c->extremes = (float *)((char *)c->range + range_bytes);
    c->slots.memory = (char *)c->extremes + extreme_bytes;
    memset(c->planes + planes * plane_size(c), 0, WIDE * sizeof *c->planes);
    find_offsets(c);
    const int64_t grain = hy_max(1, (1 << 14) / hy_max(1, plane_size(c)));
    hy_parallel_for(planes, grain, find_extremes, c);
    find_ranges(c);
    hy_parallel_for(planes, grain, quantize_planes, c);
    hy_parallel_for(tasks, 1, convolve_blocks, c);
    return hy_free(c->device, memory);
}

hy_status HY_ISA(hy_quantized_conv2d)(hy_device *device, const hy_conv2d_params *p, int32_t height, int32_t width, const hy_tensor *x,
                                      const hy_tensor *packed, const hy_tensor *scale, const hy_tensor *bias, const hy_tensor *y)
{
    if (hy_numel(y) == 0) return HY_OK;
    hy_pack pack = {.device = device};
    x = hy_pack_in(&pack, x), packed = hy_pack_in(&pack, packed), scale = hy_pack_in(&pack, scale), bias = hy_pack_in(&pack, bias);
    y = hy_pack_out(&pack, y);
    conv c = {.device = device, .p = p, .x = x, .y = y, .height = height, .width = width, .images = x->shape[0], .channels = x->shape[1]};
    c.product = (hy_int8_product){packed->data, y->shape[1], packed->shape[1], scale->data, bias ? bias->data : NULL, 0, 1, y->shape[2] * y->shape[3],
                                  p->activation};
    c.rows = x->shape[2] + 2 * p->padding[0];
    c.row = x->shape[3] + 2 * p->padding[1];
    c.panels = hy_ceil_div(y->shape[3], HY_INT8_ROWS);
    c.per_panel = c.product.pairs * HY_INT8_ROWS * 2;
    c.block_rows = hy_max(1, hy_min(y->shape[2], BLOCK_BYTES / hy_max(1, c.panels * c.per_panel * 2)));
    c.block_rows = hy_max(1, hy_min(c.block_rows, y->shape[2] * c.images / TASKS_WANTED));
    c.blocks = hy_ceil_div(y->shape[2], c.block_rows);
    hy_status status = pack.status;
    if (status == HY_OK) status = run(&c);
    return hy_pack_end(&pack, status);
}
