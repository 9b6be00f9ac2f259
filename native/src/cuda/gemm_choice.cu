/* Which kernel computes a product: Hybrid's own, or cuBLAS's where it is there and was measured to be faster. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/cublas.cuh"

enum { ROUNDS = 5 };

/* Below this many multiplications launching takes the most time: not worth loading cuBLAS for. */
static const double least_work = 1 << 21;

static hy_status run_cublas(hy_device *device, const char *name, int32_t dtype, hy_gemm g, hy_blas_product p)
{
    if (!p.sums) return hy_cublas_run(device, name, p);
    g.splits = 1;
    HY_CUDA_TRY(hy_cuda_scratch(device, (int64_t)g.batch.count * g.m * g.n * (dtype == HY_FLOAT64 ? 8 : 4), &g.partial));
    p.c.data = (char *)g.partial;
    hy_status status = hy_cublas_run(device, name, p);
    if (status == HY_OK) status = hy_gemm_finish(device, name, dtype, g);
    hy_cuda_release(device, g.partial);
    return status;
}

/* ---- measuring ---- */

struct stopwatch {
    cudaEvent_t start, end;
};

template <typename F>
static hy_status measure_once(hy_device *device, const char *name, const stopwatch &w, F run, float *least)
{
    float time = 0;
    HY_CUDA_TRY(hy_cuda_check(device, name, cudaEventRecord(w.start, hy_cuda_stream(device))));
    HY_CUDA_TRY(run());
    HY_CUDA_TRY(hy_cuda_check(device, name, cudaEventRecord(w.end, hy_cuda_stream(device))));
    HY_CUDA_TRY(hy_cuda_waited(device, name, cudaEventSynchronize(w.end)));
    HY_CUDA_TRY(hy_cuda_check(device, name, cudaEventElapsedTime(&time, w.start, w.end)));
    if (time < *least) *least = time;
    return HY_OK;
}

/* In turn, so that a clock that changes meets both; the first round, which loads kernels, does not count. */
template <typename F, typename G>
static hy_status measure_both(hy_device *device, const char *name, const stopwatch &w, F own, G other, int32_t *way)
{
    float own_time = HUGE_VALF, other_time = HUGE_VALF;
    for (int round = 0; round <= ROUNDS; round++) {
        if (round == 1) own_time = other_time = HUGE_VALF;
        HY_CUDA_TRY(measure_once(device, name, w, own, &own_time));
        HY_CUDA_TRY(measure_once(device, name, w, other, &other_time));
    }
    *way = other_time < own_time ? HY_PRODUCT_WAY_cublas : HY_PRODUCT_WAY_hybrid;
    return HY_OK;
}

static hy_status measure(hy_device *device, const char *name, int32_t dtype, const hy_gemm &g, const hy_blas_product &p, int32_t *way)
{
    stopwatch w = {};
    hy_cuda_use(device);
    hy_status status = hy_cuda_check(device, name, cudaEventCreateWithFlags(&w.start, 0));
    if (status == HY_OK) status = hy_cuda_check(device, name, cudaEventCreateWithFlags(&w.end, 0));
    if (status == HY_OK)
        status = measure_both(device, name, w, [&] { return hy_gemm_run_own(device, name, dtype, g); },
                              [&] { return run_cublas(device, name, dtype, g, p); }, way);
    if (w.start) cudaEventDestroy(w.start);
    if (w.end) cudaEventDestroy(w.end);
    if (status != HY_UNSUPPORTED) return status;
    *way = HY_PRODUCT_WAY_hybrid; /* cuBLAS has no such kernel */
    return HY_OK;
}

/* ---- choosing ---- */

static bool may_measure(hy_device *device)
{
    const char *tune = getenv("HYBRID_TUNE");
    return !hy_cuda(device)->capturing && !(tune && strcmp(tune, "0") == 0);
}

static hy_status choose(hy_device *device, const char *name, int32_t dtype, const hy_gemm &g, hy_blas_product *p, bool *cublas)
{
    hy_product shape;
    int32_t way;
    *cublas = false;
    if ((double)g.m * g.n * g.k * g.batch.count < least_work || hy_cuda_host->deterministic() || !hy_blas_describe(g, dtype, p, &shape)) return HY_OK;
    HY_CUDA_TRY(hy_cuda_host->find_product(device, &shape, &way));
    if (way == HY_PRODUCT_WAY_hybrid) return HY_OK;
    HY_CUDA_TRY(hy_cublas_find(device, name, cublas));
    if (!*cublas || way == HY_PRODUCT_WAY_cublas) return HY_OK;
    *cublas = false;
    if (!may_measure(device)) return HY_OK;
    HY_CUDA_TRY(measure(device, name, dtype, g, *p, &way));
    *cublas = way == HY_PRODUCT_WAY_cublas;
    return hy_cuda_host->remember_product(device, &shape, way);
}

hy_status hy_gemm_run_fastest(hy_device *device, const char *name, int32_t dtype, const hy_gemm &g)
{
    hy_blas_product p;
    bool cublas;
    HY_CUDA_TRY(choose(device, name, dtype, g, &p, &cublas));
    if (cublas) {
        const hy_status status = run_cublas(device, name, dtype, g, p);
        if (status != HY_UNSUPPORTED) return status; /* or else this cuBLAS is older than the one that was measured */
    }
    return hy_gemm_run_own(device, name, dtype, g);
}
