/*
 * Optimiser steps: one launch for all parameters of a dtype, whose addresses travel among the arguments (so a graph keeps them). Parameters that are
 * not dense, or whose gradient or state lies otherwise in memory, are launched one by one.
 */
#include <math.h>

#include "cuda/walk.cuh"
#include "cuda/slots.h"

enum { BLOCK = 256, EACH = 4, MOST = 80 }; /* elements a thread takes; parameters a launch, of the 4 KB that arguments may have */

/* Operands of a step: the parameter, its gradient, and up to two states. */
template <int K>
struct batch {
    char *data[K][MOST];
    uint32_t first_block[MOST + 1]; /* of each parameter; then the number of all */
    int64_t count[MOST];
    int32_t parameters;
};

template <typename A>
struct sgd {
    A rate, decay, keep, add, ahead, along;
    int32_t first;
    const double *schedule; /* see hy_sgd_params */
    __device__ __forceinline__ void prepare()
    {
        if (schedule) rate = (A)schedule[0];
    }
    __device__ __forceinline__ void operator()(A &param, A grad, A *state) const
    {
        const A g = grad + decay * param;
        state[0] = keep * (first ? 0 : state[0]) + add * g; /* the first step's buffer may hold anything, NaN too */
        param -= rate * (ahead * g + along * state[0]);
    }
};

template <typename A>
struct sgd_plain {
    A rate, decay;
    const double *schedule;
    __device__ __forceinline__ void prepare()
    {
        if (schedule) rate = (A)schedule[0];
    }
    __device__ __forceinline__ void operator()(A &param, A grad, A *) const { param -= rate * (grad + decay * param); }
};

template <typename A>
struct adam {
    A beta1, rest1, beta2, rest2, eps, shrink, decay, step, scale;
    double penalty;         /* AdamW's weight decay; 0 for Adam */
    const double *schedule; /* see hy_adam_params */
    __host__ __device__ __forceinline__ void set(double rate, double correction1, double correction2)
    {
        shrink = (A)(1 - rate * penalty);
        step = (A)(rate / correction1);
        scale = (A)(1 / sqrt(correction2));
    }
    __device__ __forceinline__ void prepare()
    {
        if (schedule) set(schedule[0], schedule[1], schedule[2]);
    }
    __device__ __forceinline__ void operator()(A &param, A grad, A *state) const
    {
        const A g = grad + decay * param;
        state[0] = beta1 * state[0] + rest1 * g;
        state[1] = beta2 * state[1] + rest2 * (g * g);
        param = param * shrink - step * state[0] / ((A)sqrt(state[1]) * scale + eps);
    }
};

/* One element of each operand. */
template <typename S, int K, typename F>
static __device__ __forceinline__ void update(S *const (&at)[K], const F &f)
{
    typedef typename hy_computed<S>::type A;
    A param = hy_value(*at[0]), state[2] = {0, 0};
#pragma unroll
    for (int k = 2; k < K; k++) state[k - 2] = hy_value(*at[k]);
    f(param, (A)hy_value(*at[1]), state);
    *at[0] = hy_cast<S>::of(param);
#pragma unroll
    for (int k = 2; k < K; k++) *at[k] = hy_cast<S>::of(state[k - 2]);
}

template <typename S, int K, typename F>
static __global__ void __launch_bounds__(BLOCK) batch_kernel(const __grid_constant__ batch<K> b, F f)
{
    f.prepare();
    int low = 0, high = b.parameters - 1; /* the last parameter that begins at this block or before */
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (b.first_block[middle] <= blockIdx.x) low = middle;
        else high = middle - 1;
    }
    const int64_t base = (int64_t)(blockIdx.x - b.first_block[low]) * (BLOCK * EACH) + threadIdx.x;
#pragma unroll
    for (int e = 0; e < EACH; e++) {
        const int64_t i = base + e * BLOCK;
        if (i >= b.count[low]) return;
        S *at[K];
#pragma unroll
        for (int k = 0; k < K; k++) at[k] = reinterpret_cast<S *>(b.data[k][low]) + i;
        update(at, f);
    }
}

template <typename S, int K, typename F>
static __global__ void __launch_bounds__(BLOCK) strided_kernel(const __grid_constant__ hy_walk<K> w, F f)
{
    f.prepare();
    const uint32_t i = blockIdx.x * BLOCK + threadIdx.x;
    if (i >= w.count) return;
    int64_t offset[K];
    hy_walk_offsets(w, i, offset);
    S *at[K];
#pragma unroll
    for (int k = 0; k < K; k++) at[k] = reinterpret_cast<S *>(w.data[k] + offset[k]);
    update(at, f);
}

