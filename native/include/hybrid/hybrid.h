/**
 * hybrid.h: the whole C ABI of Hybrid's core. Every binding is generated from this file.
 *
 * Conventions that hold for every function below:
 *  - A function returns a hy_status; HY_OK is zero. On any other status the outputs are untouched unless the function says
 *    otherwise, and hy_last_error() holds one sentence for the calling thread: the operation, what was given, what was expected.
 *  - Tensors are views that the caller owns. Outputs are allocated by the caller with the exact shape that is documented.
 *    The core reads and writes nothing outside a view, keeps no pointer to it after returning, and never changes a `const` operand.
 *  - Inputs may have any non-negative strides (a stride of 0 broadcasts). An output must not alias itself (a stride of 0 over an
 *    extent above 1); it may be the very same view as an input in elementwise operations, and must not overlap one in any other way.
 *  - All tensors of a call live on the device that the call names: otherwise HY_BAD_DEVICE.
 *  - "Floating" means float32, float64, bfloat16 or float16. Unless said otherwise, all floating operands of a call have one dtype:
 *    otherwise HY_BAD_DTYPE.
 *  - Operations on bfloat16 and float16 compute in float32 and round once, to the nearest and to even, where they store a result; numbers
 *    that a call takes beside such tensors (a scalar, a slope) stay float32. What comes from double is rounded to float32 first.
 *  - "Any dtype" does not include int8, which is stored, cast and moved about, but not calculated with; where it does, the text says so.
 *  - Results do not depend on the number of threads.
 *  - Functions may be called from any thread at any time. A device is never closed.
 */
#ifndef HYBRID_H
#define HYBRID_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#  ifdef HY_BUILD
#    define HY_API __declspec(dllexport)
#  else
#    define HY_API __declspec(dllimport)
#  endif
#else
#  define HY_API __attribute__((visibility("default")))
#endif

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Types                                                                                                                  */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** The number of axes that a tensor may have. */
#define HY_MAX_DIMS 8

/** Rises by one whenever a declaration in this file changes incompatibly. */
#define HY_ABI_VERSION 3

/** What became of a call. */
typedef enum hy_status {
    HY_OK = 0,             /**< The call did what it says. */
    HY_BAD_ARGUMENT = 1,   /**< An argument that is no tensor is wrong, or a required pointer is NULL. */
    HY_BAD_SHAPE = 2,      /**< Shapes or strides do not fit the operation or one another. */
    HY_BAD_DTYPE = 3,      /**< The operation does not take this dtype, or dtypes do not match. */
    HY_BAD_DEVICE = 4,     /**< A tensor lives on another device than the call, or there is no such device. */
    HY_OUT_OF_RANGE = 5,   /**< A value inside a tensor (an index, a label) is out of range. */
    HY_OUT_OF_MEMORY = 6,  /**< The device cannot supply the memory, or the limit set on it forbids it. */
    HY_UNSUPPORTED = 7,    /**< The device has no implementation of this operation. */
    HY_INTERNAL = 8        /**< A defect of the core itself. */
} hy_status;

/** The type of a tensor's elements. */
typedef enum hy_dtype {
    HY_FLOAT32 = 0,  /**< IEEE 754 single precision, 4 bytes. */
    HY_FLOAT64 = 1,  /**< IEEE 754 double precision, 8 bytes. */
    HY_INT32 = 2,    /**< Signed 32-bit integer; arithmetic wraps. */
    HY_INT64 = 3,    /**< Signed 64-bit integer; arithmetic wraps. */
    HY_UINT8 = 4,    /**< Unsigned 8-bit integer; arithmetic wraps. */
    HY_BOOL = 5,     /**< One byte, 0 or 1. */
    HY_BFLOAT16 = 6, /**< The upper half of a float32: 8 bits of exponent, 8 of precision; 2 bytes. */
    HY_FLOAT16 = 7,  /**< IEEE 754 half precision: 5 bits of exponent, 11 of precision; 2 bytes. */
    HY_INT8 = 8      /**< Signed 8-bit integer: quantised weights. Only what says so takes it. */
} hy_dtype;

/** The kind of a device. */
typedef enum hy_device_kind {
    HY_CPU = 0,  /**< The processor that runs the caller. */
    HY_CUDA = 1  /**< An NVIDIA GPU. */
} hy_device_kind;

/** A device: opaque, owned by the core, valid until the process ends. */
typedef struct hy_device hy_device;

/** A view of a tensor: where its first element is and how to reach the others. */
typedef struct hy_tensor {
    void *data;                    /**< Address of element [0, 0, …]; may be NULL when the view holds no element. */
    hy_device *device;             /**< The device that the data lives on. */
    int32_t dtype;                 /**< A hy_dtype. */
    int32_t ndim;                  /**< Number of axes, 0 to HY_MAX_DIMS; 0 is a single element. */
    int64_t shape[HY_MAX_DIMS];    /**< Extent of each axis, 0 or more; entries from ndim on are ignored. */
    int64_t strides[HY_MAX_DIMS];  /**< Distance between neighbours along each axis, in elements, 0 or more. */
} hy_tensor;

/* ---------------------------------------------------------------------------------------------------------------------- */
/* The library                                                                                                            */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** The HY_ABI_VERSION that the library was built with. */
HY_API int32_t hy_abi_version(void);

/** The library's version, "major.minor.patch"; static storage. */
HY_API const char *hy_version(void);

/** The sentence that the calling thread's last failed call left; "" before the first. Valid until the thread's next failure. */
HY_API const char *hy_last_error(void);

/** The size of a struct of this header, or the offset of a field, for a binding to compare with its own.
 *  @param name   a struct's name, such as "hy_tensor"
 *  @param field  a field's name for its offset, or NULL for the struct's size
 *  @return the size or offset in bytes; -1 when there is no such struct or field
 */
HY_API int64_t hy_layout(const char *name, const char *field);

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Devices and threads                                                                                                    */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** What a device is. */
typedef struct hy_device_info {
    int32_t kind;           /**< A hy_device_kind. */
    int32_t index;          /**< Which one of its kind, from 0. */
    int32_t cores;          /**< CPU: processors that this process may run on. CUDA: multiprocessors. */
    int32_t vector_bytes;   /**< CPU: width of the kernels' vectors in bytes; otherwise 0. */
    int64_t memory_bytes;   /**< Memory of the device in bytes; 0 when unknown. */
    char name[64];          /**< The processor's own name, zero-terminated. */
    char isa[32];           /**< CPU: "x86-64", "avx2", "avx2-vnni", "avx512", "avx512-vnni", "avx512-bf16", "neon" or "reference"; CUDA: "sm_90" and
                                 the like. */
    char blas[64];          /**< The BLAS that serves plain GEMM where it is faster, with its version; "none" without one. A GPU loads cuBLAS when a
                                 product first asks: there it is "cuBLAS where it is found", or "none" with HYBRID_CUBLAS=0. */
} hy_device_info;

/** Finds a device.
 *  @param kind    a hy_device_kind
 *  @param index   which one of its kind, from 0; the CPU has index 0 only
 *  @param device  receives the device; the same handle every time
 *  @return HY_OK; HY_BAD_DEVICE when there is no such device
 */
