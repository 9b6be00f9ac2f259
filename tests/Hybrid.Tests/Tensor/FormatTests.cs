namespace Hybrid.Tests;

[OfTheProcessor]
public class FormatTests
{
    [Test]
    public void NumbersReadLikePyTorchs()
    {
        Assert.That(Tensor.From([36f]).ToString(), Is.EqualTo("tensor([36])"));
        Assert.That(Tensor.From([0.5f, -1, 2.25f]).ToString(), Is.EqualTo("tensor([ 0.5000, -1.0000,  2.2500])"));
        Assert.That(Tensor.From([1f, 1000, -5]).ToString(), Is.EqualTo("tensor([   1, 1000,   -5])"));
        Assert.That(Tensor.Scalar(3.5).ToString(), Is.EqualTo("tensor(3.5000)"));
        Assert.That(Tensor.From([1e-5f, 1]).ToString(), Is.EqualTo("tensor([1.0000e-05, 1.0000e+00])"));
        Assert.That(Tensor.From([2e9f]).ToString(), Is.EqualTo("tensor([2.0000e+09])"));
        Assert.That(Tensor.From([float.NaN, 1, float.NegativeInfinity]).ToString(), Is.EqualTo("tensor([ nan,    1, -inf])"));
        Assert.That(Tensor.From([true, false]).ToString(), Is.EqualTo("tensor([ True, False])"));
        Assert.That(Tensor.From([long.MaxValue]).ToString(), Is.EqualTo("tensor([9223372036854775807], dtype=int64)"));
    }

    [Test]
    public void MatricesAreAligned()
    {
        Assert.That(Tensor.From(new[,] { { 1f, 2 }, { 30, 4 } }).ToString(), Is.EqualTo("tensor([[ 1,  2],\n        [30,  4]])"));
        Assert.That(Tensor.Zeros(2, 1, 2).ToString(), Is.EqualTo("tensor([[[0, 0]],\n\n        [[0, 0]]])"));
        Assert.That(Tensor.From(new[,] { { 1f, 2 }, { 3, 4 } }).T.ToString(), Is.EqualTo("tensor([[1, 3],\n        [2, 4]])"));
    }

    [Test]
    public void WhatIsNotOrdinaryIsSaid()
    {
        Assert.That(Tensor.From([1.0]).ToString(), Is.EqualTo("tensor([1], dtype=float64)"));
        Assert.That(Tensor.Zeros(0, 3).ToString(), Is.EqualTo("tensor([], shape=[0, 3])"));
        Assert.That(Tensor.Zeros(0).ToString(), Is.EqualTo("tensor([])"));
        var x = Tensor.From([2f], requiresGrad: true);
        Assert.That(x.ToString(), Is.EqualTo("tensor([2], requiresGrad=true)"));
        Assert.That((x * x).ToString(), Is.EqualTo("tensor([4], gradFn=<Mul>)"));
        x.Dispose();
        Assert.That(x.ToString(), Is.EqualTo("tensor(disposed, shape=[1])"));
    }

    [Test]
    public void LargeTensorsAreAbridged()
    {
        Assert.That(Tensor.Arange(0, 2000, dtype: DType.Float32).ToString(), Is.EqualTo("tensor([   0,    1,    2, ..., 1997, 1998, 1999], shape=[2000])"));
        var text = Tensor.Zeros(1000, 1000).ToString().Split('\n');
        Assert.That(text, Has.Length.EqualTo(7));
        Assert.That(text[0], Is.EqualTo("tensor([[0, 0, 0, ..., 0, 0, 0],"));
        Assert.That(text[3], Is.EqualTo("        ...,"));
        Assert.That(text[6], Is.EqualTo("        [0, 0, 0, ..., 0, 0, 0]], shape=[1000, 1000])"));
        Assert.That(Tensor.Zeros(2, 1000).ToString(), Does.StartWith("tensor([[0, 0, 0, ..., 0, 0, 0],\n        [0,"));
    }

    [Test]
    public void LongRowsAreWrapped()
    {
        var lines = Tensor.Arange(0, 100, dtype: DType.Float32).ToString().Split('\n');
        Assert.That(lines, Has.Length.GreaterThan(1));
        Assert.That(lines.Select(line => line.Length), Is.All.AtMost(80));
    }
}
