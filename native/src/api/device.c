/* Devices, threads and memory. */
#include <stdint.h>

#include "api/check.h"
#include "api/cuda.h"
#include "core/allocator.h"
#include "cpu/cpu.h"

hy_status hy_device_get(int32_t kind, int32_t index, hy_device **device)
{
    const hy_call call = {"device_get", NULL, NULL};
    HY_TRY(hy_check_pointer(&call, "device", device));
    if (kind == HY_CUDA) return hy_cuda_device(index, device);
    if (kind != HY_CPU) return hy_refuse(&call, HY_BAD_DEVICE, "there is no kind of device %d", kind);
    if (index != 0) return hy_refuse(&call, HY_BAD_DEVICE, "CPU device %d asked, there is only number 0", index);
    return hy_cpu_default_device(device);
}

int32_t hy_device_count(int32_t kind)
{
    return kind == HY_CPU ? 1 : kind == HY_CUDA ? hy_cuda_device_count() : 0;
}

hy_status hy_device_describe(hy_device *device, hy_device_info *info)
{
    HY_CALL("device_describe", NULL);
    HY_TRY(hy_check_pointer(&call, "info", info));
    *info = device->info;
    return HY_OK;
}

hy_status hy_synchronize(hy_device *device)
{
    HY_CALL("synchronize", NULL);
    return device->backend.synchronize ? device->backend.synchronize(device) : hy_refuse_unsupported(&call);
}

hy_status hy_alloc(hy_device *device, int64_t bytes, void **data)
{
    HY_CALL("alloc", NULL);
    HY_TRY(hy_check_pointer(&call, "data", data));
    return hy_allocator_alloc(device->allocator, bytes, data);
}

hy_status hy_free(hy_device *device, void *data)
{
    HY_CALL("free", NULL);
    return hy_allocator_free(device->allocator, data);
}

int32_t hy_try_alloc(hy_device *device, int64_t bytes, void **data)
{
    return device && data && hy_allocator_try_alloc(device->allocator, bytes, data);
}

int32_t hy_try_free(hy_device *device, void *data)
{
    return device && hy_allocator_try_free(device->allocator, data);
}

hy_status hy_memory_get_stats(hy_device *device, hy_memory_stats *stats)
{
    HY_CALL("memory_get_stats", NULL);
    HY_TRY(hy_check_pointer(&call, "stats", stats));
    hy_allocator_get_stats(device->allocator, stats);
    return HY_OK;
}

hy_status hy_memory_trim(hy_device *device)
{
    HY_CALL("memory_trim", NULL);
    hy_allocator_trim(device->allocator);
    return HY_OK;
}

hy_status hy_memory_set_limit(hy_device *device, int64_t bytes)
{
    HY_CALL("memory_set_limit", NULL);
    if (bytes < 0) return hy_refuse(&call, HY_BAD_ARGUMENT, "a limit of %lld bytes, expected 0 or more", (long long)bytes);
    hy_allocator_set_limit(device->allocator, bytes);
    return HY_OK;
}

static bool overlaps(const void *a, const void *b, int64_t bytes)
{
    uintptr_t p = (uintptr_t)a, q = (uintptr_t)b, n = (uintptr_t)bytes;
    return p < q ? q - p < n : p - q < n;
}

hy_status hy_transfer(hy_device *to_device, void *to, hy_device *from_device, const void *from, int64_t bytes)
{
    hy_call call = {"transfer", NULL, NULL};
    if (bytes < 0) return hy_refuse(&call, HY_BAD_ARGUMENT, "%lld bytes asked, expected 0 or more", (long long)bytes);
    if (bytes == 0) return HY_OK;
    HY_TRY(hy_check_pointer(&call, "the destination", to));
    HY_TRY(hy_check_pointer(&call, "the source", from));
    if (overlaps(to, from, bytes)) return hy_refuse(&call, HY_BAD_ARGUMENT, "source and destination overlap");
    /* The host is the CPU's memory; where another device takes part, its backend knows the way. */
    call.device = to_device && to_device->info.kind != HY_CPU ? to_device : from_device ? from_device : to_device;
    if (!call.device) HY_TRY(hy_cpu_default_device(&call.device));
    hy_device *device = call.device;
    return device->backend.transfer ? device->backend.transfer(to_device, to, from_device, from, bytes) : hy_refuse_unsupported(&call);
}