HY_API hy_status hy_device_get(int32_t kind, int32_t index, hy_device **device);

/** The number of devices of a kind that hy_device_get finds.
 *  @param kind  a hy_device_kind
 *  @return 1 for the CPU; for CUDA 0 where the library, the driver or a GPU is missing: hy_device_get then says which
 */
HY_API int32_t hy_device_count(int32_t kind);

/** Describes a device.
 *  @param device  the device
 *  @param info    receives the description
 */
HY_API hy_status hy_device_describe(hy_device *device, hy_device_info *info);

/** Waits until everything that was asked of the device, on any stream, is done. Immediate on the CPU.
 *  A GPU works behind its callers: what only the data shows (an index out of range) and what fails on the device itself is returned by the next
 *  call that waits (this one, hy_transfer to the host, hy_event_synchronize) with a message that names the operation. With HYBRID_CUDA_SYNC=1
 *  in the environment every call waits for its own work, and so returns its own error.
 */
HY_API hy_status hy_synchronize(hy_device *device);

/** The number of threads that CPU kernels use, the caller's included. */
HY_API int32_t hy_get_num_threads(void);

/** Sets the number of threads that CPU kernels use; results do not depend on it.
 *  @param count  1 to 256
 *  @return HY_OK; HY_BAD_ARGUMENT when out of range
 */
HY_API hy_status hy_set_num_threads(int32_t count);

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Memory                                                                                                                 */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** Counters of a device's caching allocator, in bytes unless said otherwise. */
typedef struct hy_memory_stats {
    int64_t live;           /**< Handed out and not yet freed. */
    int64_t live_peak;      /**< The highest value of `live`. */
    int64_t cached;         /**< Freed by callers, kept for reuse. */
    int64_t limit;          /**< The limit on live + cached; 0 when there is none. */
    int64_t allocations;    /**< Number of hy_alloc calls that succeeded. */
    int64_t system_allocations;  /**< Number of blocks asked of the system: the cache's misses. */
} hy_memory_stats;

/** Allocates memory from the device's cache; aligned to 64 bytes, its contents undefined. Reads of up to 64 bytes past the end of
 *  the block are within memory that the allocator owns.
 *  @param device  the device
 *  @param bytes   0 or more; 0 gives NULL
 *  @param data    receives the address
 *  @return HY_OK; HY_OUT_OF_MEMORY, whose message says what was asked, live and cached; HY_BAD_ARGUMENT when bytes is negative
 */
HY_API hy_status hy_alloc(hy_device *device, int64_t bytes, void **data);

/** Gives a block back to the device's cache.
 *  @param data  what hy_alloc gave, or NULL
 *  @return HY_OK; HY_BAD_ARGUMENT for an address that hy_alloc did not give, or one freed twice
 */
HY_API hy_status hy_free(hy_device *device, void *data);

/** What hy_alloc does, if that takes no more than a block from the cache. It asks nothing of the system, waits for no other thread and sets no
 *  message: it is over in some ten nanoseconds, and bindings may call it, as every function hy_try_…, without the ceremony of a longer call.
 *  @param device  the device
 *  @param bytes   see hy_alloc
 *  @param data    receives the address
 *  @return 1; 0 when it takes hy_alloc
 */
HY_API int32_t hy_try_alloc(hy_device *device, int64_t bytes, void **data);

/** What hy_free does, if no other thread is using the cache; see hy_try_alloc.
 *  @param data  what hy_alloc gave
 *  @return 1; 0 when it takes hy_free
 */
HY_API int32_t hy_try_free(hy_device *device, void *data);

/** Reads the allocator's counters.
 *  @param stats  receives them
 */
HY_API hy_status hy_memory_get_stats(hy_device *device, hy_memory_stats *stats);

/** Returns all cached blocks to the system. */
HY_API hy_status hy_memory_trim(hy_device *device);

/** Limits what the allocator may hold, live and cached together.
 *  @param bytes  the limit; 0 lifts it
 */
HY_API hy_status hy_memory_set_limit(hy_device *device, int64_t bytes);

/** Copies bytes between devices, or between a device and the host (a NULL device).
 *  @param to_device    device of `to`; NULL for host memory
 *  @param to           destination
 *  @param from_device  device of `from`; NULL for host memory
 *  @param from         source; must not overlap the destination
 *  @param bytes        0 or more
 */
HY_API hy_status hy_transfer(hy_device *to_device, void *to, hy_device *from_device, const void *from, int64_t bytes);

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Streams, events and graphs: HY_UNSUPPORTED on a device without them, such as the CPU                                    */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** A queue of work on a device: opaque. On CUDA it is the CUstream itself, for those with CUDA code of their own: cast it, and cast theirs. */
typedef struct hy_stream hy_stream;

/** A place in a stream: opaque; on CUDA the CUevent itself. */
typedef struct hy_event hy_event;

/** Recorded work that can be replayed: opaque. */
typedef struct hy_graph hy_graph;

/** Makes a stream. Work on one stream happens in the order in which it was asked; work on two streams in any, but for events.
 *  @param stream  receives the stream
 */
HY_API hy_status hy_stream_create(hy_device *device, hy_stream **stream);

/** Destroys a stream once its work is done.
 *  @param stream  what hy_stream_create gave; not the current one
 */
HY_API hy_status hy_stream_destroy(hy_device *device, hy_stream *stream);

/** Makes a stream the current one, to which all work asked of the device goes, from any thread. Memory freed while a stream is current is reused
 *  after the work that the stream holds by then: free it while the stream that used it last is current, or have that one wait for the others.
 *  @param stream  a stream, or NULL for the device's own
 */
HY_API hy_status hy_stream_set(hy_device *device, hy_stream *stream);

/** The current stream.
 *  @param stream  receives the stream
 */
HY_API hy_status hy_stream_get(hy_device *device, hy_stream **stream);

/** Makes an event.
 *  @param timing  not 0 if hy_event_elapsed will read it, which makes recording slower
 *  @param event   receives the event
 */
HY_API hy_status hy_event_create(hy_device *device, int32_t timing, hy_event **event);

/** Destroys an event.
 *  @param event  what hy_event_create gave
 */
HY_API hy_status hy_event_destroy(hy_device *device, hy_event *event);

/** Marks the place in the current stream behind what was asked so far.
 *  @param event  receives the mark in place of an older one
 */
HY_API hy_status hy_event_record(hy_device *device, hy_event *event);

/** Has the current stream wait for an event of any stream and device; the caller goes on at once.
 *  @param event  a recorded event
 */
HY_API hy_status hy_event_wait(hy_device *device, hy_event *event);

/** Waits until what lies before the event is done; returns errors as hy_synchronize does.
 *  @param event  a recorded event
 */
HY_API hy_status hy_event_synchronize(hy_device *device, hy_event *event);

/** The time between two recorded events, both made with timing; waits for them.
 *  @param start         the first event
 *  @param end           the second
 *  @param milliseconds  receives the time
 */
