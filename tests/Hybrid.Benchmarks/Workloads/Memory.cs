using Hybrid.NN;
using TorchSharp;
using PeerF = TorchSharp.torch.nn.functional;
using Peer = TorchSharp.torch.Tensor;

namespace Hybrid.Benchmarks.Workloads;

/// <summary>Work that memory bounds, or should. <see cref="Workload.Bytes"/> counts each input and each output once.</summary>
static class Memory
{
    const long Elements = 4_000_000;
    const double ImageBytes = 4.0 * 16 * 64 * 56 * 56;

    public static IEnumerable<Workload> All() =>
    [
        Unary("relu", 1, x => x.Relu(), x => x.relu()),
        Unary("sigmoid", 2, x => x.Sigmoid(), x => x.sigmoid()),
        Unary("tanh", 10, x => x.Tanh(), x => x.tanh()),
        Unary("gelu", 1.8, x => x.Gelu(), x => PeerF.gelu(x)),
        Unary("exp", 3, x => x.Exp(), x => x.exp()),
        On("softmax 4096x1000", [4096, 1000], 8.0 * 4096 * 1000, x => x.Softmax(1), x => PeerF.softmax(x, 1), 2.5),
        On("sum 4M", [Elements], 4.0 * Elements, x => x.Sum(), x => x.sum(), 1),
        new("bcast add 4096x1000 + 1000", () =>
        {
            var (x, row) = (Tensor.Randn(4096, 1000), Tensor.Randn(1000));
            return () => (x + row).Dispose();
        }, () =>
        {
            var (x, row) = (torch.randn(4096, 1000), torch.randn(1000));
            return () => (x + row).Dispose();
        })
        { Bytes = 8.0 * 4096 * 1000, Target = 1 },
        OnImages("maxpool 3x3s2 16x64x56x56", 0.25, x => F.MaxPool2d(x, 3, 2, 1), x => PeerF.max_pool2d(x, 3, 2, 1), 10),
        OnImages("maxpool 2x2s2 16x64x56x56", 0.25, x => F.MaxPool2d(x, 2, 2), x => PeerF.max_pool2d(x, 2, 2), 20),
        OnImages("avgpool 2x2s2 16x64x56x56", 0.25, x => F.AvgPool2d(x, 2, 2), x => PeerF.avg_pool2d(x, 2, 2), 8),
        BatchNorm(),
        On("transpose-copy 1000x1000", [1000, 1000], 8.0 * 1000 * 1000, x => x.T.Contiguous(), x => x.t().contiguous()),
        On("transpose-copy 2048x2048", [2048, 2048], 8.0 * 2048 * 2048, x => x.T.Contiguous(), x => x.t().contiguous()),
    ];

    static Workload Unary(string name, double target, Func<Tensor, Tensor> ours, Func<Peer, Peer> theirs) =>
        On($"elem {name} 4M", [Elements], 8.0 * Elements, ours, theirs, target);

    static Workload OnImages(string name, double outputs, Func<Tensor, Tensor> ours, Func<Peer, Peer> theirs, double target) =>
        On(name, [16, 64, 56, 56], ImageBytes * (1 + outputs), ours, theirs, target);

    static Workload On(string name, long[] shape, double bytes, Func<Tensor, Tensor> ours, Func<Peer, Peer> theirs, double? target = null) => new(name, () =>
    {
        var x = Tensor.Randn(shape);
        return () => ours(x).Dispose();
    }, () =>
    {
        var x = torch.randn(shape);
        return () => theirs(x).Dispose();
    })
    { Bytes = bytes, Target = target };

    // The statistics need the images once, the output needs them again: three passes over memory.
    static Workload BatchNorm() => new("batchnorm train 16x64x56x56", () =>
    {
        var x = Tensor.Randn(16, 64, 56, 56);
        var (weight, bias, mean, variance) = (Tensor.Ones(64), Tensor.Zeros(64), Tensor.Zeros(64), Tensor.Ones(64));
        return () => F.BatchNorm(x, mean, variance, weight, bias, training: true).Dispose();
    }, () =>
    {
        var x = torch.randn(16, 64, 56, 56);
        var (weight, bias, mean, variance) = (torch.ones(64), torch.zeros(64), torch.zeros(64), torch.ones(64));
        return () => PeerF.batch_norm(x, mean, variance, weight, bias, true).Dispose();
    })
    { Bytes = ImageBytes * 3, Target = 4 };
}
