using Hybrid.Bindings;

namespace Hybrid;

public partial class Tensor
{
    /// <summary>The sum of all elements. See PyTorch's <c>sum</c>.</summary>
    /// <returns>[]; the dtype is this tensor's, int64 for integers and bool; 0 over nothing</returns>
    public Tensor Sum() => Sum([]);

    /// <summary>The sum along one axis. See PyTorch's <c>sum</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="keepDim">whether the axis stays, with extent 1</param>
    /// <returns>this tensor's shape without <paramref name="dim"/>; int64 for integers and bool</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such axis.</exception>
    public Tensor Sum(int dim, bool keepDim = false) => Sum([dim], keepDim);

    /// <summary>The sum along several axes. See PyTorch's <c>sum</c>.</summary>
    /// <param name="dims">the axes; all of them when empty</param>
    /// <param name="keepDim">whether the axes stay, with extent 1</param>
    /// <returns>this tensor's shape without <paramref name="dims"/>; int64 for integers and bool</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such axis.</exception>
    /// <exception cref="ArgumentException">An axis is named twice.</exception>
    public Tensor Sum(ReadOnlySpan<int> dims, bool keepDim = false) =>
        ReduceOps.Reduce(HyReduceOp.Sum, DType == DType.Int32 ? To(DType.Int64) : this, dims, keepDim);

    /// <summary>The mean of all elements. See PyTorch's <c>mean</c>.</summary>
    /// <returns>[]; NaN over nothing</returns>
    /// <exception cref="DTypeException">This tensor is not floating.</exception>
    public Tensor Mean() => Mean([]);

    /// <summary>The mean along one axis. See PyTorch's <c>mean</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="keepDim">whether the axis stays, with extent 1</param>
    /// <returns>this tensor's shape without <paramref name="dim"/></returns>
    /// <exception cref="DTypeException">This tensor is not floating.</exception>
    public Tensor Mean(int dim, bool keepDim = false) => Mean([dim], keepDim);

    /// <summary>The mean along several axes. See PyTorch's <c>mean</c>.</summary>
    /// <param name="dims">the axes; all of them when empty</param>
    /// <param name="keepDim">whether the axes stay, with extent 1</param>
    /// <returns>this tensor's shape without <paramref name="dims"/></returns>
    /// <exception cref="DTypeException">This tensor is not floating.</exception>
    public Tensor Mean(ReadOnlySpan<int> dims, bool keepDim = false) => ReduceOps.Reduce(HyReduceOp.Mean, this, dims, keepDim);

    /// <summary>The largest element; a NaN wins. The gradient is shared evenly among equals. See PyTorch's <c>max</c>.</summary>
    /// <returns>[]</returns>
    /// <exception cref="ShapeException">There is no element.</exception>
    public Tensor Max() => AMax([]);

    /// <summary>The largest elements along an axis and where they are, the first among equals; a NaN wins. The gradient goes to that
    /// element alone. See PyTorch's <c>max(dim)</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="keepDim">whether the axis stays, with extent 1</param>
    /// <returns>the values, and their int64 indices along <paramref name="dim"/></returns>
    /// <exception cref="ShapeException">The axis has no element.</exception>
    public (Tensor Values, Tensor Indices) Max(int dim, bool keepDim = false) => ReduceOps.Extremum(this, dim, keepDim, maximum: true);

    /// <summary>The largest elements along some axes; a NaN wins. The gradient is shared evenly among equals. See PyTorch's
    /// <c>amax</c>.</summary>
    /// <param name="dims">the axes; all of them when empty</param>
    /// <param name="keepDim">whether the axes stay, with extent 1</param>
    /// <returns>this tensor's shape without <paramref name="dims"/></returns>
    /// <exception cref="ShapeException">There is no element to choose from.</exception>
    public Tensor AMax(ReadOnlySpan<int> dims, bool keepDim = false) => ReduceOps.Reduce(HyReduceOp.Max, this, dims, keepDim);