HY_API hy_status hy_event_elapsed(hy_device *device, hy_event *start, hy_event *end, double *milliseconds);

/** Begins to record what is asked of the device on the current stream instead of doing it. Until hy_graph_end the stream stays current, and
 *  nothing may wait for the device or read from it. Memory allocated or freed meanwhile belongs to the graph and is reused within it alone, so that
 *  every replay finds its addresses as they were; numbers given as arguments are recorded as they are, but for what `draws` and the optimisers'
 *  `schedule` say.
 *  @param draws  two numbers in the device's memory, which each replay reads: random numbers are drawn with the first one as their seed, and the
 *                second one is added to their offset. NULL to draw the same numbers each time. It must outlive the graph.
 */
HY_API hy_status hy_graph_begin(hy_device *device, const uint64_t *draws);

/** Ends the recording.
 *  @param graph  receives the graph; nothing when a recorded call failed or waited
 */
HY_API hy_status hy_graph_end(hy_device *device, hy_graph **graph);

/** Does what was recorded once more, on the current stream.
 *  @param graph  what hy_graph_end gave
 */
HY_API hy_status hy_graph_launch(hy_device *device, hy_graph *graph);

/** Destroys a graph once it has run, and gives its memory back to the cache.
 *  @param graph  what hy_graph_end gave
 */
HY_API hy_status hy_graph_destroy(hy_device *device, hy_graph *graph);

/** Allocates host memory that the device reads and writes by itself: the only kind that hy_transfer_async does not wait for. Scarce and slow to
 *  get: keep it.
 *  @param device  the device
 *  @param bytes   0 or more; 0 gives NULL
 *  @param data    receives the address
 */
HY_API hy_status hy_host_alloc(hy_device *device, int64_t bytes, void **data);

/** Frees it, after the work that may use it.
 *  @param data  what hy_host_alloc gave, or NULL
 */
HY_API hy_status hy_host_free(hy_device *device, void *data);

/** Copies bytes between the host and the device on the current stream, and returns before they are copied where the host's memory is
 *  hy_host_alloc's: leave it alone until an event or hy_synchronize says that it is done.
 *  @param device   the device
 *  @param to       destination
 *  @param from     source
 *  @param bytes    0 or more
 *  @param to_host  0: from the host to the device; not 0: from the device to the host
 */
HY_API hy_status hy_transfer_async(hy_device *device, void *to, const void *from, int64_t bytes, int32_t to_host);

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Filling and random numbers                                                                                             */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** y = value.
 *  @param value  cast to y's dtype as hy_copy does
 *  @param y      any dtype, int8 too
 */
HY_API hy_status hy_fill(hy_device *device, double value, const hy_tensor *y);

/** y[i] = start + i * step over y's elements in row-major order, computed in double precision (integers: in int64).
 *  @param start  the first element
 *  @param step   the difference between neighbours
 *  @param y      any dtype but bool
 */
HY_API hy_status hy_arange(hy_device *device, double start, double step, const hy_tensor *y);

/** y = uniform random numbers in [low, high). Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011):
 *  element i in row-major order reads the counter (offset + i), whatever the strides, so that the numbers depend on seed and
 *  offset alone. float32 uses 24 random bits, float64 53; the 16-bit types round float32's numbers, so that `high` itself may come out.
 *  @param seed    the Philox key
 *  @param offset  counter of the first element; a caller that draws n elements next continues at offset + n
 *  @param low     the lower bound, included
 *  @param high    the upper bound, excluded
 *  @param y       floating
 */
HY_API hy_status hy_random_uniform(hy_device *device, uint64_t seed, uint64_t offset, double low, double high, const hy_tensor *y);

/** y = normally distributed random numbers, by Box and Muller's transform of the counter's words, the cosine branch; see hy_random_uniform.
 *  @param seed    see hy_random_uniform
 *  @param offset  see hy_random_uniform
 *  @param mean  mean of the distribution
 *  @param std   standard deviation, 0 or more
 *  @param y     floating
 */
HY_API hy_status hy_random_normal(hy_device *device, uint64_t seed, uint64_t offset, double mean, double std, const hy_tensor *y);

/** y = uniform random integers in [low, high); see hy_random_uniform.
 *  @param seed    see hy_random_uniform
 *  @param offset  see hy_random_uniform
 *  @param low     the smallest
 *  @param high    one more than the largest
 *  @param y  any dtype but bool; low and high - 1 must be representable
 *  @return HY_OK; HY_BAD_ARGUMENT when low >= high
 */
HY_API hy_status hy_random_integers(hy_device *device, uint64_t seed, uint64_t offset, int64_t low, int64_t high, const hy_tensor *y);

/** y = 1 with probability p, else 0; see hy_random_uniform.
 *  @param seed    see hy_random_uniform
 *  @param offset  see hy_random_uniform
 *  @param p  0 to 1
 *  @param y  any dtype
 */
HY_API hy_status hy_random_bernoulli(hy_device *device, uint64_t seed, uint64_t offset, double p, const hy_tensor *y);

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Elementwise operations: the lists and formulas are in ops.def                                                          */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** Operations of one operand, from ops.def. */
typedef enum hy_unary_op {
#define HY_UNARY(name, dtypes, param, forward, derivative, reads, low, high, doc) HY_UNARY_##name,
#include "hybrid/ops.def"
    HY_UNARY_COUNT /**< How many there are. */
} hy_unary_op;

/** Operations of two operands, from ops.def. */
typedef enum hy_binary_op {
#define HY_BINARY(name, dtypes, forward, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc) HY_BINARY_##name,
#include "hybrid/ops.def"
    HY_BINARY_COUNT /**< How many there are. */
} hy_binary_op;

/** Comparisons and logical operations of two operands, from ops.def. */
typedef enum hy_compare_op {
#define HY_COMPARE(name, condition, doc) HY_COMPARE_##name,
#include "hybrid/ops.def"
    HY_COMPARE_COUNT /**< How many there are. */
} hy_compare_op;

/** The activation that does nothing. */
#define HY_NO_ACTIVATION 0

/** How a call names the activation that it applies to its own result: an operation of ops.def without a parameter. */
#define HY_ACTIVATION(op) ((op) + 1)

/** y = op(x), elementwise.
 *  @param op  a hy_unary_op
 *  @param p   the operation's parameter where it has one (a slope, say); ignored otherwise
 *  @param x   floating; integers too where the operation's row says ANY
 *  @param y   shape and dtype of x
 */
HY_API hy_status hy_unary(hy_device *device, int32_t op, double p, const hy_tensor *x, const hy_tensor *y);

/** dx = the derivative's formula in ops.def: g times dy/dx.
 *  @param op  a hy_unary_op
 *  @param p   as given to hy_unary
 *  @param x   the input, or NULL when the row reads only OUTPUT or NONE
 *  @param y   the output, or NULL when the row reads only INPUT or NONE
 *  @param g   gradient of y
 *  @param dx  receives the gradient of x; floating, like all of them, and of one shape
 */
