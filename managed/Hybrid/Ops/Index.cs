using Hybrid.Bindings;

namespace Hybrid;

public partial class Tensor
{
    /// <summary>y[i][j][k] = x[i][index[i][j][k]][k] along <paramref name="dim"/> (here 1). See PyTorch's <c>gather</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="index">int64, as many axes as this tensor, no extent beyond its except along <paramref name="dim"/></param>
    /// <returns>index's shape, this tensor's dtype</returns>
    /// <exception cref="ShapeException">The shapes do not match.</exception>
    /// <exception cref="DTypeException">The index is not int64.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is out of range.</exception>
    public Tensor Gather(int dim, Tensor index)
    {
        ArgumentNullException.ThrowIfNull(index);
        return IndexOps.Gather(this, Shape.CheckDim(dim, Dim, "Gather"), index);
    }

    /// <summary>A copy of this tensor with y[i][index[i][j][k]][k] += source[i][j][k] along <paramref name="dim"/> (here 1); repeated
    /// indices add up. See PyTorch's <c>scatter_add</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="index">int64, as many axes as this tensor</param>
    /// <param name="source">this tensor's dtype; no extent below index's; what lies beyond index is not read</param>
    /// <returns>this tensor's shape and dtype</returns>
    /// <exception cref="ShapeException">The shapes do not match.</exception>
    /// <exception cref="DTypeException">The index is not int64, or the dtypes differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is out of range.</exception>
    public Tensor ScatterAdd(int dim, Tensor index, Tensor source)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(source);
        var axis = Shape.CheckDim(dim, Dim, "ScatterAdd");
        if (source.Dim != index.Dim)
            throw new ShapeException($"ScatterAdd: index {index.Shape} and source {source.Shape} need as many axes");
        for (var i = 0; i < index.Dim; i++)
            if (source.Shape[i] > index.Shape[i])
                source = source.Narrow(i, 0, index.Shape[i]);
        return IndexOps.Add(this, Shape, axis, index, source, each: true);
    }

    /// <summary>The slices along an axis that an index names. See PyTorch's <c>index_select</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="index">int64, [n]; each from 0 to the extent - 1</param>
    /// <returns>this tensor's shape with extent n on <paramref name="dim"/></returns>
    /// <exception cref="ShapeException">The index has not one axis.</exception>
    /// <exception cref="DTypeException">The index is not int64.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is out of range.</exception>
    public Tensor IndexSelect(int dim, Tensor index)
    {
        ArgumentNullException.ThrowIfNull(index);
        var axis = Shape.CheckDim(dim, Dim, "IndexSelect");
        if (index.Dim != 1 || Dim == 0)
            throw new ShapeException(
                $"IndexSelect: index is {index.Shape}, input {Shape}; an index [n] and at least one axis were expected");
        return IndexOps.Select(this, axis, index);
    }

    /// <summary>A copy of this tensor with source's slices added to those that an index names; repeated indices add up. See PyTorch's
    /// <c>index_add</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="index">int64, [n]; each from 0 to the extent - 1</param>
    /// <param name="source">this tensor's dtype and shape, with extent n on <paramref name="dim"/></param>
    /// <returns>this tensor's shape and dtype</returns>
    /// <exception cref="ShapeException">The shapes do not match.</exception>
    /// <exception cref="DTypeException">The index is not int64, or the dtypes differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index is out of range.</exception>
    public Tensor IndexAdd(int dim, Tensor index, Tensor source)
    {
        ArgumentNullException.ThrowIfNull(index);
        ArgumentNullException.ThrowIfNull(source);
        return IndexOps.Add(this, Shape, Shape.CheckDim(dim, Dim, "IndexAdd"), index, source, each: false);
    }

    /// <summary>1 at each element's class, 0 elsewhere. See PyTorch's <c>one_hot</c>.</summary>
    /// <param name="numClasses">how many classes; one more than the largest by default</param>
    /// <returns>this tensor's shape with one more axis, the classes, at the end; int64</returns>
    /// <exception cref="DTypeException">This tensor is not int64.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An element is no class.</exception>
    /// <exception cref="ArgumentException">The number of classes can't be told: there is no element.</exception>
    public unsafe Tensor OneHot(long numClasses = -1)
    {
        if (numClasses == -1)
            numClasses = NumElements > 0
                ? Max().Item<long>() + 1
                : throw new ArgumentException($"OneHot: the number of classes can't be told from input {Shape}; numClasses was expected");
        if (numClasses < 0)
            throw new ArgumentException($"OneHot: numClasses is {numClasses}; at least 0 was expected");
        var y = NewResult(new Shape([.. Shape.AsSpan(), numClasses]), DType.Int64, Device);
        fixed (HyTensor* px = this, py = y)
            Native.OneHot(Device.Handle, px, py);
        return y;
    }
}