    /// <summary>The smallest element; a NaN wins. The gradient is shared evenly among equals. See PyTorch's <c>min</c>.</summary>
    /// <returns>[]</returns>
    /// <exception cref="ShapeException">There is no element.</exception>
    public Tensor Min() => AMin([]);

    /// <summary>The smallest elements along an axis and where they are, the first among equals; a NaN wins. The gradient goes to that
    /// element alone. See PyTorch's <c>min(dim)</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="keepDim">whether the axis stays, with extent 1</param>
    /// <returns>the values, and their int64 indices along <paramref name="dim"/></returns>
    /// <exception cref="ShapeException">The axis has no element.</exception>
    public (Tensor Values, Tensor Indices) Min(int dim, bool keepDim = false) => ReduceOps.Extremum(this, dim, keepDim, maximum: false);

    /// <summary>The smallest elements along some axes; a NaN wins. The gradient is shared evenly among equals. See PyTorch's
    /// <c>amin</c>.</summary>
    /// <param name="dims">the axes; all of them when empty</param>
    /// <param name="keepDim">whether the axes stay, with extent 1</param>
    /// <returns>this tensor's shape without <paramref name="dims"/></returns>
    /// <exception cref="ShapeException">There is no element to choose from.</exception>
    public Tensor AMin(ReadOnlySpan<int> dims, bool keepDim = false) => ReduceOps.Reduce(HyReduceOp.Min, this, dims, keepDim);

    /// <summary>The product of all elements. See PyTorch's <c>prod</c>.</summary>
    /// <returns>[]; int64 for integers and bool; 1 over nothing</returns>
    public Tensor Prod() => Reshape(NumElements).Prod(0);

    /// <summary>The product along one axis; its gradient is exact where elements are 0. See PyTorch's <c>prod</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="keepDim">whether the axis stays, with extent 1</param>
    /// <returns>this tensor's shape without <paramref name="dim"/>; int64 for integers and bool</returns>
    public Tensor Prod(int dim, bool keepDim = false) =>
        ReduceOps.Reduce(HyReduceOp.Prod, DType.IsFloating() ? this : To(DType.Int64), [dim], keepDim);

    /// <summary>The variance of all elements. See PyTorch's <c>var</c>.</summary>
    /// <param name="unbiased">whether to divide by one less than their number</param>
    /// <returns>[]; NaN over fewer than two elements (biased: over none)</returns>
    /// <exception cref="DTypeException">This tensor is not floating.</exception>
    public Tensor Var(bool unbiased = true) => Var([], unbiased);

    /// <summary>The variance along one axis. See PyTorch's <c>var</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="unbiased">whether to divide by one less than the extent</param>
    /// <param name="keepDim">whether the axis stays, with extent 1</param>
    /// <returns>this tensor's shape without <paramref name="dim"/></returns>
    /// <exception cref="DTypeException">This tensor is not floating.</exception>
    public Tensor Var(int dim, bool unbiased = true, bool keepDim = false) => Var([dim], unbiased, keepDim);

    /// <summary>The variance along several axes. See PyTorch's <c>var</c>.</summary>
    /// <param name="dims">the axes; all of them when empty</param>
    /// <param name="unbiased">whether to divide by one less than the number of elements</param>
    /// <param name="keepDim">whether the axes stay, with extent 1</param>
    /// <returns>this tensor's shape without <paramref name="dims"/></returns>
    /// <exception cref="DTypeException">This tensor is not floating.</exception>
    public Tensor Var(ReadOnlySpan<int> dims, bool unbiased = true, bool keepDim = false) =>
        ReduceOps.Variance("Var", this, dims, unbiased, keepDim);

    /// <summary>The standard deviation of all elements; the gradient where it is 0 is 0. See PyTorch's <c>std</c>.</summary>
    /// <param name="unbiased">whether to divide by one less than their number</param>
    /// <returns>[]; NaN over fewer than two elements (biased: over none)</returns>
    /// <exception cref="DTypeException">This tensor is not floating.</exception>
    public Tensor Std(bool unbiased = true) => ReduceOps.Root(ReduceOps.Variance("Std", this, [], unbiased, keepDim: false));

