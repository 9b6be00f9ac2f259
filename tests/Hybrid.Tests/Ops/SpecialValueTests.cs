using Hybrid.NN;

namespace Hybrid.Tests.Ops;

/// <summary>NaN, infinities, zeros and ties: they go through as in PyTorch.</summary>
[TestFixture]
internal sealed class SpecialValueTests
{
    const double NaN = double.NaN, Inf = double.PositiveInfinity;

    static IEnumerable<TestCaseData> UnaryRows =>
        ElementwiseOps.UnaryOps.Select(row => new TestCaseData(row).SetArgDisplayNames(row.Op.ToString()));

    static IEnumerable<TestCaseData> BinaryRows =>
        ElementwiseOps.BinaryOps.Select(row => new TestCaseData(row).SetArgDisplayNames(row.Op.ToString()));

    static IEnumerable<TestCaseData> CompareRows =>
        ElementwiseOps.CompareOps.Select(row => new TestCaseData(row).SetArgDisplayNames(row.Op.ToString()));

    [TestCaseSource(nameof(UnaryRows))]
    public void Unary(object info)
    {
        var row = (UnaryInfo)info;
        var f = ElementwiseReference.Unary[row.Op.ToString()];
        var periodic = row.Op is Bindings.HyUnaryOp.Sin or Bindings.HyUnaryOp.Cos;
        double[] points = [NaN, Inf, -Inf, 0.0, -0.0, 0.5, -1.5, 2.5, 1e3, -1e3, .. periodic ? (double[])[] : [1e30, -1e30]];
        // Alone, and among a vector's worth of neighbours.
        foreach (var repeat in (int[])[1, 9])
        {
            var x = new Nd([.. points.SelectMany(p => Enumerable.Repeat(p, repeat))], points.Length * repeat);
            Expect.Close(ElementwiseOps.Unary(row.Op, x.ToTensor(), row.Default), x.Map(v => f(v, row.Default)), 1e-11,
                $"{row.Op}, float64");
            Expect.Close(ElementwiseOps.Unary(row.Op, x.ToTensor(DType.Float32), row.Default),
                x.Map(v => (float)f((float)v, (float)row.Default)), 5e-6, $"{row.Op}, float32");
        }
    }

    [TestCaseSource(nameof(BinaryRows))]
    public void Binary(object info)
    {
        var row = (BinaryInfo)info;
        var f = ElementwiseReference.Binary[row.Op.ToString()];
        var points = new Nd([NaN, Inf, -Inf, 0.0, -0.0, 1, -1, 0.5, -2.5, 3], 10, 1);
        foreach (var dtype in (DType[])[DType.Float64, DType.Float32])
            Expect.Close(ElementwiseOps.Binary(row.Op, points.ToTensor(dtype), points.Reshape(10).ToTensor(dtype)),
                Reference.Binary(points, points.Reshape(10), f), 1e-5,
                $"{row.Op}, {dtype}");
    }

    [TestCaseSource(nameof(CompareRows))]
    public void Compare(object info)
    {
        var row = (CompareInfo)info;
        var f = ElementwiseReference.Compare[row.Op.ToString()];
        var points = new Nd([NaN, Inf, -Inf, 0.0, -0.0, 1, -1, 0.5], 8, 1);
        Expect.Close(ElementwiseOps.Compare(row.Op, points.ToTensor(), points.Reshape(8).ToTensor()),
            Reference.Binary(points, points.Reshape(8), (a, b) => f(a, b) ? 1 : 0), 0,
            row.Op.ToString());
    }

    [Test]
    public void IntegersStayIntegers()
    {
        foreach (var dtype in (DType[])[DType.Int32, DType.Int64])
        {
            var (a, b) = (Nd.Random(1, [33], -9, 9).Map(Math.Round), Nd.Random(2, [33], -9, 9).Map(Math.Round));
            foreach (var row in ElementwiseOps.UnaryOps.Where(row => !row.IsFloating))
            {
                var y = ElementwiseOps.Unary(row.Op, a.ToTensor(dtype));
                Assert.That(y.DType, Is.EqualTo(dtype), row.Op.ToString());
                Expect.Close(y, a.Map(x => ElementwiseReference.Unary[row.Op.ToString()](x, 0)), 0, $"{row.Op}, {dtype}");
            }
            foreach (var row in ElementwiseOps.BinaryOps.Where(row => !row.IsFloating))
            {
                var y = ElementwiseOps.Binary(row.Op, a.ToTensor(dtype), b.ToTensor(dtype));
                Assert.That(y.DType, Is.EqualTo(dtype), row.Op.ToString());
                Expect.Close(y, Reference.Binary(a, b, ElementwiseReference.Binary[row.Op.ToString()]), 0, $"{row.Op}, {dtype}");
            }
        }
    }

