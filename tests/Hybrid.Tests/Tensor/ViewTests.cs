namespace Hybrid.Tests;

public class ViewTests
{
    static Tensor Counting(params ReadOnlySpan<long> shape) => Tensor.Arange(0, new Shape(shape).NumElements, dtype: DType.Float32).Reshape(shape);

    [Test]
    public void ViewsShareTheirElements()
    {
        var x = Counting(2, 3);
        x.Transpose(0, 1)[0, 1] = 10;
        x.Reshape(3, 2)[2].Fill_(7);
        x.Unsqueeze(0).Select(2, 0)[0, 0] = -1;
        Assert.That(x.ToArray<float>(), Is.EqualTo(new[] { -1f, 1, 2, 10, 7, 7 }));
    }

    [Test]
    public void TransposedTensorsReadInTheirOwnOrder()
    {
        var x = Counting(2, 3);
        Assert.That(x.T.ToArray<float>(), Is.EqualTo(new[] { 0f, 3, 1, 4, 2, 5 }));
        Assert.That(x.T.IsContiguous, Is.False);
        Assert.That(x.T.Strides, Is.EqualTo(new Shape(1, 3)));
        Assert.That(Counting(2, 3, 4).Permute(2, 0, 1).Shape, Is.EqualTo(new Shape(4, 2, 3)));
        Assert.That(Counting(2, 3, 4).Permute(-1, 0, 1)[1, 1, 2].Item(), Is.EqualTo(21));
    }

    [Test]
    public void ReshapeCopiesOnlyWhenItMust()
    {
        var x = Counting(2, 3, 4);
        var y = x.Transpose(0, 1);
        Assert.That(y.Reshape(3, 2, 2, 2).ToArray<float>(), Is.EqualTo(y.ToArray<float>()));
        y.Reshape(3, 2, 2, 2)[0, 0, 0, 0] = 99;
        Assert.That(x[0, 0, 0].Item(), Is.EqualTo(99));
        Assert.That(y.Reshape(-1).ToArray<float>(), Is.EqualTo(y.ToArray<float>()));
        Assert.That(() => y.View(-1), Throws.TypeOf<ShapeException>().With.Message.Contains("Reshape"));
        Assert.That(Tensor.Zeros(0, 3).Reshape(3, 0).Shape, Is.EqualTo(new Shape(3, 0)));
        Assert.That(Counting(1, 2).Expand(3, 2).Reshape(6).ToArray<float>(), Is.EqualTo(new[] { 0f, 1, 0, 1, 0, 1 }));
    }

    [Test]
    public void ReshapeOfEveryPermutationKeepsTheOrder()
    {
        foreach (var dims in new int[][] { [0, 1, 2, 3], [1, 0, 2, 3], [0, 1, 3, 2], [3, 2, 1, 0], [2, 3, 0, 1], [0, 2, 1, 3] })
        {
            var x = Counting(2, 3, 1, 4).Permute(dims);
            foreach (var shape in new long[][] { [24], [4, 6], [2, 2, 6], [1, 24, 1], [3, 8], [2, 3, 4], [12, 2] })
            {
                Assert.That(x.Reshape(shape).ToArray<float>(), Is.EqualTo(x.ToArray<float>()), $"{Shape.Format(shape)}");
            }
        }
    }

    [Test]
    public void WrongReshapesAreRefused()
    {
        var x = Counting(2, 3);
        Assert.That(() => x.Reshape(4, -1), Throws.TypeOf<ShapeException>().With.Message.Contains("[4, -1]"));
        Assert.That(() => x.Reshape(-1, -1), Throws.TypeOf<ShapeException>());
        Assert.That(() => x.Reshape(7), Throws.TypeOf<ShapeException>());
        Assert.That(() => Tensor.Zeros(0).Reshape(0, -1), Throws.TypeOf<ShapeException>());
    }