    /// <summary>The standard deviation along one axis; the gradient where it is 0 is 0. See PyTorch's <c>std</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="unbiased">whether to divide by one less than the extent</param>
    /// <param name="keepDim">whether the axis stays, with extent 1</param>
    /// <returns>this tensor's shape without <paramref name="dim"/></returns>
    /// <exception cref="DTypeException">This tensor is not floating.</exception>
    public Tensor Std(int dim, bool unbiased = true, bool keepDim = false) =>
        ReduceOps.Root(ReduceOps.Variance("Std", this, [dim], unbiased, keepDim));

    /// <summary>The Euclidean norm of all elements; the gradient where it is 0 is 0. See PyTorch's <c>norm</c>.</summary>
    /// <returns>[]</returns>
    /// <exception cref="DTypeException">This tensor is not floating.</exception>
    public Tensor Norm() => ReduceOps.Norm(this, [], keepDim: false);

    /// <summary>The Euclidean norm along one axis; the gradient where it is 0 is 0. See PyTorch's <c>norm</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="keepDim">whether the axis stays, with extent 1</param>
    /// <returns>this tensor's shape without <paramref name="dim"/></returns>
    /// <exception cref="DTypeException">This tensor is not floating.</exception>
    public Tensor Norm(int dim, bool keepDim = false) => ReduceOps.Norm(this, [dim], keepDim);

    /// <summary>The index of the largest element, the first among equals, counted in row-major order; a NaN wins. See PyTorch's
    /// <c>argmax</c>.</summary>
    /// <returns>[], int64</returns>
    /// <exception cref="ShapeException">There is no element.</exception>
    public Tensor ArgMax() => Detach().Reshape(NumElements).ArgMax(0);

    /// <summary>The indices of the largest elements along an axis, the first among equals; a NaN wins. See PyTorch's
    /// <c>argmax</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="keepDim">whether the axis stays, with extent 1</param>
    /// <returns>int64, this tensor's shape without <paramref name="dim"/></returns>
    /// <exception cref="ShapeException">The axis has no element.</exception>
    public Tensor ArgMax(int dim, bool keepDim = false) => ReduceOps.ArgReduce(this, dim, keepDim, maximum: true);

    /// <summary>The index of the smallest element, the first among equals, counted in row-major order; a NaN wins. See PyTorch's
    /// <c>argmin</c>.</summary>
    /// <returns>[], int64</returns>
    /// <exception cref="ShapeException">There is no element.</exception>
    public Tensor ArgMin() => Detach().Reshape(NumElements).ArgMin(0);

    /// <summary>The indices of the smallest elements along an axis, the first among equals; a NaN wins. See PyTorch's
    /// <c>argmin</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="keepDim">whether the axis stays, with extent 1</param>
    /// <returns>int64, this tensor's shape without <paramref name="dim"/></returns>
    /// <exception cref="ShapeException">The axis has no element.</exception>
    public Tensor ArgMin(int dim, bool keepDim = false) => ReduceOps.ArgReduce(this, dim, keepDim, maximum: false);

    /// <summary>Whether every element is true (not 0; NaN is true); true over nothing. See PyTorch's <c>all</c>.</summary>
    /// <returns>[], bool</returns>
    public Tensor All() => Eq(0).Sum().Eq(0);

    /// <summary>Whether every element along an axis is true (not 0; NaN is true). See PyTorch's <c>all</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="keepDim">whether the axis stays, with extent 1</param>
    /// <returns>bool, this tensor's shape without <paramref name="dim"/></returns>
    public Tensor All(int dim, bool keepDim = false) => Eq(0).Sum(dim, keepDim).Eq(0);

    /// <summary>Whether any element is true (not 0; NaN is true); false over nothing. See PyTorch's <c>any</c>.</summary>
    /// <returns>[], bool</returns>
    public Tensor Any() => Ne(0).Sum().Ne(0);

