/* Random numbers: element i in row-major order reads Philox's counter offset + i; the recipes are those of core/random.h. */
#include "core/random.h"
#include "core/glibc.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/walk.h"

enum {
    GRAIN = 4096, /* an element costs about as much as eight of an elementwise operation */
    BLOCK = 64    /* counters that are worked side by side: Philox needs a dozen vectors a round */
};

typedef struct draw {
    uint64_t seed, offset;
    double a, b;            /* low and high, mean and standard deviation, or p */
    int64_t low, high;
    const hy_tensor *y;
} draw;

/* words[k][i] = word k of hy_philox(seed, first + i): the same rounds, for a block at a time, so that they become vector code. */
static void draw_block(uint64_t seed, uint64_t first, uint32_t (*words)[BLOCK])
{
    uint32_t *c0 = words[0], *c1 = words[1], *c2 = words[2], *c3 = words[3];
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int i = 0; i < BLOCK; i++) {
        c0[i] = (uint32_t)(first + (uint64_t)i);
        c1[i] = (uint32_t)((first + (uint64_t)i) >> 32);
        c2[i] = c3[i] = 0;
    }
    for (int round = 0; round < HY_PHILOX_ROUNDS; round++) {
        _Pragma("GCC ivdep") for (int i = 0; i < BLOCK; i++) hy_philox_round(&c0[i], &c1[i], &c2[i], &c3[i], k0, k1);
        k0 += HY_PHILOX_KEY_STEP_0;
        k1 += HY_PHILOX_KEY_STEP_1;
    }
}

#define DRAW_KERNEL(name, type, recipe)                                                                     \
    static void name(void *context, int64_t begin, int64_t end)                                             \
    {                                                                                                       \
        const draw *d = context;                                                                            \
        const bool contiguous = hy_is_contiguous(d->y);                                                     \
        type *y = d->y->data, drawn[BLOCK];                                                                 \
        uint32_t words[4][BLOCK];                                                                           \
        for (int64_t at = begin; at < end; at += BLOCK) {                                                   \
            const int64_t n = end - at < BLOCK ? end - at : BLOCK;                                          \
            draw_block(d->seed, d->offset + (uint64_t)at, words);                                           \
            for (int i = 0; i < BLOCK && i < n; i++) {                                                      \
                const uint32_t word[4] = {words[0][i], words[1][i], words[2][i], words[3][i]};              \
                drawn[i] = (type)(recipe);                                                                  \
            }                                                                                               \
            if (contiguous) memcpy(y + at, drawn, (size_t)n * sizeof(type));                                \
            else for (int64_t i = 0; i < n; i++) y[hy_row_major_offset(d->y, at + i)] = drawn[i];           \
        }                                                                                                   \
    }

DRAW_KERNEL(uniform_f32, float, hy_uniform32(word, d->a, d->b))
DRAW_KERNEL(uniform_f64, double, hy_uniform64(word, d->a, d->b))
DRAW_KERNEL(normal_f32, float, hy_normal32(word, d->a, d->b))
DRAW_KERNEL(normal_f64, double, hy_normal64(word, d->a, d->b))

#define DRAW_ANY(name, recipe)              \
    DRAW_KERNEL(name##_f32, float, recipe)  \
    DRAW_KERNEL(name##_f64, double, recipe) \
    DRAW_KERNEL(name##_i32, int32_t, recipe) \
    DRAW_KERNEL(name##_i64, int64_t, recipe) \
    DRAW_KERNEL(name##_u8, uint8_t, recipe)
DRAW_ANY(integers, hy_random_integer(word, d->low, d->high))
DRAW_ANY(bernoulli, hy_bernoulli(word, d->a))

static hy_status run(hy_parallel_body body, draw d)
{
    int64_t n = hy_numel(d.y);
    if (n > 0) hy_parallel_for(n, GRAIN, body, &d);
    return HY_OK;
}

static hy_status random_uniform(hy_device *device, uint64_t seed, uint64_t offset, double low, double high, const hy_tensor *y)
{
    return run(y->dtype == HY_FLOAT32 ? uniform_f32 : uniform_f64, (draw){.seed = seed, .offset = offset, .a = low, .b = high, .y = y});
}

static hy_status random_normal(hy_device *device, uint64_t seed, uint64_t offset, double mean, double std, const hy_tensor *y)
{
    return run(y->dtype == HY_FLOAT32 ? normal_f32 : normal_f64, (draw){.seed = seed, .offset = offset, .a = mean, .b = std, .y = y});
}

static hy_status random_integers(hy_device *device, uint64_t seed, uint64_t offset, int64_t low, int64_t high, const hy_tensor *y)
{
    static const hy_parallel_body bodies[] = {integers_f32, integers_f64, integers_i32, integers_i64, integers_u8};
    return run(bodies[y->dtype], (draw){.seed = seed, .offset = offset, .low = low, .high = high, .y = y});
}

static hy_status random_bernoulli(hy_device *device, uint64_t seed, uint64_t offset, double p, const hy_tensor *y)
{
    static const hy_parallel_body bodies[] = {bernoulli_f32, bernoulli_f64, bernoulli_i32, bernoulli_i64, bernoulli_u8, bernoulli_u8};
    return run(bodies[y->dtype], (draw){.seed = seed, .offset = offset, .a = p, .y = y});
}

void HY_ISA(hy_fill_random)(hy_backend *backend)
{
    backend->random_uniform = random_uniform;
    backend->random_normal = random_normal;
    backend->random_integers = random_integers;
    backend->random_bernoulli = random_bernoulli;
}
