using Hybrid.NN;
using Hybrid.Optim;

namespace Hybrid.Tests;

public class AutocastTests
{
    private static readonly Generator Numbers = new(3);

    private static Tensor Random(params long[] shape) => Tensor.Randn(shape, generator: Numbers);

    [TestCase(DType.BFloat16)]
    [TestCase(DType.Float16)]
    public void ProductsAreLowAndSumsAreHigh(DType dtype)
    {
        var (x, image) = (Random(4, 6), Random(2, 3, 5, 5));
        using (Autocast.Begin(dtype))
        {
            Assert.Multiple(() =>
            {
                Assert.That(Autocast.IsEnabled);
                Assert.That(Autocast.DType, Is.EqualTo(dtype));
                Assert.That(x.MatMul(Random(6, 2)).DType, Is.EqualTo(dtype));
                Assert.That(new Linear(6, 3).Forward(x).DType, Is.EqualTo(dtype));
                Assert.That(new Conv2d(3, 4, 3).Forward(image).DType, Is.EqualTo(dtype));
                Assert.That(F.Conv1d(Random(2, 3, 9), Random(4, 3, 3)).DType, Is.EqualTo(dtype));
                Assert.That(x.To(dtype).Softmax(1).DType, Is.EqualTo(DType.Float32));
                Assert.That(x.To(dtype).LogSumExp(1).DType, Is.EqualTo(DType.Float32));
                Assert.That(new BatchNorm2d(3).Forward(image.To(dtype)).DType, Is.EqualTo(DType.Float32));
                Assert.That(F.CrossEntropy(x.To(dtype), Tensor.From([0L, 1, 2, 3])).DType, Is.EqualTo(DType.Float32));
                Assert.That(F.MseLoss(x.To(dtype), x).DType, Is.EqualTo(DType.Float32));
                Assert.That((x + x).DType, Is.EqualTo(DType.Float32));
                Assert.That(x.To(DType.Float64).MatMul(Tensor.Randn([6, 2], DType.Float64)).DType, Is.EqualTo(DType.Float64));
            });
            using (Autocast.Begin(enabled: false))
            {
                Assert.That(Autocast.IsEnabled, Is.False);
                Assert.That(x.MatMul(Random(6, 2)).DType, Is.EqualTo(DType.Float32));
            }
            Assert.That(Autocast.DType, Is.EqualTo(dtype));
        }
        Assert.That(Autocast.IsEnabled, Is.False);
        Assert.That(x.MatMul(Random(6, 2)).DType, Is.EqualTo(DType.Float32));
        Assert.That(() => Autocast.Begin(DType.Float32), Throws.TypeOf<DTypeException>());
    }

    [Test]
    public void TheValuesAreThoseOfTheLowDType()
    {
        var (x, layer) = (Random(5, 7), new Linear(7, 3));
        using var noGrad = NoGrad.Begin();
        var want = F.Linear(x.To(DType.BFloat16), layer.Weight.To(DType.BFloat16), layer.Bias!.To(DType.BFloat16));
        using var autocast = Autocast.Begin();
        Assert.That(layer.Forward(x).ToArray<BFloat16>(), Is.EqualTo(want.ToArray<BFloat16>()));
    }

    [Test]
    public void GradientsComeBackInTheParametersDType()
    {
        // Smooth, for at ReLU's kink a rounding decides whether a gradient passes; and the same numbers whichever tests ran before.
        Generator.ManualSeed(6);
        var model = new Sequential(new Linear(6, 8), new Tanh(), new Linear(8, 3));
        var (x, labels) = (Tensor.Randn([16, 6]), Tensor.RandInt(0, 3, [16]));
        Tensor[] Gradients(bool cast)
        {
            model.ZeroGrad();
            Tensor loss;
            using (Autocast.Begin(enabled: cast))
            {
                loss = F.CrossEntropy(model.Forward(x), labels);
            }
            loss.Backward();
            return [.. model.Parameters().Select(static p => p.Grad!.Clone())];
        }
        foreach (var (low, high) in Gradients(true).Zip(Gradients(false)))
        {
            Assert.That(low.DType, Is.EqualTo(DType.Float32));
            var error = (low - high).Abs().Max().Item() / high.Abs().Max().Item();
            Assert.That(error, Is.GreaterThan(0).And.LessThan(0.03), "bfloat16 has 8 digits");
        }
    }