HY_API hy_status hy_unary_backward(hy_device *device, int32_t op, double p, const hy_tensor *x, const hy_tensor *y, const hy_tensor *g, const hy_tensor *dx);

/** y = op(a, b), elementwise, broadcasting a and b to y as PyTorch does: shapes are aligned at the last axis and an extent of 1 stretches.
 *  @param op  a hy_binary_op
 *  @param a   floating; integers too where the operation's row says ANY
 *  @param b   dtype of a
 *  @param y   dtype of a; exactly the broadcast shape
 */
HY_API hy_status hy_binary(hy_device *device, int32_t op, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y);

/** y = op(x, s), or op(s, x): hy_binary with a number for one operand.
 *  @param op            a hy_binary_op
 *  @param x             floating; integers too where the operation's row says ANY
 *  @param s             the number, cast to x's dtype
 *  @param scalar_first  not 0 for op(s, x)
 *  @param y             shape and dtype of x
 */
HY_API hy_status hy_binary_scalar(hy_device *device, int32_t op, const hy_tensor *x, double s, int32_t scalar_first, const hy_tensor *y);

/** d = the derivative's formula in ops.def for one operand. The result has g's shape; the caller sums it over broadcast axes.
 *  @param op       a hy_binary_op
 *  @param operand  0: gradient of a; 1: gradient of b
 *  @param a        the first operand or NULL where the formula does not read it; broadcast to g
 *  @param b        the second, likewise
 *  @param g        gradient of y
 *  @param d        receives the gradient; floating, g's shape
 */
HY_API hy_status hy_binary_backward(hy_device *device, int32_t op, int32_t operand, const hy_tensor *a, const hy_tensor *b, const hy_tensor *g, const hy_tensor *d);

/** d = the gradient of hy_binary_scalar with respect to x: the derivative's formula in ops.def with the scalar in the other operand's place.
 *  @param op            a hy_binary_op
 *  @param x  the input, or NULL where the formula does not read it
 *  @param s             the number, as given to hy_binary_scalar
 *  @param scalar_first  likewise
 *  @param g  gradient of y
 *  @param d  receives the gradient; floating, g's shape
 */
HY_API hy_status hy_binary_scalar_backward(hy_device *device, int32_t op, const hy_tensor *x, double s, int32_t scalar_first, const hy_tensor *g, const hy_tensor *d);

/** y = op(a, b) as bool, broadcasting like hy_binary.
 *  @param op  a hy_compare_op
 *  @param a   any dtype
 *  @param b   dtype of a
 *  @param y   bool; exactly the broadcast shape
 */
HY_API hy_status hy_compare(hy_device *device, int32_t op, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y);

/** y = op(x, s) as bool: hy_compare with a number for the second operand.
 *  @param op  a hy_compare_op
 *  @param x   any dtype
 *  @param s   the number; cast to x's dtype where that is floating, otherwise x is compared as double
 *  @param y   bool; shape of x
 */
HY_API hy_status hy_compare_scalar(hy_device *device, int32_t op, const hy_tensor *x, double s, const hy_tensor *y);

/** y = condition ? a : b, all three broadcast to y.
 *  @param condition  bool
 *  @param a          any dtype, int8 too
 *  @param b          dtype of a
 *  @param y          dtype of a; exactly the broadcast shape
 */
HY_API hy_status hy_where(hy_device *device, const hy_tensor *condition, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y);

/** y = x, cast to y's dtype: as a C cast does, saturating where C leaves it undefined (NaN to an integer gives 0); to bool is x != 0.
 *  Any strides on both sides, so this also gathers a strided view or fills one.
 *  @param x  any dtype, int8 too; broadcast to y's shape
 *  @param y  any dtype, int8 too
 */
HY_API hy_status hy_copy(hy_device *device, const hy_tensor *x, const hy_tensor *y);

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Reductions                                                                                                             */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** What a reduction computes. */
typedef enum hy_reduce_op {
    HY_REDUCE_sum = 0,   /**< Sum, pairwise; 0 over nothing. bool and uint8 are summed into an int64 output. */
    HY_REDUCE_mean = 1,  /**< Arithmetic mean, floating only; NaN over nothing. */
    HY_REDUCE_prod = 2,  /**< Product; 1 over nothing. */
    HY_REDUCE_max = 3,   /**< Maximum; a NaN wins. HY_BAD_SHAPE over nothing. */
    HY_REDUCE_min = 4    /**< Minimum; a NaN wins. HY_BAD_SHAPE over nothing. */
} hy_reduce_op;

/** y = x reduced over every axis on which y has extent 1 and x has not.
 *  @param op  a hy_reduce_op
 *  @param x   floating, int32 or int64; uint8 and bool too for sum, max and min
 *  @param y   as many axes as x, each of x's extent or of 1; dtype of x (int64 for a sum of uint8 or bool)
 */
HY_API hy_status hy_reduce(hy_device *device, int32_t op, const hy_tensor *x, const hy_tensor *y);

/** y = the index along `axis` of the first maximum (or minimum); a NaN wins.
 *  @param maximum  1 for argmax, 0 for argmin
 *  @param x        any dtype
 *  @param axis     0 to ndim - 1; its extent must not be 0
 *  @param y        int64; x's shape with extent 1 on `axis`
 */
HY_API hy_status hy_arg_reduce(hy_device *device, int32_t maximum, const hy_tensor *x, int32_t axis, const hy_tensor *y);

/** y = softmax of x along `axis`, or its logarithm; computed as exp(x - max) / sum.
 *  @param x            floating
 *  @param axis         0 to ndim - 1
 *  @param logarithm    0: softmax; 1: log-softmax
 *  @param y            like x
 */
HY_API hy_status hy_softmax(hy_device *device, const hy_tensor *x, int32_t axis, int32_t logarithm, const hy_tensor *y);

/** dx = the gradient of hy_softmax: y * (g - sum(g * y)), or g - exp(y) * sum(g) for the logarithm.
 *  @param y   the output of hy_softmax
 *  @param g   gradient of y
 *  @param axis       as given to hy_softmax
 *  @param logarithm  likewise
 *  @param dx  receives the gradient of x
 */
HY_API hy_status hy_softmax_backward(hy_device *device, const hy_tensor *y, const hy_tensor *g, int32_t axis, int32_t logarithm, const hy_tensor *dx);

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Matrix products and convolution                                                                                        */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** How a GPU may compute products of float32: PyTorch's set_float32_matmul_precision. */
typedef enum hy_float32_precision {
    HY_FLOAT32_HIGHEST = 0, /**< In float32 throughout. */
    HY_FLOAT32_HIGH = 1     /**< Operands may be rounded to tf32, which keeps 10 bits of fraction, for tensor cores to take them; sums stay float32. */
} hy_float32_precision;

/** What hy_set_float32_matmul_precision was given last; HY_FLOAT32_HIGHEST to begin with. */
HY_API int32_t hy_get_float32_matmul_precision(void);

/** Sets how GPUs compute hy_matmul and the convolutions (but for those that ask for `exact`) of float32, for the whole process. The CPU's are not
 *  affected. With HY_FLOAT32_HIGH an element is off by at most 2^-10 of the sum of its products' magnitudes, beside what summing loses.
 *  @param precision  a hy_float32_precision
 *  @return HY_OK; HY_BAD_ARGUMENT when it is none
 */
