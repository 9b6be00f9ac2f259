// What native/src/cuda uses of CUDA's runtime and of its language, for the emulator: see simt.h and runtime.cc.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <utility>

#include "simt.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

// ---- vectors and indices ----

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = simt::warp_lanes;

#define SIMT_VECTOR(type, name)                                                                       \
    struct alignas(2 * sizeof(type)) name##2 { type x, y; };                                          \
    struct alignas(sizeof(type) < 8 ? 4 * sizeof(type) : 16) name##4 { type x, y, z, w; };            \
    inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                  \
    inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
SIMT_VECTOR(float, float)
SIMT_VECTOR(double, double)
SIMT_VECTOR(int, int)
SIMT_VECTOR(unsigned, uint)
SIMT_VECTOR(long long, longlong)
#undef SIMT_VECTOR

using std::max;
using std::min;

// ---- barriers, collectives, atomics, intrinsics ----

inline void __syncthreads() { simt::block_barrier(0); }
inline int __syncthreads_count(int p) { return simt::block_barrier(p); }
inline int __syncthreads_or(int p) { return simt::block_barrier(p) != 0; }
inline void __threadfence() {}
inline void __threadfence_block() {}

inline void __syncwarp(unsigned mask = 0xffffffff)
{
    simt::collective("__syncwarp", [](const simt::Lane *, unsigned) {}, mask, nullptr, nullptr);
}

namespace simt {

template <typename T>
struct Shuffle {
    T value;
    int source; // lane; -1 for one's own
};

template <typename T>
void shuffle(const Lane *lanes, unsigned mask)
{
    for (int i = 0; i < warp_lanes; i++) {
        if (!(mask >> i & 1)) continue;
        const auto &in = *static_cast<const Shuffle<T> *>(lanes[i].in);
        const int from = in.source < 0 ? i : in.source;
        if (!(mask >> from & 1)) fail("shuffle: lane %d reads lane %d, which is not in the mask %08x", i, from, mask);
        *static_cast<T *>(lanes[i].out) = static_cast<const Shuffle<T> *>(lanes[from].in)->value;
    }
}

template <typename T>
T shuffle_from(unsigned mask, T value, int source)
{
    const Shuffle<T> in = {value, source};
    T out;
    collective("__shfl_sync", shuffle<T>, mask, &in, &out);
    return out;
}

inline void ballot(const Lane *lanes, unsigned mask)
{
    unsigned result = 0;
    for (int i = 0; i < warp_lanes; i++)
        if (mask >> i & 1) result |= (unsigned)(*static_cast<const int *>(lanes[i].in) != 0) << i;
    for (int i = 0; i < warp_lanes; i++)
        if (mask >> i & 1) *static_cast<unsigned *>(lanes[i].out) = result;
}

} // namespace simt

template <typename T>
T __shfl_sync(unsigned mask, T v, int source, int width = 32)
{
    const int first = simt::lane() & -width;
    return simt::shuffle_from(mask, v, first + (source & (width - 1)));
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32)
{
    const int me = simt::lane(), from = me ^ bits;
    return simt::shuffle_from(mask, v, from / width > me / width ? -1 : from);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32)
{
    const int me = simt::lane(), from = me + (int)delta;
    return simt::shuffle_from(mask, v, from / width != me / width ? -1 : from);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32)
{
    const int me = simt::lane(), from = me - (int)delta;
    return simt::shuffle_from(mask, v, from < (me & -width) ? -1 : from);
}
inline unsigned __ballot_sync(unsigned mask, int p)
{
    unsigned out;
    simt::collective("__ballot_sync", simt::ballot, mask, &p, &out);
    return out;
}
inline int __any_sync(unsigned mask, int p) { return __ballot_sync(mask, p) != 0; }
inline int __all_sync(unsigned mask, int p) { return __ballot_sync(mask, p) == mask; }

