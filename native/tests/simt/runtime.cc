// The runtime's fake: three devices in host memory. A stream is a queue of work that runs when somebody waits for it.
#include <chrono>
#include <deque>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "cuda_runtime.h"

using Work = std::function<void()>;

struct simt_graph {
    std::vector<Work> work;
};
struct simt_stream {
    std::deque<Work> queue;
    size_t done = 0; // pieces of work that have left the queue
    simt_graph *capture = nullptr;
};
struct simt_event {
    simt_stream *stream = nullptr;
    size_t position = 0;
    std::shared_ptr<double> time; // when the stream came to it
};

namespace {

constexpr int max_threads = 1024, default_dynamic = 48 << 10;
constexpr struct {
    int capability, most_dynamic;
} devices[] = {{86, 99 << 10}, {75, 64 << 10}, {90, 227 << 10}}; // of each generation
thread_local int current = 0;
constexpr size_t memory = (size_t)1 << 30;

std::recursive_mutex lock;
std::vector<simt_stream *> &streams = *new std::vector<simt_stream *>; // never destroyed: streams outlive the tests that made them
std::map<const void *, size_t> device_blocks, host_blocks;
std::map<const void *, int> dynamic_limits;
size_t allocated = 0;
cudaError_t last = cudaSuccess, sticky = cudaSuccess; // a fault of a kernel stays, as on a card
std::string fault;
cudaError_t planned = cudaSuccess; // the next launch's fault, if a test asks for one

cudaError_t failed(cudaError_t e)
{
    if (sticky != cudaSuccess) e = sticky;
    if (e != cudaSuccess) last = e;
    return e;
}

void run_until(simt_stream *s, size_t position)
{
    while (s->done < position) {
        const Work work = std::move(s->queue.front());
        s->queue.pop_front();
        s->done++;
        work();
    }
}

cudaError_t drain(simt_stream *s)
{
    if (s->capture) return failed(cudaErrorStreamCaptureUnsupported);
    run_until(s, s->done + s->queue.size());
    return failed(cudaSuccess);
}

cudaError_t enqueue(simt_stream *s, Work work)
{
    if (!s) return failed(cudaErrorInvalidValue); // the default stream is not used here
    if (s->capture) s->capture->work.push_back(std::move(work));
    else s->queue.push_back(std::move(work));
    return failed(cudaSuccess);
}

bool is_within(const std::map<const void *, size_t> &blocks, const void *p)
{
    auto b = blocks.upper_bound(p);
    return b != blocks.begin() && (--b, (const char *)p < (const char *)b->first + b->second);
}

double now()
{
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace

#define LOCKED std::lock_guard<std::recursive_mutex> guard(lock)

cudaError_t cudaGetDeviceCount(int *count)
{
    LOCKED;
    *count = (int)std::size(devices);
    return planned;
}
cudaError_t cudaSetDevice(int device)
{
    if (device < 0 || device >= (int)std::size(devices)) return failed(cudaErrorInvalidDevice);
    current = device;
    return failed(cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device)
{
    *p = {};
    snprintf(p->name, sizeof p->name, "emulated GPU");
    p->totalGlobalMem = memory;
    p->sharedMemPerBlockOptin = devices[device].most_dynamic;
    p->multiProcessorCount = 2;
    p->major = devices[device].capability / 10, p->minor = devices[device].capability % 10;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **data, size_t bytes)
{
    LOCKED;
    if (allocated + bytes > memory) return failed(cudaErrorMemoryAllocation);
    *data = aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!*data) return failed(cudaErrorMemoryAllocation);
    memset(*data, 0xFF, bytes); // NaN: what is read before it is written shows
    device_blocks[*data] = bytes;
    allocated += bytes;
    return failed(cudaSuccess);
}

cudaError_t cudaFree(void *data)
{
    LOCKED;
    if (!data) return cudaSuccess;
    cudaDeviceSynchronize();
    auto b = device_blocks.find(data);
    if (b == device_blocks.end()) return failed(cudaErrorInvalidValue);
    allocated -= b->second;
    device_blocks.erase(b);
    free(data);
    return failed(cudaSuccess);
}

cudaError_t cudaHostAlloc(void **data, size_t bytes, unsigned)
{
    LOCKED;
    *data = aligned_alloc(256, (bytes + 255) / 256 * 256);
    host_blocks[*data] = bytes;
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *data)
{
    LOCKED;
    cudaDeviceSynchronize();
    if (!host_blocks.erase(data)) return failed(cudaErrorInvalidValue);
    free(data);
    return cudaSuccess;
}

cudaError_t cudaHostGetDevicePointer(void **device, void *host, unsigned) { return *device = host, cudaSuccess; }

/// Tensors of tests lie in memory that cudaMalloc did not give: so `kind` is believed.
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
    LOCKED;
    const bool from_pageable = kind == cudaMemcpyHostToDevice && !is_within(host_blocks, from);
    const bool to_pageable = kind == cudaMemcpyDeviceToHost && !is_within(host_blocks, to);
    if (from_pageable) {
        std::vector<char> staged((const char *)from, (const char *)from + bytes);
        return enqueue(stream, [=] { memcpy(to, staged.data(), bytes); });
    }
    cudaError_t e = enqueue(stream, [=] { memcpy(to, from, bytes); });
    return to_pageable && !stream->capture ? drain(stream) : e;
}

cudaError_t cudaMemcpyPeerAsync(void *to, int, const void *from, int, size_t bytes, cudaStream_t stream)
{
    LOCKED;
    return enqueue(stream, [=] { memcpy(to, from, bytes); });
}

cudaError_t cudaMemsetAsync(void *data, int value, size_t bytes, cudaStream_t stream)
{
    LOCKED;
    return enqueue(stream, [=] { memset(data, value, bytes); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned)
{
    LOCKED;
    streams.push_back(*stream = new simt_stream);
    return failed(cudaSuccess);
}

/// The struct stays: an event may still name it.
cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    LOCKED;
    return drain(stream);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    LOCKED;
    return drain(stream);
}

cudaError_t cudaDeviceSynchronize()
{
    LOCKED;
    for (simt_stream *s : streams)
        if (!s->capture) drain(s);
    return failed(cudaSuccess);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) { return *event = new simt_event, cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    LOCKED;
    if (stream->capture) return failed(cudaErrorStreamCaptureUnsupported); // allowed on a card; not used here
    event->stream = stream;
    event->time = std::make_shared<double>();
    const cudaError_t e = enqueue(stream, [time = event->time] { *time = now(); }); // the event itself may be gone by then
    event->position = stream->done + stream->queue.size();
    return e;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    LOCKED;
    simt_stream *other = event->stream;
    const size_t position = event->position;
    if (!other) return failed(cudaSuccess);
    if (stream->capture && !other->capture) return failed(cudaErrorStreamCaptureUnsupported);
    return enqueue(stream, [=] { run_until(other, position); });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    LOCKED;
    if (event->stream) run_until(event->stream, event->position);
    return failed(cudaSuccess);
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end)
{
    LOCKED;
    if (!start->stream || !end->stream) return failed(cudaErrorInvalidValue);
    cudaEventSynchronize(start);
    cudaEventSynchronize(end);
    *milliseconds = (float)(*end->time - *start->time);
    return failed(cudaSuccess);
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode)
{
    LOCKED;
    if (stream->capture) return failed(cudaErrorStreamCaptureUnsupported);
    stream->capture = new simt_graph;
    return failed(cudaSuccess);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    LOCKED;
    if (!stream->capture) return failed(cudaErrorInvalidValue);
    *graph = stream->capture;
    stream->capture = nullptr;
    return failed(cudaSuccess);
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    return *exec = new simt_graph(*graph), cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    LOCKED;
    return enqueue(stream, [=] {
        for (const Work &w : exec->work) w();
    });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    cudaDeviceSynchronize();
    return delete exec, cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }

cudaError_t cudaDeviceCanAccessPeer(int *can, int, int) { return *can = 1, cudaSuccess; }
cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) { return cudaSuccess; }

cudaError_t cudaGetLastError()
{
    LOCKED;
    const cudaError_t e = last;
    last = sticky;
    return e;
}

const char *cudaGetErrorName(cudaError_t error) { return error == cudaSuccess ? "cudaSuccess" : "cudaError"; }

const char *cudaGetErrorString(cudaError_t error)
{
    switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure: return fault.c_str();
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    default: return "invalid argument";
    }
}