HY_API hy_status hy_set_float32_matmul_precision(int32_t precision);

/** 0 unless hy_set_deterministic was given something else last. */
HY_API int32_t hy_get_deterministic(void);

/** Sets, for the whole process, whether only kernels run whose sums have one order: PyTorch's use_deterministic_algorithms. All of Hybrid's own have,
 *  on every device, and none joins sums by atomic operations: the same call on the same device gives the same bits, whatever this says. What it
 *  governs is the choice of kernels by measuring: not 0 keeps cuBLAS out of products on GPUs, so that their bits do not depend on what was measured,
 *  or on which cuBLAS is installed.
 *  @param deterministic  not 0 for fixed orders alone
 *  @return HY_OK
 */
HY_API hy_status hy_set_deterministic(int32_t deterministic);

/** y = activation(a · b (+ bias)), over the last two axes. Transposed operands are views with swapped strides. On a CPU whose ISA is "avx512-bf16",
 *  bfloat16 operands that are denormal count as zero, and so do their sums.
 *  @param a           [..., M, K], floating; leading axes broadcast
 *  @param b           [..., K, N]; leading axes broadcast
 *  @param bias        [N], added to every row; may be NULL
 *  @param activation  HY_NO_ACTIVATION or HY_ACTIVATION(op); the same bits as hy_unary afterwards (but for the 16-bit types, which round once)
 *  @param y           [..., M, N], exactly the broadcast leading axes; K = 0 gives the bias or zeros
 */
HY_API hy_status hy_matmul(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias, int32_t activation, const hy_tensor *y);

/** Lays out the second operand of hy_matmul as the device's kernels read it. hy_matmul does that each time, which with few rows of the first operand
 *  takes up to as long as the product; whoever multiplies many times with the same matrix has it done once.
 *  @param b         [K, N], floating
 *  @param elements  receives how many elements that takes, some more than b has; 0 where the device gains nothing
 *  @param prepared  receives them, in an order that is the device's affair: contiguous, one axis of so many or more, dtype of b; NULL to ask for
 *                   their number alone
 */
HY_API hy_status hy_matmul_prepare(hy_device *device, const hy_tensor *b, int64_t *elements, const hy_tensor *prepared);

/** hy_matmul with a second operand that hy_matmul_prepare has laid out: the same bits.
 *  @param a           [M, K]
 *  @param b           [K, N], as hy_matmul_prepare saw it: same strides and values
 *  @param prepared    what hy_matmul_prepare made of it
 *  @param bias        [N]; may be NULL
 *  @param activation  see hy_matmul
 *  @param y           [M, N]
 */
HY_API hy_status hy_matmul_prepared(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *prepared, const hy_tensor *bias,
                                    int32_t activation, const hy_tensor *y);

/** What a convolution computes: each pass has its own choice among the ways. */
typedef enum hy_conv_pass {
    HY_CONV_PASS_forward = 0,     /**< hy_conv2d. */
    HY_CONV_PASS_input_grad = 1,  /**< hy_conv2d_input_grad. */
    HY_CONV_PASS_weight_grad = 2, /**< hy_conv2d_weight_grad. */
    HY_CONV_PASS_COUNT            /**< How many there are. */
} hy_conv_pass;

/** The ways to compute a convolution. They agree but for rounding; which one is fastest depends on the shape and the machine. */
typedef enum hy_conv_way {
    HY_CONV_WAY_chosen = 0,    /**< The way that the device's tuning table names for the shape, if it serves; else the one of the library's rules. */
    HY_CONV_WAY_winograd4 = 1, /**< Winograd's minimal filtering, tiles of 4 x 4: 3 x 3 kernels, stride and dilation 1, one group, padding up to 2,
                                    float32, not exact. */
    HY_CONV_WAY_winograd2 = 2, /**< The same with tiles of 2 x 2; not for the weight's gradient. */
    HY_CONV_WAY_direct = 3,    /**< Vectors along the rows of pixels, from the image itself; the input's gradient with stride 1 alone. */
    HY_CONV_WAY_flat = 4,      /**< Vectors that run across the rows of small images; stride 1 alone. */
    HY_CONV_WAY_batch = 5,     /**< Vectors along the images of a batch, where these are small; the input's gradient with stride 1 alone. */
    HY_CONV_WAY_columns = 6,   /**< The input's gradient as a product whose columns are added up. */
    HY_CONV_WAY_dot = 7,       /**< The weight's gradient with vectors along the rows of pixels. */
    HY_CONV_WAY_channels = 8,  /**< The weight's gradient with vectors along the channels. */
    HY_CONV_WAY_packed = 9,    /**< A product of matrices that are packed from the image: any convolution. "reference" has no other way. */
    HY_CONV_WAY_COUNT          /**< How many there are. */
} hy_conv_way;

/** Parameters of a two-dimensional convolution; index 0 is the height, 1 the width. */
typedef struct hy_conv2d_params {
    int32_t stride[2];    /**< 1 or more. */
    int32_t padding[2];   /**< Zeros on each side, 0 or more. */
    int32_t dilation[2];  /**< Distance between kernel elements, 1 or more. */
    int32_t groups;       /**< Divides C and K. */
    int32_t activation;   /**< HY_NO_ACTIVATION or HY_ACTIVATION(op): what hy_conv2d does to its result. The gradients do not read it. */
    int32_t exact;        /**< Not 0 for direct sums alone; 0 lets float32 go by Winograd's minimal filtering where that is faster. Its error relative
                               to the largest output is about 2e-6 with 64 channels and 5e-6 with 512, twice a direct sum's. */
    int32_t way;          /**< A hy_conv_way: HY_CONV_WAY_chosen, or one that hy_conv2d_ways says to serve this pass of this convolution;
                               the 16-bit types are computed as float32 is, and take HY_CONV_WAY_chosen alone. */
} hy_conv2d_params;

/** y[n,k,i,j] = bias[k] + sum over c, r, s of x[n, c, i*stride + r*dilation - padding, j*…] * w[k,c,r,s]: PyTorch's conv2d, a cross-correlation;
 *  then the activation.
 *  @param p      stride, padding and the like
 *  @param x     input, [N, C, H, W], floating
 *  @param w     weight, [K, C / groups, R, S]
 *  @param bias  [K]; may be NULL
 *  @param y     output, [N, K, OH, OW] with OH = floor((H + 2*padding - dilation*(R-1) - 1) / stride) + 1, at least 1
 */
HY_API hy_status hy_conv2d(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias, const hy_tensor *y);

