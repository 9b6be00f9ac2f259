/* Streams, events and graphs: CUDA's own, under the ABI's names. */
#include "cuda/runtime.cuh"

#include <stdlib.h>

#include "cuda/slots.h"

static cudaStream_t stream_of(hy_stream *stream) { return reinterpret_cast<cudaStream_t>(stream); }
static cudaEvent_t event_of(hy_event *event) { return reinterpret_cast<cudaEvent_t>(event); }

static hy_status stream_create(hy_device *device, hy_stream **stream)
{
    hy_cuda_use(device);
    return hy_cuda_check(device, "StreamCreate", cudaStreamCreateWithFlags(reinterpret_cast<cudaStream_t *>(stream), cudaStreamNonBlocking));
}

static hy_status stream_destroy(hy_device *device, hy_stream *stream)
{
    hy_cuda_use(device);
    if (stream_of(stream) == hy_cuda(device)->own) return hy_cuda_fail(HY_BAD_ARGUMENT, "StreamDestroy: the stream is the device's own");
    HY_CUDA_TRY(hy_cuda_may_wait(device, "StreamDestroy"));
    HY_CUDA_TRY(hy_cuda_check(device, "StreamDestroy", cudaStreamSynchronize(stream_of(stream)))); /* what kernels reported is for those who wait */
    return hy_cuda_check(device, "StreamDestroy", cudaStreamDestroy(stream_of(stream)));
}

static hy_status stream_set(hy_device *device, hy_stream *stream)
{
    if (hy_cuda(device)->capturing) return hy_cuda_fail(HY_BAD_ARGUMENT, "StreamSet: CUDA device %d is being captured into a graph", device->info.index);
    device->stream = stream ? stream : reinterpret_cast<hy_stream *>(hy_cuda(device)->own);
    return HY_OK;
}

static hy_status event_create(hy_device *device, int32_t timing, hy_event **event)
{
    hy_cuda_use(device);
    return hy_cuda_check(device, "EventCreate", cudaEventCreateWithFlags(reinterpret_cast<cudaEvent_t *>(event), timing ? 0 : cudaEventDisableTiming));
}

static hy_status event_destroy(hy_device *device, hy_event *event)
{
    hy_cuda_use(device);
    return hy_cuda_check(device, "EventDestroy", cudaEventDestroy(event_of(event)));
}

static hy_status event_record(hy_device *device, hy_event *event)
{
    hy_cuda_use(device);
    return hy_cuda_check(device, "EventRecord", cudaEventRecord(event_of(event), hy_cuda_stream(device)));
}

static hy_status event_wait(hy_device *device, hy_event *event)
{
    hy_cuda_use(device);
    return hy_cuda_check(device, "EventWait", cudaStreamWaitEvent(hy_cuda_stream(device), event_of(event), 0));
}

static hy_status event_synchronize(hy_device *device, hy_event *event)
{
    hy_cuda_use(device);
    return hy_cuda_waited(device, "EventSynchronize", cudaEventSynchronize(event_of(event)));
}

static hy_status event_elapsed(hy_device *device, hy_event *start, hy_event *end, double *milliseconds)
{
    hy_cuda_use(device);
    HY_CUDA_TRY(hy_cuda_waited(device, "EventElapsed", cudaEventSynchronize(event_of(end))));
    float elapsed = 0;
    HY_CUDA_TRY(hy_cuda_check(device, "EventElapsed", cudaEventElapsedTime(&elapsed, event_of(start), event_of(end))));
    *milliseconds = elapsed;
    return HY_OK;
}

/* Relaxed: the allocator may ask the driver for memory meanwhile, which is no part of the graph. */
static hy_status graph_begin(hy_device *device, const uint64_t *draws)
{
    hy_cuda_use(device);
    HY_CUDA_TRY(hy_cuda_check(device, "GraphBegin", cudaStreamBeginCapture(hy_cuda_stream(device), cudaStreamCaptureModeRelaxed)));
    hy_cuda(device)->capturing = true;
    hy_cuda(device)->draws = draws;
    return HY_OK;
}

/* What a graph is to the core. Its memory is that of the stream it was recorded on, where earlier work may still use it. */
struct recorded {
    cudaGraphExec_t executable;
    cudaEvent_t before; /* behind that work */
};

static hy_status graph_end(hy_device *device, void **graph)
{
    hy_cuda_use(device);
    hy_cuda(device)->capturing = false;
    hy_cuda(device)->draws = nullptr;
    cudaGraph_t steps = nullptr;
    recorded r = {nullptr, nullptr};
    cudaError_t error = cudaStreamEndCapture(hy_cuda_stream(device), &steps);
    if (error == cudaSuccess) error = cudaGraphInstantiateWithFlags(&r.executable, steps, 0);
    if (error == cudaSuccess) error = cudaEventCreateWithFlags(&r.before, cudaEventDisableTiming);
    if (error == cudaSuccess) error = cudaEventRecord(r.before, hy_cuda_stream(device));
    recorded *kept = error == cudaSuccess ? static_cast<recorded *>(malloc(sizeof *kept)) : nullptr;
    if (steps) cudaGraphDestroy(steps);
    if (kept) {
        *kept = r;
        *graph = kept;
        return HY_OK;
    }
    if (r.executable) cudaGraphExecDestroy(r.executable);
    if (r.before) cudaEventDestroy(r.before);
    return error == cudaSuccess ? hy_cuda_fail(HY_OUT_OF_MEMORY, "GraphEnd: no memory for the graph") : hy_cuda_check(device, "GraphEnd", error);
}

static hy_status graph_launch(hy_device *device, void *graph)
{
    const recorded *r = static_cast<const recorded *>(graph);
    if (hy_cuda(device)->capturing) return hy_cuda_fail(HY_BAD_ARGUMENT, "GraphLaunch: CUDA device %d is being captured into a graph itself", device->info.index);
    hy_cuda_use(device);
    HY_CUDA_TRY(hy_cuda_check(device, "GraphLaunch", cudaStreamWaitEvent(hy_cuda_stream(device), r->before, 0)));
    return hy_cuda_launched(device, "GraphLaunch", cudaGraphLaunch(r->executable, hy_cuda_stream(device)));
}

/* Waits for the whole device: the graph may have been launched on any stream, and its memory is about to be anybody's. */
static hy_status graph_destroy(hy_device *device, void *graph)
{
    recorded *r = static_cast<recorded *>(graph);
    HY_CUDA_TRY(hy_cuda_may_wait(device, "GraphDestroy"));
    hy_cuda_use(device);
    HY_CUDA_TRY(hy_cuda_check(device, "GraphDestroy", cudaDeviceSynchronize()));
    cudaEventDestroy(r->before);
    const cudaError_t error = cudaGraphExecDestroy(r->executable);
    free(r);
    return hy_cuda_check(device, "GraphDestroy", error);
}

void hy_cuda_fill_streams(hy_backend *backend)
{
    backend->stream_create = stream_create;
    backend->stream_destroy = stream_destroy;
    backend->stream_set = stream_set;
    backend->stream_join = hy_cuda_stream_join;
    backend->event_create = event_create;
    backend->event_destroy = event_destroy;
    backend->event_record = event_record;
    backend->event_wait = event_wait;
    backend->event_synchronize = event_synchronize;
    backend->event_elapsed = event_elapsed;
    backend->graph_begin = graph_begin;
    backend->graph_end = graph_end;
    backend->graph_launch = graph_launch;
    backend->graph_destroy = graph_destroy;
}