    [Test]
    public void SqueezeUnsqueezeFlattenAndExpand()
    {
        var x = Counting(2, 1, 3, 1);
        Assert.That(x.Squeeze().Shape, Is.EqualTo(new Shape(2, 3)));
        Assert.That(x.Squeeze(1).Shape, Is.EqualTo(new Shape(2, 3, 1)));
        Assert.That(x.Squeeze(0).Shape, Is.EqualTo(x.Shape));
        Assert.That(x.Unsqueeze(-1).Shape, Is.EqualTo(new Shape(2, 1, 3, 1, 1)));
        Assert.That(x.Flatten(1).Shape, Is.EqualTo(new Shape(2, 3)));
        Assert.That(x.Flatten(0, 1).Shape, Is.EqualTo(new Shape(2, 3, 1)));
        Assert.That(x.Expand(-1, 5, -1, -1).Shape, Is.EqualTo(new Shape(2, 5, 3, 1)));
        Assert.That(Counting(3).Expand(2, 3).ToArray<float>(), Is.EqualTo(new[] { 0f, 1, 2, 0, 1, 2 }));
        Assert.That(() => Counting(3).Expand(2, 4), Throws.TypeOf<ShapeException>());
        Assert.That(() => Counting(2, 3).Expand(3), Throws.TypeOf<ShapeException>());
        Assert.That(() => x.Unsqueeze(6), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void SlicingByNumberRangeAndIndex()
    {
        var x = Counting(4, 5);
        Assert.That(x[1].ToArray<float>(), Is.EqualTo(new[] { 5f, 6, 7, 8, 9 }));
        Assert.That(x[-1, -2].Item(), Is.EqualTo(18));
        Assert.That(x[^1, ^2].Item(), Is.EqualTo(18));
        Assert.That(x[1..3, ..2].ToArray<float>(), Is.EqualTo(new[] { 5f, 6, 10, 11 }));
        Assert.That(x[..^3, ^2..].ToArray<float>(), Is.EqualTo(new[] { 3f, 4 }));
        Assert.That(x[2..100].Shape, Is.EqualTo(new Shape(2, 5)));
        Assert.That(x[3..1].Shape, Is.EqualTo(new Shape(0, 5)));
        Assert.That(x[^0..].Shape, Is.EqualTo(new Shape(0, 5)));
        Assert.That(x[TensorIndex.Ellipsis, 0].ToArray<float>(), Is.EqualTo(new[] { 0f, 5, 10, 15 }));
        Assert.That(x[TensorIndex.NewAxis, .., TensorIndex.NewAxis].Shape, Is.EqualTo(new Shape(1, 4, 1, 5)));
        Assert.That(x[TensorIndex.Slice(step: 2), TensorIndex.Slice(-4, -1, 2)].ToArray<float>(), Is.EqualTo(new[] { 1f, 3, 11, 13 }));
        Assert.That(x.T[1..3].T[2].ToArray<float>(), Is.EqualTo(new[] { 11f, 12 }));
    }

    [Test]
    public void WrongIndicesAreNamed()
    {
        var x = Counting(4, 5);
        Assert.That(() => x[4], Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("[4, 5]"));
        Assert.That(() => x[0, -6], Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => x[0, 0, 0], Throws.ArgumentException);
        Assert.That(() => x[^0], Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => x[TensorIndex.Ellipsis, TensorIndex.Ellipsis], Throws.ArgumentException);
        Assert.That(() => x.Narrow(1, 3, 3), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => x.Select(2, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void TensorsIndex()
    {
        var x = Counting(3, 2);
        Assert.That(x[x > 2].ToArray<float>(), Is.EqualTo(new[] { 3f, 4, 5 }));
        Assert.That(x[Tensor.From([true, false, true])].ToArray<float>(), Is.EqualTo(new[] { 0f, 1, 4, 5 }));
        var taken = x[Tensor.From([2L, -3, 2, 0], [2, 2])];
        Assert.That(taken.Shape, Is.EqualTo(new Shape(2, 2, 2)));
        Assert.That(taken.ToArray<float>(), Is.EqualTo(new[] { 4f, 5, 0, 1, 4, 5, 0, 1 }));
        Assert.That(() => x[Tensor.From([3L])], Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => x[Tensor.From([true])], Throws.TypeOf<ShapeException>());
        Assert.That(() => x[Tensor.From([1f])], Throws.TypeOf<DTypeException>());
        Assert.That((x > 3).NonZero().ToArray<long>(), Is.EqualTo(new long[] { 2, 0, 2, 1 }));
    }

    [Test]
    public void AssigningWritesThroughSlices()
    {
        var x = Tensor.Zeros(3, 4);
        x[1..3, ..2] = Tensor.From([1f, 2]);
        x[0] = 5;
        x[.., ^1] = Tensor.From([7L, 8, 9]);
        Assert.That(x.ToArray<float>(), Is.EqualTo(new[] { 5f, 5, 5, 7, 1, 2, 0, 8, 1, 2, 0, 9 }));
        x[x > 6] = -1;
        Assert.That(x.ToArray<float>(), Is.EqualTo(new[] { 5f, 5, 5, -1, 1, 2, 0, -1, 1, 2, 0, -1 }));
        x[Tensor.From([2L, 0])] = Tensor.From([3f, 4], [2, 1]);
        Assert.That(x.ToArray<float>(), Is.EqualTo(new[] { 4f, 4, 4, 4, 1, 2, 0, -1, 3, 3, 3, 3 }));
        Assert.That(() => x[0] = Tensor.Zeros(3), Throws.TypeOf<ShapeException>());
    }

    [Test]
    public void OverlappingCopiesReadBeforeTheyWrite()
    {
        var x = Counting(6);
        x[1..] = x[..^1];
        Assert.That(x.ToArray<float>(), Is.EqualTo(new[] { 0f, 0, 1, 2, 3, 4 }));
        x[1..].Add_(x[..^1]);
        Assert.That(x.ToArray<float>(), Is.EqualTo(new[] { 0f, 0, 1, 3, 5, 7 }));
    }

    [Test]
    public void SplitChunkAndUnbindCoverTheAxis()
    {
        var x = Counting(7, 2);
        Assert.That(x.Split(3).Select(p => p.Size(0)), Is.EqualTo(new long[] { 3, 3, 1 }));
        Assert.That(x.Split([5, 2]).Select(p => p.Size(0)), Is.EqualTo(new long[] { 5, 2 }));
        Assert.That(x.Chunk(3).Select(p => p.Size(0)), Is.EqualTo(new long[] { 3, 3, 1 }));
        Assert.That(x.Unbind(1)[1].ToArray<float>(), Is.EqualTo(new[] { 1f, 3, 5, 7, 9, 11, 13 }));
        Assert.That(() => x.Split([5, 3]), Throws.TypeOf<ShapeException>());
    }
}
