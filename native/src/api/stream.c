/* Streams, events, graphs and pinned memory. A device without them, the CPU say, has empty slots. */
#include <stdint.h>
#include <stdlib.h>

#include "api/check.h"
#include "core/allocator.h"

struct hy_graph {
    void *backend; /* the backend's own */
    hy_pool *pool; /* the memory that the graph's kernels name */
};

hy_status hy_stream_create(hy_device *device, hy_stream **stream)
{
    HY_CALL("stream_create", NULL);
    HY_TRY(hy_check_pointer(&call, "stream", stream));
    HY_DISPATCH(stream_create, stream);
}

hy_status hy_stream_destroy(hy_device *device, hy_stream *stream)
{
    HY_CALL("stream_destroy", NULL);
    HY_TRY(hy_check_pointer(&call, "stream", stream));
    if (stream == device->stream) return hy_refuse(&call, HY_BAD_ARGUMENT, "the stream is the device's current one, expected another");
    if (!device->backend.stream_destroy) return hy_refuse_unsupported(&call);
    if (hy_allocator_pool(device->allocator))
        return hy_refuse(&call, HY_BAD_ARGUMENT, "the device is being captured into a graph, expected GraphEnd first: destroying a stream waits for it");
    device->backend.stream_join(device, stream); /* blocks that were freed on it are the current stream's from here on */
    hy_allocator_forget_stream(device->allocator, stream);
    HY_DISPATCH(stream_destroy, stream);
}

hy_status hy_stream_set(hy_device *device, hy_stream *stream)
{
    HY_CALL("stream_set", NULL);
    HY_DISPATCH(stream_set, stream);
}

hy_status hy_stream_get(hy_device *device, hy_stream **stream)
{
    HY_CALL("stream_get", NULL);
    HY_TRY(hy_check_pointer(&call, "stream", stream));
    if (!device->backend.stream_set) return hy_refuse_unsupported(&call);
    *stream = device->stream;
    return HY_OK;
}

hy_status hy_event_create(hy_device *device, int32_t timing, hy_event **event)
{
    HY_CALL("event_create", NULL);
    HY_TRY(hy_check_pointer(&call, "event", event));
    HY_DISPATCH(event_create, timing, event);
}

hy_status hy_event_destroy(hy_device *device, hy_event *event)
{
    HY_CALL("event_destroy", NULL);
    HY_TRY(hy_check_pointer(&call, "event", event));
    HY_DISPATCH(event_destroy, event);
}

hy_status hy_event_record(hy_device *device, hy_event *event)
{
    HY_CALL("event_record", NULL);
    HY_TRY(hy_check_pointer(&call, "event", event));
    HY_DISPATCH(event_record, event);
}

hy_status hy_event_wait(hy_device *device, hy_event *event)
{
    HY_CALL("event_wait", NULL);
    HY_TRY(hy_check_pointer(&call, "event", event));
    HY_DISPATCH(event_wait, event);
}

hy_status hy_event_synchronize(hy_device *device, hy_event *event)
{
    HY_CALL("event_synchronize", NULL);
    HY_TRY(hy_check_pointer(&call, "event", event));
    HY_DISPATCH(event_synchronize, event);
}

hy_status hy_event_elapsed(hy_device *device, hy_event *start, hy_event *end, double *milliseconds)
{
    HY_CALL("event_elapsed", NULL);
    HY_TRY(hy_check_pointer(&call, "the first event", start));
    HY_TRY(hy_check_pointer(&call, "the second event", end));
    HY_TRY(hy_check_pointer(&call, "milliseconds", milliseconds));
    HY_DISPATCH(event_elapsed, start, end, milliseconds);
}

hy_status hy_graph_begin(hy_device *device, const uint64_t *draws)
{
    HY_CALL("graph_begin", NULL);
    if (!device->backend.graph_begin) return hy_refuse_unsupported(&call);
    if (hy_allocator_pool(device->allocator)) return hy_refuse(&call, HY_BAD_ARGUMENT, "the device is being captured already");
    HY_TRY(device->backend.graph_begin(device, draws));
    if (hy_allocator_begin_pool(device->allocator)) return HY_OK;
    void *graph = NULL;
    if (device->backend.graph_end(device, &graph) == HY_OK) device->backend.graph_destroy(device, graph);
    return hy_refuse(&call, HY_OUT_OF_MEMORY, "no memory for the graph's pool");
}

hy_status hy_graph_end(hy_device *device, hy_graph **graph)
{
    HY_CALL("graph_end", NULL);
    HY_TRY(hy_check_pointer(&call, "graph", graph));
    if (!device->backend.graph_end) return hy_refuse_unsupported(&call);
    hy_pool *pool = hy_allocator_pool(device->allocator);
    if (!pool) return hy_refuse(&call, HY_BAD_ARGUMENT, "the device is not being captured, expected GraphBegin first");
    hy_allocator_end_pool(device->allocator);
    hy_graph *g = malloc(sizeof *g);
    void *backend = NULL;
    hy_status status = device->backend.graph_end(device, &backend); /* in any case: it ends the capture */
    if (status == HY_OK && g) {
        *g = (hy_graph){backend, pool};
        *graph = g;
        return HY_OK;
    }
    if (status == HY_OK) {
        device->backend.graph_destroy(device, backend);
        status = hy_refuse(&call, HY_OUT_OF_MEMORY, "no memory for the graph");
    }
    free(g);
    hy_allocator_release_pool(device->allocator, pool);
    return status;
}

hy_status hy_graph_launch(hy_device *device, hy_graph *graph)
{
    HY_CALL("graph_launch", NULL);
    HY_TRY(hy_check_pointer(&call, "graph", graph));
    HY_DISPATCH(graph_launch, graph->backend);
}

hy_status hy_graph_destroy(hy_device *device, hy_graph *graph)
{
    HY_CALL("graph_destroy", NULL);
    HY_TRY(hy_check_pointer(&call, "graph", graph));
    if (!device->backend.graph_destroy) return hy_refuse_unsupported(&call);
    HY_TRY(device->backend.graph_destroy(device, graph->backend));
    hy_allocator_release_pool(device->allocator, graph->pool);
    free(graph);
    return HY_OK;
}

hy_status hy_host_alloc(hy_device *device, int64_t bytes, void **data)
{
    HY_CALL("host_alloc", NULL);
    HY_TRY(hy_check_pointer(&call, "data", data));
    if (bytes < 0) return hy_refuse(&call, HY_BAD_ARGUMENT, "%lld bytes asked, expected 0 or more", (long long)bytes);
    *data = NULL;
    if (bytes == 0) return HY_OK;
    HY_DISPATCH(host_alloc, bytes, data);
}

hy_status hy_host_free(hy_device *device, void *data)
{
    HY_CALL("host_free", NULL);
    if (!data) return HY_OK;
    HY_DISPATCH(host_free, data);
}

hy_status hy_transfer_async(hy_device *device, void *to, const void *from, int64_t bytes, int32_t to_host)
{
    HY_CALL("transfer_async", NULL);
    if (bytes < 0) return hy_refuse(&call, HY_BAD_ARGUMENT, "%lld bytes asked, expected 0 or more", (long long)bytes);
    if (bytes == 0) return HY_OK;
    HY_TRY(hy_check_pointer(&call, "the destination", to));
    HY_TRY(hy_check_pointer(&call, "the source", from));
    HY_DISPATCH(transfer_async, to, from, bytes, to_host);
}
