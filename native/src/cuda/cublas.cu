#include "cuda/cublas.cuh"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From cublas_api.h and library_types.h, where these are the same in 11, 12 and 13. */
typedef struct cublas_context *cublas_handle;
enum { CUBLAS_SUCCESS = 0, CUBLAS_ARCH_MISMATCH = 8, CUBLAS_NOT_SUPPORTED = 15 };
enum { CUBLAS_DEFAULT_ALGORITHM = -1, CUBLAS_NO_REDUCED_PRECISION_SUMS = 16 };
enum { CUBLAS_IN_FLOAT32 = 68, CUBLAS_IN_TF32 = 77, CUBLAS_IN_FLOAT64 = 70 };
enum { CUDA_FLOAT32 = 0, CUDA_FLOAT64 = 1, CUDA_FLOAT16 = 2, CUDA_BFLOAT16 = 14 };

#ifndef HY_CUBLAS_NAMES /* the emulator has none of its own accord */
#define HY_CUBLAS_NAMES "libcublas.so.13", "libcublas.so.12", "libcublas.so.11",
#endif
static const char *const names[] = {HY_CUBLAS_NAMES nullptr};

static struct {
    bool loaded;
    int (*create)(cublas_handle *handle);
    int (*destroy)(cublas_handle handle);
    int (*set_stream)(cublas_handle handle, cudaStream_t stream);
    int (*set_workspace)(cublas_handle handle, void *data, size_t bytes);
    int (*set_math_mode)(cublas_handle handle, int mode);
    int (*multiply)(cublas_handle handle, int a_transposed, int b_transposed, int m, int n, int k, const void *alpha, const void *a, int a_type,
                    int a_pitch, long long a_step, const void *b, int b_type, int b_pitch, long long b_step, const void *beta, void *c, int c_type,
                    int c_pitch, long long c_step, int count, int sum_type, int algorithm);
} blas;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of `blas`, and of every handle from its stream to its launch */

/* ---- loading ---- */

static int create(cublas_handle *handle)
{
    int error = blas.create(handle);
    if (error != CUBLAS_SUCCESS) return error;
    error = blas.set_math_mode(*handle, CUBLAS_NO_REDUCED_PRECISION_SUMS);
    if (error != CUBLAS_SUCCESS) blas.destroy(*handle);
    return error;
}

template <typename F>
static bool find(void *library, const char *name, F **function)
{
    *function = reinterpret_cast<F *>(dlsym(library, name));
    return *function != nullptr;
}

/* A library may be there and yet refuse, because the driver is older than it. It stays loaded: closing it is not known to be safe. */
static bool try_file(const char *file, cublas_handle *handle, char (&why)[256])
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(why, sizeof why, "%s", dlerror());
        return false;
    }
    if (!find(library, "cublasCreate_v2", &blas.create) || !find(library, "cublasDestroy_v2", &blas.destroy)
        || !find(library, "cublasSetStream_v2", &blas.set_stream) || !find(library, "cublasSetWorkspace_v2", &blas.set_workspace)
        || !find(library, "cublasSetMathMode", &blas.set_math_mode) || !find(library, "cublasGemmStridedBatchedEx", &blas.multiply)) {
        snprintf(why, sizeof why, "it lacks functions of cuBLAS 11 and later");
        return false;
    }
    const int error = create(handle);
    if (error != CUBLAS_SUCCESS) snprintf(why, sizeof why, "its cublasCreate returns %d", error);
    return error == CUBLAS_SUCCESS;
}

/* The lock is held. The first handle says which library it is; other devices' come from the same one. */
static hy_status make_handle(hy_device *device, const char *name, const char *named)
{
    hy_cuda_device *d = hy_cuda(device);
    cublas_handle handle = nullptr;
    char why[256];
    hy_cuda_use(device);
    if (blas.loaded) {
        if (!d->blas_tried && create(&handle) != CUBLAS_SUCCESS) handle = nullptr;
    } else if (named) {
        if (!try_file(named, &handle, why))
            return hy_cuda_fail(HY_BAD_ARGUMENT, "%s: HYBRID_CUBLAS names %s, expected a cuBLAS that works here, or 0 for none (%s)", name, named, why);
    } else {
        for (int i = 0; names[i] && !d->blas_tried && !blas.loaded; i++) blas.loaded = try_file(names[i], &handle, why);
        if (!blas.loaded) handle = nullptr;
    }
    d->blas_tried = true;
    d->blas = handle;
    if (handle) blas.loaded = true;
    cudaGetLastError();
    return HY_OK;
}

bool hy_cublas_is_allowed(void)
{
    const char *named = getenv("HYBRID_CUBLAS");
    return !named || strcmp(named, "0") != 0;
}

hy_status hy_cublas_find(hy_device *device, const char *name, bool *found)
{
    const char *named = getenv("HYBRID_CUBLAS");
    hy_status status = HY_OK;
    *found = false;
    if (!hy_cublas_is_allowed()) return HY_OK;
    pthread_mutex_lock(&lock);
    if (!hy_cuda(device)->blas && !hy_cuda(device)->capturing) /* making a handle waits for the device, which would end the recording */
        status = make_handle(device, name, named && *named ? named : nullptr);
    *found = hy_cuda(device)->blas != nullptr;
    pthread_mutex_unlock(&lock);
    return status;
}

/* ---- products ---- */

