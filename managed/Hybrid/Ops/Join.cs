using Hybrid.Bindings;

namespace Hybrid;

public partial class Tensor
{
    /// <summary>The tensors one after another along an axis. See PyTorch's <c>cat</c>.</summary>
    /// <param name="tensors">at least one; of one dtype, and of one shape except along <paramref name="dim"/></param>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <returns>their shape, with the sum of their extents on <paramref name="dim"/></returns>
    /// <exception cref="ArgumentException">There is no tensor.</exception>
    /// <exception cref="ShapeException">The shapes do not match, or have no axis.</exception>
    /// <exception cref="DTypeException">The dtypes differ.</exception>
    public static Tensor Cat(ReadOnlySpan<Tensor> tensors, int dim = 0) => JoinOps.Cat("Cat", tensors, dim);

    /// <summary>The tensors one after another along an axis; an alias of <see cref="Cat"/>. See PyTorch's <c>concatenate</c>.</summary>
    /// <param name="tensors">at least one; of one dtype, and of one shape except along <paramref name="dim"/></param>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <returns>their shape, with the sum of their extents on <paramref name="dim"/></returns>
    /// <exception cref="ArgumentException">There is no tensor.</exception>
    /// <exception cref="ShapeException">The shapes do not match, or have no axis.</exception>
    /// <exception cref="DTypeException">The dtypes differ.</exception>
    public static Tensor Concatenate(ReadOnlySpan<Tensor> tensors, int dim = 0) => Cat(tensors, dim);

    /// <summary>The tensors side by side along a new axis. See PyTorch's <c>stack</c>.</summary>
    /// <param name="tensors">at least one; of one dtype and one shape</param>
    /// <param name="dim">where the new axis goes; negative counts from the end of the result's axes</param>
    /// <returns>their shape with one more axis, whose extent is their number</returns>
    /// <exception cref="ArgumentException">There is no tensor.</exception>
    /// <exception cref="ShapeException">The shapes differ.</exception>
    /// <exception cref="DTypeException">The dtypes differ.</exception>
    public static Tensor Stack(ReadOnlySpan<Tensor> tensors, int dim = 0)
    {
        if (tensors.IsEmpty)
            throw new ArgumentException("Stack: no tensor was given; at least one was expected");
        var axis = Shape.CheckDim(dim, tensors[0].Dim + 1, "Stack");
        var slices = new Tensor[tensors.Length];
        for (var i = 0; i < slices.Length; i++)
            slices[i] = tensors[i].Shape == tensors[0].Shape
                ? tensors[i].Unsqueeze(axis)
                : throw new ShapeException(
                    $"Stack: tensor {i} is {tensors[i].Shape}, tensor 0 is {tensors[0].Shape}; equal shapes were expected");
        return JoinOps.Cat("Stack", slices, axis);
    }
}

/// <summary>Concatenation's shape rule, forward and backward.</summary>
internal static class JoinOps
{
    internal static unsafe Tensor Cat(string name, ReadOnlySpan<Tensor> tensors, int dim)
    {
        if (tensors.IsEmpty)
            throw new ArgumentException($"{name}: no tensor was given; at least one was expected");
        var axis = Shape.CheckDim(dim, Math.Max(1, tensors[0].Dim), name);
        var y = Tensor.NewResult(JoinedShape(name, tensors, axis), tensors[0].DType, tensors[0].Device);
        using (NoGrad.Begin())
        {
            var start = 0L;
            foreach (var tensor in tensors)
            {
                using var part = y.Narrow(axis, start, tensor.Shape[axis]);
                fixed (HyTensor* px = tensor, py = part)
                    Native.Copy(y.Device.Handle, px, py);
                start += tensor.Shape[axis];
            }
        }
        if (GradMode.Records(tensors))
            y.SetNode(new CatNode(name, tensors, axis));
        return y;
    }

    static Shape JoinedShape(string name, ReadOnlySpan<Tensor> tensors, int axis)
    {
        var first = tensors[0];
        if (first.Dim == 0)
            throw new ShapeException($"{name}: tensor 0 is []; at least one axis was expected");
        Span<long> shape = stackalloc long[first.Dim];
        first.Shape.AsSpan().CopyTo(shape);
        for (var i = 1; i < tensors.Length; i++)
        {
            if (tensors[i].DType != first.DType)
                throw new DTypeException(
                    $"{name}: tensor {i} is {tensors[i].DType.Name()}, tensor 0 is {first.DType.Name()}; one dtype was expected");
            if (!Joins(first.Shape, tensors[i].Shape, axis))
                throw new ShapeException(
                    $"{name}: tensor {i} is {tensors[i].Shape}, tensor 0 is {first.Shape}; "
                    + $"equal extents except along axis {axis} were expected");
            shape[axis] += tensors[i].Shape[axis];
        }
        return new Shape(shape);
    }

    static bool Joins(Shape a, Shape b, int axis)
    {
        if (a.Count != b.Count)
            return false;
        for (var i = 0; i < a.Count; i++)
            if (i != axis && a[i] != b[i])
                return false;
        return true;
    }

    sealed class CatNode : Node
    {
        readonly int axis;
        readonly long[] extents;

        public CatNode(string name, ReadOnlySpan<Tensor> tensors, int axis) : base(name, tensors)
        {
            this.axis = axis;
            extents = new long[tensors.Length];
            for (var i = 0; i < extents.Length; i++)
                extents[i] = tensors[i].Shape[axis];
        }

        public override void Backward(Tensor g, Span<Tensor?> grads)
        {
            var start = 0L;
            for (var i = 0; i < extents.Length; i++)
            {
                if (NeedsGrad(i))
                    grads[i] = g.Narrow(axis, start, extents[i]);
                start += extents[i];
            }
        }
    }
}