    /// <summary>Whether any element along an axis is true (not 0; NaN is true). See PyTorch's <c>any</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="keepDim">whether the axis stays, with extent 1</param>
    /// <returns>bool, this tensor's shape without <paramref name="dim"/></returns>
    public Tensor Any(int dim, bool keepDim = false) => Ne(0).Sum(dim, keepDim).Ne(0);
}

/// <summary>The reductions' shape rule, forward and backward.</summary>
internal static class ReduceOps
{
    /// <summary>x reduced over dims (all when empty).</summary>
    internal static Tensor Reduce(HyReduceOp op, Tensor x, ReadOnlySpan<int> dims, bool keepDim)
    {
        var name = op switch
        {
            HyReduceOp.Sum => "Sum",
            HyReduceOp.Mean => "Mean",
            HyReduceOp.Prod => "Prod",
            HyReduceOp.Max => "AMax",
            _ => "AMin",
        };
        var kept = KeptShape(name, x.Shape, dims);
        return Reduce(op, name, x, kept, keepDim ? kept : WithoutReduced(x.Shape, dims));
    }

    /// <summary>x reduced to kept (1 on each reduced axis); the result has the shape `output`, kept or kept less its reduced
    /// axes.</summary>
    static unsafe Tensor Reduce(HyReduceOp op, string name, Tensor x, in Shape kept, in Shape output)
    {
        var y = Tensor.NewResult(output, op == HyReduceOp.Sum && x.DType is DType.UInt8 or DType.Bool ? DType.Int64 : x.DType, x.Device);
        fixed (HyTensor* px = x, py = y)
        {
            var view = y.ViewAs(kept);
            Native.Reduce(px->Device, op, px, &view);
        }
        if (GradMode.Records(x))
            y.SetNode(op switch
            {
                HyReduceOp.Sum or HyReduceOp.Mean => new SumNode(name, x, kept, op == HyReduceOp.Mean),
                HyReduceOp.Prod => new ProdNode(x, kept),
                _ => new ExtremumNode(name, x, y, op, kept),
            });
        return y;
    }

    internal static unsafe Tensor ArgReduce(Tensor x, int dim, bool keepDim, bool maximum)
    {
        var name = maximum ? "ArgMax" : "ArgMin";
        var kept = KeptShape(name, x.Shape, [dim]);
        if (x.Dim == 0)
            return Tensor.Zeros([], DType.Int64, x.Device);
        var y = Tensor.NewResult(kept, DType.Int64, x.Device);
        fixed (HyTensor* px = x, py = y)
            Native.ArgReduce(x.Device.Handle, maximum ? 1 : 0, px, Shape.CheckDim(dim, Math.Max(1, x.Dim), name), py);
        return keepDim ? y : y.Squeeze(dim);
    }

    internal static (Tensor Values, Tensor Indices) Extremum(Tensor x, int dim, bool keepDim, bool maximum)
    {
        var indices = ArgReduce(x, dim, keepDim: true, maximum);
        var values = x.Dim == 0 ? x.Clone() : x.Gather(dim, indices);
        return keepDim || x.Dim == 0 ? (values, indices) : (values.Squeeze(dim), indices.Squeeze(dim));
    }

    internal static Tensor Variance(string name, Tensor x, ReadOnlySpan<int> dims, bool unbiased, bool keepDim)
    {
        Checks.Floating(name, x);
        var squares = (x - x.Mean(dims, keepDim: true)).Square().Sum(dims, keepDim);
        var count = squares.NumElements == 0 ? 0 : x.NumElements / squares.NumElements;
        return squares / Math.Max(0, count - (unbiased ? 1 : 0));
    }

    internal static Tensor Norm(Tensor x, ReadOnlySpan<int> dims, bool keepDim)
    {
        Checks.Floating("Norm", x);
        return Root(x.Square().Sum(dims, keepDim));
    }

    /// <summary>√v whose gradient at 0 is 0: PyTorch's choice for std and norm.</summary>
    internal static Tensor Root(Tensor v)
    {
        if (!GradMode.Records(v))
            return v.Sqrt();
        var zero = v.Detach().Eq(0);
        return Tensor.Where(zero, 0, Tensor.Where(zero, 1, v).Sqrt());
    }

