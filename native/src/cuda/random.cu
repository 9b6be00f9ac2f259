/* Random numbers: the recipes of core/random.h, so that the numbers are the CPU's. */
#include "core/random.h"
#include "cuda/elementwise.cuh"
#include "cuda/slots.h"

/* Floats in float, doubles in double. */
static __device__ __forceinline__ float uniform(const uint32_t word[4], double low, double high, float) { return hy_uniform32(word, low, high); }
static __device__ __forceinline__ double uniform(const uint32_t word[4], double low, double high, double) { return hy_uniform64(word, low, high); }
static __device__ __forceinline__ float normal(const uint32_t word[4], double mean, double std, float) { return hy_normal32(word, mean, std); }
static __device__ __forceinline__ double normal(const uint32_t word[4], double mean, double std, double) { return hy_normal64(word, mean, std); }

/* Where the numbers begin; a graph's replay finds seed and way to go in the device's memory. */
struct place {
    uint64_t seed, offset;
    const uint64_t *draws;
    __device__ __forceinline__ void draw(uint64_t i, uint32_t word[4]) const
    {
        hy_philox(draws ? draws[0] : seed, offset + (draws ? draws[1] : 0) + i, 0, word);
    }
};

#define DRAW(name, parameter, value)                                   \
    template <typename S>                                              \
    struct name {                                                      \
        typedef S result;                                              \
        place at;                                                      \
        parameter p, q;                                                \
        __device__ __forceinline__ S operator()(uint64_t i) const      \
        {                                                              \
            uint32_t word[4];                                          \
            at.draw(i, word);                                          \
            return value;                                              \
        }                                                              \
    };
DRAW(uniform_numbers, double, hy_cast<S>::of(uniform(word, p, q, typename hy_computed<S>::type())))
DRAW(normal_numbers, double, hy_cast<S>::of(normal(word, p, q, typename hy_computed<S>::type())))
DRAW(integers, int64_t, hy_cast<S>::of(hy_random_integer(word, p, q)))
DRAW(coins, double, hy_cast<S>::of(hy_bernoulli(word, p)))

static hy_status random_uniform(hy_device *device, uint64_t seed, uint64_t offset, double low, double high, const hy_tensor *y)
{
    return hy_with_floating(y->dtype, [&](auto type) {
        return hy_generate(device, "RandomUniform", y, uniform_numbers<typename decltype(type)::stored>{{seed, offset, hy_cuda(device)->draws}, low, high});
    });
}

static hy_status random_normal(hy_device *device, uint64_t seed, uint64_t offset, double mean, double std, const hy_tensor *y)
{
    return hy_with_floating(y->dtype, [&](auto type) {
        return hy_generate(device, "RandomNormal", y, normal_numbers<typename decltype(type)::stored>{{seed, offset, hy_cuda(device)->draws}, mean, std});
    });
}

static hy_status random_integers(hy_device *device, uint64_t seed, uint64_t offset, int64_t low, int64_t high, const hy_tensor *y)
{
    return hy_with_number(y->dtype, [&](auto type) {
        return hy_generate(device, "RandomIntegers", y, integers<typename decltype(type)::stored>{{seed, offset, hy_cuda(device)->draws}, low, high});
    });
}

static hy_status random_bernoulli(hy_device *device, uint64_t seed, uint64_t offset, double p, const hy_tensor *y)
{
    return hy_with_any(y->dtype, [&](auto type) {
        return hy_generate(device, "RandomBernoulli", y, coins<typename decltype(type)::stored>{{seed, offset, hy_cuda(device)->draws}, p, 0});
    });
}

void hy_cuda_fill_random(hy_backend *backend)
{
    backend->random_uniform = random_uniform;
    backend->random_normal = random_normal;
    backend->random_integers = random_integers;
    backend->random_bernoulli = random_bernoulli;
}
