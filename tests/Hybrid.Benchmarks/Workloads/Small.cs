using Hybrid.NN;
using Hybrid.Optim;
using TorchSharp;

namespace Hybrid.Benchmarks.Workloads;

/// <summary>Work so small that everything around the kernel counts.</summary>
static class Small
{
    public static IEnumerable<Workload> All() =>
    [
        Add("tiny add [4]", 5, 4),
        Add("tiny add [64,64]", 2.5, 64, 64),
        new("tiny matmul [64,64]", () =>
        {
            var (a, b) = (Tensor.Rand(64, 64), Tensor.Rand(64, 64));
            return () => a.MatMul(b).Dispose();
        }, () =>
        {
            var (a, b) = (torch.rand(64, 64), torch.rand(64, 64));
            return () => a.matmul(b).Dispose();
        }),
        new("tiny autograd 3x^3 backward", () => () =>
        {
            using var scope = TensorScope.Begin();
            var x = Tensor.From([2f], requiresGrad: true);
            (3 * x.Pow(3)).Backward();
            x.Grad!.Dispose();
        }, () => () =>
        {
            using var scope = torch.NewDisposeScope();
            var x = torch.tensor(new float[] { 2 }, requires_grad: true);
            (3 * x.pow(3)).backward();
            _ = x.grad;
        }) { Target = 8 },
        new("linear-regression step b32", Regression, PeerRegression) { Target = 10 },
    ];

    static Workload Add(string name, double target, params long[] shape) => new(name, () =>
    {
        var (a, b) = (Tensor.Rand(shape), Tensor.Rand(shape));
        return () => (a + b).Dispose();
    }, () =>
    {
        var (a, b) = (torch.rand(shape), torch.rand(shape));
        return () => (a + b).Dispose();
    })
    { Target = target };

    static Action Regression()
    {
        var model = new Linear(1, 1);
        var optimizer = new SGD(model.Parameters(), learningRate: 0.01);
        var x = Tensor.Rand(32, 1);
        var y = 2 * x + 1;
        return () =>
        {
            using var scope = TensorScope.Begin();
            optimizer.ZeroGrad();
            F.MseLoss(model.Forward(x), y).Backward();
            optimizer.Step();
        };
    }

    static Action PeerRegression()
    {
        var model = torch.nn.Linear(1, 1);
        var optimizer = torch.optim.SGD(model.parameters(), 0.01);
        var x = torch.rand(32, 1);
        var y = 2 * x + 1;
        return () =>
        {
            using var scope = torch.NewDisposeScope();
            optimizer.zero_grad();
            torch.nn.functional.mse_loss(model.forward(x), y).backward();
            optimizer.step();
        };
    }
}
