/* Random numbers. */
#include "core/random.h"
#include "core/glibc.h"
#include "cpu/reference/access.h"
#include "cpu/reference/reference.h"

/** The words of the next element: its counter moves on by one. */
static inline const uint32_t *draw(uint64_t seed, uint64_t *counter, uint32_t word[4])
{
    hy_philox(seed, (*counter)++, 0, word);
    return word;
}

static hy_status reference_random_uniform(hy_device *device, uint64_t seed, uint64_t offset, double low, double high, const hy_tensor *y)
{
    uint32_t word[4];
    for (hy_walk w = HY_WALK(y, y); w.left > 0; hy_walk_next(&w)) {
        draw(seed, &offset, word);
        hy_store(y, w.at[0], y->dtype == HY_FLOAT64 ? hy_uniform64(word, low, high) : (double)hy_uniform32(word, low, high));
    }
    return HY_OK;
}

static hy_status reference_random_normal(hy_device *device, uint64_t seed, uint64_t offset, double mean, double std, const hy_tensor *y)
{
    uint32_t word[4];
    for (hy_walk w = HY_WALK(y, y); w.left > 0; hy_walk_next(&w)) {
        draw(seed, &offset, word);
        hy_store(y, w.at[0], y->dtype == HY_FLOAT64 ? hy_normal64(word, mean, std) : (double)hy_normal32(word, mean, std));
    }
    return HY_OK;
}

static hy_status reference_random_integers(hy_device *device, uint64_t seed, uint64_t offset, int64_t low, int64_t high, const hy_tensor *y)
{
    uint32_t word[4];
    for (hy_walk w = HY_WALK(y, y); w.left > 0; hy_walk_next(&w))
        hy_store_integer(y, w.at[0], hy_random_integer(draw(seed, &offset, word), low, high));
    return HY_OK;
}

static hy_status reference_random_bernoulli(hy_device *device, uint64_t seed, uint64_t offset, double p, const hy_tensor *y)
{
    uint32_t word[4];
    for (hy_walk w = HY_WALK(y, y); w.left > 0; hy_walk_next(&w)) hy_store_integer(y, w.at[0], hy_bernoulli(draw(seed, &offset, word), p));
    return HY_OK;
}

void hy_reference_random(hy_backend *backend)
{
    backend->random_uniform = reference_random_uniform;
    backend->random_normal = reference_random_normal;
    backend->random_integers = reference_random_integers;
    backend->random_bernoulli = reference_random_bernoulli;
}
