namespace Hybrid.Tests;

public class ArithmeticTests
{
    static Tensor Of(DType dtype) => Tensor.From([1.0, 2, 4], dtype: dtype);

    [Test]
    public void OperatorsComputeElementwise()
    {
        var a = Tensor.From([1f, 2, 3]);
        var b = Tensor.From([4f, 5, 6]);
        Assert.That((a + b).ToArray<float>(), Is.EqualTo(new[] { 5f, 7, 9 }));
        Assert.That((a - b).ToArray<float>(), Is.EqualTo(new[] { -3f, -3, -3 }));
        Assert.That((a * b).ToArray<float>(), Is.EqualTo(new[] { 4f, 10, 18 }));
        Assert.That((b / a).ToArray<float>(), Is.EqualTo(new[] { 4f, 2.5f, 2 }));
        Assert.That((-a).ToArray<float>(), Is.EqualTo(new[] { -1f, -2, -3 }));
        Assert.That((6 / a).ToArray<float>(), Is.EqualTo(new[] { 6f, 3, 2 }));
        Assert.That((10 - a).ToArray<float>(), Is.EqualTo(new[] { 9f, 8, 7 }));
        Assert.That((a < 2).ToArray<bool>(), Is.EqualTo(new[] { true, false, false }));
        Assert.That((2 <= a).ToArray<bool>(), Is.EqualTo(new[] { false, true, true }));
        Assert.That((a >= Tensor.From([3f, 2, 1])).ToArray<bool>(), Is.EqualTo(new[] { false, true, true }));
        Assert.That(a.Eq(2).ToArray<bool>(), Is.EqualTo(new[] { false, true, false }));
    }

    [Test]
    public void OperandsBroadcast()
    {
        var column = Tensor.From([1f, 2], [2, 1]);
        var row = Tensor.From([10f, 20, 30]);
        Assert.That((column + row).ToArray<float>(), Is.EqualTo(new[] { 11f, 21, 31, 12, 22, 32 }));
        Assert.That((Tensor.Zeros(0, 3) + row).Shape, Is.EqualTo(new Shape(0, 3)));
        Assert.That(() => Tensor.Zeros(2) + row, Throws.TypeOf<ShapeException>().With.Message.StartsWith("Add: shapes [2] and [3]"));
    }

    // The results of PyTorch's torch.result_type.
    [TestCase(DType.Float32, DType.Float64, DType.Float64)]
    [TestCase(DType.Int64, DType.Float32, DType.Float32)]
    [TestCase(DType.Int32, DType.Int64, DType.Int64)]
    [TestCase(DType.UInt8, DType.Int32, DType.Int32)]
    [TestCase(DType.Bool, DType.UInt8, DType.UInt8)]
    [TestCase(DType.Bool, DType.Float32, DType.Float32)]
    public void DTypesArePromoted(DType a, DType b, DType result)
    {
        Assert.That((Of(a) + Of(b)).DType, Is.EqualTo(result));
        Assert.That((Of(b) * Of(a)).DType, Is.EqualTo(result));
    }

    [Test]
    public void TensorsWithoutAxesDoNotPromoteWithinTheirCategory()
    {
        Assert.That((Of(DType.Float32) + Tensor.Scalar(1, DType.Float64)).DType, Is.EqualTo(DType.Float32));
        Assert.That((Of(DType.UInt8) + Tensor.Scalar(1, DType.Int64)).DType, Is.EqualTo(DType.UInt8));
        Assert.That((Of(DType.Int64) + Tensor.Scalar(1, DType.Float32)).DType, Is.EqualTo(DType.Float32));
    }

    [Test]
    public void NumbersAndIntegersMeet()
    {
        Assert.That((Of(DType.Int32) + 1).DType, Is.EqualTo(DType.Int32));
        Assert.That((Of(DType.Int32) + 1.5).ToArray<float>(), Is.EqualTo(new[] { 2.5f, 3.5f, 5.5f }));
        Assert.That((Of(DType.Int32) / 2).ToArray<float>(), Is.EqualTo(new[] { 0.5f, 1, 2 }));
        Assert.That((Of(DType.Int64) / Of(DType.Int32)).ToArray<float>(), Is.All.EqualTo(1f));
        Assert.That((Of(DType.Bool) + 1).ToArray<long>(), Is.All.EqualTo(2L));
        var mask = Tensor.From([true, false, true]);
        Assert.That((mask + Tensor.From([true, true, false])).ToArray<bool>(), Is.EqualTo(new[] { true, true, true }));
        Assert.That((mask * Tensor.From([true, true, false])).ToArray<bool>(), Is.EqualTo(new[] { true, false, false }));
    }

    [Test]
    public void WhereChooses()
    {
        var x = Tensor.From([-1f, 2, -3]);
        Assert.That(Tensor.Where(x > 0, x, 0).ToArray<float>(), Is.EqualTo(new[] { 0f, 2, 0 }));
        Assert.That(Tensor.Where(x > 0, 1, -x).ToArray<float>(), Is.EqualTo(new[] { 1f, 1, 3 }));
        Assert.That(Tensor.Where(Tensor.From([true, false], [2, 1]), x, -x).Shape, Is.EqualTo(new Shape(2, 3)));
        Assert.That(() => Tensor.Where(x, x, x), Throws.TypeOf<DTypeException>());
    }

    [Test]
    public void WritesInPlaceBumpTheVersionOfAllViews()
    {
        var x = Tensor.Ones(2, 3);
        var row = x[0];
        row.Add_(2).Mul_(Tensor.From([1f, 2, 3]));
        Assert.That(x.ToArray<float>(), Is.EqualTo(new[] { 3f, 6, 9, 1, 1, 1 }));
        Assert.That(x.Version, Is.EqualTo(2));
        x.Sub_(1).Div_(2).Copy_(Tensor.Scalar(4)).Zero_();
        Assert.That(row.Version, Is.EqualTo(6));
        Assert.That(x.ToArray<float>(), Is.All.Zero);
    }

    [Test]
    public void WritesInPlaceKeepDTypeAndShape()
    {
        var ints = Tensor.From([1, 2, 3]);
        Assert.That(() => ints.Add_(0.5), Throws.TypeOf<DTypeException>());
        Assert.That(() => ints.Add_(Tensor.Ones(3)), Throws.TypeOf<DTypeException>());
        Assert.That(() => ints.Div_(2), Throws.InstanceOf<HybridException>());
        Assert.That(() => Tensor.Ones(3).Add_(Tensor.Ones(2, 3)), Throws.TypeOf<ShapeException>());
        Assert.That(() => Tensor.Ones(1, 3).Expand(2, 3).Add_(1), Throws.InvalidOperationException.With.Message.Contains("Clone"));
        Assert.That(ints.Add_(Tensor.From([1L, 1, 1])).ToArray<int>(), Is.EqualTo(new[] { 2, 3, 4 }));
    }

    [Test]
    public void SumToShapeUndoesBroadcasting()
    {
        var x = Tensor.Ones(2, 3, 4);
        Assert.That(x.SumToShape(new Shape(3, 1)).ToArray<float>(), Is.EqualTo(new[] { 8f, 8, 8 }));
        Assert.That(x.SumToShape(new Shape()).Item(), Is.EqualTo(24));
        Assert.That(() => x.SumToShape(new Shape(2)), Throws.TypeOf<ShapeException>());
    }
}
