using Hybrid.NN;
using Hybrid.Optim;
using TorchSharp;
using PeerF = TorchSharp.torch.nn.functional;
using PeerModule = TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>;
using PeerOptimizer = TorchSharp.torch.optim.Optimizer;
using static TorchSharp.torch.nn;

namespace Hybrid.Benchmarks.Workloads;

/// <summary>Whole steps: zeroed gradients, forward, loss, backward, optimiser; and inference.</summary>
static class Training
{
    public static IEnumerable<Workload> All() =>
    [
        Step("train mnist-cnn b64 adam step", [64, 1, 28, 28], DigitCnn, Adam, PeerDigitCnn, PeerAdam) with { Target = 3.5 },
        Inference("infer mnist-cnn b64", [64, 1, 28, 28], DigitCnn, PeerDigitCnn) with { Target = 3 },
        Inference("infer mnist-cnn b1", [1, 1, 28, 28], DigitCnn, PeerDigitCnn) with { Target = 2 },
        .. new[] { (64, 128, 9216), (64, 4096, 1024) }.Select(s => InferLinear(s.Item1, s.Item2, s.Item3)),
        .. new[] { (64, 56), (128, 28), (256, 14), (512, 7) }.Select(s => InferConv(s.Item1, s.Item2)),
        Step("train lenet5 b64 sgd step", [64, 1, 28, 28], LeNet5, Sgd, PeerLeNet5, PeerSgd) with { Target = 4 },
        Step("train mlp b64 adam step", [64, 784], Mlp, Adam, PeerMlp, PeerAdam) with { Target = 2.2 },
        Step("train cifar conv-bn net b32 step", [32, 3, 32, 32], ConvBnNet, Sgd, PeerConvBnNet, PeerSgd) with { Target = 1.7 },
    ];

    public static Sequential LeNet5() => new(
        new Conv2d(1, 6, 5, padding: 2), new ReLU(), new MaxPool2d(2), new Conv2d(6, 16, 5), new ReLU(), new MaxPool2d(2), new Flatten(),
        new NN.Linear(400, 120), new ReLU(), new NN.Linear(120, 84), new ReLU(), new NN.Linear(84, 10));

    public static PeerModule PeerLeNet5() => Sequential(
        Conv2d(1, 6, 5, padding: 2), ReLU(), MaxPool2d(2), Conv2d(6, 16, 5), ReLU(), MaxPool2d(2), Flatten(),
        Linear(400, 120), ReLU(), Linear(120, 84), ReLU(), Linear(84, 10));

    static Sequential DigitCnn() => new(
        new Conv2d(1, 32, 3), new ReLU(), new Conv2d(32, 64, 3), new ReLU(), new MaxPool2d(2), new Flatten(),
        new NN.Linear(9216, 128), new ReLU(), new NN.Linear(128, 10));

    static PeerModule PeerDigitCnn() => Sequential(
        Conv2d(1, 32, 3), ReLU(), Conv2d(32, 64, 3), ReLU(), MaxPool2d(2), Flatten(),
        Linear(9216, 128), ReLU(), Linear(128, 10));

    static Sequential Mlp() => new(new NN.Linear(784, 256), new ReLU(), new NN.Linear(256, 128), new ReLU(), new NN.Linear(128, 10));

    static PeerModule PeerMlp() => Sequential(Linear(784, 256), ReLU(), Linear(256, 128), ReLU(), Linear(128, 10));

    static Sequential ConvBnNet()
    {
        Sequential Block(long i, long o, int stride) =>
            new(new Conv2d(i, o, 3, stride, padding: 1, bias: false), new BatchNorm2d(o), new ReLU());
        return new(Block(3, 64, 1), Block(64, 64, 1), Block(64, 128, 2), Block(128, 128, 1), Block(128, 256, 2), Block(256, 256, 1),
            new AvgPool2d(8), new Flatten(), new NN.Linear(256, 10));
    }

    static PeerModule PeerConvBnNet()
    {
        PeerModule Block(int i, int o, int stride) => Sequential(Conv2d(i, o, 3, stride: stride, padding: 1, bias: false), BatchNorm2d(o), ReLU());
        return Sequential(Block(3, 64, 1), Block(64, 64, 1), Block(64, 128, 2), Block(128, 128, 1), Block(128, 256, 2), Block(256, 256, 1),
            AvgPool2d(8), Flatten(), Linear(256, 10));
    }

    static Optimizer Adam(Sequential model) => new Adam(model.Parameters());

    static PeerOptimizer PeerAdam(PeerModule model) => torch.optim.Adam(model.parameters());

    static Optimizer Sgd(Sequential model) => new SGD(model.Parameters(), learningRate: 0.01, momentum: 0.9);

    static PeerOptimizer PeerSgd(PeerModule model) => torch.optim.SGD(model.parameters(), 0.01, momentum: 0.9);

    static Workload Step(string name, long[] shape, Func<Sequential> model, Func<Sequential, Optimizer> optimizer, Func<PeerModule> peerModel,
        Func<PeerModule, PeerOptimizer> peerOptimizer) => new(name, () =>
    {
        var net = model();
        var rule = optimizer(net);
        var (x, labels) = (Tensor.Rand(shape), Tensor.RandInt(0, 10, [shape[0]]));
        return () =>
        {
            using var scope = TensorScope.Begin();
            rule.ZeroGrad();
            F.CrossEntropy(net.Forward(x), labels).Backward();
            rule.Step();
        };
    }, () =>
    {
        var net = peerModel();
        var rule = peerOptimizer(net);
        var (x, labels) = (torch.rand(shape), torch.randint(0, 10, shape[0]));
        return () =>
        {
            using var scope = torch.NewDisposeScope();
            rule.zero_grad();
            PeerF.cross_entropy(net.forward(x), labels).backward();
            rule.step();
        };
    });

    // One layer, which may keep its weight as the kernels read it.
    static Workload InferLinear(long m, long n, long k) => Inference($"infer linear m{m} n{n} k{k}", [m, k],
        () => new(new NN.Linear(k, n)), () => Sequential(Linear(k, n))) with { Flops = 2.0 * m * n * k };

    static Workload InferConv(long channels, long size) => Inference($"infer conv N1 C{channels} H{size} K{channels} R3 s1", [1, channels, size, size],
        () => new(new Conv2d(channels, channels, 3, padding: 1)), () => Sequential(Conv2d(channels, channels, 3, padding: 1)))
        with { Flops = 2.0 * 9 * channels * channels * size * size };

    static Workload Inference(string name, long[] shape, Func<Sequential> model, Func<PeerModule> peerModel) => new(name, () =>
    {
        var net = model();
        net.Eval();
        var x = Tensor.Rand(shape);
        return () =>
        {
            using var noGrad = NoGrad.Begin();
            using var scope = TensorScope.Begin();
            net.Forward(x);
        };
    }, () =>
    {
        var net = peerModel();
        net.eval();
        var x = torch.rand(shape);
        return () =>
        {
            using var noGrad = torch.no_grad();
            using var scope = torch.NewDisposeScope();
            net.forward(x);
        };
    });
}
