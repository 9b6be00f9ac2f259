// Stands in for cuBLAS in the tests: the functions that src/cuda/cublas.cu calls, as cuBLAS documents them, by three loops on the emulator's stream.
#include <chrono>

#include "cuda/ptx.cuh"
#include "fake_cublas.h"

struct cublas_context {
    cudaStream_t stream;
    size_t workspace;
    int math_mode;
};

FakeCublas fake_cublas;

namespace {

enum { ok = 0, not_initialized = 1, invalid_value = 7, internal_error = 14, not_supported = 15 };
enum { float32 = 0, float64 = 1, float16 = 2, bfloat16 = 14 };
enum { in_float32 = 68, in_float64 = 70, in_tf32 = 77 };

struct Matrix {
    char *data;
    int type, pitch;
    long long step;
    bool transposed;

    char *at(long long matrix, long long row, long long column, size_t size) const
    {
        return data + (size_t)(matrix * step + (transposed ? row * pitch + column : column * pitch + row)) * size;
    }
};

double read(const Matrix &m, long long matrix, long long row, long long column)
{
    switch (m.type) {
    case float64: return *(const double *)m.at(matrix, row, column, 8);
    case float16: return (float)*(const __half *)m.at(matrix, row, column, 2);
    case bfloat16: return (float)*(const __nv_bfloat16 *)m.at(matrix, row, column, 2);
    default: return *(const float *)m.at(matrix, row, column, 4);
    }
}

void write(const Matrix &m, long long matrix, long long row, long long column, double v)
{
    switch (m.type) {
    case float64: *(double *)m.at(matrix, row, column, 8) = v; break;
    case float16: *(__half *)m.at(matrix, row, column, 2) = __half((float)v); break;
    case bfloat16: *(__nv_bfloat16 *)m.at(matrix, row, column, 2) = __nv_bfloat16((float)v); break;
    default: *(float *)m.at(matrix, row, column, 4) = (float)v;
    }
}

double rounded(double v, int sum_type) { return sum_type == in_tf32 ? __uint_as_float(hy_to_tf32((float)v)) : v; }

void multiply(int m, int n, int k, int count, int sum_type, const Matrix &a, const Matrix &b, const Matrix &c)
{
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(fake_cublas.delay_ms);
    for (int matrix = 0; matrix < count && !fake_cublas.idle; matrix++)
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++) {
                double sum = 0;
                for (int l = 0; l < k; l++) sum += rounded(read(a, matrix, i, l), sum_type) * rounded(read(b, matrix, l, j), sum_type);
                write(c, matrix, i, j, sum);
            }
    while (std::chrono::steady_clock::now() < end) {}
}

void a_kernel() {}

bool fits(int rows, int columns, const Matrix &m, int count)
{
    return m.data && m.pitch >= (m.transposed ? columns : rows) && m.pitch >= 1 && (count == 1 || m.step >= 0);
}

} // namespace

extern "C" __attribute__((visibility("default"))) FakeCublas *fake_cublas_state() { return &fake_cublas; }

extern "C" int cublasCreate_v2(cublas_context **handle)
{
    fake_cublas.creates++;
    if (fake_cublas.create_status != ok) return fake_cublas.create_status;
    *handle = new cublas_context();
    return ok;
}

extern "C" int cublasDestroy_v2(cublas_context *handle) { return delete handle, ok; }
extern "C" int cublasSetMathMode(cublas_context *handle, int mode) { return handle->math_mode = mode, ok; }
extern "C" int cublasSetStream_v2(cublas_context *handle, cudaStream_t stream) { return handle->stream = stream, handle->workspace = 0, ok; }
extern "C" int cublasSetWorkspace_v2(cublas_context *handle, void *data, size_t bytes)
{
    return data && (uintptr_t)data % 256 == 0 ? handle->workspace = bytes, ok : invalid_value;
}

extern "C" int cublasGemmStridedBatchedEx(cublas_context *handle, int a_op, int b_op, int m, int n, int k, const void *alpha, const void *a, int a_type,
                                          int a_pitch, long long a_step, const void *b, int b_type, int b_pitch, long long b_step, const void *beta,
                                          void *c, int c_type, int c_pitch, long long c_step, int count, int sum_type, int algorithm)
{
    fake_cublas.calls++;
    if (!handle) return not_initialized;
    if (fake_cublas.status != ok) return fake_cublas.status;
    const Matrix ma = {(char *)a, a_type, a_pitch, a_step, a_op == 1}, mb = {(char *)b, b_type, b_pitch, b_step, b_op == 1};
    const Matrix mc = {(char *)c, c_type, c_pitch, c_step, false};
    const bool wide = sum_type == in_float64;
    if (m < 1 || n < 1 || k < 1 || count < 1 || a_op / 2 || b_op / 2 || !fits(m, k, ma, count) || !fits(k, n, mb, count) || !fits(m, n, mc, count) || algorithm != -1)
        return invalid_value;
    if (wide ? *(const double *)alpha != 1 || *(const double *)beta != 0 : *(const float *)alpha != 1 || *(const float *)beta != 0) return invalid_value;
    if (a_type != b_type || wide != (a_type == float64) || (c_type != a_type && c_type != float32) || (sum_type == in_tf32 && a_type != float32)) return not_supported;
    if (handle->workspace < (size_t)4 << 20 || handle->math_mode != 16) return internal_error; // of its own it would share one between streams
    auto body = [=] { multiply(m, n, k, count, sum_type, ma, mb, mc); };
    return simt_launch((const void *)a_kernel, dim3(1), dim3(1), 0, handle->stream, body) == cudaSuccess ? ok : 13;
}
