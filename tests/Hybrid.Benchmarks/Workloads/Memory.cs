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
        OnPositive("elem log 4M", 8.0 * Elements, x => x.Log(), x => x.log()),
        OnPositive("elem sin 4M", 8.0 * Elements, x => x.Sin(), x => x.sin()),
        OnPositive("elem pow 4M", 8.0 * Elements, x => x.Pow(2.5), x => x.pow(2.5)),
        OnPositive("cast float to double 4M", 12.0 * Elements, x => x.To(DType.Float64), x => x.to(torch.float64)),
        OnPositive("cast float to int 4M", 8.0 * Elements, x => x.To(DType.Int32), x => x.to(torch.int32)),
        On("softmax 4096x1000", [4096, 1000], 8.0 * 4096 * 1000, x => x.Softmax(1), x => PeerF.softmax(x, 1), 2.5),
        On("sum 4M", [Elements], 4.0 * Elements, x => x.Sum(), x => x.sum(), 1),
        On("mean of rows 4096x1000", [4096, 1000], 4.0 * 4096 * 1000, x => x.Mean(1), x => x.mean([1L])),
        On("sum of columns 4096x1000", [4096, 1000], 4.0 * 4096 * 1000, x => x.Sum(0), x => x.sum(0L)),
        CrossEntropy(),
        Picking("embedding 50000x256, 8192 rows", [50000, 256], [8192], 50000, 8.0 * 8192 * 256,
            (x, index) => x.IndexSelect(0, index), (x, index) => x.index_select(0, index)),
        Picking("gather 4096x1000", [4096, 1000], [4096, 1000], 1000, 16.0 * 4096 * 1000,
            (x, index) => x.Gather(1, index), (x, index) => x.gather(1, index)),
        Picking("scatter-add 4096x1000", [4096, 1000], [4096, 1000], 1000, 16.0 * 4096 * 1000,
            (x, index) => x.ScatterAdd(1, index, x), (x, index) => x.scatter_add(1, index, x)),
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

    static Workload OnPositive(string name, double bytes, Func<Tensor, Tensor> ours, Func<Peer, Peer> theirs) => new(name, () =>
    {
        var x = Tensor.Rand(Elements) + 0.1;
        return () => ours(x).Dispose();
    }, () =>
    {
        var x = torch.rand(Elements) + 0.1;
        return () => theirs(x).Dispose();
    })
    { Bytes = bytes };

    static Workload Picking(string name, long[] shape, long[] indices, long extent, double bytes, Func<Tensor, Tensor, Tensor> ours,
        Func<Peer, Peer, Peer> theirs) => new(name, () =>
    {
        var (x, index) = (Tensor.Randn(shape), Tensor.RandInt(0, extent, indices));
        return () => ours(x, index).Dispose();
    }, () =>
    {
        var (x, index) = (torch.randn(shape), torch.randint(0, extent, indices, torch.int64));
        return () => theirs(x, index).Dispose();
    })
    { Bytes = bytes };

    static Workload CrossEntropy() => new("cross-entropy 4096x1000", () =>
    {
        var (x, labels) = (Tensor.Randn(4096, 1000), Tensor.RandInt(0, 1000, [4096]));
        return () => F.CrossEntropy(x, labels).Dispose();
    }, () =>
    {
        var (x, labels) = (torch.randn(4096, 1000), torch.randint(0, 1000, [4096], torch.int64));
        return () => PeerF.cross_entropy(x, labels).Dispose();
    })
    { Bytes = 4.0 * 4096 * 1000 };

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
