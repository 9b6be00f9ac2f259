/* Devices, memory, transfers and errors. */
#include "cuda/runtime.cuh"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/cublas.cuh"
#include "cuda/slots.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

const hy_cuda_core *hy_cuda_host;

static const hy_cuda_flag NO_FAULT = ~(hy_cuda_flag)0;
static bool synchronous; /* HYBRID_CUDA_SYNC */

/* ---- errors ---- */

static const struct {
    const char *operation, *what;
} faults[HY_FAULT_COUNT] = {
    {"Gather", "the index"},           {"ScatterAdd", "the index"}, {"IndexSelect", "the index"},     {"IndexAdd", "the index"},
    {"OneHot", "the index"},           {"CrossEntropy", "the label"}, {"MaxPool2dBackward", "the index"},
};

/* Every time: code that is not Hybrid's may have made another device the thread's own. Where it is already, that is a comparison. */
void hy_cuda_use(hy_device *device) { cudaSetDevice(device->info.index); }

/* Whether an error is that of a kernel or copy which was asked for earlier: any call may return it, and all later ones do. */
static bool is_late(cudaError_t error)
{
    switch (error) {
    case cudaErrorECCUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure: return true;
    default: return false;
    }
}

hy_status hy_cuda_check(hy_device *device, const char *name, cudaError_t error)
{
    if (error == cudaSuccess) return HY_OK;
    cudaGetLastError(); /* a failed call leaves it behind for the next one */
    if (is_late(error))
        return hy_cuda_fail(HY_INTERNAL, "%s: CUDA device %d failed (%s: %s) in work that was asked before, the last of it %s%s; it is of no more use to this process",
                            name, device->info.index, cudaGetErrorName(error), cudaGetErrorString(error), hy_cuda(device)->last,
                            synchronous ? "" : "; HYBRID_CUDA_SYNC=1 finds the operation");
    if (error == cudaErrorMemoryAllocation) return hy_cuda_fail(HY_OUT_OF_MEMORY, "%s: CUDA device %d is out of memory", name, device->info.index);
    return hy_cuda_fail(HY_INTERNAL, "%s: CUDA device %d failed (%s: %s)", name, device->info.index, cudaGetErrorName(error), cudaGetErrorString(error));
}

hy_status hy_cuda_waited(hy_device *device, const char *name, cudaError_t error)
{
    hy_cuda_device *d = hy_cuda(device);
    HY_CUDA_TRY(hy_cuda_check(device, name, error));
    const hy_cuda_flag flag = *(volatile hy_cuda_flag *)d->flag;
    if (flag == NO_FAULT) return HY_OK;
    *(volatile hy_cuda_flag *)d->flag = NO_FAULT;
    const int fault = (int)(flag >> 56);
    return hy_cuda_fail(HY_OUT_OF_RANGE, "%s: %s at place %lld is out of range", faults[fault].operation, faults[fault].what,
                        (long long)(flag & (((hy_cuda_flag)1 << 56) - 1)));
}

hy_status hy_cuda_launched(hy_device *device, const char *name, cudaError_t error)
{
    HY_CUDA_TRY(hy_cuda_check(device, name, error));
    hy_cuda(device)->last = name;
    if (!synchronous || hy_cuda(device)->capturing) return HY_OK;
    return hy_cuda_waited(device, name, cudaStreamSynchronize(hy_cuda_stream(device)));
}

hy_status hy_cuda_may_wait(hy_device *device, const char *name)
{
    if (!hy_cuda(device)->capturing) return HY_OK;
    return hy_cuda_fail(HY_BAD_ARGUMENT, "%s: CUDA device %d is being captured into a graph, expected no reading from it or waiting for it until GraphEnd",
                        name, device->info.index);
}

/* ---- memory ---- */

static hy_status system_alloc(hy_device *device, int64_t bytes, void **data)
{
    hy_cuda_use(device);
    const cudaError_t error = cudaMalloc(data, (size_t)bytes);
    if (error == cudaSuccess) return HY_OK;
    cudaGetLastError();
    return HY_OUT_OF_MEMORY; /* the allocator says what was asked, live and cached */
}

/* cudaFree waits for the device, so whatever still uses the block is done. */
static void system_free(hy_device *device, void *data, int64_t bytes)
{
    hy_cuda_use(device);
    if (cudaFree(data) != cudaSuccess) cudaGetLastError();
}

static hy_status host_alloc(hy_device *device, int64_t bytes, void **data)
{
    hy_cuda_use(device);
    return hy_cuda_check(device, "HostAlloc", cudaHostAlloc(data, (size_t)bytes, cudaHostAllocPortable | cudaHostAllocMapped));
}

/* cudaFreeHost does not promise to wait for the copies that use the memory. */
static hy_status host_free(hy_device *device, void *data)
{
    HY_CUDA_TRY(hy_cuda_may_wait(device, "HostFree"));
    hy_cuda_use(device);
    HY_CUDA_TRY(hy_cuda_check(device, "HostFree", cudaDeviceSynchronize()));
    return hy_cuda_check(device, "HostFree", cudaFreeHost(data));
}

