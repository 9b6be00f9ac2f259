/*
 * gemm_body.cuh: the body of every matrix product. A block computes a tile of y; tiles of a and b pass through shared memory, STAGES of them under
 * way (cp.async). What differs is a policy:
 *
 *     struct policy {
 *         typedef float stored, computed;
 *         enum { M, N, DEPTH, THREADS, STAGES };                              // of a tile
 *         struct a_tile, b_tile;                                              // layouts: BYTES, and load(…) which brings a tile
 *         void multiply(const char *a, const char *b);                        // adds a tile's products
 *         template <typename F> void each(F f);                               // f(row, column, sum) for the thread's share
 *     };
 *
 * Addresses: two tables in shared memory, one over the tile's rows or columns, one over the current stretch of k; an element's place is the sum of
 * two entries, so that strides, images and edges cost the inner loop one addition and two comparisons, and matrices pay no more than they need.
 */
#ifndef HY_CUDA_GEMM_BODY_CUH
#define HY_CUDA_GEMM_BODY_CUH

#include "cuda/elementwise.cuh"
#include "cuda/gemm.cuh"

/** Copies one element of 4 or 8 bytes, or zeros, to shared memory. */
template <typename T>
__device__ __forceinline__ void hy_gemm_copy(T *shared, const T *from, bool inside)
{
#pragma unroll
    for (int i = 0; i < (int)sizeof(T); i += 4) hy_cp_async4((char *)shared + i, (const char *)from + i, inside ? 4 : 0);
}

/** A tile of 4- or 8-byte elements: [DEPTH][OUTER], rows PAD longer than they need so that reads along k meet different banks. */
template <typename T, int OUTER_, int DEPTH, int THREADS, int PAD>
struct hy_gemm_words {
    enum { OUTER = OUTER_, PITCH = OUTER + PAD, BYTES = DEPTH * PITCH * (int)sizeof(T), VECTOR = 16 / (int)sizeof(T) };

    static __device__ __forceinline__ void load(char *tile, const hy_gemm_operand &o, const T *data, const hy_gemm_place *outer, const hy_gemm_place *depth,
                                                uint32_t first_outer, uint32_t, uint32_t)
    {
        T *const to = reinterpret_cast<T *>(tile);
        if (o.vectors) {
            const int x = (int)threadIdx.x % (OUTER / VECTOR) * VECTOR;
            const hy_gemm_place p = outer[x];
            const uint32_t left = first_outer + x < o.outer.extent ? o.outer.extent - first_outer - x : 0;
            const int bytes = (int)sizeof(T) * (int)(left < (uint32_t)VECTOR ? left : (uint32_t)VECTOR);
#pragma unroll
            for (int k = (int)threadIdx.x / (OUTER / VECTOR); k < DEPTH; k += THREADS / (OUTER / VECTOR)) {
                const bool inside = hy_gemm_inside(o, p, depth[k]);
                hy_cp_async16(to + k * PITCH + x, inside ? data + p.offset + depth[k].offset : data, inside ? bytes : 0);
            }
        } else if (o.along_outer) {
            const int x = (int)threadIdx.x % OUTER;
            const hy_gemm_place p = outer[x];
#pragma unroll
            for (int k = (int)threadIdx.x / OUTER; k < DEPTH; k += THREADS / OUTER) {
                const bool inside = hy_gemm_inside(o, p, depth[k]);
                hy_gemm_copy(to + k * PITCH + x, inside ? data + p.offset + depth[k].offset : data, inside);
            }
        } else {
            const int k = (int)threadIdx.x % DEPTH;
            const hy_gemm_place p = depth[k];
#pragma unroll
            for (int x = (int)threadIdx.x / DEPTH; x < OUTER; x += THREADS / DEPTH) {
                const bool inside = hy_gemm_inside(o, outer[x], p);
                hy_gemm_copy(to + k * PITCH + x, inside ? data + outer[x].offset + p.offset : data, inside);
            }
        }
    }
};

/**
 * A tile of 2-byte elements, in vectors of 8 that ldmatrix reads: [OUTER][DEPTH], or [DEPTH][OUTER] for ALONG_OUTER. The vectors of a row change
 * places by the row's number, so that eight rows' vectors lie in different banks.
 */
template <typename T, int OUTER_, int DEPTH, int THREADS, bool ALONG_OUTER>
struct hy_gemm_halves {
    enum { OUTER = OUTER_, BYTES = OUTER * DEPTH * 2, ALONG = ALONG_OUTER ? OUTER : DEPTH, ACROSS = ALONG_OUTER ? DEPTH : OUTER, CHUNKS = ALONG / 8 };

