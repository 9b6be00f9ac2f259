/*
 * runtime.cuh: what a kernel file needs besides its kernels: the device, launching, memory of its own, and the flag by which a kernel reports
 * what only the data shows.
 */
#ifndef HY_CUDA_RUNTIME_CUH
#define HY_CUDA_RUNTIME_CUH

#include <cuda_runtime.h>

#include "cuda/plugin.h"
#include "cuda/ptx.cuh"

extern "C" {
#include "core/tensor.h"
}

/** Returns from the calling function unless a step succeeds. */
#define HY_CUDA_TRY(step)                     \
    do {                                      \
        hy_status status_ = (step);           \
        if (status_ != HY_OK) return status_; \
    } while (0)

/** What a kernel may find wrong in the data. The first one, by this order and then by place, is what is told. */
enum hy_cuda_fault {
    HY_FAULT_gather,
    HY_FAULT_scatter_add,
    HY_FAULT_index_select,
    HY_FAULT_index_add,
    HY_FAULT_one_hot,
    HY_FAULT_cross_entropy,
    HY_FAULT_max_pool2d_backward,
    HY_FAULT_COUNT
};

typedef unsigned long long hy_cuda_flag; /* fault << 56 | place; all ones where nothing is wrong */

/** A GPU. */
struct hy_cuda_device {
    hy_device device; /* first, so that a pointer to one is a pointer to the other */
    cudaStream_t own;
    cudaEvent_t order;     /* for one stream to wait for another; behind a lock */
    hy_cuda_flag *flag;    /* in pinned memory, where the host reads it */
    const char *last;      /* the operation that was launched last */
    bool capturing;
    const uint64_t *draws; /* while capturing: hy_graph_begin's */
    int capability;        /* 80 for sm_80 */
    int multiprocessors;
    int64_t shared_bytes;  /* that a block may ask for */
    void *blas;            /* cublas.cu's handle; NULL before it is asked for, and where there is none */
    bool blas_tried;
};

static inline hy_cuda_device *hy_cuda(hy_device *device) { return reinterpret_cast<hy_cuda_device *>(device); }
static inline cudaStream_t hy_cuda_stream(hy_device *device) { return reinterpret_cast<cudaStream_t>(device->stream); }

extern const hy_cuda_core *hy_cuda_host;

/** Fails with a sentence, through the core. */
#define hy_cuda_fail(...) hy_cuda_host->fail(__VA_ARGS__)

/** Makes the device the calling thread's. */
void hy_cuda_use(hy_device *device);

/** HY_OK, or `error` as a status whose message begins with the operation's name and says so where the error is an earlier one's. */
hy_status hy_cuda_check(hy_device *device, const char *name, cudaError_t error);

/** After a launch: its error, and with HYBRID_CUDA_SYNC=1 that of its work. */
hy_status hy_cuda_launched(hy_device *device, const char *name, cudaError_t error);

/** After waiting: the device's error, or what a kernel reported. */
hy_status hy_cuda_waited(hy_device *device, const char *name, cudaError_t error);

/** Refuses while a graph is recorded: nothing may wait then, it would end the recording. */
hy_status hy_cuda_may_wait(hy_device *device, const char *name);

/** The current stream waits for what `stream` holds. */
void hy_cuda_stream_join(hy_device *device, hy_stream *stream);

template <typename T>
struct hy_identity {
    typedef T type;
};

/** Launches a kernel on the device's current stream: every launch goes through here. `name` is the operation's, as users know it. */
template <typename... P>
hy_status hy_cuda_launch(hy_device *device, const char *name, dim3 grid, dim3 block, size_t shared, void (*kernel)(P...),
                         typename hy_identity<P>::type... arguments)
{
    hy_cuda_use(device);
    void *pointers[] = {(void *)&arguments..., nullptr};
    if (shared > (48u << 10)) HY_CUDA_TRY(hy_cuda_check(device, name, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared)));
    return hy_cuda_launched(device, name, hy_launch_kernel(kernel, grid, block, pointers, shared, hy_cuda_stream(device)));
}

static inline int64_t hy_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/** Device memory for the length of a call: give it back with hy_cuda_release once the last kernel that uses it is launched. */
static inline hy_status hy_cuda_scratch(hy_device *device, int64_t bytes, void **data) { return hy_cuda_host->alloc(device, bytes, data); }
static inline void hy_cuda_release(hy_device *device, void *data) { hy_cuda_host->free(device, data); }

/** For kernels: reports a fault at a place. */
static __device__ __forceinline__ void hy_cuda_report(hy_cuda_flag *flag, hy_cuda_fault fault, unsigned long long place)
{
    atomicMin(flag, (hy_cuda_flag)fault << 56 | place);
}

#endif