/* ---- waiting and transfers ---- */

static hy_status synchronize(hy_device *device)
{
    HY_CUDA_TRY(hy_cuda_may_wait(device, "Synchronize"));
    hy_cuda_use(device);
    return hy_cuda_waited(device, "Synchronize", cudaDeviceSynchronize());
}

static bool is_cuda(const hy_device *device) { return device && device->info.kind == HY_CUDA; }

/* From pageable memory CUDA copies to a buffer of its own before it returns; from pinned memory only when the stream comes to it. */
static hy_status transfer_host(hy_device *device, void *to, const void *from, int64_t bytes, bool to_host)
{
    HY_CUDA_TRY(hy_cuda_may_wait(device, "Transfer"));
    hy_cuda_use(device);
    const cudaStream_t stream = hy_cuda_stream(device);
    HY_CUDA_TRY(hy_cuda_check(device, "Transfer", cudaMemcpyAsync(to, from, (size_t)bytes, to_host ? cudaMemcpyDeviceToHost : cudaMemcpyHostToDevice, stream)));
    return hy_cuda_waited(device, "Transfer", cudaStreamSynchronize(stream));
}

/* The devices' events for one stream to wait for another: between recording and waiting, nobody else may record. */
static pthread_mutex_t order_lock = PTHREAD_MUTEX_INITIALIZER;

/* A stream that is gone has no work left to wait for; the errors of others show where they are waited for. */
void hy_cuda_stream_join(hy_device *device, hy_stream *stream)
{
    hy_cuda_use(device);
    const cudaEvent_t order = hy_cuda(device)->order;
    pthread_mutex_lock(&order_lock);
    if (cudaEventRecord(order, reinterpret_cast<cudaStream_t>(stream)) != cudaSuccess || cudaStreamWaitEvent(hy_cuda_stream(device), order, 0) != cudaSuccess)
        cudaGetLastError();
    pthread_mutex_unlock(&order_lock);
}

/* On the receiver's stream, between what the sender's stream holds so far and what comes to it next. */
static hy_status copy_between(hy_device *to_device, void *to, hy_device *from_device, const void *from, int64_t bytes)
{
    const int receiver = to_device->info.index, sender = from_device->info.index;
    hy_cuda_device *r = hy_cuda(to_device), *s = hy_cuda(from_device);
    hy_cuda_use(from_device);
    HY_CUDA_TRY(hy_cuda_check(from_device, "Transfer", cudaEventRecord(s->order, hy_cuda_stream(from_device))));
    hy_cuda_use(to_device);
    HY_CUDA_TRY(hy_cuda_check(to_device, "Transfer", cudaStreamWaitEvent(hy_cuda_stream(to_device), s->order, 0)));
    HY_CUDA_TRY(hy_cuda_launched(to_device, "Transfer", cudaMemcpyPeerAsync(to, receiver, from, sender, (size_t)bytes, hy_cuda_stream(to_device))));
    HY_CUDA_TRY(hy_cuda_check(to_device, "Transfer", cudaEventRecord(r->order, hy_cuda_stream(to_device))));
    hy_cuda_use(from_device);
    return hy_cuda_check(from_device, "Transfer", cudaStreamWaitEvent(hy_cuda_stream(from_device), r->order, 0));
}

static hy_status transfer_peer(hy_device *to_device, void *to, hy_device *from_device, const void *from, int64_t bytes)
{
    HY_CUDA_TRY(hy_cuda_may_wait(to_device, "Transfer"));
    HY_CUDA_TRY(hy_cuda_may_wait(from_device, "Transfer"));
    pthread_mutex_lock(&order_lock);
    const hy_status status = copy_between(to_device, to, from_device, from, bytes);
    pthread_mutex_unlock(&order_lock);
    return status;
}

static hy_status transfer(hy_device *to_device, void *to, hy_device *from_device, const void *from, int64_t bytes)
{
    if (!is_cuda(to_device)) return transfer_host(from_device, to, from, bytes, true);
    if (!is_cuda(from_device)) return transfer_host(to_device, to, from, bytes, false);
    if (to_device != from_device) return transfer_peer(to_device, to, from_device, from, bytes);
    hy_cuda_use(to_device);
    return hy_cuda_launched(to_device, "Transfer", cudaMemcpyAsync(to, from, (size_t)bytes, cudaMemcpyDeviceToDevice, hy_cuda_stream(to_device)));
}

static hy_status transfer_async(hy_device *device, void *to, const void *from, int64_t bytes, int32_t to_host)
{
    hy_cuda_use(device);
    const cudaMemcpyKind kind = to_host ? cudaMemcpyDeviceToHost : cudaMemcpyHostToDevice;
    return hy_cuda_launched(device, "TransferAsync", cudaMemcpyAsync(to, from, (size_t)bytes, kind, hy_cuda_stream(device)));
}

/* ---- devices ---- */

enum { MAX_DEVICES = 64, LEAST_CAPABILITY = 75 };

static int device_count;