/* Launches what the batch holds, and empties it. */
template <typename S, int K, typename F>
static hy_status flush(hy_device *device, const char *name, batch<K> *b, const F &f)
{
    if (b->parameters == 0) return HY_OK;
    const hy_status status = hy_cuda_launch(device, name, dim3(b->first_block[b->parameters]), dim3(BLOCK), 0, batch_kernel<S, K, F>, *b, f);
    b->parameters = 0;
    return status;
}

/* All parameters of one dtype. tensors[k] has `count` views of operand k. */
template <typename S, int K, typename F>
static hy_status step_all(hy_device *device, const char *name, int32_t dtype, int64_t count, const hy_tensor *const (&tensors)[K], const F &f)
{
    batch<K> b;
    b.parameters = 0;
    b.first_block[0] = 0;
    for (int64_t i = 0; i < count; i++) {
        if (tensors[0][i].dtype != dtype) continue;
        hy_operand operands[K];
        for (int k = 0; k < K; k++) operands[k] = hy_view(tensors[k] + i);
        const hy_plan<K> p = hy_plan_walk(operands);
        const int64_t n = hy_plan_count(p), blocks = hy_ceil_div(n, BLOCK * EACH);
        if (n == 0) continue;
        if (hy_plan_mode(p, 1) != HY_WALK_DENSE || blocks >= (int64_t)1 << 30) {
            HY_CUDA_TRY(hy_plan_run(p, 1, [&](const hy_walk<K> &w) {
                return hy_cuda_launch(device, name, dim3((unsigned)hy_ceil_div(w.count, BLOCK)), dim3(BLOCK), 0, strided_kernel<S, K, F>, w, f);
            }));
            continue;
        }
        if (b.parameters == MOST || b.first_block[b.parameters] + blocks >= (int64_t)1 << 31) {
            HY_CUDA_TRY((flush<S, K, F>(device, name, &b, f)));
        }
        for (int k = 0; k < K; k++) b.data[k][b.parameters] = p.data[k];
        b.count[b.parameters] = n;
        b.first_block[b.parameters + 1] = b.first_block[b.parameters] + (uint32_t)blocks;
        b.parameters++;
    }
    return flush<S, K, F>(device, name, &b, f);
}

/* Calls each(type, dtype) for every floating dtype; a dtype without parameters launches nothing. */
template <typename Each>
static hy_status by_dtype(Each each)
{
    const int32_t dtypes[] = {HY_FLOAT32, HY_FLOAT64, HY_BFLOAT16, HY_FLOAT16};
    for (int32_t dtype : dtypes) HY_CUDA_TRY(hy_with_floating(dtype, [&](auto type) { return each(type, dtype); }));
    return HY_OK;
}

static hy_status sgd_step(hy_device *device, const hy_sgd_params *p, int64_t count, const hy_tensor *param, const hy_tensor *grad, const hy_tensor *buffer)
{
    return by_dtype([&](auto type, int32_t dtype) {
        typedef typename decltype(type)::stored S;
        typedef typename decltype(type)::computed A;
        const A rate = (A)p->learning_rate, decay = (A)p->weight_decay;
        if (p->momentum == 0) return step_all<S, 2>(device, "SgdStep", dtype, count, {param, grad}, sgd_plain<A>{rate, decay, p->schedule});
        const A keep = p->first_step ? 0 : (A)p->momentum, add = p->first_step ? 1 : (A)(1 - p->dampening);
        const sgd<A> f = {rate, decay, keep, add, (A)(p->nesterov ? 1 : 0), (A)(p->nesterov ? p->momentum : 1), p->first_step, p->schedule};
        return step_all<S, 3>(device, "SgdStep", dtype, count, {param, grad, buffer}, f);
    });
}

static hy_status adam_step(hy_device *device, const hy_adam_params *p, int64_t count, const hy_tensor *param, const hy_tensor *grad, const hy_tensor *exp_avg,
                           const hy_tensor *exp_avg_sq)
{
    return by_dtype([&](auto type, int32_t dtype) {
        typedef typename decltype(type)::stored S;
        typedef typename decltype(type)::computed A;
        adam<A> f = {(A)p->beta1, (A)(1 - p->beta1), (A)p->beta2, (A)(1 - p->beta2), (A)p->eps, 0, (A)(p->decoupled ? 0 : p->weight_decay), 0, 0,
                     p->decoupled ? p->weight_decay : 0, p->schedule};
        if (!p->schedule) f.set(p->learning_rate, 1 - pow(p->beta1, (double)p->step), 1 - pow(p->beta2, (double)p->step));
        return step_all<S, 4>(device, "AdamStep", dtype, count, {param, grad, exp_avg, exp_avg_sq}, f);
    });
}

void hy_cuda_fill_optim(hy_backend *backend)
{
    backend->sgd_step = sgd_step;
    backend->adam_step = adam_step;
}
