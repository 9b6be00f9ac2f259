using Hybrid.NN;
using TorchSharp;

namespace Hybrid.Benchmarks.Workloads;

/// <summary>Matrix products, square and as a linear layer asks for them.</summary>
static class Products
{
    public static IEnumerable<Workload> All() =>
    [
        Square(128), Square(256, 1.4), Square(512, 1.4), Square(1024, 1.5), Square(2048, 1.2),
        Linear(64, 128, 9216, 1.4), Linear(64, 4096, 1024, 1.7), Linear(1, 4096, 4096, 2.3), Linear(512, 64, 64, 1.5),
    ];

    static Workload Square(long n, double? target = null) => new($"gemm f32 {n}", () =>
    {
        var (a, b) = (Tensor.Rand(n, n), Tensor.Rand(n, n));
        return () => a.MatMul(b).Dispose();
    }, () =>
    {
        var (a, b) = (torch.rand(n, n), torch.rand(n, n));
        return () => a.matmul(b).Dispose();
    })
    { Flops = 2.0 * n * n * n, Target = target };

    // A product with one row reads every weight once and does two operations with it: memory bounds it.
    static Workload Linear(long m, long n, long k, double target) => new($"linear m{m} n{n} k{k}", () =>
    {
        var (x, w) = (Tensor.Rand(m, k), Tensor.Rand(n, k));
        return () => F.Linear(x, w).Dispose();
    }, () =>
    {
        var (x, w) = (torch.rand(m, k), torch.rand(n, k));
        return () => torch.nn.functional.linear(x, w).Dispose();
    })
    { Flops = m == 1 ? 0 : 2.0 * m * n * k, Bytes = m == 1 ? 4.0 * n * k : 0, Target = target };
}
