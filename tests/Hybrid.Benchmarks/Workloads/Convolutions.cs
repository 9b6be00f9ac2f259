using Hybrid.NN;
using TorchSharp;
using PeerF = TorchSharp.torch.nn.functional;

namespace Hybrid.Benchmarks.Workloads;

/// <summary>Convolutions forward, and forward with the gradients of input and weight.</summary>
static class Convolutions
{
    // The last two: the ratios to reach, forward and with gradients.
    static readonly (long N, long C, long H, long K, int R, int Stride, int Padding, double? Forward, double? Both)[] Shapes =
    [
        (1, 3, 224, 64, 7, 2, 3, null, null), (1, 64, 56, 64, 3, 1, 1, null, null), (1, 64, 56, 256, 1, 1, 0, null, null),
        (1, 128, 28, 128, 3, 1, 1, null, null), (1, 256, 14, 256, 3, 1, 1, null, null), (1, 512, 7, 512, 3, 1, 1, null, null),
        (8, 3, 224, 64, 7, 2, 3, 1.4, 1.2), (8, 64, 56, 64, 3, 1, 1, 2.2, 1.6), (8, 64, 56, 256, 1, 1, 0, 1.4, 1.2),
        (8, 128, 28, 128, 3, 1, 1, 2.2, 1.6), (8, 256, 14, 256, 3, 1, 1, 2.2, 1.6), (8, 512, 7, 512, 3, 1, 1, 1.2, 1.2),
        (64, 1, 28, 32, 3, 1, 0, 1.4, 3), (64, 32, 26, 64, 3, 1, 0, 2.2, 7), (64, 1, 28, 6, 5, 1, 2, 1.4, 3), (64, 6, 14, 16, 5, 1, 0, 1.4, 1.2),
        (32, 3, 32, 64, 3, 1, 1, 1.4, 3), (32, 1, 64, 16, 3, 1, 1, 1.4, 3),
    ];

    public static IEnumerable<Workload> All()
    {
        foreach (var (n, c, h, k, r, stride, padding, forward, both) in Shapes)
        {
            yield return Forward($"conv fwd N{n} C{c} H{h} K{k} R{r} s{stride}", n, c, h, k, r, stride, padding) with { Target = forward };
            yield return WithGradients($"conv fwd+bwd N{n} C{c} H{h} K{k} R{r} s{stride}", n, c, h, k, r, stride, padding) with { Target = both };
        }
    }

    public static Workload Forward(string name, long n, long c, long h, long k, int r, int stride, int padding) => new(name, () =>
    {
        var (x, w) = (Tensor.Randn(n, c, h, h), Tensor.Randn(k, c, r, r));
        return () => F.Conv2d(x, w, stride: stride, padding: padding).Dispose();
    }, () =>
    {
        var (x, w) = (torch.randn(n, c, h, h), torch.randn(k, c, r, r));
        return () =>
        {
            using var noGrad = torch.no_grad();
            PeerF.conv2d(x, w, strides: [stride, stride], padding: [padding, padding]).Dispose();
        };
    })
    { Flops = Flops(n, c, h, k, r, stride, padding) };

    public static Workload WithGradients(string name, long n, long c, long h, long k, int r, int stride, int padding) => new(name, () =>
    {
        var (x, w) = (Tensor.Randn([n, c, h, h], requiresGrad: true), Tensor.Randn([k, c, r, r], requiresGrad: true));
        using var shape = F.Conv2d(x, w, stride: stride, padding: padding);
        var g = Tensor.RandnLike(shape);
        return () =>
        {
            using var scope = TensorScope.Begin();
            var y = F.Conv2d(x, w, stride: stride, padding: padding);
            Autograd.Grad([y], [x, w], [g]);
        };
    }, () =>
    {
        var (x, w) = (torch.randn(n, c, h, h, requires_grad: true), torch.randn(k, c, r, r, requires_grad: true));
        using var shape = PeerF.conv2d(x, w, strides: [stride, stride], padding: [padding, padding]);
        var g = torch.randn_like(shape);
        return () =>
        {
            using var scope = torch.NewDisposeScope();
            var y = PeerF.conv2d(x, w, strides: [stride, stride], padding: [padding, padding]);
            torch.autograd.grad([y], [x, w], [g]);
        };
    })
    { Flops = 3 * Flops(n, c, h, k, r, stride, padding) };

    static double Flops(long n, long c, long h, long k, int r, int stride, int padding)
    {
        long outputs = (h + 2 * padding - r) / stride + 1;
        return 2.0 * n * k * outputs * outputs * c * r * r;
    }
}
