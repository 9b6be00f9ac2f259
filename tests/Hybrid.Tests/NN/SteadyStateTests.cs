using System.Runtime.CompilerServices;
using Hybrid.NN;
using Hybrid.Optim;

namespace Hybrid.Tests;

/// <summary>A training that is under way asks the system for no memory, and no step leaves anything behind.</summary>
// The allocator's counters are the process's.
[NonParallelizable]
public class SteadyStateTests
{
    const int Consecutive = 8;
    const int MostWarmUps = 40;

    static IEnumerable<TestCaseData> Cases()
    {
        foreach (var (name, net, input) in Nets())
        {
            yield return new TestCaseData(net, input, (IEnumerable<Tensor> p) => (Optimizer)new SGD(p, 0.01, momentum: 0.9)).SetArgDisplayNames(name, nameof(SGD));
            yield return new TestCaseData(net, input, (IEnumerable<Tensor> p) => (Optimizer)new Adam(p)).SetArgDisplayNames(name, nameof(Adam));
        }
    }

    static IEnumerable<(string Name, Func<Module<Tensor, Tensor>> Net, long[] Input)> Nets()
    {
        yield return ("MLP", () => new Sequential(new Linear(784, 256), new ReLU(), new Linear(256, 128), new ReLU(), new Linear(128, 10)), [64, 784]);
        yield return ("LeNet", () => new Sequential(
            new Conv2d(1, 6, 5, padding: 2), new ReLU(), new MaxPool2d(2), new Conv2d(6, 16, 5), new ReLU(), new MaxPool2d(2),
            new Flatten(), new Linear(400, 120), new ReLU(), new Linear(120, 84), new ReLU(), new Linear(84, 10)), [16, 1, 28, 28]);
        yield return ("ConvBn", () => new Sequential(
            new Conv2d(3, 16, 3, padding: 1, bias: false), new BatchNorm2d(16), new ReLU(),
            new Conv2d(16, 32, 3, stride: 2, padding: 1, bias: false), new BatchNorm2d(32), new ReLU(),
            new AvgPool2d(4), new Flatten(), new Linear(128, 10)), [8, 3, 16, 16]);
    }

    [TestCaseSource(nameof(Cases))]
    public void WarmStepsReuseWhatTheyFree(Func<Module<Tensor, Tensor>> net, long[] input, Func<IEnumerable<Tensor>, Optimizer> optimizerOf)
    {
        var before = LiveWhenSettled();
        Train(net, input, optimizerOf);
        Assert.That(LiveWhenSettled(), Is.EqualTo(before), "what is left when nobody holds the model and the optimiser any more");
    }

    static long LiveWhenSettled()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Device.Cpu.Memory.Live;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Train(Func<Module<Tensor, Tensor>> net, long[] input, Func<IEnumerable<Tensor>, Optimizer> optimizerOf)
    {
        using var scope = TensorScope.Begin();
        var model = net();
        var optimizer = optimizerOf(model.Parameters());
        var x = Tensor.Rand(input);
        var labels = Tensor.Zeros([input[0]], DType.Int64);
        Step(); // makes the gradients and the optimiser's state

        // How many blocks a step needs at once depends on how its threads meet: it has settled when several steps in a row ask for none.
        var held = Storage.LiveBytes;
        var quiet = 0;
        for (var step = 0; quiet < Consecutive && step < MostWarmUps; step++)
        {
            var asked = Device.Cpu.Memory.SystemAllocations;
            Step();
            quiet = Device.Cpu.Memory.SystemAllocations == asked ? quiet + 1 : 0;
            Assert.That(Storage.LiveBytes, Is.EqualTo(held), "bytes in use after a step");
        }
        Assert.That(quiet, Is.EqualTo(Consecutive), $"steps in a row, of {MostWarmUps}, that did without the system");

        void Step()
        {
            using var temporaries = TensorScope.Begin();
            optimizer.ZeroGrad();
            F.CrossEntropy(model.Forward(x), labels).Backward();
            optimizer.Step();
        }
    }
}
