using Hybrid.Bindings;
using Hybrid.NN;

namespace Hybrid.Tests;

/// <summary>Layers keep their weight as the device convolves with it, and nothing but the time tells.</summary>
// The allocator's counters, the tuning table and the precision are the process's.
[NonParallelizable]
[OfTheProcessor]
public unsafe class PreparedConvolutionTests
{
    static double[] Exactly(Tensor tensor) => tensor.To(DType.Float64).Contiguous().ToArray<double>();

    static long Allocations(Func<Tensor> forward, out Tensor y)
    {
        long before = Device.Cpu.Memory.Allocations;
        y = forward();
        return Device.Cpu.Memory.Allocations - before;
    }

    static IEnumerable<TestCaseData> Layers()
    {
        var one = new Conv1d(24, 40, kernel: 3, padding: 1);
        var two = new Conv2d(20, 24, kernel: 3, padding: 1);
        var three = new Conv3d(12, 16, kernel: 2);
        TestCaseData Case(Module<Tensor, Tensor> layer, Parameter weight, Tensor x, Func<Tensor, Tensor> plain) =>
            new TestCaseData(layer, weight, x, plain).SetArgDisplayNames(layer.GetType().Name);
        yield return Case(one, one.Weight, Tensor.Randn(2, 24, 30), x => F.Conv1d(x, one.Weight, one.Bias, padding: 1));
        yield return Case(two, two.Weight, Tensor.Randn(1, 20, 14, 14), x => F.Conv2d(x, two.Weight, two.Bias, padding: 1));
        yield return Case(three, three.Weight, Tensor.Randn(2, 12, 5, 10, 11), x => F.Conv3d(x, three.Weight, three.Bias));
    }

    [TestCaseSource(nameof(Layers))]
    public void TheWeightIsPreparedOnceUntilItChanges(Module<Tensor, Tensor> layer, Parameter weight, Tensor x, Func<Tensor, Tensor> plain)
    {
        using var noGrad = NoGrad.Begin();
        void AssertPreparedOnce()
        {
            var want = Exactly(plain(x));
            long preparing = Allocations(() => layer.Forward(x), out var first), prepared = Allocations(() => layer.Forward(x), out var second);
            Assert.That(Exactly(first), Is.EqualTo(want));
            Assert.That(Exactly(second), Is.EqualTo(want));
            Assert.That(preparing, Is.GreaterThan(prepared));
        }
        AssertPreparedOnce();
        weight.Mul_(2);
        AssertPreparedOnce();
        layer.LoadStateDict(layer.StateDict().ToDictionary(entry => entry.Key, entry => entry.Value + 1));
        AssertPreparedOnce();
        layer.To(DType.Float64);
        x = x.To(DType.Float64);
        AssertPreparedOnce();
    }

    [Test]
    public void AFoldedNormalisationIsPreparedWithTheWeight()
    {
        var conv = new Conv2d(16, 24, kernel: 3, padding: 1, bias: false);
        var norm = new BatchNorm2d(24);
        var net = new Sequential(conv, norm, new ReLU());
        net.Forward(Tensor.Randn(4, 16, 10, 10));
        net.Eval();
        using var noGrad = NoGrad.Begin();
        var x = Tensor.Randn(1, 16, 10, 10);
        for (var change = 0; change < 3; change++)
        {
            var (weight, bias) = norm.Fold(conv);
            var want = Exactly(F.Conv2d(x, weight, bias, padding: 1, activation: Activation.Relu));
            Assert.That(Exactly(net.Forward(x)), Is.EqualTo(want));
            Assert.That(Exactly(net.Forward(x)), Is.EqualTo(want));
            (change == 0 ? conv.Weight : norm.Weight!).Mul_(1.5);
        }
    }

    /// <summary>Sizes, exactness and the tuning table change the way, in any order, and each way finds what was prepared for it.</summary>
    [Test]
    public void WhatIsPreparedForOneWayServesNoOther()
    {
        var layer = new Conv2d(32, 32, kernel: 3, padding: 1);
        Tensor[] inputs = [Tensor.Randn(1, 32, 28, 28), Tensor.Randn(1, 32, 5, 5), Tensor.Randn(64, 32, 3, 3), Tensor.Randn(2, 32, 9, 60)];
        var ways = new HashSet<HyConvWay>();
        using var noGrad = NoGrad.Begin();
        void AssertSame()
        {
            foreach (var x in inputs)
            {
                ways.Add(Chosen(x, layer.Weight));
                var want = Exactly(F.Conv2d(x, layer.Weight, layer.Bias, padding: 1));
                Assert.That(Exactly(layer.Forward(x)), Is.EqualTo(want), $"{x.Shape} by {Chosen(x, layer.Weight)}");
                Assert.That(Exactly(layer.Forward(x)), Is.EqualTo(want), $"{x.Shape} by {Chosen(x, layer.Weight)} again");
            }
        }
        try
        {
            foreach (bool exact in (bool[])[false, true, false])
            {
                Numerics.Exact = exact;
                AssertSame();
            }
            foreach (var way in (HyConvWay[])[HyConvWay.Packed, HyConvWay.Flat, HyConvWay.Winograd2, HyConvWay.Direct, HyConvWay.Winograd4, HyConvWay.Chosen])
            {
                Name(way, inputs[0], layer.Weight);
                AssertSame();
                layer.Weight.Add_(0.01);
                AssertSame();
            }
            Assert.That(ways, Is.SupersetOf(
                new[] { HyConvWay.Packed, HyConvWay.Flat, HyConvWay.Winograd2, HyConvWay.Direct, HyConvWay.Winograd4, HyConvWay.Batch }));
        }
        finally
        {
            Numerics.Exact = false;
            fixed (HyTensor* px = inputs[0])
            {
                Native.TuningLoad(px->Device, null);
            }
        }
    }

