namespace Hybrid.Tests;

public class CreationTests
{
    [Test]
    public void ZerosOnesAndFullHoldTheirValue()
    {
        Assert.That(Tensor.Zeros(2, 3).ToArray<float>(), Is.All.Zero);
        Assert.That(Tensor.Ones([4], DType.Float64).ToArray<double>(), Is.All.EqualTo(1.0));
        Assert.That(Tensor.Full([2, 2], 7, DType.UInt8).ToArray<byte>(), Is.All.EqualTo((byte)7));
    }

    [Test]
    public void TheDesignsExampleHasItsShape()
    {
        var x = Tensor.Zeros(10).Reshape(5, -1);
        Assert.That(x.Shape.ToString(), Is.EqualTo("[5, 2]"));
        Assert.That(x.Size(-1), Is.EqualTo(2));
        Assert.That(x.NumDims, Is.EqualTo(2));
        Assert.That(x.NumElements, Is.EqualTo(10));
        Assert.That(x.DType, Is.EqualTo(DType.Float32));
    }

    [Test]
    public void ArangeCountsUpAndDown()
    {
        Assert.That(Tensor.Arange(5).ToArray<long>(), Is.EqualTo(new long[] { 0, 1, 2, 3, 4 }));
        Assert.That(Tensor.Arange(1, 0, -0.25).ToArray<float>(), Is.EqualTo(new[] { 1f, 0.75f, 0.5f, 0.25f }));
        Assert.That(Tensor.Arange(3, 3).NumElements, Is.Zero);
        Assert.That(() => Tensor.Arange(0, 3, -1), Throws.ArgumentException.With.Message.Contains("-1"));
        Assert.That(() => Tensor.Arange(0, 3, 0), Throws.ArgumentException);
    }

    [Test]
    public void LinspaceReachesItsEnd()
    {
        var x = Tensor.Linspace(-1, 0.3, 14);
        Assert.That(x.ToArray<float>()[0], Is.EqualTo(-1f));
        Assert.That(x.ToArray<float>()[^1], Is.EqualTo(0.3f));
        Assert.That(Tensor.Linspace(2, 5, 1).ToArray<float>(), Is.EqualTo(new[] { 2f }));
    }

    [Test]
    public void EyeHasOnesOnItsDiagonal()
    {
        Assert.That(Tensor.Eye(2, 3).ToArray<float>(), Is.EqualTo(new[] { 1f, 0, 0, 0, 1, 0 }));
        Assert.That(Tensor.Eye(3, 2).ToArray<float>(), Is.EqualTo(new[] { 1f, 0, 0, 1, 0, 0 }));
    }

    [Test]
    public void FromKeepsDataShapeAndType()
    {
        Assert.That(Tensor.From([1, 2, 3]).DType, Is.EqualTo(DType.Int32));
        Assert.That(Tensor.From([true, false]).ToArray<bool>(), Is.EqualTo(new[] { true, false }));
        var matrix = Tensor.From(new[,] { { 1.0, 2 }, { 3, 4 }, { 5, 6 } });
        Assert.That(matrix.Shape, Is.EqualTo(new Shape(3, 2)));
        Assert.That(matrix.ToArray<double>(), Is.EqualTo(new[] { 1.0, 2, 3, 4, 5, 6 }));
        Assert.That(Tensor.From([1f, 2, 3, 4], [2, 2]).Shape, Is.EqualTo(new Shape(2, 2)));
        Assert.That(Tensor.From([1, 2], dtype: DType.Float32).ToArray<float>(), Is.EqualTo(new[] { 1f, 2f }));
        Assert.That(() => Tensor.From([1f, 2], [3]), Throws.TypeOf<ShapeException>().With.Message.Contains("2 elements"));
    }

