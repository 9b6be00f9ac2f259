using TorchSharp;

namespace Hybrid.Benchmarks.Workloads;

/// <summary>How cost grows with the batch, the channels, the threads and the length of a chain of operations.</summary>
static class Growth
{
    public static IEnumerable<Workload> All()
    {
        foreach (long batch in new[] { 1, 8, 64, 512 })
        {
            yield return Convolutions.WithGradients($"growth batch {batch}", batch, 32, 26, 64, 3, 1, 0);
        }
        foreach (long channels in new[] { 8, 32, 128, 512 })
        {
            yield return Convolutions.WithGradients($"growth channels {channels}", 8, channels, 14, channels, 3, 1, 1);
        }
        foreach (int threads in new[] { 1, 2 })
        {
            yield return Convolutions.WithGradients($"growth threads {threads}", 8, 64, 56, 64, 3, 1, 1) with { Threads = threads };
        }
        foreach (int length in new[] { 10, 100, 1_000, 10_000 })
        {
            yield return Chain(length);
        }
    }

    static Workload Chain(int length) => new($"growth chain {length}", () =>
    {
        var x = Tensor.Rand([16], requiresGrad: true);
        return () =>
        {
            using var scope = TensorScope.Begin();
            var y = x;
            for (int i = 0; i < length; i++)
            {
                y = y * 0.999;
            }
            Autograd.Grad(y.Sum(), x);
        };
    }, () =>
    {
        var x = torch.rand(16, requires_grad: true);
        return () =>
        {
            using var scope = torch.NewDisposeScope();
            var y = x;
            for (int i = 0; i < length; i++)
            {
                y = y * 0.999;
            }
            torch.autograd.grad([y.sum()], [x]);
        };
    });
}
