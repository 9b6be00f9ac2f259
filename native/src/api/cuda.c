/*
 * Loads libhybrid_cuda: the file that HYBRID_CUDA_LIBRARY names and no other, or else the one beside the core's own file, or else whatever
 * the system's loader finds under that name. Every attempt is kept, because "there is no GPU" helps nobody.
 */
#include "api/cuda.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/allocator.h"
#include "core/glibc.h"
#include "core/status.h"
#include "core/system.h"
#include "core/tuning.h"
#include "cuda/plugin.h"

#define LIBRARY HY_LIBRARY_FILE("hybrid_cuda")

enum { MAX_DEVICES = 64 };

static struct {
    hy_cuda_start_function *start;
    int32_t count;
    char attempts[3600];         /* "path: why it failed; path: …" */
    pthread_mutex_t lock;        /* of the devices */
    hy_device *device[MAX_DEVICES];
} cuda = {.lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static const hy_cuda_core core = {
    .abi_version = HY_ABI_VERSION, .backend_bytes = sizeof(hy_backend), .fail = hy_fail, .alloc = hy_alloc, .free = hy_free,
    .float32_precision = hy_get_float32_matmul_precision, .deterministic = hy_get_deterministic, .find_product = hy_tuning_find_product,
    .remember_product = hy_tuning_remember_product};

static void note(const char *path, const char *why)
{
    const size_t length = strlen(cuda.attempts);
    snprintf(cuda.attempts + length, sizeof cuda.attempts - length, "%s%s: %s", length ? "; " : "", path, why);
}

/* Opens one file, and with it the driver. */
static bool try_file(const char *path)
{
    char why[512];
    void *library = hy_system_load(path, why, sizeof why);
    if (!library) {
        note(path, why);
        return false;
    }
    hy_cuda_open_function *open = (hy_cuda_open_function *)hy_system_symbol(library, HY_CUDA_OPEN);
    hy_cuda_start_function *start = (hy_cuda_start_function *)hy_system_symbol(library, HY_CUDA_START);
    if (!open || !start) {
        note(path, "this is no library of Hybrid's");
    } else if (open(&core, &cuda.count) != HY_OK) {
        note(path, hy_last_error());
    } else {
        if (cuda.count > MAX_DEVICES) cuda.count = MAX_DEVICES;
        cuda.start = start;
        return true;
    }
    hy_system_unload(library);
    return false;
}

static void load(void)
{
    char path[4096];
    if (hy_system_variable("HYBRID_CUDA_LIBRARY", path, sizeof path)) {
        try_file(path);
        return;
    }
    if (hy_system_own_folder(path, sizeof path - sizeof LIBRARY) && try_file(strcat(path, LIBRARY))) return;
    try_file(LIBRARY);
}

static hy_status start(int32_t index, hy_device **device)
{
    hy_device *d = NULL;
    hy_status status = cuda.start(index, &d);
    if (status != HY_OK) return status;
    d->allocator = hy_allocator_create(d);
    d->tuning = hy_tuning_create();
    if (!d->allocator || !d->tuning) return hy_fail(HY_OUT_OF_MEMORY, "DeviceGet: no memory for a device's tables");
    *device = d;
    return HY_OK;
}

hy_status hy_cuda_device(int32_t index, hy_device **device)
{
    pthread_once(&once, load);
    if (!cuda.start) return hy_fail(HY_BAD_DEVICE, "DeviceGet: CUDA device %d asked, but there is no usable CUDA backend (%s): it needs the package Hybrid.Cuda, of the same version as "
                       "Hybrid, and NVIDIA's driver", index, cuda.attempts);
    if (index < 0 || index >= cuda.count)
        return hy_fail(HY_BAD_DEVICE, "DeviceGet: CUDA device %d asked, but this machine has %d", index, cuda.count);
    pthread_mutex_lock(&cuda.lock);
    hy_status status = cuda.device[index] ? HY_OK : start(index, &cuda.device[index]);
    *device = cuda.device[index];
    pthread_mutex_unlock(&cuda.lock);
    return status;
}

int32_t hy_cuda_device_count(void)
{
    pthread_once(&once, load);
    return cuda.start ? cuda.count : 0;
}