/** Lays out the weight of hy_conv2d as the way that computes it reads it: transformed for Winograd's minimal filtering, in panels for the others.
 *  hy_conv2d does that each time, which with few pixels takes up to a third of the time; whoever convolves many times with the same weight has it done once,
 *  for each way that his inputs take: ask before each call, with `prepared` NULL, which one that is.
 *  @param p         as given to hy_conv2d; a way that it names is prepared for whatever that gains
 *  @param x         the input; no element is read of it, nor of y
 *  @param w         the weight
 *  @param y         the output
 *  @param way       receives the hy_conv_way in which hy_conv2d would compute this. It alone says how the elements are laid out, for any input.
 *  @param elements  receives how many elements that takes, up to four times as many as w has and some more; 0 where the device gains nothing: by the way or
 *                   the shape, in the 16-bit types, and on a GPU
 *  @param prepared  receives them, in an order that is the device's affair: contiguous, one axis of so many or more, dtype of w; NULL to ask for
 *                   their number alone
 *  @return HY_OK; what hy_conv2d returns
 */
HY_API hy_status hy_conv2d_prepare(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y, int32_t *way,
                                   int64_t *elements, const hy_tensor *prepared);

/** hy_conv2d with a weight that hy_conv2d_prepare has laid out: the same bits.
 *  @param p         as hy_conv2d_prepare saw it, but with the way that it told
 *  @param x         input, of any size that this way serves
 *  @param w         weight, as hy_conv2d_prepare saw it: same strides and values
 *  @param prepared  what hy_conv2d_prepare made of it for this way
 *  @param bias      [K]; may be NULL
 *  @param y         output
 */
HY_API hy_status hy_conv2d_prepared(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *prepared,
                                    const hy_tensor *bias, const hy_tensor *y);

/** dx = the gradient of hy_conv2d with respect to its input; also the transposed convolution.
 *  @param p      stride, padding and the like
 *  @param dy  gradient of the output, [N, K, OH, OW]
 *  @param w   weight, [K, C / groups, R, S]
 *  @param dx  receives the gradient, [N, C, H, W]
 *  @return HY_OK; HY_OUT_OF_MEMORY, whereupon dx is undefined
 */
HY_API hy_status hy_conv2d_input_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w, const hy_tensor *dx);

/** dw and dbias = the gradients of hy_conv2d with respect to its weight and bias.
 *  @param p      stride, padding and the like
 *  @param x      input, [N, C, H, W]
 *  @param dy     gradient of the output, [N, K, OH, OW]
 *  @param dw     receives the weight's gradient, [K, C / groups, R, S]
 *  @param dbias  receives the bias's gradient, [K]; may be NULL
 */
HY_API hy_status hy_conv2d_weight_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy, const hy_tensor *dw, const hy_tensor *dbias);

/** Says which ways serve a convolution, and which one is taken.
 *  @param pass     a hy_conv_pass
 *  @param p        as given to the pass; its way is not read
 *  @param x        the input, or its gradient: hy_conv2d_input_grad's dx; float32 or float64, and no element is read of any of the three
 *  @param w        the weight, or its gradient
 *  @param y        the output, or its gradient
 *  @param serving  receives the ways that serve: bit number `way` is set for each
 *  @param chosen   receives the way that HY_CONV_WAY_chosen takes
 *  @return HY_OK; HY_UNSUPPORTED on a device that leaves no choice; what hy_tuning_load returns when the table is read here for the first time
 */
HY_API hy_status hy_conv2d_ways(hy_device *device, int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y,
                                int64_t *serving, int32_t *chosen);

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Tuning                                                                                                                 */
/*                                                                                                                        */
/* A device's tuning table names the way for exact shapes of convolutions, as `hybrid tune` measured them; all others go by the library's rules.  */
/* It is read by the first convolution from the file that HYBRID_TUNING names ("none": from no file); where that is not set, from          */
/* $XDG_CACHE_HOME/hybrid/tuning-ISA-CPU.txt (~/.cache without XDG_CACHE_HOME; on Windows %LOCALAPPDATA%), if there is one. A file that cannot be read, is broken or was   */
/* measured on another processor or instruction set is an error of every convolution until another table is loaded: it is never ignored.       */
/* The results of two ways differ in the last bits, and so do those with and without a table; they never depend on the number of threads.      */
/*                                                                                                                        */
/* A GPU's table names the way of matrix products instead, where cuBLAS is there: its own kernel or cuBLAS, as measured when a product of at least */
/* 2^21 multiplications first runs, which then takes some ten times as long. HYBRID_TUNE=0: nothing is measured, and what the table does not name     */
/* goes to the own kernel; so it does while a graph is captured. What was measured is written to the file at once: to the one that                   */
/* HYBRID_CUDA_TUNING names ("none": to none), else to tuning-ISA-GPU.txt in the same folder. Processes that write at once keep the last one's.        */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** The file that the device's table is read from; "" when from none. Static storage. */
HY_API const char *hy_tuning_path(hy_device *device);

/** Reads a table, which replaces the device's. Text, a line for each shape behind a header:
 *      hybrid tuning 1
 *      cpu NAME
 *      isa NAME
 *      threads COUNT
 *      forward float32 N8 C64 H56 W56 K64 R3 S3 s1,1 p1,1 d1,1 g1 winograd4
 *  with the pass, stride, padding, dilation, groups and way. `threads` says how many measured it and is not compared. A GPU's:
 *      hybrid tuning 1
 *      gpu NAME
 *      isa NAME
 *      matmul bfloat16 B1 M512 N512 K64 a0 b1 y0 s0 t0 cublas
 *  with the batch, the extents, 1 for each of a, b and y whose columns are contiguous instead of its rows, 1 for bias or activation that follow the sums in a
 *  kernel of their own, 1 for tf32, and the way: "hybrid" or "cublas".
 *  @param path  the file; NULL for an empty table
 *  @return HY_OK; HY_BAD_ARGUMENT when the file cannot be read, is no table of this device, or names a way that does not serve: the message says which
 *          line, and the device's table is what it was; HY_UNSUPPORTED on a device that leaves no choice
 */
HY_API hy_status hy_tuning_load(hy_device *device, const char *path);

/** Writes the device's table, whole or not at all: beside the file first, then renamed over it.
 *  @param path  the file; a missing folder is made
 *  @return HY_OK; HY_BAD_ARGUMENT when it cannot be written
 */
HY_API hy_status hy_tuning_save(hy_device *device, const char *path);

/** Names the way for a shape in the device's table.
 *  @param pass  a hy_conv_pass
 *  @param p     see hy_conv2d_ways
 *  @param x     likewise
 *  @param w     likewise
 *  @param y     likewise
 *  @param way   a hy_conv_way that serves the shape; HY_CONV_WAY_chosen takes the shape out of the table
 */
HY_API hy_status hy_tuning_set(hy_device *device, int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y,
                               int32_t way);

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Pooling and normalisation                                                                                              */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** Parameters of two-dimensional pooling; index 0 is the height, 1 the width. */
typedef struct hy_pool2d_params {
    int32_t kernel[2];          /**< Window, 1 or more. */
    int32_t stride[2];          /**< 1 or more. */
    int32_t padding[2];         /**< 0 to half the kernel. */
    int32_t dilation[2];        /**< 1 or more; average pooling takes 1 only. */
    int32_t count_include_pad;  /**< Average pooling: not 0 to divide by the whole window, padding included. */
} hy_pool2d_params;