cudaError_t cudaDeviceReset()
{
    LOCKED;
    last = sticky = cudaSuccess;
    return cudaSuccess;
}

cudaError_t simt_set_dynamic_limit(const void *kernel, int bytes)
{
    LOCKED;
    if (bytes > devices[current].most_dynamic) return failed(cudaErrorInvalidValue);
    dynamic_limits[kernel] = bytes;
    return failed(cudaSuccess);
}

cudaError_t simt_launch(const void *kernel, dim3 grid, dim3 block, size_t shared, cudaStream_t stream, std::function<void()> body)
{
    LOCKED;
    const size_t threads = (size_t)block.x * block.y * block.z;
    const auto limit = dynamic_limits.find(kernel);
    const size_t most = limit == dynamic_limits.end() ? default_dynamic : (size_t)std::max(limit->second, default_dynamic);
    if (threads == 0 || threads > max_threads || block.z > 64 || (size_t)grid.x * grid.y * grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 ||
        grid.z > 65535 || shared > most)
        return failed(cudaErrorInvalidConfiguration);
    return enqueue(stream, [=] {
        if (sticky != cudaSuccess) return;
        if (planned != cudaSuccess) {
            fault = "planned by a test";
            sticky = planned;
            planned = cudaSuccess;
            return;
        }
        fault = simt::run_grid({grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, shared, body);
        if (fault.empty()) return;
        fprintf(stderr, "emulated launch failed: %s\n", fault.c_str());
        sticky = cudaErrorLaunchFailure;
    });
}

/// For tests: the next launch that runs fails so, and everything after it, as does the search for devices; 0 mends the device, which on a card nothing does.
extern "C" __attribute__((visibility("default"))) void simt_plan_fault(int error)
{
    LOCKED;
    planned = (cudaError_t)error;
    if (error == 0) sticky = last = cudaSuccess;
}

/// For tests: how many shares of wgmma's products threads had, ever.
extern "C" __attribute__((visibility("default"))) size_t simt_warpgroup_products()
{
    LOCKED;
    return simt::products();
}
