#include "cpu/cpu.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/allocator.h"
#include "core/glibc.h"
#include "core/parallel.h"
#include "core/status.h"
#include "core/system.h"
#include "core/tuning.h"
#include "cpu/blas.h"
#include "cpu/cpu_features.h"
#include "cpu/reference/reference.h"

void hy_cpu_kernels_x86_64(hy_backend *backend);
void hy_cpu_kernels_avx2(hy_backend *backend);
void hy_cpu_kernels_avx512(hy_backend *backend);
void hy_cpu_kernels_neon(hy_backend *backend);
void hy_fill_int8_avx2_vnni(hy_backend *backend);
void hy_fill_int8_avx512_vnni(hy_backend *backend);
void hy_fill_bfloat16_avx512_bf16(hy_backend *backend);

enum { MAX_DEVICES = 7 };

static struct {
    hy_device device[MAX_DEVICES];
    const char *isa[MAX_DEVICES + 1];
    int count;
} cpu;

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- memory ---- */

static hy_status cpu_alloc(hy_device *device, int64_t bytes, void **data)
{
    *data = hy_system_alloc(bytes);
    return *data ? HY_OK : HY_OUT_OF_MEMORY;
}

static void cpu_free(hy_device *device, void *data, int64_t bytes)
{
    hy_system_free(data, bytes);
}

static hy_status cpu_synchronize(hy_device *device)
{
    return HY_OK;
}

static hy_status cpu_transfer(hy_device *to_device, void *to, hy_device *from_device, const void *from, int64_t bytes)
{
    memcpy(to, from, (size_t)bytes);
    return HY_OK;
}

/* ---- devices ---- */

/* An ISA that adds a few instructions to another has that one's kernels, but for those that gain by them. */
#ifdef HY_HAVE_AVX2_VNNI
static void kernels_avx2_vnni(hy_backend *backend)
{
    hy_cpu_kernels_avx2(backend);
    hy_fill_int8_avx2_vnni(backend);
}
#endif
#ifdef HY_HAVE_AVX512_VNNI
static void kernels_avx512_vnni(hy_backend *backend)
{
    hy_cpu_kernels_avx512(backend);
    hy_fill_int8_avx512_vnni(backend);
}
#endif
#ifdef HY_HAVE_AVX512_BF16
static void kernels_avx512_bf16(hy_backend *backend)
{
    kernels_avx512_vnni(backend);
    hy_fill_bfloat16_avx512_bf16(backend);
}
#endif

static void add_device(const hy_cpu_features *features, const char *isa, int32_t vector_bytes, void (*kernels)(hy_backend *))
{
    hy_device *d = &cpu.device[cpu.count];
    cpu.isa[cpu.count++] = isa;
    d->info.kind = HY_CPU;
    d->info.cores = hy_system_processors();
    d->info.vector_bytes = vector_bytes;
    d->info.memory_bytes = hy_system_memory();
    snprintf(d->info.name, sizeof d->info.name, "%s", features->name);
    snprintf(d->info.isa, sizeof d->info.isa, "%s", isa);
    d->backend.system_alloc = cpu_alloc;
    d->backend.system_free = cpu_free;
    d->backend.synchronize = cpu_synchronize;
    d->backend.transfer = cpu_transfer;
    hy_reference_fill(&d->backend);
    if (kernels) kernels(&d->backend);
    snprintf(d->info.blas, sizeof d->info.blas, "%s", kernels ? hy_blas_name() : "none");
    d->tuning = hy_tuning_create();
    d->allocator = cpu.count == 1 ? hy_allocator_create(d) : cpu.device[0].allocator;
}

static void initialise(void)
{
    hy_cpu_features features;
    hy_cpu_detect(&features);
    add_device(&features, "reference", 0, NULL);
#ifdef HY_HAVE_X86_64
    if (features.x86_64) add_device(&features, "x86-64", 16, hy_cpu_kernels_x86_64);
#endif
#ifdef HY_HAVE_AVX2
    if (features.avx2) add_device(&features, "avx2", 32, hy_cpu_kernels_avx2);
#endif
#ifdef HY_HAVE_AVX2_VNNI
    if (features.avx2_vnni) add_device(&features, "avx2-vnni", 32, kernels_avx2_vnni);
#endif
#ifdef HY_HAVE_AVX512
    if (features.avx512) add_device(&features, "avx512", 64, hy_cpu_kernels_avx512);
#endif
#ifdef HY_HAVE_AVX512_VNNI
    if (features.avx512_vnni) add_device(&features, "avx512-vnni", 64, kernels_avx512_vnni);
#endif
#ifdef HY_HAVE_AVX512_BF16
    if (features.avx512_bf16) add_device(&features, "avx512-bf16", 64, kernels_avx512_bf16);
#endif
#ifdef HY_HAVE_NEON
    if (features.neon) add_device(&features, "neon", 16, hy_cpu_kernels_neon);
#endif
}

const char *const *hy_cpu_isas(void)
{
    pthread_once(&once, initialise);
    return cpu.isa;
}

hy_device *hy_cpu_device(const char *isa)
{
    pthread_once(&once, initialise);
    for (int i = 0; i < cpu.count; i++)
        if (strcmp(cpu.isa[i], isa) == 0) return &cpu.device[i];
    return NULL;
}

static hy_status refuse_isa(const char *wanted)
{
    char list[128] = "";
    for (int i = 0; i < cpu.count; i++) {
        size_t length = strlen(list);
        snprintf(list + length, sizeof list - length, i ? ", %s" : "%s", cpu.isa[i]);
    }
    return hy_fail(HY_BAD_DEVICE, "HYBRID_ISA is '%s', which this machine or build does not have: expected one of %s", wanted, list);
}

hy_status hy_cpu_default_device(hy_device **device)
{
    pthread_once(&once, initialise);
    for (int i = 0; i < cpu.count; i++)
        if (!cpu.device[i].allocator || !cpu.device[i].tuning) return hy_fail(HY_OUT_OF_MEMORY, "DeviceGet: no memory for a device's tables");
    if (hy_threads_from_environment() == 0)
        return hy_fail(HY_BAD_ARGUMENT, "HYBRID_NUM_THREADS is '%s', expected a number from 1 to %d", getenv("HYBRID_NUM_THREADS"), HY_MAX_THREADS);
    const char *wanted = getenv("HYBRID_ISA");
    hy_device *found = wanted && *wanted ? hy_cpu_device(wanted) : &cpu.device[cpu.count - 1];
    if (!found) return refuse_isa(wanted);
    *device = found;
    return HY_OK;
}