EXPORT hy_status hy_cuda_open(const hy_cuda_core *core, int32_t *count)
{
    if (core->abi_version != HY_ABI_VERSION || core->backend_bytes != (int64_t)sizeof(hy_backend))
        return core->fail(HY_BAD_DEVICE, "it was built for another version of the core (ABI %d, expected %d)", HY_ABI_VERSION, core->abi_version);
    hy_cuda_host = core;
    const char *sync = getenv("HYBRID_CUDA_SYNC");
    synchronous = sync && strcmp(sync, "1") == 0;
    const cudaError_t error = cudaGetDeviceCount(&device_count);
    if (error == cudaErrorInsufficientDriver)
        return core->fail(HY_BAD_DEVICE, "the NVIDIA driver is missing or too old: install the newest for this GPU, on Debian and Ubuntu the package "
                                         "nvidia-driver, elsewhere from nvidia.com/drivers (nvidia-smi shows what is there)");
    if (error == cudaErrorNoDevice || (error == cudaSuccess && device_count == 0)) return core->fail(HY_BAD_DEVICE, "the driver finds no NVIDIA GPU");
    if (error != cudaSuccess) return core->fail(HY_BAD_DEVICE, "the driver fails (%s: %s)", cudaGetErrorName(error), cudaGetErrorString(error));
    if (device_count > MAX_DEVICES) device_count = MAX_DEVICES;
    *count = device_count;
    return HY_OK;
}

static void describe(hy_cuda_device *d, const cudaDeviceProp &p, int index)
{
    hy_device_info *info = &d->device.info;
    info->kind = HY_CUDA;
    info->index = index;
    info->cores = p.multiProcessorCount;
    info->memory_bytes = (int64_t)p.totalGlobalMem;
    snprintf(info->name, sizeof info->name, "%.63s", p.name);
    snprintf(info->isa, sizeof info->isa, "sm_%d%d", p.major, p.minor);
    snprintf(info->blas, sizeof info->blas, "%s", hy_cublas_is_allowed() ? "cuBLAS where it is found" : "none");
    d->capability = 10 * p.major + p.minor;
    d->multiprocessors = p.multiProcessorCount;
    d->shared_bytes = (int64_t)p.sharedMemPerBlockOptin;
}

/* Lets a device and those that were started before it read one another's memory where the machine can: peer copies then do not go through the host. Only
 * those, because access to a device costs memory on it. */
static void enable_peers(int index)
{
    static bool started[MAX_DEVICES]; /* the core starts one device at a time */
    started[index] = true;
    for (int peer = 0; peer < device_count; peer++) {
        if (peer == index || !started[peer]) continue;
        for (int way = 0; way < 2; way++) {
            const int from = way ? peer : index, to = way ? index : peer;
            int can = 0;
            if (cudaDeviceCanAccessPeer(&can, from, to) != cudaSuccess || !can) continue;
            cudaSetDevice(from);
            cudaDeviceEnablePeerAccess(to, 0);
        }
    }
    cudaGetLastError(); /* "enabled already", say */
}

EXPORT hy_status hy_cuda_start(int32_t index, hy_device **device)
{
    hy_cuda_device *d = (hy_cuda_device *)calloc(1, sizeof *d);
    if (!d) return hy_cuda_fail(HY_OUT_OF_MEMORY, "DeviceGet: no memory for a device");
    hy_device *base = &d->device;
    base->info.index = index;
    cudaDeviceProp properties;
    d->last = "DeviceGet";
    hy_status status = hy_cuda_check(base, "DeviceGet", cudaGetDeviceProperties(&properties, index));
    if (status == HY_OK) {
        describe(d, properties, index);
        if (d->capability < LEAST_CAPABILITY)
            status = hy_cuda_fail(HY_BAD_DEVICE, "DeviceGet: CUDA device %d, %s, has compute capability %d.%d, expected %d.%d or newer", index, base->info.name,
                                  properties.major, properties.minor, LEAST_CAPABILITY / 10, LEAST_CAPABILITY % 10);
    }
    if (status == HY_OK) {
        hy_cuda_use(base);
        status = hy_cuda_check(base, "DeviceGet", cudaStreamCreateWithFlags(&d->own, cudaStreamNonBlocking));
    }
    if (status == HY_OK) status = hy_cuda_check(base, "DeviceGet", cudaEventCreateWithFlags(&d->order, cudaEventDisableTiming));
    if (status == HY_OK)
        status = hy_cuda_check(base, "DeviceGet", cudaHostAlloc((void **)&d->flag, sizeof *d->flag, cudaHostAllocPortable | cudaHostAllocMapped));
    if (status != HY_OK) {
        free(d);
        return status;
    }
    *d->flag = NO_FAULT;
    base->stream = reinterpret_cast<hy_stream *>(d->own);
    enable_peers(index);
    hy_backend *b = &base->backend;
    b->system_alloc = system_alloc;
    b->system_free = system_free;
    b->synchronize = synchronize;
    b->transfer = transfer;
    b->transfer_async = transfer_async;
    b->host_alloc = host_alloc;
    b->host_free = host_free;
#define HY_CUDA_SLOTS(name) hy_cuda_fill_##name(b);
#include "cuda/slots.h"
    *device = base;
    return HY_OK;
}