    [Test]
    public void TheSameSeedGivesTheSameNumbers()
    {
        float[] Draw()
        {
            var generator = new Generator(42);
            return [.. Tensor.Rand([100], generator: generator).ToArray<float>(), .. Tensor.Randn([100], generator: generator).ToArray<float>()];
        }
        Assert.That(Draw(), Is.EqualTo(Draw()));
        var source = new Generator(42);
        Assert.That(Tensor.Rand([100], generator: source).ToArray<float>(), Is.Not.EqualTo(Tensor.Rand([100], generator: source).ToArray<float>()));
    }

    [Test]
    public void RandomNumbersStayInRange()
    {
        Assert.That(Tensor.Rand([10_000]).ToArray<float>(), Is.All.InRange(0f, 0.99999999f));
        Assert.That(Tensor.RandInt(-2, 3, [1000]).ToArray<long>().Distinct().Order(), Is.EqualTo(new long[] { -2, -1, 0, 1, 2 }));
        Assert.That(Tensor.RandPerm(1000).ToArray<long>().Order(), Is.EqualTo(Enumerable.Range(0, 1000).Select(i => (long)i)));
        var normal = Tensor.Randn([100_000], generator: new Generator(1)).ToArray<float>();
        Assert.That(normal.Average(), Is.EqualTo(0).Within(0.02));
        Assert.That(normal.Select(v => (double)v * v).Average(), Is.EqualTo(1).Within(0.03));
    }

    [Test]
    public void WrongShapesAreNamed()
    {
        Assert.That(() => Tensor.Zeros(2, -1), Throws.TypeOf<ShapeException>().With.Message.Contains("-1"));
        Assert.That(() => Tensor.Zeros(1, 1, 1, 1, 1, 1, 1, 1, 1), Throws.TypeOf<ShapeException>());
        Assert.That(() => Tensor.Empty([long.MaxValue, 3]), Throws.TypeOf<ShapeException>());
        Assert.That(() => Tensor.Zeros([3], DType.Int32, requiresGrad: true), Throws.TypeOf<DTypeException>().With.Message.Contains("int32"));
    }

    [Test]
    public void ItemCastsAndRefusesSeveral()
    {
        Assert.That(Tensor.Scalar(2.75).Item<int>(), Is.EqualTo(2));
        Assert.That((float)Tensor.From([1.5]), Is.EqualTo(1.5f));
        Assert.That((bool)Tensor.From([3L]), Is.True);
        Assert.That(Tensor.From([long.MaxValue]).Item<long>(), Is.EqualTo(long.MaxValue));
        Assert.That(() => Tensor.Zeros(2).Item(), Throws.TypeOf<ShapeException>().With.Message.Contains("[2]"));
        Assert.That(() => Tensor.Zeros(2).ToArray<double>(), Throws.TypeOf<DTypeException>().With.Message.Contains("float32"));
    }

    [Test]
    public void CastsCutAndSaturate()
    {
        var x = Tensor.From([-1.7, 2.9, double.NaN, 1e30]);
        Assert.That(x.To(DType.Int32).ToArray<int>(), Is.EqualTo(new[] { -1, 2, 0, int.MaxValue }));
        Assert.That(x.To(DType.Bool).ToArray<bool>(), Is.All.True);
        Assert.That(x.To(DType.Float64), Is.SameAs(x));
    }

    [Test]
    public void ShapesCompareAndIndex()
    {
        Shape shape = new long[] { 2, 3, 4 };
        Assert.That(shape[^1], Is.EqualTo(4));
        Assert.That(shape[-3], Is.EqualTo(2));
        Assert.That(shape == new Shape(2, 3, 4), Is.True);
        Assert.That(shape != new Shape(2, 3), Is.True);
        Assert.That(shape.GetHashCode(), Is.EqualTo(new Shape(2, 3, 4).GetHashCode()));
        Assert.That(shape.NumElements, Is.EqualTo(24));
        Assert.That(() => shape[3], Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => shape[^4], Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(Tensor.Zeros(shape).Shape, Is.EqualTo(shape));
    }
}
