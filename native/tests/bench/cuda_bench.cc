// Measures the CUDA backend on the first GPU: one line a workload, its name, microseconds and rate, separated by tabs. tests/gpu.sh sets it beside
// tests/gpu_peer.py, which has the same workloads under the same names.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "hybrid/hybrid.h"

namespace {

hy_device *device;

void expect(hy_status status, const char *what)
{
    if (status == HY_OK) return;
    fprintf(stderr, "cuda_bench: %s: %s\n", what, hy_last_error());
    exit(1);
}

int64_t element_size(int32_t dtype) { return dtype == HY_FLOAT16 || dtype == HY_BFLOAT16 ? 2 : dtype == HY_INT64 ? 8 : 4; }

/// A contiguous tensor of random numbers, freed with the object.
class Tensor {
public:
    Tensor(int32_t dtype, const std::vector<int64_t> &shape)
    {
        view.device = device;
        view.dtype = dtype;
        view.ndim = (int32_t)shape.size();
        for (int i = view.ndim - 1; i >= 0; i--) {
            view.shape[i] = shape[(size_t)i];
            view.strides[i] = count;
            count *= shape[(size_t)i];
        }
        expect(hy_alloc(device, bytes(), &view.data), "alloc");
        if (dtype == HY_INT64) expect(hy_random_integers(device, 1, 0, 0, 1000, &view), "random");
        else if (dtype != HY_INT32) expect(hy_random_normal(device, 1, 0, 0, 1, &view), "random");
    }
    ~Tensor() { hy_free(device, view.data); }
    Tensor(const Tensor &) = delete;
    Tensor &operator=(const Tensor &) = delete;
    int64_t bytes() const { return count * element_size(view.dtype); }
    operator const hy_tensor *() const { return &view; }

private:
    hy_tensor view = {};
    int64_t count = 1;
};

/// Milliseconds of `n` calls, by the GPU's clock.
double time_of(int n, const std::function<hy_status()> &call)
{
    hy_event *start, *end;
    double milliseconds = 0;
    expect(hy_event_create(device, 1, &start), "event");
    expect(hy_event_create(device, 1, &end), "event");
    expect(hy_event_record(device, start), "event");
    for (int i = 0; i < n; i++) expect(call(), "call");
    expect(hy_event_record(device, end), "event");
    expect(hy_event_elapsed(device, start, end, &milliseconds), "event");
    hy_event_destroy(device, start);
    hy_event_destroy(device, end);
    return milliseconds;
}

/// The best of five runs of about 50 ms; `work` is floating-point operations, or bytes, of one call.
void measure(const std::string &name, double work, const char *unit, const std::function<hy_status()> &call)
{
    time_of(2, call);
    const int n = (int)std::clamp(50 / time_of(1, call), 1.0, 2000.0);
    double best = 1e30;
    for (int run = 0; run < 5; run++) best = std::min(best, time_of(n, call) / n);
    printf("%s\t%.2f\t%.1f %s\n", name.c_str(), best * 1000, work / best * 1e-9 * (*unit == 'G' ? 1000 : 1), unit);
    fflush(stdout);
}

void products()
{
    static const struct {
        const char *name;
        int32_t dtype, precision;
    } types[] = {{"float32", HY_FLOAT32, HY_FLOAT32_HIGHEST}, {"tf32", HY_FLOAT32, HY_FLOAT32_HIGH}, {"bfloat16", HY_BFLOAT16, HY_FLOAT32_HIGHEST},
                 {"float16", HY_FLOAT16, HY_FLOAT32_HIGHEST}};
    for (const auto &t : types) {
        expect(hy_set_float32_matmul_precision(t.precision), "precision");
        for (int64_t n : {1024, 2048, 4096, 8192}) {
            Tensor a(t.dtype, {n, n}), b(t.dtype, {n, n}), c(t.dtype, {n, n});
            measure(std::string("matmul ") + t.name + " " + std::to_string(n), 2.0 * (double)n * (double)n * (double)n, "TFLOP/s",
                    [&] { return hy_matmul(device, a, b, nullptr, HY_NO_ACTIVATION, c); });
        }
        static const int64_t layers[][4] = {{64, 56, 64, 3}, {128, 28, 128, 3}, {256, 14, 256, 3}, {512, 7, 512, 3}, {256, 56, 64, 1}, {512, 28, 128, 1}, {1024, 14, 256, 1}};
        for (const auto &l : layers) {
            const int64_t in = l[0], size = l[1], out = l[2], k = l[3];
            const int32_t padding = (int32_t)k / 2;
            hy_conv2d_params p = {};
            p.stride[0] = p.stride[1] = p.dilation[0] = p.dilation[1] = p.groups = 1;
            p.padding[0] = p.padding[1] = padding;
            Tensor x(t.dtype, {32, in, size, size}), w(t.dtype, {out, in, k, k}), y(t.dtype, {32, out, size, size});
            const std::string name = std::string("conv ") + t.name + " " + std::to_string(in) + "-" + std::to_string(out) + " " + std::to_string(size) + " " + std::to_string(k) + "x" + std::to_string(k);
            const double work = 2.0 * 32 * (double)(out * in * k * k * size * size);
            measure(name + " forward", work, "TFLOP/s", [&] { return hy_conv2d(device, &p, x, w, nullptr, y); });
            measure(name + " input gradient", work, "TFLOP/s", [&] { return hy_conv2d_input_grad(device, &p, y, w, x); });
            measure(name + " weight gradient", work, "TFLOP/s", [&] { return hy_conv2d_weight_grad(device, &p, x, y, w, nullptr); });
        }
    }
    expect(hy_set_float32_matmul_precision(HY_FLOAT32_HIGHEST), "precision");
}

void bandwidth()
{
    const int64_t n = 1 << 26;
    Tensor a(HY_FLOAT32, {n}), b(HY_FLOAT32, {n}), c(HY_FLOAT32, {n}), one(HY_FLOAT32, {1}), rows(HY_FLOAT32, {65536, 1024}), rows_y(HY_FLOAT32, {65536, 1024});
    const double bytes = (double)a.bytes();
    measure("copy 64M", 2 * bytes, "GB/s", [&] { return hy_copy(device, a, c); });
    measure("add 64M", 3 * bytes, "GB/s", [&] { return hy_binary(device, HY_BINARY_add, a, b, c); });
    measure("relu 64M", 2 * bytes, "GB/s", [&] { return hy_unary(device, HY_UNARY_relu, 0, a, c); });
    measure("exp 64M", 2 * bytes, "GB/s", [&] { return hy_unary(device, HY_UNARY_exp, 0, a, c); });
    measure("sum 64M", bytes, "GB/s", [&] { return hy_reduce(device, HY_REDUCE_sum, a, one); });
    measure("softmax 65536x1024", 2 * bytes, "GB/s", [&] { return hy_softmax(device, rows, 1, 0, rows_y); });
}

void layers()
{
    Tensor x(HY_FLOAT32, {128, 64, 56, 56}), y(HY_FLOAT32, {128, 64, 56, 56}), dx(HY_FLOAT32, {128, 64, 56, 56}), weight(HY_FLOAT32, {64}), bias(HY_FLOAT32, {64}),
        mean(HY_FLOAT32, {64}), rstd(HY_FLOAT32, {64}), dweight(HY_FLOAT32, {64}), dbias(HY_FLOAT32, {64});
    const double bytes = (double)x.bytes();
    measure("batch norm 128x64x56x56", 3 * bytes, "GB/s",
            [&] { return hy_batch_norm(device, 1e-5, 0.1, x, weight, bias, nullptr, nullptr, y, mean, rstd); });
    measure("batch norm gradient 128x64x56x56", 5 * bytes, "GB/s",
            [&] { return hy_batch_norm_backward(device, y, x, weight, mean, rstd, dx, dweight, dbias); });
    Tensor pooled(HY_FLOAT32, {128, 64, 28, 28}), index(HY_INT32, {128, 64, 28, 28});
    hy_pool2d_params p = {{2, 2}, {2, 2}, {0, 0}, {1, 1}, 0};
    measure("max pool 2x2 128x64x56x56", 1.5 * bytes, "GB/s", [&] { return hy_max_pool2d(device, &p, x, pooled, index); });
    measure("max pool gradient 2x2 128x64x56x56", 1.5 * bytes, "GB/s", [&] { return hy_max_pool2d_backward(device, &p, pooled, index, dx); });
    measure("average pool 2x2 128x64x56x56", 1.25 * bytes, "GB/s", [&] { return hy_avg_pool2d(device, &p, x, pooled); });

    Tensor logits(HY_FLOAT32, {16384, 1000}), labels(HY_INT64, {16384}), loss(HY_FLOAT32, {}), gradient(HY_FLOAT32, {16384, 1000});
    measure("cross-entropy 16384x1000", 3 * (double)logits.bytes(), "GB/s",
            [&] { return hy_cross_entropy(device, HY_REDUCTION_mean, -100, 0, logits, labels, loss, gradient); });
    Tensor table(HY_FLOAT32, {1000, 768}), tokens(HY_INT64, {16384}), picked(HY_FLOAT32, {16384, 768});
    measure("index_select 16384 of 1000x768", 2 * (double)picked.bytes(), "GB/s", [&] { return hy_index_select(device, table, 0, tokens, picked); });
    measure("index_add 16384 to 1000x768", (double)picked.bytes(), "GB/s", [&] { return hy_index_add(device, picked, 0, tokens, table); });
}

} // namespace

int main()
{
    expect(hy_device_get(HY_CUDA, 0, &device), "device");
    bandwidth();
    layers();
    products();
}
