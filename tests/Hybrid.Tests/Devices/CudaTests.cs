using Hybrid.NN;
using Hybrid.Optim;

namespace Hybrid.Tests;

/// <summary>Streams, events, graphs and pinned memory, on a GPU or on the emulator of the native tests: HYBRID_CUDA_LIBRARY says which.</summary>
[Category("Cuda"), NonParallelizable]
public class CudaTests
{
    private Device device = null!;

    [OneTimeSetUp]
    public void FindADevice()
    {
        if (Device.TryGet(DeviceKind.Cuda) is { } found)
        {
            device = found;
        }
        else
        {
            Assert.Ignore("there is neither a GPU nor the emulator");
        }
    }

    private static float[] Values(Tensor tensor) => tensor.Detach().To(Device.Cpu).ToArray<float>();

    // Four parameters' worth of everything that a captured step may do: broadcasting, dropout, reductions, an optimiser.
    private sealed class Fit(Device device, Func<Tensor, Optimizer> makeOptimizer, Generator generator)
    {
        internal Tensor Weight { get; } = Tensor.From(Enumerable.Range(0, 24).Select(static i => i * 0.1f).ToArray(), [4, 6]).To(device).Detach().RequiresGrad_();

        internal Tensor Input { get; } = Tensor.Zeros([4, 6], device: device);

        internal Tensor Loss { get; private set; } = null!;

        internal Optimizer Optimizer => field ??= makeOptimizer(Weight);

        internal void Step()
        {
            Optimizer.ZeroGrad();
            Loss = (F.Dropout(Weight * Input, 0.25, generator: generator) - 1).Square().Mean();
            Loss.Backward();
            Optimizer.Step();
        }
    }

    private static Tensor Batch(int step) => Tensor.Full([4, 6], 1 + 0.1 * step) + Tensor.Arange(6).To(DType.Float32) * 0.01;

    [TestCase("SGD")]
    [TestCase("momentum")]
    [TestCase("Adam")]
    [TestCase("AdamW")]
    public void AGraphTrainsAsTheStepsItReplays(string name)
    {
        Optimizer Make(Tensor weight) => name switch
        {
            "SGD" => new SGD([weight], 0.1),
            "momentum" => new SGD([weight], 0.1, momentum: 0.9),
            "Adam" => new Adam([weight], 0.1),
            _ => new AdamW([weight], 0.1),
        };
        var (numbers, sameNumbers) = (new Generator(5), new Generator(5));
        var (want, got) = (new Fit(device, Make, numbers), new Fit(device, Make, sameNumbers));

        want.Input.Copy_(Batch(0).To(device));
        want.Step();
        got.Input.Copy_(Batch(0).To(device));
        using var graph = device.Capture(got.Step); // its warm-up is the first step
        Assert.That(sameNumbers.Offset, Is.EqualTo(numbers.Offset), "the recording drew numbers");
        Assert.That(Values(got.Weight), Is.EqualTo(Values(want.Weight)), "the recording changed the weight");
        for (var step = 1; step <= 4; step++)
        {
            want.Optimizer.LearningRate = got.Optimizer.LearningRate = 0.1 / step;
            want.Input.Copy_(Batch(step).To(device));
            want.Step();
            got.Input.Copy_(Batch(step).To(device));
            var version = got.Weight.Version;
            graph.Replay();
            Assert.Multiple(() =>
            {
                Assert.That(got.Loss.Item<float>(), Is.EqualTo(want.Loss.Item<float>()).Within(1e-6));
                Assert.That(Values(got.Weight), Is.EqualTo(Values(want.Weight)).Within(1e-6));
                Assert.That(got.Weight.Version, Is.GreaterThan(version), "what was computed from the weight is out of date");
                Assert.That(sameNumbers.Offset, Is.EqualTo(numbers.Offset));
            });
        }
        // And without the graph it goes on from there.
        want.Step();
        got.Step();
        Assert.That(Values(got.Weight), Is.EqualTo(Values(want.Weight)).Within(1e-6));
    }

