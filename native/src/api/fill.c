/* Filling and random numbers. */
#include <math.h>
#include <stdint.h>

#include "api/check.h"

hy_status hy_fill(hy_device *device, double value, const hy_tensor *y)
{
    HY_CALL("fill", NULL);
    HY_TRY(hy_check_output(&call, "output", y, HY_SET_STORED));
    HY_DISPATCH(fill, value, y);
}

hy_status hy_arange(hy_device *device, double start, double step, const hy_tensor *y)
{
    HY_CALL("arange", NULL);
    HY_TRY(hy_check_output(&call, "output", y, HY_SET_NUMBERS));
    HY_DISPATCH(arange, start, step, y);
}

hy_status hy_random_uniform(hy_device *device, uint64_t seed, uint64_t offset, double low, double high, const hy_tensor *y)
{
    HY_CALL("random_uniform", NULL);
    if (!isfinite(low) || !isfinite(high) || low > high)
        return hy_refuse(&call, HY_BAD_ARGUMENT, "the interval is %g to %g, expected finite bounds in ascending order", low, high);
    HY_TRY(hy_check_output(&call, "output", y, HY_SET_FLOATING));
    if (y->dtype != HY_FLOAT64 && (isinf((float)low) || isinf((float)high)))
        return hy_refuse(&call, HY_BAD_ARGUMENT, "the interval is %g to %g, expected bounds that float32 holds", low, high);
    HY_DISPATCH(random_uniform, seed, offset, low, high, y);
}

hy_status hy_random_normal(hy_device *device, uint64_t seed, uint64_t offset, double mean, double std, const hy_tensor *y)
{
    HY_CALL("random_normal", NULL);
    HY_TRY(hy_check_range(&call, "std", std, 0, HUGE_VAL));
    HY_TRY(hy_check_output(&call, "output", y, HY_SET_FLOATING));
    HY_DISPATCH(random_normal, seed, offset, mean, std, y);
}

hy_status hy_random_integers(hy_device *device, uint64_t seed, uint64_t offset, int64_t low, int64_t high, const hy_tensor *y)
{
    /* What each dtype represents without a gap. */
    static const struct {
        int64_t low, high;
    } span[] = {[HY_FLOAT32] = {-(1 << 24), 1 << 24},
                [HY_FLOAT64] = {-(INT64_C(1) << 53), INT64_C(1) << 53},
                [HY_INT32] = {INT32_MIN, INT32_MAX},
                [HY_INT64] = {INT64_MIN, INT64_MAX},
                [HY_UINT8] = {0, UINT8_MAX},
                [HY_BFLOAT16] = {-(1 << 8), 1 << 8},
                [HY_FLOAT16] = {-(1 << 11), 1 << 11}};
    HY_CALL("random_integers", NULL);
    if (low >= high)
        return hy_refuse(&call, HY_BAD_ARGUMENT, "low is %lld and high is %lld, expected low below high", (long long)low, (long long)high);
    HY_TRY(hy_check_output(&call, "output", y, HY_SET_NUMBERS));
    if (low < span[y->dtype].low || high - 1 > span[y->dtype].high)
        return hy_refuse(&call, HY_BAD_ARGUMENT, "%lld to %lld is more than %s represents, expected %lld to %lld", (long long)low, (long long)high - 1,
                         hy_dtype_name(y->dtype), (long long)span[y->dtype].low, (long long)span[y->dtype].high);
    HY_DISPATCH(random_integers, seed, offset, low, high, y);
}

hy_status hy_random_bernoulli(hy_device *device, uint64_t seed, uint64_t offset, double p, const hy_tensor *y)
{
    HY_CALL("random_bernoulli", NULL);
    HY_TRY(hy_check_range(&call, "p", p, 0, 1));
    HY_TRY(hy_check_output(&call, "output", y, HY_SET_ANY));
    HY_DISPATCH(random_bernoulli, seed, offset, p, y);
}