    [Test]
    public void ReductionsOfIntegers()
    {
        var x = Tensor.From(new[] { 3, -1, 4 });
        Assert.That(x.Sum().DType, Is.EqualTo(DType.Int64));
        Assert.That(x.Sum().Item<long>(), Is.EqualTo(6));
        Assert.That(x.Prod().Item<long>(), Is.EqualTo(-12));
        Assert.That(x.Max().Item<int>(), Is.EqualTo(4));
        Assert.That(x.ArgMin().Item<long>(), Is.EqualTo(1));
        Assert.That(Tensor.From(new byte[] { 200, 100 }).Sum().Item<long>(), Is.EqualTo(300));
        Assert.That(Tensor.From(new[] { true, false, true }).Sum().Item<long>(), Is.EqualTo(2));
    }

    static void Rows(Func<Tensor, Tensor> f, double[] x, params double[] expected)
    {
        foreach (var dtype in (DType[])[DType.Float64, DType.Float32])
            Expect.Close(f(new Nd(x, expected.Length, x.Length / expected.Length).ToTensor(dtype)), new Nd(expected, expected.Length),
                1e-6, $"{dtype}");
    }

    [Test]
    public void Reductions()
    {
        double[] rows = [1, NaN, 3, Inf, -Inf, 0, Inf, 1, 2, -Inf, 1, 2];
        Rows(x => x.Sum(1), rows, NaN, NaN, Inf, -Inf);
        Rows(x => x.Mean(1), rows, NaN, NaN, Inf, -Inf);
        Rows(x => x.AMax([1]), rows, NaN, Inf, Inf, 2);
        Rows(x => x.AMin([1]), rows, NaN, -Inf, 1, -Inf);
        Rows(x => x.Max(1).Values, rows, NaN, Inf, Inf, 2);
        Rows(x => x.Prod(1), rows, NaN, NaN, Inf, -Inf);
        Rows(x => x.Var(1), rows, NaN, NaN, NaN, NaN);
        Rows(x => x.ArgMax(1), rows, 1, 0, 0, 2);
        Rows(x => x.ArgMin(1), rows, 1, 1, 1, 0);
        Rows(x => x.LogSumExp(1), [NaN, 1, Inf, 1, -Inf, -Inf, -Inf, 3, 1000, 1000], NaN, Inf, -Inf, 3, 1000 + Math.Log(2));
        Rows(x => x.All(1), [NaN, 1, 0, 1], 1, 0);
        Rows(x => x.Any(1), [NaN, 0, 0, 0], 1, 0);
    }

    [Test]
    public void FirstAmongEquals()
    {
        Rows(x => x.ArgMax(1), [1, 3, 3, 2, 2, 2], 1, 0);
        Rows(x => x.Max(1).Indices, [1, NaN, NaN, 2, 2, 2], 1, 0);
        Rows(x => x.Min(1).Indices, [1, 0, -0.0, 2, 2, 2], 1, 0);
    }

    [Test]
    public void MeanAndVarianceOverNothing()
    {
        Expect.Close(Tensor.Zeros(2, 0).Mean(1), new Nd([NaN, NaN], 2), 0, "Mean");
        Expect.Close(Tensor.Zeros(2, 0).Var(1), new Nd([NaN, NaN], 2), 0, "Var");
        Expect.Close(Tensor.Zeros(2, 1).Var(1), new Nd([NaN, NaN], 2), 0, "Var of one");
        Expect.Close(Tensor.Zeros(2, 1).Var(1, unbiased: false), new Nd([0, 0], 2), 0, "biased Var of one");
    }

    [Test]
    public void SoftmaxRows()
    {
        double[] x = [0, NaN, -Inf, 0, -Inf, -Inf, Inf, 0, 1000, 1000, -1000, 1000];
        Expect.Close(new Nd(x, 6, 2).ToTensor().Softmax(1), new Nd([NaN, NaN, 0, 1, NaN, NaN, NaN, NaN, 0.5, 0.5, 0, 1], 6, 2), 1e-12,
            "Softmax");
        Expect.Close(new Nd(x, 6, 2).ToTensor().LogSoftmax(1),
            new Nd([NaN, NaN, -Inf, 0, NaN, NaN, NaN, NaN, -Math.Log(2), -Math.Log(2), -2000, 0], 6, 2), 1e-12, "LogSoftmax");
    }

    [Test]
    public void ProductsKeepThemInTheirRowAndColumn()
    {
        var a = new Nd([1, NaN, 2, 3, 0, 1], 3, 2);
        var b = new Nd([Inf, 1, 1, 1], 2, 2);
        Expect.Close(a.ToTensor().MatMul(b.ToTensor()), new Nd([NaN, NaN, Inf, 5, NaN, 1], 3, 2), 0, "MatMul");
        Expect.Close(F.Linear(a.ToTensor(), b.ToTensor().T, Tensor.From([0.0, Inf])), new Nd([NaN, NaN, Inf, Inf, NaN, Inf], 3, 2), 0,
            "Linear");
    }

    [Test]
    public void ConvolutionKeepsThemInTheirWindow()
    {
        var x = Nd.Build([1, 1, 1, 5], place => place[3] == 1 ? NaN : place[3] == 4 ? Inf : 1);
        Expect.Close(F.Conv2d(x.ToTensor(), Tensor.From([1.0, 0.0]).Reshape(1, 1, 1, 2)), new Nd([NaN, NaN, 1, NaN], 1, 1, 1, 4), 0,
            "Conv2d");
    }

