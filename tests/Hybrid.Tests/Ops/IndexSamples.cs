namespace Hybrid.Tests.Ops;

/// <summary>Indexing and joining.</summary>
internal static class IndexSamples
{
    internal static IEnumerable<Operation> All =>
    [
        .. Each("axis 1", [3, 4], 1, new Nd([0, 3, 3, 1, 1, 2], 3, 2)),
        .. Each("axis 0, fewer columns", [3, 4], 0, new Nd([2, 0, 1, 1, 1, 1, 0, 2, 2, 0], 5, 2)),
        .. Each("middle of three axes", [2, 3, 2], 1, new Nd([0, 2, 1, 1, 0, 0, 2, 2], 2, 2, 2)),
        .. Each("one axis", [5], 0, new Nd([4, 4, 0], 3)),
        .. Each("no index", [3, 4], 1, new Nd([], 3, 0)),
        .. Slices("axis 0", [4, 3], 0, [3, 0, 0, 1, 3]),
        .. Slices("last axis", [2, 3, 5], 2, [4, 1, 1]),
        .. Slices("no index", [4, 3], 0, []),
        new("OneHot", [], t => Tensor.From(new long[] { 2, 0, 1, 2 }).Reshape(2, 2).OneHot(3),
            _ => new Nd([0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1], 2, 2, 3))
        { Differentiable = false },
        new("OneHot: classes told from the input", [], t => Tensor.From(new long[] { 1, 0 }).OneHot(), _ => new Nd([0, 1, 1, 0], 2, 2))
            { Differentiable = false },
        .. Joins("one", 0, [2, 3]),
        .. Joins("two", 0, [2, 3], [4, 3]),
        .. Joins("three on the last axis", -1, [2, 3], [2, 1], [2, 5]),
        .. Joins("an empty one", 1, [2, 0], [2, 3]),
        .. Joins("all empty", 0, [0, 3], [0, 3]),
        Stack("new first axis", 0, 0), Stack("new middle axis", 1, 1), Stack("new last axis", -1, 2),
        new("Stack: numbers", OperationList.Random([], [], []), t => Tensor.Stack(t), n => new Nd([.. n.Select(x => x.Data[0])], 3)),
    ];

    static Tensor IndexTensor(Nd index) => index.ToTensor(DType.Int64);

    static IEnumerable<Operation> Each(string what, long[] shape, int axis, Nd index)
    {
        yield return new($"Gather: {what}", OperationList.Random(shape), t => t[0].Gather(axis, IndexTensor(index)),
            n => Reference.Gather(n[0], axis, index));
        yield return new($"ScatterAdd: {what}", OperationList.Random(shape, index.Shape),
            t => t[0].ScatterAdd(axis - shape.Length, IndexTensor(index), t[1]),
            n => Reference.ScatterAdd(n[0], axis, index, n[1]));
        yield return new($"ScatterAdd: {what}, source larger than index",
            OperationList.Random(shape, [.. index.Shape.Select(extent => extent + 1)]),
            t => t[0].ScatterAdd(axis, IndexTensor(index), t[1]), n => Reference.ScatterAdd(n[0], axis, index, n[1]));
    }

    static IEnumerable<Operation> Slices(string what, long[] shape, int axis, long[] index)
    {
        yield return new($"IndexSelect: {what}", OperationList.Random(shape), t => t[0].IndexSelect(axis, Tensor.From(index)),
            n => Reference.IndexSelect(n[0], axis, index));
        yield return new($"IndexAdd: {what}",
            OperationList.Random(shape, [.. shape.Select((extent, i) => i == axis ? index.Length : extent)]),
            t => t[0].IndexAdd(axis - shape.Length, Tensor.From(index), t[1]), n => Reference.IndexAdd(n[0], axis, index, n[1]));
    }

    static IEnumerable<Operation> Joins(string what, int dim, params long[][] shapes)
    {
        var axis = dim < 0 ? dim + shapes[0].Length : dim;
        yield return new($"Cat: {what}", OperationList.Random(shapes), t => Tensor.Cat(t, dim), n => Reference.Cat(n, axis));
        yield return new($"Concatenate: {what}", OperationList.Random(shapes), t => Tensor.Concatenate(t, dim),
            n => Reference.Cat(n, axis));
    }

    static Operation Stack(string what, int dim, int axis) =>
        new($"Stack: {what}", OperationList.Random([3, 2], [3, 2]), t => Tensor.Stack(t, dim),
            n => Reference.Cat([.. n.Select(x => x.Reshape([.. x.Shape[..axis], 1, .. x.Shape[axis..]]))], axis));
}