/** Two-dimensional max pooling: y[n,c,i,j] = max over the window of x; a NaN wins; the argmax goes to `index` for the gradient.
 *  @param p      stride, padding and the like
 *  @param x      input, [N, C, H, W], floating
 *  @param y      output, [N, C, OH, OW] with OH = floor((H + 2*padding - dilation*(kernel-1) - 1) / stride) + 1, at least 1
 *  @param index  int32 offsets into each H*W plane, shaped like y; may be NULL when no gradient is wanted
 *  @return HY_OK; HY_BAD_SHAPE when a window is empty or an extent does not match
 */
HY_API hy_status hy_max_pool2d(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y, const hy_tensor *index);

/** dx = the gradient of hy_max_pool2d: each g goes to the element that its window's index names.
 *  @param p      stride, padding and the like
 *  @param dy     gradient of the output, [N, C, OH, OW]
 *  @param index  as hy_max_pool2d left it
 *  @param dx     receives the gradient, [N, C, H, W]
 *  @return HY_OK; HY_OUT_OF_RANGE when an index lies outside the plane (dx is then undefined)
 */
HY_API hy_status hy_max_pool2d_backward(hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *index, const hy_tensor *dx);

/** Two-dimensional average pooling: the mean over each window.
 *  @param p  window, stride and padding
 *  @param x  input, [N, C, H, W], floating
 *  @param y  output, [N, C, OH, OW] with OH = floor((H + 2*padding - kernel) / stride) + 1, at least 1
 */
HY_API hy_status hy_avg_pool2d(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y);

/** dx = the gradient of hy_avg_pool2d.
 *  @param p   as given to hy_avg_pool2d
 *  @param dy  gradient of the output, [N, C, OH, OW]
 *  @param dx  receives the gradient, [N, C, H, W]
 */
HY_API hy_status hy_avg_pool2d_backward(hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *dx);

/** Batch normalisation in training (Ioffe and Szegedy, 2015): y = (x - mean) * rstd * weight + bias with the batch's mean and biased
 *  variance of each channel. The running statistics move by `momentum` towards the batch's mean and unbiased variance.
 *  @param eps           added to the variance
 *  @param momentum      0 to 1
 *  @param x             [N, C, ...], floating; at least 2 values a channel
 *  @param weight        [C]; may be NULL for 1
 *  @param bias          [C]; may be NULL for 0
 *  @param running_mean  [C], updated in place; may be NULL
 *  @param running_var   [C], updated in place; may be NULL
 *  @param y             like x
 *  @param mean          [C], receives the batch's mean, for the gradient
 *  @param rstd          [C], receives 1 / sqrt(variance + eps)
 */
HY_API hy_status hy_batch_norm(hy_device *device, double eps, double momentum, const hy_tensor *x, const hy_tensor *weight, const hy_tensor *bias,
                               const hy_tensor *running_mean, const hy_tensor *running_var, const hy_tensor *y, const hy_tensor *mean, const hy_tensor *rstd);

/** The gradients of hy_batch_norm.
 *  @param dy       gradient of the output
 *  @param x        the input
 *  @param weight   [C]; may be NULL
 *  @param mean     as hy_batch_norm left it
 *  @param rstd     as hy_batch_norm left it
 *  @param dx       receives the input's gradient; may be NULL
 *  @param dweight  receives the weight's gradient, [C]; may be NULL
 *  @param dbias    receives the bias's gradient, [C]; may be NULL
 */
HY_API hy_status hy_batch_norm_backward(hy_device *device, const hy_tensor *dy, const hy_tensor *x, const hy_tensor *weight, const hy_tensor *mean, const hy_tensor *rstd,
                                        const hy_tensor *dx, const hy_tensor *dweight, const hy_tensor *dbias);

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Losses, fused with their gradients                                                                                     */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** How per-sample losses become one. */
typedef enum hy_reduction {
    HY_REDUCTION_none = 0,  /**< They do not: the loss keeps one value a sample. */
    HY_REDUCTION_mean = 1,  /**< Their mean. */
    HY_REDUCTION_sum = 2    /**< Their sum. */
} hy_reduction;

/** Cross-entropy of softmax(logits) against class labels, and its gradient with respect to the logits in the same pass.
 *  @param reduction        a hy_reduction; mean divides by the number of samples that are not ignored
 *  @param ignore_index     samples with this label count for nothing; -100 is PyTorch's default
 *  @param label_smoothing  0 to 1: this part of the target is spread evenly over the classes
 *  @param logits           [N, C], floating, C at least 1
 *  @param labels           int64, [N], each in 0 … C-1 or ignore_index
 *  @param loss             [N] for none, otherwise ndim 0; NaN for the mean over no sample
 *  @param grad             receives d loss / d logits, [N, C] (for none: of the sum); may be NULL
 *  @return HY_OK; HY_OUT_OF_RANGE when a label is no class: the message names the first one and its place; the outputs are then undefined
 */
HY_API hy_status hy_cross_entropy(hy_device *device, int32_t reduction, int64_t ignore_index, double label_smoothing, const hy_tensor *logits, const hy_tensor *labels,
                                  const hy_tensor *loss, const hy_tensor *grad);

/** Squared error (x - target)², and its gradient with respect to x in the same pass.
 *  @param reduction  a hy_reduction; mean divides by the number of elements
 *  @param x          floating
 *  @param target     like x
 *  @param loss       like x for none, otherwise ndim 0; NaN for the mean over nothing
 *  @param grad       receives d loss / d x, like x (for none: of the sum); may be NULL
 */
HY_API hy_status hy_mse(hy_device *device, int32_t reduction, const hy_tensor *x, const hy_tensor *target, const hy_tensor *loss, const hy_tensor *grad);

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Indexing                                                                                                               */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** y[i][j][k] = x[i][index[i][j][k]][k] along `axis`: PyTorch's gather.
 *  @param x      any dtype, int8 too
 *  @param axis   0 to ndim - 1
 *  @param index  int64, as many axes as x, no extent beyond x's except on `axis`; values from 0 to x's extent - 1
 *  @param y      dtype of x, shape of index
 *  @return HY_OK; HY_OUT_OF_RANGE for a bad index: y is then undefined
 */
HY_API hy_status hy_gather(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y);

/** y[i][index[i][j][k]][k] += x[i][j][k] along `axis`: PyTorch's scatter_add, and hy_gather's gradient. Repeated indices add up, in order.
 *  @param x  floating, int32 or int64; shape of index
 *  @param axis   0 to ndim - 1
 *  @param index  int64, as for hy_gather
 *  @param y  dtype of x; updated in place
 *  @return HY_OK; HY_OUT_OF_RANGE for a bad index: y is then untouched, but on CUDA, where it is told later, all others are added
 */
HY_API hy_status hy_scatter_add(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y);

/** y = the slices of x along `axis` that a one-dimensional index names: PyTorch's index_select.
 *  @param x      any dtype, int8 too
 *  @param axis   0 to ndim - 1
 *  @param index  int64, [n]; values from 0 to x's extent - 1
 *  @param y      dtype of x; x's shape with extent n on `axis`
 *  @return HY_OK; HY_OUT_OF_RANGE for a bad index: y is then undefined
 */