    /** Of element `along`, a multiple of 8, of row `across`; in bytes. */
    static __device__ __forceinline__ int at(int across, int along)
    {
        return across * ALONG * 2 + ((along / 8) ^ (ALONG_OUTER ? across % 8 : across / 2 % CHUNKS)) * 16;
    }

    static __device__ __forceinline__ void load(char *tile, const hy_gemm_operand &o, const T *data, const hy_gemm_place *outer, const hy_gemm_place *depth,
                                                uint32_t first_outer, uint32_t first_depth, uint32_t depth_end)
    {
        const hy_gemm_place *const along = ALONG_OUTER ? outer : depth, *const across = ALONG_OUTER ? depth : outer;
        if (o.vectors) {
            const int x = (int)threadIdx.x % CHUNKS * 8;
            const hy_gemm_place p = along[x];
            const uint32_t at_x = (ALONG_OUTER ? first_outer : first_depth) + x, end = ALONG_OUTER ? o.outer.extent : depth_end;
            const uint32_t left = at_x < end ? end - at_x : 0;
            const int bytes = (int)(left < 8 ? left : 8) * 2;
#pragma unroll
            for (int r = (int)threadIdx.x / CHUNKS; r < ACROSS; r += THREADS / CHUNKS) {
                const bool inside = hy_gemm_inside(o, p, across[r]);
                hy_cp_async16(tile + at(r, x), inside ? data + p.offset + across[r].offset : data, inside ? bytes : 0);
            }
        } else { /* two at once, by way of registers: cp.async takes no less than 4 bytes */
            const int x = (int)threadIdx.x % (ALONG / 2) * 2;
            const hy_gemm_place p0 = along[x], p1 = along[x + 1];
#pragma unroll
            for (int r = (int)threadIdx.x / (ALONG / 2); r < ACROSS; r += THREADS / (ALONG / 2)) {
                const uint16_t *const from = reinterpret_cast<const uint16_t *>(data) + across[r].offset;
                const uint32_t low = hy_gemm_inside(o, p0, across[r]) ? from[p0.offset] : 0, high = hy_gemm_inside(o, p1, across[r]) ? from[p1.offset] : 0;
                *reinterpret_cast<uint32_t *>(tile + at(r, x / 8 * 8) + x % 8 * 2) = low | high << 16;
            }
        }
    }
};

/** The tile's number to its corner, eight rows of tiles together, so that neighbours in time share what they read. */
static __device__ __forceinline__ void hy_gemm_tile(uint32_t i, uint32_t rows, uint32_t columns, uint32_t *row, uint32_t *column)
{
    const uint32_t band = i / (8 * columns), in_band = i % (8 * columns), height = rows - 8 * band < 8 ? rows - 8 * band : 8;
    *row = 8 * band + in_band % height;
    *column = in_band / height;
}

/** What a block has in shared memory besides its tiles. */
template <typename P>
struct hy_gemm_tables {
    hy_gemm_place outer_a[P::M], outer_b[P::N], depth_a[2][P::DEPTH], depth_b[2][P::DEPTH];
};

/** Two tables a stretch, in turn: one is filled while the other is read. A stretch ends at `end`. */
template <typename P>
__device__ __forceinline__ void hy_gemm_fill_depth(hy_gemm_tables<P> *tables, const hy_gemm &g, uint32_t stretch, uint32_t first, uint32_t end)
{
    for (int i = (int)threadIdx.x; i < 2 * P::DEPTH; i += P::THREADS) {
        const int k = i % P::DEPTH;
        const uint32_t at = first + stretch * P::DEPTH + k, index = at < end ? at : g.k;
        if (i < P::DEPTH) tables->depth_a[stretch % 2][k] = hy_gemm_find(g.a.depth, index);
        else tables->depth_b[stretch % 2][k] = hy_gemm_find(g.b.depth, index);
    }
}

/** Writes a tile's sums to g.partial. */
template <typename P>
__device__ __forceinline__ void hy_gemm_write_sums(const P &policy, const hy_gemm &g, uint32_t element, uint32_t row, uint32_t column)
{
    typedef typename P::computed C;
    C *const sums = reinterpret_cast<C *>(g.partial) + ((uint64_t)blockIdx.y * g.batch.count + element) * g.m * g.n;
    policy.each([&](int i, int j, C sum) {
        if (row + i < g.m && column + j < g.n) sums[(uint64_t)(row + i) * g.n + column + j] = sum;
    });
}

