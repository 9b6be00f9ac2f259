/*
 * plugin.h: how the core and libhybrid_cuda meet. The core loads the library (api/cuda.c), hands it what it lends, and gets devices whose
 * backend tables are filled; it gives each an allocator of its own. The library links neither the core nor anything of the toolkit's.
 */
#ifndef HY_CUDA_PLUGIN_H
#define HY_CUDA_PLUGIN_H

#include "backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#include "core/tuning.h"

/** What the core lends. */
typedef struct hy_cuda_core {
    int32_t abi_version;   /* HY_ABI_VERSION */
    int64_t backend_bytes; /* sizeof(hy_backend), by which a library of another build shows */
    hy_status (*fail)(hy_status status, const char *format, ...);                /* hy_fail */
    hy_status (*alloc)(hy_device *device, int64_t bytes, void **data);           /* hy_alloc: memory for a kernel's own use, in stream order */
    hy_status (*free)(hy_device *device, void *data);
    int32_t (*float32_precision)(void);                                          /* hy_get_float32_matmul_precision */
    int32_t (*deterministic)(void);                                              /* hy_get_deterministic */
    hy_status (*find_product)(hy_device *device, const hy_product *p, int32_t *way);     /* hy_tuning_find_product */
    hy_status (*remember_product)(hy_device *device, const hy_product *p, int32_t way);  /* hy_tuning_remember_product */
} hy_cuda_core;

/** Finds the machine's GPUs; touches none of them.
 *  @param core   stays valid until the process ends
 *  @param count  receives how many there are
 *  @return HY_OK; HY_BAD_DEVICE, whose message says what is missing
 */
typedef hy_status hy_cuda_open_function(const hy_cuda_core *core, int32_t *count);

/** Starts to use a GPU, which takes a fraction of a second; the core calls it once for each.
 *  @param index   0 to count - 1
 *  @param device  receives the device, without an allocator
 */
typedef hy_status hy_cuda_start_function(int32_t index, hy_device **device);

#define HY_CUDA_OPEN "hy_cuda_open"
#define HY_CUDA_START "hy_cuda_start"

#ifdef __cplusplus
}
#endif

#endif