HY_API hy_status hy_index_select(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y);

/** Adds the slices of x to those of y along `axis` that the index names: PyTorch's index_add, and hy_index_select's gradient.
 *  @param x  floating, int32 or int64; y's shape with extent n on `axis`
 *  @param axis   0 to ndim - 1
 *  @param index  int64, [n]; values from 0 to y's extent - 1
 *  @param y  dtype of x; updated in place
 *  @return HY_OK; HY_OUT_OF_RANGE for a bad index: y is then untouched, but on CUDA, where it is told later, all others are added
 */
HY_API hy_status hy_index_add(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y);

/** y[..., c] = 1 where c is the index, else 0.
 *  @param index  int64
 *  @param y      any dtype; index's shape with one more axis, the classes, at the end
 *  @return HY_OK; HY_OUT_OF_RANGE when an index is no class: y is then undefined
 */
HY_API hy_status hy_one_hot(hy_device *device, const hy_tensor *index, const hy_tensor *y);

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Inference with 8-bit weights                                                                                           */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** Quantises a layer's weights, symmetrically and by output: scale[k] = max |w[k, ...]| / 127, or 1 where all are 0;
 *  q = round(w / scale[k]), to even between two integers, so that w is about q * scale[k].
 *  @param w      float32, [K, ...], at least one axis; finite
 *  @param q      int8, shape of w; receives the integers
 *  @param scale  float32, [K]; receives the scales
 */
HY_API hy_status hy_quantize_weight(hy_device *device, const hy_tensor *w, const hy_tensor *q, const hy_tensor *scale);

/** Lays quantised weights out as the two functions below read them: packed[k / 16][c / 2][k % 16][c % 2] = q[k][c], where c counts all axes of q
 *  but the first as one, in row-major order; 0 where q has no element.
 *  @param q       int8, [K, ...], at least one axis
 *  @param packed  int8, [ceil(K / 16), ceil(C / 2), 16, 2] with C the number of q's elements of one k
 */
HY_API hy_status hy_pack_int8(hy_device *device, const hy_tensor *q, const hy_tensor *packed);

/** y = activation(x · wᵀ + bias) with quantised weights w. Each row of x is quantised, too, to integers from 0 to 255: with low = min(0, its smallest)
 *  and high = max(0, its largest) its scale is s = (high - low) / 255, its zero point z = round(-low / s), and
 *  q = clamp(round(x / s) + z, 0, 255). y = s * scale[k] * (the sum of (q - z) * w, exact in int32) + bias[k]. A row with a NaN or an infinity gives NaN.
 *  @param x           float32, [M, C], C at most 66310
 *  @param packed      the weights, as hy_pack_int8 left them for [K, C]
 *  @param scale       float32, [K]
 *  @param bias        float32, [K]; may be NULL
 *  @param activation  HY_NO_ACTIVATION or HY_ACTIVATION(op)
 *  @param y           float32, [M, K]
 */
HY_API hy_status hy_quantized_linear(hy_device *device, const hy_tensor *x, const hy_tensor *packed, const hy_tensor *scale, const hy_tensor *bias, int32_t activation, const hy_tensor *y);

/** hy_conv2d with quantised weights: each image of x is quantised as hy_quantized_linear quantises a row.
 *  @param p       stride, padding and the like; groups must be 1
 *  @param height  of the kernel, 1 or more
 *  @param width   of the kernel, 1 or more
 *  @param x       float32, [N, C, H, W], C * height * width at most 66310
 *  @param packed  the weights, as hy_pack_int8 left them for [K, C, height, width]
 *  @param scale   float32, [K]
 *  @param bias    float32, [K]; may be NULL
 *  @param y       float32, [N, K, OH, OW]; see hy_conv2d
 */
HY_API hy_status hy_quantized_conv2d(hy_device *device, const hy_conv2d_params *p, int32_t height, int32_t width, const hy_tensor *x, const hy_tensor *packed, const hy_tensor *scale, const hy_tensor *bias, const hy_tensor *y);

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Optimiser steps, in place                                                                                              */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** Parameters of stochastic gradient descent; names and meaning are those of PyTorch's SGD. */
typedef struct hy_sgd_params {
    double learning_rate;  /**< Step size. */
    double momentum;       /**< 0 for none. */
    double dampening;      /**< Subtracted from the gradient's share in the momentum. */
    double weight_decay;   /**< L2 penalty, added to the gradient. */
    int32_t nesterov;      /**< Not 0 for Nesterov's momentum. */
    int32_t first_step;    /**< Not 0 when the momentum buffer holds nothing yet: it becomes the gradient. */
    const double *schedule; /**< NULL, or the learning rate in the device's memory, which the step reads when the device takes it, and so each replay
                                 of a graph: in place of learning_rate, and on devices with graphs alone. */
} hy_sgd_params;

/** One step of stochastic gradient descent with momentum, of many parameters at once.
 *  @param p       learning rate and the like
 *  @param count   how many parameters, 0 or more
 *  @param param   `count` views, floating, contiguous or not; updated in place
 *  @param grad    `count` views, each like its parameter
 *  @param buffer  the momenta: `count` views, each like its parameter, updated in place; may be NULL when momentum is 0
 */
HY_API hy_status hy_sgd_step(hy_device *device, const hy_sgd_params *p, int64_t count, const hy_tensor *param, const hy_tensor *grad, const hy_tensor *buffer);

/** Parameters of Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019); names and meaning are those of PyTorch's. */
typedef struct hy_adam_params {
    double learning_rate;  /**< Step size. */
    double beta1;          /**< Decay of the first moment, 0 to 1. */
    double beta2;          /**< Decay of the second moment, 0 to 1. */
    double eps;            /**< Added to the denominator. */
    double weight_decay;   /**< L2 penalty (Adam) or decoupled decay (AdamW). */
    int32_t decoupled;     /**< Not 0 for AdamW. */
    int64_t step;          /**< Number of this step, from 1. */
    const double *schedule; /**< NULL, or three numbers in the device's memory, which the step reads when the device takes it, and so each replay of a
                                 graph: the learning rate, 1 - beta1^step and 1 - beta2^step, in place of learning_rate and step, and on devices with
                                 graphs alone. */
} hy_adam_params;

/** One step of Adam or AdamW, of many parameters at once.
 *  @param p           learning rate and the like
 *  @param count       how many parameters, 0 or more
 *  @param param       `count` views, floating, contiguous or not; updated in place
 *  @param grad        `count` views, each like its parameter
 *  @param exp_avg     the first moments: `count` views, each like its parameter, updated in place; zeros at first
 *  @param exp_avg_sq  the second moments, likewise
 */
HY_API hy_status hy_adam_step(hy_device *device, const hy_adam_params *p, int64_t count, const hy_tensor *param, const hy_tensor *grad, const hy_tensor *exp_avg, const hy_tensor *exp_avg_sq);

#ifdef __cplusplus
}
#endif

#endif
