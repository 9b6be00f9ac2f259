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
 * A thread takes a few elements: it brings each operand into registers, as 16-byte vectors where the strides allow it and one by one where they
 * do not, so that the formula itself is compiled once. Numbers (a scalar operand) travel among the arguments, in the type that is computed with.
 */
#ifndef HY_CUDA_ELEMENTWISE_CUH
#define HY_CUDA_ELEMENTWISE_CUH

#include "cuda/walk.cuh"

enum { HY_ELEMENTWISE_BLOCK = 256 };

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

/** N elements of operand k, stored as T, as what they are computed with: number `first` and on (DENSE), or at the offsets. */
template <typename T, int N, int K>
__device__ __forceinline__ void hy_load(typename hy_computed<T>::type (&v)[N], const hy_walk<K> &w, int k, uint32_t first, const int64_t (&offset)[N][K], uint32_t left)
{
    if (!w.data[k]) {
        typename hy_computed<T>::type number;
        memcpy(&number, &w.bits[k], sizeof number);
#pragma unroll
        for (int i = 0; i < N; i++) v[i] = number;
    } else if (w.mode != HY_WALK_STRIDED && left >= N && (w.mode == HY_WALK_DENSE || w.strides[k][0])) {
        const char *at = w.data[k] + (w.mode == HY_WALK_DENSE ? (int64_t)first * (int64_t)sizeof(T) : offset[0][k]);
        const hy_vector<T, N> loaded = *reinterpret_cast<const hy_vector<T, N> *>(at);
#pragma unroll
        for (int i = 0; i < N; i++) v[i] = hy_value(loaded.at[i]);
    } else if (w.mode == HY_WALK_ROWS) {
        if (left == 0) return;
        const typename hy_computed<T>::type number = hy_value(*reinterpret_cast<const T *>(w.data[k] + offset[0][k])); /* stays where it is along the row */
#pragma unroll
        for (int i = 0; i < N; i++) v[i] = number;
    } else {
#pragma unroll
        for (int i = 0; i < N; i++)
            if ((uint32_t)i < left)
                v[i] = hy_value(*reinterpret_cast<const T *>(w.data[k] + (w.mode == HY_WALK_DENSE ? (int64_t)(first + i) * (int64_t)sizeof(T) : offset[i][k])));
    }
}

template <typename T, int N, int K>
__device__ __forceinline__ void hy_store(const T (&v)[N], const hy_walk<K> &w, uint32_t first, const int64_t (&offset)[N][K], uint32_t left)
{
    if (w.mode != HY_WALK_STRIDED && left >= N) {
        hy_vector<T, N> stored;
#pragma unroll
        for (int i = 0; i < N; i++) stored.at[i] = v[i];
        *reinterpret_cast<hy_vector<T, N> *>(w.data[0] + (w.mode == HY_WALK_DENSE ? (int64_t)first * (int64_t)sizeof(T) : offset[0][0])) = stored;
    } else {
#pragma unroll
        for (int i = 0; i < N; i++)
            if ((uint32_t)i < left)
                *reinterpret_cast<T *>(w.data[0] + (w.mode == HY_WALK_DENSE ? (int64_t)(first + i) * (int64_t)sizeof(T) : offset[i][0])) = v[i];
    }
}

template <typename F>
__global__ void __launch_bounds__(HY_ELEMENTWISE_BLOCK) hy_elementwise_kernel(const __grid_constant__ hy_walk<F::inputs + 1> w, const F formula)
{
    constexpr int N = hy_elementwise_shape<F>::width, V = hy_elementwise_shape<F>::vectors, K = F::inputs + 1;
    const uint32_t base = blockIdx.x * (uint32_t)(HY_ELEMENTWISE_BLOCK * N * V);
    const bool strided = w.mode == HY_WALK_STRIDED;
    typedef typename F::first A;
    typedef typename F::second B;
    typedef typename F::third C;
    typename hy_computed<A>::type a[V][N];
    typename hy_computed<B>::type b[V][N];
    typename hy_computed<C>::type c[V][N];
    int64_t offset[V][N][K];
    uint32_t first[V], left[V];
#pragma unroll
    for (int j = 0; j < V; j++) {
        /* Vectors of neighbours lie beside one another; strided, single elements do: then a thread's elements are a block apart. */
        first[j] = base + (strided ? j * N * HY_ELEMENTWISE_BLOCK + threadIdx.x : (j * HY_ELEMENTWISE_BLOCK + threadIdx.x) * N);
        const uint32_t rest = first[j] < w.count ? w.count - first[j] : 0;
        left[j] = strided ? (rest + HY_ELEMENTWISE_BLOCK - 1) / HY_ELEMENTWISE_BLOCK : rest;
        if (left[j] > N) left[j] = N;
        if (w.mode != HY_WALK_DENSE) {
#pragma unroll
            for (int i = 0; i < N; i++)
                if ((uint32_t)i < left[j] && (i == 0 || strided)) hy_walk_offsets(w, first[j] + (strided ? i * HY_ELEMENTWISE_BLOCK : 0), offset[j][i]);
        }
        hy_load<A>(a[j], w, 1, first[j], offset[j], left[j]);
        if (K > 2) hy_load<B>(b[j], w, K > 2 ? 2 : 0, first[j], offset[j], left[j]);
        if (K > 3) hy_load<C>(c[j], w, K > 3 ? 3 : 0, first[j], offset[j], left[j]);
    }
#pragma unroll
    for (int j = 0; j < V; j++) {
        if (left[j] == 0) return;
        typename F::result y[N];
#pragma unroll
        for (int i = 0; i < N; i++)
            if ((uint32_t)i < left[j]) y[i] = formula(a[j][i], K > 2 ? b[j][i] : typename hy_computed<B>::type(), K > 3 ? c[j][i] : typename hy_computed<C>::type());
        hy_store(y, w, first[j], offset[j], left[j]);
    }
}

/** Runs a formula over the operands, the output first. */
template <typename F>
hy_status hy_elementwise(hy_device *device, const char *name, const hy_operand (&operands)[F::inputs + 1], const F &formula)
{
    constexpr int width = hy_elementwise_shape<F>::width, share = HY_ELEMENTWISE_BLOCK * width * hy_elementwise_shape<F>::vectors;
    return hy_plan_run(hy_plan_walk(operands), width, [&](const hy_walk<F::inputs + 1> &w) {
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
