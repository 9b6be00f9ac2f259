using Hybrid.NN;

namespace Hybrid.Tests.Ops;

/// <summary>Well-known cases, worked out by hand.</summary>
[TestFixture]
internal sealed class HandValueTests
{
    static readonly Nd Square4 = new([.. Enumerable.Range(1, 16).Select(i => (double)i)], 1, 1, 4, 4);

    [Test]
    public void PoolingOfFourByFour()
    {
        Expect.Close(F.MaxPool2d(Square4.ToTensor(), 2), new Nd([6, 8, 14, 16], 1, 1, 2, 2), 0, "MaxPool2d");
        Expect.Close(F.AvgPool2d(Square4.ToTensor(), 2), new Nd([3.5, 5.5, 11.5, 13.5], 1, 1, 2, 2), 0, "AvgPool2d");
    }

    [Test]
    public void PoolingSendsTheGradientWhereItCameFrom()
    {
        var x = Square4.ToTensor().RequiresGrad_();
        Expect.Close(Autograd.Grad(F.MaxPool2d(x, 2).Sum(), x), Square4.Map(v => v is 6 or 8 or 14 or 16 ? 1 : 0), 0, "MaxPool2d");
        Expect.Close(Autograd.Grad(F.AvgPool2d(x, 2).Sum(), x), Square4.Map(_ => 0.25), 0, "AvgPool2d");
    }

    [Test]
    public void ConvolutionWithAnEdgeFilter()
    {
        // Each row of 1…16 rises by 1, so the difference of neighbours two apart is 2.
        var edge = Tensor.From([-1.0, 0, 1]).Reshape(1, 1, 1, 3);
        Expect.Close(F.Conv2d(Square4.ToTensor(), edge), Nd.Build([1, 1, 4, 2], _ => 2), 0, "Conv2d");
        Expect.Close(F.Conv2d(Square4.ToTensor(), Tensor.Ones([1, 1, 3, 3], DType.Float64), Tensor.From([0.5]), padding: 1, stride: 2),
            new Nd([14.5, 30.5, 57.5, 99.5], 1, 1, 2, 2), 0, "Conv2d");
    }

    [TestCase(28, 5, 1, 2, ExpectedResult = 28)]
    [TestCase(28, 5, 1, 0, ExpectedResult = 24)]
    [TestCase(28, 3, 2, 1, ExpectedResult = 14)]
    [TestCase(7, 2, 2, 0, ExpectedResult = 3)]
    public long ConvolutionOutputSize(int size, int kernel, int stride, int padding) =>
        F.Conv2d(Tensor.Zeros(1, 1, size, size), Tensor.Zeros(1, 1, kernel, kernel), stride: stride, padding: padding).Size(-1);

    [Test]
    public void SoftmaxWithCrossEntropyHasGradientYMinusT()
    {
        var logits = Tensor.From([1.0, 2, 3]).Reshape(1, 3).RequiresGrad_();
        var loss = F.CrossEntropy(logits, Tensor.From([0L]));
        loss.Backward();
        // exp(1), exp(2), exp(3) over their sum; the loss is 2 + log(1 + exp(-1) + exp(-2)).
        double[] y = [0.09003057317038046, 0.24472847105479767, 0.6652409557748219];
        Expect.Close(loss, new Nd([2.4076059644443806]), 1e-15, "CrossEntropy");
        Expect.Close(logits.Grad!, new Nd([y[0] - 1, y[1], y[2]], 1, 3), 1e-15, "its gradient");
    }

    [Test]
    public void UniformLogitsLoseTheLogarithmOfTheClasses() =>
        Expect.Close(F.CrossEntropy(Tensor.Zeros([4, 10], DType.Float64), Tensor.From([0L, 3, 5, 9])), new Nd([Math.Log(10)]), 1e-15,
            "CrossEntropy");

    [Test]
    public void SumOfSquares()
    {
        var y = Tensor.From([1.0, 2, 3], requiresGrad: true);
        var t = Tensor.From([0.0, 2, 5]);
        var loss = F.SumSquaresLoss(y, t);
        loss.Backward();
        Expect.Close(loss, new Nd([2.5]), 0, "½(1 + 0 + 4)");
        Expect.Close(y.Grad!, new Nd([1, 0, -2], 3), 0, "y - t");
        Expect.Close(F.MseLoss(y, t), new Nd([5.0 / 3]), 1e-15, "MseLoss");
    }

    [Test]
    public void BinaryCrossEntropyOfAHalf()
    {
        Expect.Close(F.BinaryCrossEntropy(Tensor.From([0.5, 0.25]), Tensor.From([1.0, 0.0])), new Nd([(Math.Log(2) - Math.Log(0.75)) / 2]),
            1e-15, "BinaryCrossEntropy");
        Expect.Close(F.BinaryCrossEntropyWithLogits(Tensor.From([0.0]), Tensor.From([1.0])), new Nd([Math.Log(2)]), 1e-15, "with logits");
    }

    [Test]
    public void BatchNormMovesTheRunningStatistics()
    {
        var (mean, variance) = (Tensor.Zeros([1], DType.Float64), Tensor.Ones([1], DType.Float64));
        var y = F.BatchNorm(Tensor.From([1.0, 3, 5, 7]).Reshape(4, 1), mean, variance, training: true, momentum: 0.1, eps: 0);
        // Mean 4, biased variance 5, unbiased 20/3.
        Expect.Close(y, new Nd([-3, -1, 1, 3], 4, 1).Map(v => v / Math.Sqrt(5)), 1e-15, "BatchNorm");
        Expect.Close(mean, new Nd([0.4], 1), 1e-15, "running mean");
        Expect.Close(variance, new Nd([0.9 + 0.1 * 20 / 3], 1), 1e-15, "running variance");
        Assert.That((mean.Version, variance.Version), Is.EqualTo((1, 1)));
    }

    [Test]
    public void GradientOfTheGradientOfACube()
    {
        var w = Tensor.From([2.0], requiresGrad: true);
        var y = w.MatMul(w.Square());                                   // w³
        var first = Autograd.Grad(y, w, createGraph: true);             // 3w² = 12
        var second = Autograd.Grad(first, w, createGraph: true);        // 6w = 12
        Expect.Close(first, new Nd([12], 1), 1e-15, "first");
        Expect.Close(second, new Nd([12], 1), 1e-15, "second");
        Expect.Close(Autograd.Grad(second, w), new Nd([6], 1), 1e-15, "third");
    }

    [Test]
    public void VarianceAndNorm()
    {
        var x = Tensor.From([3.0, 4.0]);
        Expect.Close(x.Norm(), new Nd([5]), 0, "Norm");
        Expect.Close(x.Var(), new Nd([0.5]), 1e-15, "Var");
        Expect.Close(x.Std(unbiased: false), new Nd([0.5]), 1e-15, "Std");
    }
}