    /// <summary>At each place the product of all others along the axis, without a division, so that zeros do no harm: halves are
    /// multiplied pairwise, and what is exclusive of a pair, times the partner, is exclusive of one.</summary>
    static Tensor ExclusiveProduct(Tensor x, int axis)
    {
        var n = x.Size(axis);
        if (n <= 1)
            return Tensor.OnesLike(x);
        var half = (n + 1) / 2;
        var first = x.Narrow(axis, 0, half);
        var second = x.Narrow(axis, half, n - half);
        if (n % 2 != 0)
            second = Tensor.Cat([second, Tensor.OnesLike(x.Narrow(axis, 0, 1))], axis);
        var others = ExclusiveProduct(first * second, axis);
        return Tensor.Cat([others * second, (others * first).Narrow(axis, 0, n - half)], axis);
    }

    static Shape KeptShape(string name, Shape shape, ReadOnlySpan<int> dims)
    {
        Span<long> kept = stackalloc long[shape.Count];
        shape.AsSpan().CopyTo(kept);
        if (dims.IsEmpty)
            kept.Fill(1);
        var seen = 0;
        foreach (var dim in dims)
        {
            var axis = Shape.CheckDim(dim, Math.Max(1, shape.Count), name);
            if ((seen & (1 << axis)) != 0)
                throw new ArgumentException($"{name}: dim {dim} is named twice; each axis was expected once");
            seen |= 1 << axis;
            if (shape.Count > 0)
                kept[axis] = 1;
        }
        return new Shape(kept);
    }

    static Shape WithoutReduced(Shape shape, ReadOnlySpan<int> dims)
    {
        if (dims.IsEmpty)
            return default;
        var reduced = 0;
        foreach (var dim in dims)
            reduced |= 1 << (dim < 0 ? dim + Math.Max(shape.Count, 1) : dim);
        Span<long> rest = stackalloc long[shape.Count];
        var count = 0;
        for (var i = 0; i < shape.Count; i++)
            if ((reduced & (1 << i)) == 0)
                rest[count++] = shape[i];
        return new Shape(rest[..count]);
    }

    sealed class SumNode : Node
    {
        readonly Shape input, kept;
        readonly long divisor;

        public SumNode(string name, Tensor x, Shape kept, bool mean) : base(name, [x])
        {
            (input, this.kept) = (x.Shape, kept);
            divisor = mean && kept.NumElements > 0 ? input.NumElements / kept.NumElements : 1;
        }

        public override void Backward(Tensor g, Span<Tensor?> grads)
        {
            var each = g.Reshape(kept);
            grads[0] = (divisor == 1 ? each : each / divisor).Expand(input);
        }
    }

    sealed class ExtremumNode : Node
    {
        readonly Shape kept;
        readonly SavedTensor x, y;

        public ExtremumNode(string name, Tensor x, Tensor y, HyReduceOp op, Shape kept) : base(name, [x])
        {
            this.kept = kept;
            this.x = Save(x);
            this.y = Save(y);
        }

        public override void Backward(Tensor g, Span<Tensor?> grads)
        {
            var chosen = x.Unpack().Detach().Eq(y.Unpack().Detach().Reshape(kept)).To(g.DType);
            var count = Reduce(HyReduceOp.Sum, "Sum", chosen, kept, kept);
            grads[0] = chosen * (g.Reshape(kept) / count);
        }
    }

    sealed class ProdNode : Node
    {
        readonly Shape kept;
        readonly SavedTensor x;

        public ProdNode(Tensor x, Shape kept) : base("Prod", [x])
        {
            this.kept = kept;
            this.x = Save(x);
        }

        public override void Backward(Tensor g, Span<Tensor?> grads)
        {
            var factors = x.Unpack();
            for (var axis = 0; axis < kept.Count; axis++)
                if (kept[axis] != factors.Shape[axis])
                {
                    grads[0] = g.Reshape(kept) * ExclusiveProduct(factors, axis);
                    return;
                }
            grads[0] = g.Reshape(kept);
        }
    }
}