    [Test]
    public void Poolings()
    {
        var x = new Nd([1, NaN, 2, 3, -Inf, -Inf, 4, Inf], 1, 1, 1, 8).ToTensor();
        Expect.Close(F.MaxPool2d(x, (1, 2)), new Nd([NaN, 3, -Inf, Inf], 1, 1, 1, 4), 0, "MaxPool2d");
        Expect.Close(F.AvgPool2d(x, (1, 2)), new Nd([NaN, 2.5, -Inf, Inf], 1, 1, 1, 4), 0, "AvgPool2d");
        Expect.Close(F.MaxPool2d(Tensor.Full([1, 1, 2, 2], -5.0), 2, 1, 1), Nd.Build([1, 1, 3, 3], _ => -5), 0,
            "MaxPool2d's padding never wins");
    }

    [Test]
    public void BatchNormKeepsThemInTheirChannel()
    {
        var y = Nd.From(F.BatchNorm(new Nd([1, NaN, -1, 2], 2, 2).ToTensor(), null, null, eps: 0, training: true));
        Expect.Close(y, new Nd([1, NaN, -1, NaN], 2, 2), 1e-12, "BatchNorm");
    }

    [Test]
    public void Losses()
    {
        var label = Tensor.From([1L]);
        Expect.Close(F.CrossEntropy(new Nd([-Inf, 0, 0], 1, 3).ToTensor(), label), new Nd([Math.Log(2)]), 1e-12, "an impossible class");
        Expect.Close(F.CrossEntropy(new Nd([0, -Inf, 0], 1, 3).ToTensor(), label), new Nd([Inf]), 0, "the label's class impossible");
        Expect.Close(F.CrossEntropy(new Nd([0, NaN, 0], 1, 3).ToTensor(), label), new Nd([NaN]), 0, "NaN");
        Expect.Close(F.CrossEntropy(new Nd([1e4, 0, -1e4], 1, 3).ToTensor(DType.Float32), label), new Nd([1e4]), 1e-6, "large logits");
        Expect.Close(F.CrossEntropy(new Nd([0, 1, 2], 1, 3).ToTensor(), Tensor.From([-100L])), new Nd([NaN]), 0, "all ignored");
        Expect.Close(F.MseLoss(Tensor.From([Inf, 1.0]), Tensor.From([0.0, 1.0])), new Nd([Inf]), 0, "MseLoss");
        Expect.Close(F.BinaryCrossEntropyWithLogits(Tensor.From([1000.0, -1000.0]), Tensor.From([0.0, 0.0]), Reduction.None),
            new Nd([1000, 0], 2), 0, "large logits");
    }

    [Test]
    public void BinaryCrossEntropyStaysFiniteAtTheEnds()
    {
        var p = Tensor.From([0.0, 1.0, 0.0], requiresGrad: true);
        var loss = F.BinaryCrossEntropy(p, Tensor.From([1.0, 1.0, 0.0]), Reduction.None);
        Expect.Close(loss, new Nd([100, 0, 0], 3), 0, "BinaryCrossEntropy");
        loss.Sum().Backward();
        Expect.Close(p.Grad!, new Nd([-1e12, 0, 0], 3), 1e-12, "its gradient");
    }

    [Test]
    public void WhatIsIgnoredHasNoGradient() =>
        Gradient(x => F.CrossEntropy(x.Reshape(1, 3), Tensor.From([-100L])), [0, 1, 2], [0, 0, 0]);

    [Test]
    public void TiesShareTheGradient()
    {
        Gradient(x => x.Max(), [1, 3, 3, 2], [0, 0.5, 0.5, 0]);
        Gradient(x => x.AMin([0]), [1, 1, 1, 1], [0.25, 0.25, 0.25, 0.25]);
        Gradient(x => x.Max(0).Values, [1, 3, 3, 2], [0, 1, 0, 0]);
        Gradient(x => x.Maximum(3).Sum(), [1, 3, 4, 2], [0, 0.5, 1, 0]);
    }

    [Test]
    public void KinksHaveTheGradientOfPyTorch()
    {
        Gradient(x => x.Relu().Sum(), [-1, 0, 1], [0, 0, 1]);
        Gradient(x => x.Abs().Sum(), [-1, 0, 1], [-1, 0, 1]);
        Gradient(x => x.Norm(), [0, 0], [0, 0]);
        Gradient(x => x.Std(), [2, 2, 2], [0, 0, 0]);
        Gradient(x => x.Prod(), [2, 0, 3], [0, 6, 0]);
        Gradient(x => x.Prod(), [0, 0, 3], [0, 0, 0]);
        Gradient(x => x.LogSumExp(0), [0, -Inf], [1, 0]);
    }

    static void Gradient(Func<Tensor, Tensor> f, double[] at, double[] expected)
    {
        foreach (var createGraph in (bool[])[false, true])
        {
            var x = Tensor.From(at, requiresGrad: true);
            Expect.Close(Autograd.Grad(f(x), x, createGraph: createGraph), new Nd(expected, expected.Length), 1e-12,
                $"gradient, createGraph {createGraph}");
        }
    }
}