/** Writes a tile's results; `rows` and `columns` are where y's lie. */
template <typename P>
__device__ __forceinline__ void hy_gemm_write(const P &policy, const hy_gemm &g, const int64_t (&offset)[4], uint32_t row, uint32_t column,
                                              const hy_gemm_place *rows, const hy_gemm_place *columns)
{
    typedef typename P::stored S;
    typedef typename P::computed C;
    S *const y = reinterpret_cast<S *>(g.batch.data[0] + offset[0]);
    const S *const bias = g.batch.data[3] ? reinterpret_cast<const S *>(g.batch.data[3] + offset[3]) : nullptr;
    policy.each([&](int i, int j, C sum) {
        if (row + i >= g.m || column + j >= g.n) return;
        if (bias) sum += (C)hy_value(bias[(int64_t)(column + j) * g.bias_stride]);
        if (g.activation && sum < 0) sum = 0; /* relu's row of ops.def: NaN stays */
        y[rows[i].offset + columns[j].offset] = hy_cast<S>::of(sum);
    });
}

template <typename P>
__global__ void __launch_bounds__(P::THREADS, 1) hy_gemm_kernel(const __grid_constant__ hy_gemm g)
{
    typedef typename P::stored S;
    HY_SHARED_DYNAMIC(char, shared);
    enum { STAGE = P::a_tile::BYTES + P::b_tile::BYTES };
    hy_gemm_tables<P> *const tables = reinterpret_cast<hy_gemm_tables<P> *>(shared + P::STAGES * STAGE);

    const uint32_t tile_rows = (g.m + P::M - 1) / P::M, tile_columns = (g.n + P::N - 1) / P::N, tiles = tile_rows * tile_columns;
    const uint32_t element = blockIdx.x / tiles;
    uint32_t row, column;
    hy_gemm_tile(blockIdx.x % tiles, tile_rows, tile_columns, &row, &column);
    row *= P::M, column *= P::N;
    int64_t offset[4];
    hy_walk_offsets(g.batch, element, offset);
    const S *const a = reinterpret_cast<const S *>(g.batch.data[1] + offset[1]), *const b = reinterpret_cast<const S *>(g.batch.data[2] + offset[2]);

    const uint32_t first = blockIdx.y * g.depth, end = g.k - first < g.depth ? g.k : first + g.depth;
    const uint32_t stretches = (end - first + P::DEPTH - 1) / P::DEPTH;
    for (int i = (int)threadIdx.x; i < P::M + P::N; i += P::THREADS) {
        if (i < P::M) tables->outer_a[i] = hy_gemm_find(g.a.outer, row + i);
        else tables->outer_b[i - P::M] = hy_gemm_find(g.b.outer, column + i - P::M);
    }

    auto load = [&](uint32_t s) {
        char *const to = shared + s % P::STAGES * STAGE;
        P::a_tile::load(to, g.a, a, tables->outer_a, tables->depth_a[s % 2], row, first + s * P::DEPTH, end);
        P::b_tile::load(to + P::a_tile::BYTES, g.b, b, tables->outer_b, tables->depth_b[s % 2], column, first + s * P::DEPTH, end);
    };
    for (uint32_t s = 0; s < P::STAGES - 1; s++) {
        hy_gemm_fill_depth(tables, g, s, first, end);
        __syncthreads();
        if (s < stretches) load(s);
        hy_cp_async_commit();
    }
    hy_gemm_fill_depth(tables, g, P::STAGES - 1, first, end);

    P policy;
    for (uint32_t s = 0; s < stretches; s++) {
        hy_cp_async_wait<P::STAGES - 2>();
        __syncthreads();
        const uint32_t next = s + P::STAGES - 1;
        if (next < stretches) load(next);
        hy_cp_async_commit();
        hy_gemm_fill_depth(tables, g, next + 1, first, end);
        const char *const tile = shared + s % P::STAGES * STAGE;
        policy.multiply(tile, tile + P::a_tile::BYTES);
    }

    if (g.partial) {
        hy_gemm_write_sums(policy, g, element, row, column);
        return;
    }
    __syncthreads(); /* the tables' next use: where y's rows and columns lie */
    for (int i = (int)threadIdx.x; i < P::M + P::N; i += P::THREADS) {
        if (i < P::M) tables->outer_a[i] = hy_gemm_find(g.y_row, row + i);
        else tables->outer_b[i - P::M] = hy_gemm_find(g.y_column, column + i - P::M);
    }
    __syncthreads();
    hy_gemm_write(policy, g, offset, row, column, tables->outer_a, tables->outer_b);
}

template <typename P>
hy_status hy_gemm_launch(hy_device *device, const char *name, const hy_gemm &g)
{
    const int64_t blocks = hy_ceil_div(g.m, P::M) * hy_ceil_div(g.n, P::N) * g.batch.count;
    const size_t shared = P::STAGES * (P::a_tile::BYTES + P::b_tile::BYTES) + sizeof(hy_gemm_tables<P>);
    return hy_cuda_launch(device, name, dim3((unsigned)blocks, g.splits), dim3(P::THREADS), shared, hy_gemm_kernel<P>, g);
}

#endif
