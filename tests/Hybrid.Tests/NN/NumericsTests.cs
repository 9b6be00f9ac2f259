using Hybrid.NN;

namespace Hybrid.Tests;

[NonParallelizable]
public class NumericsTests
{
    /// <summary>What is set holds for the convolution and for its gradients; the results are those of float64 either way.</summary>
    [Test]
    public void ConvolutionsAreNearFloat64ByWinogradAndDirectly([Values] bool exact)
    {
        var inputs = new[] { Tensor.Randn(2, 64, 20, 20), Tensor.Randn(48, 64, 3, 3), Tensor.Randn(48) };
        var want = Results([.. inputs.Select(t => t.To(DType.Float64))]);
        try
        {
            Numerics.Exact = exact;
            var got = Results(inputs);
            for (var i = 0; i < got.Length; i++)
            {
                var largest = want[i].Max(Math.Abs);
                Assert.That(got[i].Zip(want[i], (g, w) => Math.Abs(g - w)).Max(), Is.LessThan((exact ? 2e-6 : 4e-6) * largest), $"result {i}");
            }
        }
        finally
        {
            Numerics.Exact = false;
        }
    }

    /// <summary>GPUs alone take products in tf32: the processor's keep their bits.</summary>
    [Test]
    [OfTheProcessor]
    public void TheProcessorKeepsFloat32WhateverGpusMay()
    {
        Tensor a = Tensor.Randn(33, 70), b = Tensor.Randn(70, 20);
        Assert.That(Numerics.Float32MatmulPrecision, Is.EqualTo(Float32Precision.Highest));
        var before = a.MatMul(b).ToArray<float>();
        try
        {
            Numerics.Float32MatmulPrecision = Float32Precision.High;
            Assert.That(Numerics.Float32MatmulPrecision, Is.EqualTo(Float32Precision.High));
            Assert.That(a.MatMul(b).ToArray<float>(), Is.EqualTo(before));
            Assert.That(() => Numerics.Float32MatmulPrecision = (Float32Precision)2, Throws.ArgumentException.With.Message.Contains("precision 2"));
            Assert.That(Numerics.Float32MatmulPrecision, Is.EqualTo(Float32Precision.High));
        }
        finally
        {
            Numerics.Float32MatmulPrecision = Float32Precision.Highest;
        }
    }

    /// <summary>The same call gives the same bits with any number of threads, and whether fixed orders are asked for or not.</summary>
    [Test]
    public void ResultsHaveTheSameBitsEitherWay()
    {
        var x = Tensor.Randn(40, 300).RequiresGrad_();
        var w = Tensor.Randn(300, 50);
        int threads = Device.CpuThreads;
        float[][] Step()
        {
            x.Grad = null;
            var y = x.MatMul(w).Softmax(-1).Square().Sum();
            y.Backward();
            return [y.Detach().ToArray<float>(), x.Grad!.ToArray<float>()];
        }

        Assert.That(Numerics.Deterministic, Is.False);
        var before = Step();
        try
        {
            Numerics.Deterministic = true;
            Assert.That(Numerics.Deterministic, Is.True);
            for (int n = 1; n <= 3; n++)
            {
                Device.CpuThreads = n;
                Assert.That(Step(), Is.EqualTo(before));
            }
        }
        finally
        {
            Numerics.Deterministic = false;
            Device.CpuThreads = threads;
        }
    }

    private static double[][] Results(Tensor[] inputs)
    {
        Tensor[] leaves = [.. inputs.Select(t => t.Detach().RequiresGrad_())];
        var y = F.Conv2d(leaves[0], leaves[1], leaves[2], padding: 1);
        y.Backward(y.Detach());
        return [.. leaves.Select(t => t.Grad!).Prepend(y.Detach()).Select(t => t.To(DType.Float64).ToArray<double>())];
    }
}