template <typename T, typename F>
T simt_atomic(T *p, F change) // fibers switch only where they wait, so nothing comes in between
{
    const T old = *p;
    *p = (T)change(old);
    return old;
}
template <typename T> T atomicAdd(T *p, T v) { return simt_atomic(p, [&](T o) { return o + v; }); }
template <typename T> T atomicMin(T *p, T v) { return simt_atomic(p, [&](T o) { return o < v ? o : v; }); }
template <typename T> T atomicMax(T *p, T v) { return simt_atomic(p, [&](T o) { return o > v ? o : v; }); }
template <typename T> T atomicOr(T *p, T v) { return simt_atomic(p, [&](T o) { return o | v; }); }
template <typename T> T atomicExch(T *p, T v) { return simt_atomic(p, [&](T) { return v; }); }
template <typename T> T atomicCAS(T *p, T expected, T v) { return simt_atomic(p, [&](T o) { return o == expected ? v : o; }); }

template <typename T> T __ldg(const T *p) { return *p; }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned long long)((unsigned __int128)a * b >> 64); }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline int __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
inline int __dp4a(int a, int b, int c)
{
    unsigned sum = (unsigned)c;
    for (int i = 0; i < 4; i++) sum += (unsigned)((int8_t)(a >> 8 * i) * (int8_t)(b >> 8 * i));
    return (int)sum;
}
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }

template <typename To, typename From>
To simt_bits(From v)
{
    static_assert(sizeof(To) == sizeof(From), "");
    To to;
    memcpy(&to, &v, sizeof to);
    return to;
}
inline int __float_as_int(float v) { return simt_bits<int>(v); }
inline unsigned __float_as_uint(float v) { return simt_bits<unsigned>(v); }
inline float __int_as_float(int v) { return simt_bits<float>(v); }
inline float __uint_as_float(unsigned v) { return simt_bits<float>(v); }
inline long long __double_as_longlong(double v) { return simt_bits<long long>(v); }
inline double __longlong_as_double(long long v) { return simt_bits<double>(v); }

// ---- the runtime: queues that run when somebody waits, so that what is used before it is ready shows ----

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorECCUncorrectable = 214,
    cudaErrorIllegalAddress = 700,
    cudaErrorLaunchTimeout = 702,
    cudaErrorPeerAccessAlreadyEnabled = 704,
    cudaErrorAssert = 710,
    cudaErrorHardwareStackError = 714,
    cudaErrorIllegalInstruction = 715,
    cudaErrorMisalignedAddress = 716,
    cudaErrorInvalidAddressSpace = 717,
    cudaErrorInvalidPc = 718,
    cudaErrorLaunchFailure = 719,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureInvalidated = 901
};
enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault };
enum cudaStreamCaptureMode { cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal, cudaStreamCaptureModeRelaxed };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaHostAllocPortable = 1, cudaHostAllocMapped = 2 };

typedef struct simt_stream *cudaStream_t;
typedef struct simt_event *cudaEvent_t;
typedef struct simt_graph *cudaGraph_t;
typedef struct simt_graph *cudaGraphExec_t;

struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem, sharedMemPerBlockOptin;
    int major, minor, multiProcessorCount;
};

cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device);
cudaError_t cudaMalloc(void **data, size_t bytes);
cudaError_t cudaFree(void *data);
cudaError_t cudaHostAlloc(void **data, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void *data);
cudaError_t cudaHostGetDevicePointer(void **device, void *host, unsigned flags);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemcpyPeerAsync(void *to, int to_device, const void *from, int from_device, size_t bytes, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *data, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaDeviceReset();
cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int peer);
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags);
cudaError_t cudaGetLastError();
const char *cudaGetErrorString(cudaError_t error);
const char *cudaGetErrorName(cudaError_t error);

cudaError_t simt_set_dynamic_limit(const void *kernel, int bytes);
__attribute__((visibility("default"))) // for fake_cublas.cc
cudaError_t simt_launch(const void *kernel, dim3 grid, dim3 block, size_t shared, cudaStream_t stream, std::function<void()> body);

template <typename... P>
cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute, int value)
{
    return simt_set_dynamic_limit((const void *)kernel, value);
}

template <typename... P, size_t... I>
std::function<void()> simt_bind(void (*kernel)(P...), void **arguments, std::index_sequence<I...>)
{
    (void)arguments;
    auto values = std::make_tuple(*static_cast<std::decay_t<P> *>(arguments[I])...); // copied now, as a launch does
    return [=] { std::apply(kernel, values); };
}