    [Test]
    public void TrainingPreparesNothing()
    {
        var layer = new Conv2d(16, 16, kernel: 3, padding: 1);
        var x = Tensor.Randn(1, 16, 12, 12);
        layer.Forward(x).Dispose();
        long held = Storage.LiveBytes;
        for (var i = 0; i < 3; i++)
        {
            using var scope = TensorScope.Begin();
            layer.Forward(x).Sum().Backward();
            layer.ZeroGrad();
        }
        using (NoGrad.Begin())
        {
            long trained = Storage.LiveBytes;
            layer.Forward(x).Dispose();
            Assert.That(Storage.LiveBytes - trained, Is.GreaterThanOrEqualTo(layer.Weight.NumElements * sizeof(float)));
        }
    }

    [Test]
    public void WarmInferenceAsksForNoMemoryHoweverTheSizesChange()
    {
        var layer = new Conv2d(32, 32, kernel: 3, padding: 1);
        Tensor[] inputs = [Tensor.Randn(1, 32, 28, 28), Tensor.Randn(1, 32, 5, 5), Tensor.Randn(64, 32, 3, 3)];
        using var noGrad = NoGrad.Begin();
        void Round()
        {
            foreach (var x in inputs)
            {
                layer.Forward(x).Dispose();
            }
        }
        for (var i = 0; i < 5; i++)
        {
            Round();
        }
        long held = Storage.LiveBytes, asked = Device.Cpu.Memory.SystemAllocations;
        for (var i = 0; i < 50; i++)
        {
            Round();
        }
        Assert.That(Storage.LiveBytes, Is.EqualTo(held));
        Assert.That(Device.Cpu.Memory.SystemAllocations, Is.EqualTo(asked));
    }

    /// <summary>1024 channels of 3 x 3 take 36 MB, and Winograd's transforms of them 150.</summary>
    [Test]
    public void LargeWeightsAreLeftAsTheyAre()
    {
        using var noGrad = NoGrad.Begin();
        var layer = new Conv2d(1024, 1024, kernel: 3, padding: 1);
        var x = Tensor.Randn(1, 1024, 8, 8);
        try
        {
            Name(HyConvWay.Winograd4, x, layer.Weight);
            var want = Exactly(F.Conv2d(x, layer.Weight, layer.Bias, padding: 1));
            long held = Storage.LiveBytes;
            var y = layer.Forward(x);
            Assert.That(Storage.LiveBytes - held, Is.LessThan(1 << 20));
            Assert.That(Exactly(y), Is.EqualTo(want));
        }
        finally
        {
            fixed (HyTensor* px = x)
            {
                Native.TuningLoad(px->Device, null);
            }
        }
    }

    /// <summary>The parameters of a convolution with padding 1.</summary>
    static HyConv2dParams Padded()
    {
        var p = new HyConv2dParams { Groups = 1, Exact = Numerics.Exact ? 1 : 0 };
        for (int axis = 0; axis < 2; axis++)
        {
            p.Stride[axis] = p.Padding[axis] = p.Dilation[axis] = 1;
        }
        return p;
    }

    static HyConvWay Chosen(Tensor x, Tensor w)
    {
        using var y = Tensor.Zeros(x.Size(0), w.Size(0), x.Size(2), x.Size(3));
        var p = Padded();
        long serving;
        int chosen;
        fixed (HyTensor* px = x, pw = w, py = y)
        {
            Native.Conv2dWays(px->Device, HyConvPass.Forward, &p, px, pw, py, &serving, &chosen);
        }
        return (HyConvWay)chosen;
    }

    static void Name(HyConvWay way, Tensor x, Tensor w)
    {
        using var y = Tensor.Zeros(x.Size(0), w.Size(0), x.Size(2), x.Size(3));
        var p = Padded();
        fixed (HyTensor* px = x, pw = w, py = y)
        {
            Native.TuningSet(px->Device, HyConvPass.Forward, &p, px, pw, py, way);
        }
    }
}