/* Whether elements follow one another along `inner`, and lines of them evenly along `outer`. */
static bool is_matrix(const hy_gemm_axis &inner, const hy_gemm_axis &outer, int *pitch)
{
    if (inner.digits != 1 || outer.digits != 1 || inner.stride[0] != 1) return false;
    const int64_t p = outer.extent == 1 ? inner.extent : outer.stride[0];
    *pitch = (int)p;
    return p >= inner.extent && p <= INT32_MAX;
}

/* Matrix `index` of the walk, whose first element is `origin` elements behind its data. */
static bool place(const hy_walk<4> &batch, int index, int64_t size, int64_t origin, hy_blas_operand *o)
{
    o->data = batch.data[index] + origin * size;
    o->step = batch.count == 1 ? 0 : batch.strides[index][0] / size;
    return batch.ndim == 1;
}

/* a or b. Column-major, the first factor's columns and the second's rows lie along k. */
static bool describe_operand(const hy_gemm_operand &o, const hy_walk<4> &batch, int index, int64_t size, bool first, hy_blas_operand *to, bool *along_k)
{
    *along_k = is_matrix(o.depth, o.outer, &to->pitch);
    if (!*along_k && !is_matrix(o.outer, o.depth, &to->pitch)) return false;
    to->transposed = *along_k == first;
    return o.rows == 1 && o.columns == 1 && place(batch, index, size, o.outer.origin + o.depth.origin, to);
}

bool hy_blas_describe(const hy_gemm &g, int32_t dtype, hy_blas_product *p, hy_product *shape)
{
    const int64_t size = hy_dtype_size(dtype);
    *p = {};
    p->dtype = dtype;
    p->tf32 = g.tf32 && dtype == HY_FLOAT32;
    const bool by_rows = is_matrix(g.y_column, g.y_row, &p->c.pitch), by_columns = !by_rows && is_matrix(g.y_row, g.y_column, &p->c.pitch);
    p->sums = g.batch.data[3] || g.activation != HY_NO_ACTIVATION || (!by_rows && !by_columns);
    if (p->sums) {
        p->c.pitch = (int)g.n;
        p->c.step = (int64_t)g.m * g.n;
    } else if (!place(g.batch, 0, size, g.y_row.origin + g.y_column.origin, &p->c)) return false;
    const bool swapped = p->sums || by_rows; /* a row-major y is the column-major product of b and a */
    bool a_along_k, b_along_k;
    if (!describe_operand(g.a, g.batch, 1, size, !swapped, swapped ? &p->b : &p->a, &a_along_k)) return false;
    if (!describe_operand(g.b, g.batch, 2, size, swapped, swapped ? &p->a : &p->b, &b_along_k)) return false;
    p->m = (int)(swapped ? g.n : g.m);
    p->n = (int)(swapped ? g.m : g.n);
    p->k = (int)g.k;
    p->count = (int)g.batch.count;
    *shape = {dtype, g.batch.count, g.m, g.n, g.k, !a_along_k, b_along_k, !swapped, p->sums, p->tf32};
    return true;
}

static int type_of(int32_t dtype)
{
    return dtype == HY_FLOAT64 ? CUDA_FLOAT64 : dtype == HY_FLOAT16 ? CUDA_FLOAT16 : dtype == HY_BFLOAT16 ? CUDA_BFLOAT16 : CUDA_FLOAT32;
}

hy_status hy_cublas_run(hy_device *device, const char *name, const hy_blas_product &p)
{
    static const float float_numbers[] = {1, 0};
    static const double double_numbers[] = {1, 0};
    const bool wide = p.dtype == HY_FLOAT64;
    const void *one = wide ? (const void *)&double_numbers[0] : &float_numbers[0], *zero = wide ? (const void *)&double_numbers[1] : &float_numbers[1];
    const int type = type_of(p.dtype), sum_type = wide ? CUDA_FLOAT64 : CUDA_FLOAT32;
    const int64_t bytes = (int64_t)(hy_cuda(device)->capability >= 90 ? 32 : 4) << 20; /* cuBLAS's own defaults */
    void *workspace;
    HY_CUDA_TRY(hy_cuda_scratch(device, bytes, &workspace));
    hy_cuda_use(device);
    pthread_mutex_lock(&lock);
    const cublas_handle handle = static_cast<cublas_handle>(hy_cuda(device)->blas);
    int error = blas.set_stream(handle, hy_cuda_stream(device)); /* takes the workspace away */
    if (error == CUBLAS_SUCCESS) error = blas.set_workspace(handle, workspace, (size_t)bytes);
    if (error == CUBLAS_SUCCESS)
        error = blas.multiply(handle, p.a.transposed, p.b.transposed, p.m, p.n, p.k, one, p.a.data, type, p.a.pitch, p.a.step, p.b.data, type, p.b.pitch,
                              p.b.step, zero, p.c.data, p.sums ? sum_type : type, p.c.pitch, p.c.step, p.count,
                              wide ? CUBLAS_IN_FLOAT64 : p.tf32 ? CUBLAS_IN_TF32 : CUBLAS_IN_FLOAT32, CUBLAS_DEFAULT_ALGORITHM);
    pthread_mutex_unlock(&lock);
    hy_cuda_release(device, workspace);
    if (error == CUBLAS_NOT_SUPPORTED || error == CUBLAS_ARCH_MISMATCH) return HY_UNSUPPORTED;
    if (error != CUBLAS_SUCCESS) return hy_cuda_fail(HY_INTERNAL, "%s: cuBLAS fails on CUDA device %d (status %d)", name, device->info.index, error);
    return hy_cuda_launched(device, name, cudaSuccess);
}