    [Test]
    public void ARecordingThatFailsLeavesTheDeviceAsItWas()
    {
        var x = Tensor.Ones([3], device: device);
        Assert.That(() => device.Capture(() => (x + 1).Sum().Item(), warmups: 0), Throws.ArgumentException.With.Message.Contains("captured"));
        Assert.That(() => device.Capture(() => throw new FormatException("mine")), Throws.TypeOf<FormatException>());
        Assert.That(() => device.Capture(() => device.Capture(() => { }), warmups: 0), Throws.InvalidOperationException.With.Message.Contains("one capture at a time"));
        var weight = Tensor.Ones([3], device: device, requiresGrad: true);
        weight.Grad = Tensor.Ones([3], device: device);
        var adam = new Adam([weight]);
        Assert.That(() => device.Capture(adam.Step, warmups: 0), Throws.InvalidOperationException.With.Message.Contains("exp_avg"));
        Assert.That(Values(weight), Is.EqualTo(new float[] { 1, 1, 1 }));

        Tensor? y = null;
        using var graph = device.Capture(() => y = x + 1);
        x.Fill_(4);
        graph.Replay();
        Assert.That(Values(y!), Is.EqualTo(new float[] { 5, 5, 5 }));
        graph.Dispose();
        Assert.That(graph.Replay, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(Values(y!), Is.EqualTo(new float[] { 5, 5, 5 }), "a tensor outlives its graph");
    }

    [Test]
    public void StreamsAndEventsOrderWork()
    {
        var own = device.CurrentStream;
        using var stream = new DeviceStream(device);
        using var begin = new DeviceEvent(device, timing: true);
        using var end = new DeviceEvent(device, timing: true);
        var x = Tensor.Ones([1000], device: device);
        begin.Record();
        Tensor y;
        using (stream.Use())
        {
            Assert.That(device.CurrentStream, Is.EqualTo(stream.Handle).And.Not.EqualTo(own));
            begin.Wait();
            y = x * 3;
            end.Record();
        }
        Assert.That(device.CurrentStream, Is.EqualTo(own));
        end.Wait();
        Assert.That(Values(y + x), Is.All.EqualTo(4));
        Assert.That(begin.ElapsedMilliseconds(end), Is.GreaterThanOrEqualTo(0));
        stream.Synchronize();
        stream.Dispose();
        Assert.That(() => stream.Use(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void PinnedMemoryIsCopiedBesideTheProgram()
    {
        using var there = new PinnedMemory<float>(device, 500);
        using var back = new PinnedMemory<float>(device, 500);
        for (var i = 0; i < 500; i++)
        {
            there.Span[i] = i;
        }
        var x = Tensor.Zeros([500], device: device);
        there.CopyToAsync(x);
        x.Mul_(2);
        back.CopyFromAsync(x);
        device.Synchronize();
        Assert.That(back.Span.ToArray(), Is.EqualTo(Enumerable.Range(0, 500).Select(static i => 2f * i)));
        Assert.That(() => there.CopyToAsync(Tensor.Zeros([400], device: device)), Throws.ArgumentException.With.Message.Contains("500 contiguous elements"));
    }

    [Test]
    public void ForeignMemoryIsATensorUntilTheLastViewGoes()
    {
        var owner = Tensor.From([1f, 2, 3, 4], device: device);
        var released = 0;
        var x = Tensor.FromPointer(owner.DataPointer + 4, [3], DType.Float32, device, () => released++);
        var view = x.Narrow(0, 1, 2);
        view.Add_(10);
        x.Dispose();
        Assert.That(released, Is.Zero);
        view.Dispose();
        Assert.That(released, Is.EqualTo(1));
        Assert.That(Values(owner), Is.EqualTo(new float[] { 1, 2, 13, 14 }));
    }
}
