/*
 * elementwise.cuh: one kernel for all that works element by element. A formula is a struct:
 *
 *     struct formula {
 *         enum { inputs = 2 };                                       // 1 to 3
 *         typedef float result, first, second, third;                // stored types; those beyond `inputs` are not read
 *         float p;                                                   // whatever it needs
 *         __device__ float operator()(float a, float b, float c) const { return a + p * b; }   // of computed types
 *     };
 *
 * A thread takes a few 16-byte vectors where the strides allow it, otherwise a few single elements, which is also how what is left of the vectors
 * is done. Numbers (a scalar operand) travel among the arguments, in the type that is computed with.
 */
#ifndef HY_CUDA_ELEMENTWISE_CUH
#define HY_CUDA_ELEMENTWISE_CUH

#include "cuda/walk.cuh"

enum { HY_ELEMENTWISE_BLOCK = 256, HY_ELEMENTWISE_SINGLES = 2 /* that a thread takes where there are no vectors */ };

constexpr int hy_larger(int a, int b) { return a > b ? a : b; }

/** How many elements of the widest operand 16 bytes hold (8 at most), and how many such vectors a thread takes. */
template <typename F>
struct hy_elementwise_shape {
    static constexpr int widest = hy_larger(hy_larger(sizeof(typename F::result), sizeof(typename F::first)),
                                            hy_larger(F::inputs > 1 ? sizeof(typename F::second) : 1, F::inputs > 2 ? sizeof(typename F::third) : 1));
    static constexpr int width = widest > 2 ? 16 / widest : 8;
    static constexpr int vectors = widest > 2 ? 2 : 1;
};

template <typename T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) hy_vector {
    T at[N];
};

/** N elements of operand k, stored as T and beginning at the offset, as what they are computed with. */
template <typename T, int N, int K>
__device__ __forceinline__ void hy_load(typename hy_computed<T>::type (&v)[N], const hy_walk<K> &w, int k, int64_t offset)
{
    if (w.data[k] && w.strides[k][0]) {
        const hy_vector<T, N> loaded = *reinterpret_cast<const hy_vector<T, N> *>(w.data[k] + offset);
#pragma unroll
        for (int i = 0; i < N; i++) v[i] = hy_value(loaded.at[i]);
        return;
    }
    typename hy_computed<T>::type number; /* stays the same along the row */
    if (w.data[k]) number = hy_value(*reinterpret_cast<const T *>(w.data[k] + offset));
    else memcpy(&number, &w.bits[k], sizeof number);
#pragma unroll
    for (int i = 0; i < N; i++) v[i] = number;
}

/** Vectors of N elements, `stride` elements from one to the next, before `end`. All are loaded before the first result, so that they travel together. */
template <typename F, int N, int V>
__device__ __forceinline__ void hy_elementwise_part(const hy_walk<F::inputs + 1> &w, const F &formula, uint32_t first, uint32_t stride, uint32_t end)
{
    constexpr int K = F::inputs + 1;
    typedef typename F::first A;
    typedef typename F::second B;
    typedef typename F::third C;
    typename hy_computed<A>::type a[V][N];
    typename hy_computed<B>::type b[V][N];
    typename hy_computed<C>::type c[V][N];
    int64_t offset[V][K];
#pragma unroll
    for (int j = 0; j < V; j++) {
        if (first + j * stride >= end) break;
        hy_walk_offsets(w, first + j * stride, offset[j]);
        hy_load<A>(a[j], w, 1, offset[j][1]);
        if constexpr (K > 2) hy_load<B>(b[j], w, 2, offset[j][2]);
        if constexpr (K > 3) hy_load<C>(c[j], w, 3, offset[j][3]);
    }
#pragma unroll
    for (int j = 0; j < V; j++) {
        if (first + j * stride >= end) break;
        hy_vector<typename F::result, N> y;
#pragma unroll
        for (int i = 0; i < N; i++)
            y.at[i] = formula(a[j][i], K > 2 ? b[j][i] : typename hy_computed<B>::type(), K > 3 ? c[j][i] : typename hy_computed<C>::type());
        *reinterpret_cast<hy_vector<typename F::result, N> *>(w.data[0] + offset[j][0]) = y;
    }
}

template <typename F>
__global__ void __launch_bounds__(HY_ELEMENTWISE_BLOCK) hy_elementwise_kernel(const __grid_constant__ hy_walk<F::inputs + 1> w, const F formula)
{
    constexpr uint32_t N = hy_elementwise_shape<F>::width, V = hy_elementwise_shape<F>::vectors, S = HY_ELEMENTWISE_SINGLES;
    const uint32_t whole = w.mode == HY_WALK_STRIDED ? 0 : w.count / N * N, block = blockIdx.x * HY_ELEMENTWISE_BLOCK;
    hy_elementwise_part<F, N, V>(w, formula, (block * V + threadIdx.x) * N, HY_ELEMENTWISE_BLOCK * N, whole);
    hy_elementwise_part<F, 1, S>(w, formula, whole + block * S + threadIdx.x, HY_ELEMENTWISE_BLOCK, w.count);
}

/** Runs a formula over the operands, the output first. */
template <typename F>
hy_status hy_elementwise(hy_device *device, const char *name, const hy_operand (&operands)[F::inputs + 1], const F &formula)
{
    constexpr int width = hy_elementwise_shape<F>::width;
    return hy_plan_run(hy_plan_walk(operands), width, [&](const hy_walk<F::inputs + 1> &w) {
        const int share = HY_ELEMENTWISE_BLOCK * (w.mode == HY_WALK_STRIDED ? HY_ELEMENTWISE_SINGLES : width * hy_elementwise_shape<F>::vectors);
        return hy_cuda_launch(device, name, dim3((unsigned)hy_ceil_div(w.count, share)), dim3(HY_ELEMENTWISE_BLOCK), 0, hy_elementwise_kernel<F>, w, formula);
    });
}

/* ---- values by number: y[i] = generate(i), counted in row-major order whatever the strides ---- */

template <typename G>
__global__ void __launch_bounds__(HY_ELEMENTWISE_BLOCK) hy_generate_kernel(const __grid_constant__ hy_walk<1> w, uint64_t first, const G generate)
{
    const uint32_t i = blockIdx.x * HY_ELEMENTWISE_BLOCK + threadIdx.x;
    if (i >= w.count) return;
    int64_t offset[1];
    hy_walk_offsets(w, i, offset);
    *reinterpret_cast<typename G::result *>(w.data[0] + offset[0]) = generate(first + i);
}

template <typename G>
hy_status hy_generate(hy_device *device, const char *name, const hy_tensor *y, const G &generate)
{
    const hy_operand operands[] = {hy_view(y)};
    uint64_t first = 0;
    return hy_plan_run(hy_plan_walk(operands, true), 1, [&](const hy_walk<1> &w) {
        const uint64_t begin = first;
        first += w.count;
        return hy_cuda_launch(device, name, dim3((unsigned)hy_ceil_div(w.count, HY_ELEMENTWISE_BLOCK)), dim3(HY_ELEMENTWISE_BLOCK), 0, hy_generate_kernel<G>, w,
                              begin, generate);
    });
}

#endif