/// <summary>Reading and adding by index, forward and backward. Reading and adding are each other's derivative, elementwise (gather and
/// scatter_add) as by slices (index_select and index_add).</summary>
internal static class IndexOps
{
    internal static unsafe Tensor Gather(Tensor x, int axis, Tensor index)
    {
        var y = Tensor.NewResult(index.Shape, x.DType, x.Device);
        fixed (HyTensor* px = x, pi = index, py = y)
            Native.Gather(x.Device.Handle, px, axis, pi, py);
        if (GradMode.Records(x))
            y.SetNode(new ReadNode("Gather", x, axis, index, each: true));
        return y;
    }

    internal static unsafe Tensor Select(Tensor x, int axis, Tensor index)
    {
        Span<long> shape = stackalloc long[x.Dim];
        x.Shape.AsSpan().CopyTo(shape);
        shape[axis] = index.NumElements;
        var y = Tensor.NewResult(new Shape(shape), x.DType, x.Device);
        fixed (HyTensor* px = x, pi = index, py = y)
            Native.IndexSelect(x.Device.Handle, px, axis, pi, py);
        if (GradMode.Records(x))
            y.SetNode(new ReadNode("IndexSelect", x, axis, index, each: false));
        return y;
    }

    /// <summary>start (zeros when null) plus source where index says; `each` tells scatter_add from index_add.</summary>
    internal static unsafe Tensor Add(Tensor? start, Shape shape, int axis, Tensor index, Tensor source, bool each)
    {
        Tensor y;
        using (NoGrad.Begin())
            y = start is null ? Tensor.Zeros(shape.AsSpan(), source.DType, source.Device) : start.Clone().Contiguous();
        fixed (HyTensor* px = source, pi = index, py = y)
            if (each)
                Native.ScatterAdd(source.Device.Handle, px, axis, pi, py);
            else
                Native.IndexAdd(source.Device.Handle, px, axis, pi, py);
        if (GradMode.Records(start, source))
            y.SetNode(new AddNode(start, source, axis, index, each));
        return y;
    }

    sealed class ReadNode : Node
    {
        readonly Shape input;
        readonly int axis;
        readonly bool each;
        readonly SavedTensor index;

        public ReadNode(string name, Tensor x, int axis, Tensor index, bool each) : base(name, [x])
        {
            (input, this.axis, this.each) = (x.Shape, axis, each);
            this.index = Save(index);
        }

        public override void Backward(Tensor g, Span<Tensor?> grads) => grads[0] = Add(null, input, axis, index.Unpack(), g, each);
    }

    sealed class AddNode : Node
    {
        readonly int axis;
        readonly bool each;
        readonly SavedTensor index;

        public AddNode(Tensor? start, Tensor source, int axis, Tensor index, bool each)
            : base(each ? "ScatterAdd" : "IndexAdd", [start, source])
        {
            (this.axis, this.each) = (axis, each);
            this.index = Save(index);
        }

        public override void Backward(Tensor g, Span<Tensor?> grads)
        {
            if (NeedsGrad(0))
                grads[0] = g;
            if (NeedsGrad(1))
                grads[1] = each ? Gather(g, axis, index.Unpack()) : Select(g, axis, index.Unpack());
        }
    }
}