    [Test]
    public void AParameterIsCastOnceUntilItChanges()
    {
        var layer = new Linear(6, 3, bias: false);
        var x = Random(4, 6).To(DType.BFloat16);
        long Allocations(Action action)
        {
            var before = Device.Cpu.Memory.Allocations;
            action();
            return Device.Cpu.Memory.Allocations - before;
        }
        using var autocast = Autocast.Begin();
        var first = Allocations(() => layer.Forward(x));
        var second = Allocations(() => layer.Forward(x));
        Assert.That(second, Is.LessThan(first));
        using (NoGrad.Begin())
        {
            Assert.That(layer.Forward(x).RequiresGrad, Is.False);
            layer.Weight.Fill_(1);
        }
        var y = layer.Forward(x);
        Assert.That(y.RequiresGrad, "the copy of a block without gradients was taken");
        Assert.That(y.ToArray<BFloat16>(), Is.EqualTo(F.Linear(x, Tensor.Ones([3, 6], DType.BFloat16)).ToArray<BFloat16>()), "an old copy was taken");
        using (TensorScope.Begin())
        {
            layer.Weight.Detach().Fill_(2);
            layer.Forward(x);
        }
        Assert.That(() => layer.Forward(x), Throws.Nothing, "a copy that its scope disposed was taken");
    }

    [Test]
    public void AScalerKeepsSmallGradientsAndLeavesInfiniteOnesOut()
    {
        var weight = Tensor.Ones([2], requiresGrad: true);
        var optimizer = new SGD([weight], 1);
        var scaler = new GradScaler(initScale: 1024, growthInterval: 2);
        bool Step(float factor)
        {
            optimizer.ZeroGrad();
            // In float16, 2^-20 times 2^-10 is 0 without the scale.
            var low = weight.To(DType.Float16) * Tensor.Full([2], factor, DType.Float16);
            scaler.Scale((low.To(DType.Float32) * (1f / 1024)).Sum()).Backward();
            var took = scaler.Step(optimizer);
            scaler.Update();
            return took;
        }
        Assert.That(Step(1f / (1 << 14)), Is.True);
        Assert.That(weight.ToArray<float>(), Is.EqualTo(new[] { 1 - 1f / (1 << 24), 1 - 1f / (1 << 24) }));
        Assert.That(scaler.LossScale, Is.EqualTo(1024));
        Assert.That(scaler.GrowthTracker, Is.EqualTo(1));
        Assert.That(Step(1), Is.True);
        Assert.That(scaler.LossScale, Is.EqualTo(2048));
        var before = weight.ToArray<float>();
        Assert.That(Step(float.PositiveInfinity), Is.False);
        Assert.That(weight.ToArray<float>(), Is.EqualTo(before));
        Assert.That((scaler.LossScale, scaler.GrowthTracker), Is.EqualTo((1024, 0)));
        Assert.That(scaler.Update, Throws.InvalidOperationException);
        scaler.Unscale_(optimizer);
        Assert.That(() => scaler.Unscale_(optimizer), Throws.InvalidOperationException);
        Assert.That(() => new GradScaler(initScale: 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("initScale is 0"));
    }

    [Test]
    public void TheProcessorHasNoGraphs() => Assert.Multiple(() =>
    {
        Assert.That(() => Device.Cpu.Capture(static () => { }), Throws.TypeOf<NotSupportedException>());
        Assert.That(() => new DeviceStream(Device.Cpu), Throws.TypeOf<NotSupportedException>());
        Assert.That(() => new PinnedMemory<float>(Device.Cpu, 3), Throws.TypeOf<NotSupportedException>());
        Assert.That(() => Tensor.FromPointer(3, [1], DType.Float32), Throws.ArgumentException.With.Message.Contains("multiple of 4"));
    });
}
