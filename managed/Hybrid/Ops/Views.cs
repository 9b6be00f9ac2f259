using Hybrid.Bindings;

namespace Hybrid;

// Views: other extents and strides over the same memory. All are differentiable, and their gradients too.
public unsafe partial class Tensor
{
    /// <summary>The transpose of a matrix; a tensor of fewer axes is given back as a view. PyTorch's <c>t()</c>.</summary>
    /// <exception cref="ShapeException">The tensor has more than two axes.</exception>
    public Tensor T => NumDims switch
    {
        < 2 => Permute(NumDims == 0 ? [] : [0]),
        2 => Transpose(0, 1),
        _ => throw new ShapeException($"T: a tensor of at most 2 axes is expected, this one has {NumDims} ({Shape}); use Transpose"),
    };

    /// <summary>The same elements, in the same order, with other extents: a view where strides allow, otherwise a copy. PyTorch's <c>reshape</c>.</summary>
    /// <param name="shape">the extents; one may be -1 and is then computed</param>
    /// <exception cref="ShapeException">The number of elements differs.</exception>
    public Tensor Reshape(params ReadOnlySpan<long> shape)
    {
        Span<long> extents = stackalloc long[Shape.MaxDims];
        Span<long> strides = stackalloc long[Shape.MaxDims];
        extents = ResolveShape(nameof(Reshape), shape, extents);
        return TryViewStrides(extents, strides) ? ReshapedView(nameof(Reshape), extents, strides) : Clone().Reshape(extents);
    }

    /// <summary>The same elements, in the same order, with other extents, never copied. PyTorch's <c>view</c>.</summary>
    /// <param name="shape">the extents; one may be -1 and is then computed</param>
    /// <exception cref="ShapeException">The number of elements differs, or the strides do not allow it.</exception>
    public Tensor View(params ReadOnlySpan<long> shape)
    {
        Span<long> extents = stackalloc long[Shape.MaxDims];
        Span<long> strides = stackalloc long[Shape.MaxDims];
        extents = ResolveShape(nameof(View), shape, extents);
        return TryViewStrides(extents, strides)
            ? ReshapedView(nameof(View), extents, strides)
            : throw new ShapeException($"View: a tensor of shape {Shape} and strides {Strides} cannot be seen as {Shape.Format(extents)} without a copy; use Reshape");
    }

    /// <summary>Joins neighbouring axes into one. PyTorch's <c>flatten</c>.</summary>
    /// <param name="startDim">the first axis to join</param>
    /// <param name="endDim">the last axis to join</param>
    /// <exception cref="ArgumentOutOfRangeException">No such axis, or the first comes after the last.</exception>
    public Tensor Flatten(int startDim = 0, int endDim = -1)
    {
        if (NumDims == 0)
        {
            return Reshape(1);
        }
        var first = Shape.CheckDim(startDim, NumDims, nameof(Flatten));
        var last = Shape.CheckDim(endDim, NumDims, nameof(Flatten));
        if (first > last)
        {
            throw new ArgumentOutOfRangeException(nameof(startDim), $"Flatten: the first axis, {startDim}, comes after the last, {endDim}, in {Shape}");
        }
        Span<long> extents = stackalloc long[NumDims - (last - first)];
        Extents[..first].CopyTo(extents);
        extents[first] = Shape.Product(Extents[first..(last + 1)]);
        Extents[(last + 1)..].CopyTo(extents[(first + 1)..]);
        return Reshape(extents);
    }

    /// <summary>Swaps two axes. PyTorch's <c>transpose</c>.</summary>
    /// <param name="dim0">one axis</param>
    /// <param name="dim1">the other</param>
    /// <exception cref="ArgumentOutOfRangeException">No such axis.</exception>
    public Tensor Transpose(int dim0, int dim1)
    {
        Span<int> dims = stackalloc int[NumDims];
        for (var i = 0; i < dims.Length; i++)
        {
            dims[i] = i;
        }
        var first = Shape.CheckDim(dim0, NumDims, nameof(Transpose));
        var second = Shape.CheckDim(dim1, NumDims, nameof(Transpose));
        (dims[first], dims[second]) = (second, first);
        return Permuted(nameof(Transpose), dims);
    }

    /// <summary>Puts the axes in another order. PyTorch's <c>permute</c>.</summary>
    /// <param name="dims">for each axis of the result, the axis of this tensor; every axis once</param>
    /// <exception cref="ArgumentException">An axis is missing or named twice.</exception>
    /// <exception cref="ArgumentOutOfRangeException">No such axis.</exception>
    public Tensor Permute(params ReadOnlySpan<int> dims)
    {
        if (dims.Length != NumDims)
        {
            throw new ArgumentException($"Permute: {dims.Length} axes given, the tensor has {NumDims} ({Shape})", nameof(dims));
        }
        Span<int> axes = stackalloc int[NumDims];
        var seen = 0;
        for (var i = 0; i < axes.Length; i++)
        {
            axes[i] = Shape.CheckDim(dims[i], NumDims, nameof(Permute));
            if ((seen & (1 << axes[i])) != 0)
            {
                throw new ArgumentException($"Permute: axis {dims[i]} is named twice", nameof(dims));
            }
            seen |= 1 << axes[i];
        }
        return Permuted(nameof(Permute), axes);
    }

    /// <summary>Drops all axes of extent 1. PyTorch's <c>squeeze</c>.</summary>
    public Tensor Squeeze()
    {
        Span<long> extents = stackalloc long[NumDims];
        Span<long> strides = stackalloc long[NumDims];
        var dims = 0;
        for (var i = 0; i < NumDims; i++)
        {
            if (Extents[i] != 1)
            {
                (extents[dims], strides[dims]) = (Extents[i], StrideSpan[i]);
                dims++;
            }
        }
        return ReshapedView(nameof(Squeeze), extents[..dims], strides[..dims]);
    }

    /// <summary>Drops an axis where its extent is 1; otherwise the axis stays. PyTorch's <c>squeeze</c>.</summary>
    /// <param name="dim">the axis</param>
    /// <exception cref="ArgumentOutOfRangeException">No such axis.</exception>
    public Tensor Squeeze(int dim)
    {
        var axis = Shape.CheckDim(dim, NumDims, nameof(Squeeze));
        if (Extents[axis] != 1)
        {
            return ReshapedView(nameof(Squeeze), Extents, StrideSpan);
        }
        Span<long> extents = stackalloc long[NumDims - 1];
        Span<long> strides = stackalloc long[NumDims - 1];
        Extents[..axis].CopyTo(extents);
        Extents[(axis + 1)..].CopyTo(extents[axis..]);
        StrideSpan[..axis].CopyTo(strides);
        StrideSpan[(axis + 1)..].CopyTo(strides[axis..]);
        return ReshapedView(nameof(Squeeze), extents, strides);
    }

    /// <summary>Inserts an axis of extent 1. PyTorch's <c>unsqueeze</c>.</summary>
    /// <param name="dim">its place in the result; -1 is the last</param>
    /// <exception cref="ArgumentOutOfRangeException">No such place.</exception>
    /// <exception cref="ShapeException">The tensor has as many axes as it may have.</exception>
    public Tensor Unsqueeze(int dim)
    {
        var axis = Shape.CheckDim(dim, NumDims + 1, nameof(Unsqueeze));
        CheckDims(nameof(Unsqueeze), NumDims + 1);
        Span<long> extents = stackalloc long[NumDims + 1];
        Span<long> strides = stackalloc long[NumDims + 1];
        Extents[..axis].CopyTo(extents);
        Extents[axis..].CopyTo(extents[(axis + 1)..]);
        StrideSpan[..axis].CopyTo(strides);
        StrideSpan[axis..].CopyTo(strides[(axis + 1)..]);
        extents[axis] = 1;
        strides[axis] = 1;
        return ReshapedView(nameof(Unsqueeze), extents, strides);
    }

    /// <summary>Stretches axes of extent 1, and prepends new ones, without a copy. PyTorch's <c>expand</c>.</summary>
    /// <param name="shape">the extents, aligned at the last axis; -1 keeps this tensor's</param>
    /// <exception cref="ShapeException">An extent differs and is not 1, or there would be more than 2⁶³ elements.</exception>
    public Tensor Expand(params ReadOnlySpan<long> shape)
    {
        CheckDims(nameof(Expand), shape.Length);
        Span<long> extents = stackalloc long[shape.Length];
        Span<long> strides = stackalloc long[shape.Length];
        var added = shape.Length - NumDims;
        for (var i = 0; i < shape.Length; i++)
        {
            var (extent, stride) = i < added ? (1, 0) : (Extents[i - added], StrideSpan[i - added]);
            var wanted = shape[i] == -1 && i >= added ? extent : shape[i];
            if (added < 0 || wanted < 0 || (extent != wanted && extent != 1))
            {
                throw new ShapeException($"Expand: a tensor of shape {Shape} does not expand to {Shape.Format(shape)}: aligned at the last axis, extents must be equal or 1");
            }
            extents[i] = wanted;
            strides[i] = extent == wanted ? stride : 0;
        }
        if (added < 0)
        {
            throw new ShapeException($"Expand: a tensor of shape {Shape} does not expand to {Shape.Format(shape)}, which has fewer axes");
        }
        _ = Shape.Product(extents);   // a view costs nothing, but its elements must be countable
        var y = NewView(extents, strides);
        if (GradMode.Records(this))
        {
            y.SetNode(new ExpandNode(this));
        }
        return y;
    }

    /// <summary>Stretches this tensor to another's shape; see <see cref="Expand"/>. PyTorch's <c>expand_as</c>.</summary>
    /// <param name="other">the tensor whose shape is wanted</param>
    public Tensor ExpandAs(Tensor other) => Expand(other.Extents);

    /// <summary>Stretches this tensor to a shape; see <see cref="Expand"/>. PyTorch's <c>broadcast_to</c>.</summary>
    /// <param name="shape">the extents</param>
    public Tensor BroadcastTo(params ReadOnlySpan<long> shape) => Expand(shape);

    /// <summary>Sums over the axes along which a shape was broadcast to this tensor's: the gradient of broadcasting. PyTorch's <c>sum_to_size</c>.</summary>
    /// <param name="shape">a shape that broadcasts to this tensor's</param>
    /// <exception cref="ShapeException">It does not broadcast.</exception>
    public Tensor SumToShape(Shape shape)
    {
        if (Extents.SequenceEqual(shape.AsSpan()))
        {
            return this;
        }
        if (!Shape.TryBroadcast(Extents, shape.AsSpan(), out var both) || both != Shape)
        {
            throw new ShapeException($"SumToShape: {shape} does not broadcast to {Shape}");
        }
        Span<long> kept = stackalloc long[NumDims];
        kept.Fill(1);
        shape.AsSpan().CopyTo(kept[(NumDims - shape.Count)..]);
        var y = NewResult(shape, DType, Device);
        fixed (HyTensor* px = this, py = y)
        {
            var view = y.ViewAs(kept);
            Native.Reduce(px->Device, HyReduceOp.Sum, px, &view);
        }
        if (GradMode.Records(this))
        {
            y.SetNode(new SumToShapeNode(this));
        }
        return y;
    }

    /// <summary>A part of an axis. PyTorch's <c>narrow</c>.</summary>
    /// <param name="dim">the axis</param>
    /// <param name="start">where the part begins; negative counts from the end</param>
    /// <param name="length">its extent</param>
    /// <exception cref="ArgumentOutOfRangeException">The part lies outside the axis.</exception>
    public Tensor Narrow(int dim, long start, long length)
    {
        var axis = Shape.CheckDim(dim, NumDims, nameof(Narrow));
        var first = start < 0 ? start + Extents[axis] : start;
        if (first < 0 || length < 0 || first > Extents[axis] - length)
        {
            throw new ArgumentOutOfRangeException(nameof(start), $"Narrow: {length} elements from {start} lie outside axis {dim} of {Shape}");
        }
        var cuts = new Cuts(Extents);
        cuts.Set(axis, first, length, 1);
        return Slice(nameof(Narrow), cuts, cuts.Lengths[..NumDims], StrideSpan);
    }

    /// <summary>One slice of an axis, without the axis. PyTorch's <c>select</c>.</summary>
    /// <param name="dim">the axis</param>
    /// <param name="index">which slice; negative counts from the end</param>
    /// <exception cref="ArgumentOutOfRangeException">No such slice.</exception>
    public Tensor Select(int dim, long index)
    {
        var axis = Shape.CheckDim(dim, NumDims, nameof(Select));
        var cuts = new Cuts(Extents);
        cuts.Set(axis, CheckIndex(nameof(Select), index, axis), 1, 1);
        Span<long> extents = stackalloc long[NumDims - 1];
        Span<long> strides = stackalloc long[NumDims - 1];
        Extents[..axis].CopyTo(extents);
        Extents[(axis + 1)..].CopyTo(extents[axis..]);
        StrideSpan[..axis].CopyTo(strides);
        StrideSpan[(axis + 1)..].CopyTo(strides[axis..]);
        return Slice(nameof(Select), cuts, extents, strides);
    }

    /// <summary>All slices of an axis, without the axis. PyTorch's <c>unbind</c>.</summary>
    /// <param name="dim">the axis</param>
    public Tensor[] Unbind(int dim = 0)
    {
        var slices = new Tensor[Size(dim)];
        for (var i = 0; i < slices.Length; i++)
        {
            slices[i] = Select(dim, i);
        }
        return slices;
    }

    /// <summary>Parts of an axis, of equal extent save the last, which may be shorter. PyTorch's <c>split</c>.</summary>
    /// <param name="size">the extent of a part, 1 or more</param>
    /// <param name="dim">the axis</param>
    public Tensor[] Split(long size, int dim = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        var extent = Size(dim);
        var parts = new Tensor[Math.Max(1, (extent + size - 1) / size)];
        for (var i = 0; i < parts.Length; i++)
        {
            parts[i] = Narrow(dim, i * size, Math.Min(size, extent - i * size));
        }
        return parts;
    }

    /// <summary>Parts of an axis with the extents given. PyTorch's <c>split</c>.</summary>
    /// <param name="sizes">the extents; they must add up to the axis's</param>
    /// <param name="dim">the axis</param>
    /// <exception cref="ShapeException">The extents do not add up.</exception>
    public Tensor[] Split(ReadOnlySpan<long> sizes, int dim = 0)
    {
        var total = 0L;
        foreach (var size in sizes)
        {
            total += size;
        }
        if (total != Size(dim))
        {
            throw new ShapeException($"Split: the parts {Shape.Format(sizes)} add up to {total}, axis {dim} of {Shape} has {Size(dim)}");
        }
        var parts = new Tensor[sizes.Length];
        var start = 0L;
        for (var i = 0; i < parts.Length; i++)
        {
            parts[i] = Narrow(dim, start, sizes[i]);
            start += sizes[i];
        }
        return parts;
    }

    /// <summary>At most so many parts of an axis, of equal extent save the last. PyTorch's <c>chunk</c>.</summary>
    /// <param name="chunks">the number of parts, 1 or more</param>
    /// <param name="dim">the axis</param>
    public Tensor[] Chunk(int chunks, int dim = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(chunks, 1);
        return Split(Math.Max(1, (Size(dim) + chunks - 1) / chunks), dim);
    }

    /// <summary>The place that a possibly negative index names.</summary>
    internal long CheckIndex(string operation, long index, int axis)
    {
        var place = index < 0 ? index + Extents[axis] : index;
        if ((ulong)place >= (ulong)Extents[axis])
        {
            throw new ArgumentOutOfRangeException(nameof(index), $"{operation}: index {index} lies outside axis {axis} of {Shape}");
        }
        return place;
    }

    /// <summary>A view of the cuts, whose axes of extent 1 may be dropped or others inserted.</summary>
    /// <param name="name">the operation</param>
    /// <param name="cuts">for each axis of this tensor its part</param>
    /// <param name="extents">extents of the view</param>
    /// <param name="strides">strides of the view, steps included</param>
    internal Tensor Slice(string name, in Cuts cuts, ReadOnlySpan<long> extents, ReadOnlySpan<long> strides)
    {
        var y = NewView(extents, strides, cuts.Offset(StrideSpan));
        if (GradMode.Records(this))
        {
            y.SetNode(new SliceNode(name, this, cuts));
        }
        return y;
    }

    /// <summary>The gradient of <see cref="Slice"/>: zeros, with this tensor in the place of the cuts.</summary>
    Tensor Unslice(in Shape shape, in Cuts cuts)
    {
        var y = NewResult(shape, DType, Device);
        Span<long> strides = stackalloc long[shape.Count];
        for (var i = 0; i < strides.Length; i++)
        {
            strides[i] = y.StrideSpan[i] * cuts.Steps[i];
        }
        using var part = y.NewView(cuts.Lengths[..shape.Count], strides, cuts.Offset(y.StrideSpan));
        fixed (HyTensor* px = this, py = y, pp = part)
        {
            Native.Fill(px->Device, 0, py);
            Native.Copy(px->Device, px, pp);
        }
        if (GradMode.Records(this))
        {
            y.SetNode(new UnsliceNode(this, cuts));
        }
        return y;
    }

    Tensor Sliced(in Cuts cuts)
    {
        Span<long> strides = stackalloc long[NumDims];
        for (var i = 0; i < strides.Length; i++)
        {
            strides[i] = StrideSpan[i] * cuts.Steps[i];
        }
        return Slice("Slice", cuts, cuts.Lengths[..NumDims], strides);
    }

    Tensor Permuted(string name, ReadOnlySpan<int> dims)
    {
        Span<long> extents = stackalloc long[dims.Length];
        Span<long> strides = stackalloc long[dims.Length];
        for (var i = 0; i < dims.Length; i++)
        {
            extents[i] = Extents[dims[i]];
            strides[i] = StrideSpan[dims[i]];
        }
        var y = NewView(extents, strides);
        if (GradMode.Records(this))
        {
            y.SetNode(new PermuteNode(name, this, dims));
        }
        return y;
    }

    Tensor ReshapedView(string name, ReadOnlySpan<long> extents, ReadOnlySpan<long> strides)
    {
        var y = NewView(extents, strides);
        if (GradMode.Records(this))
        {
            y.SetNode(new ReshapeNode(name, this));
        }
        return y;
    }

    static void CheckDims(string operation, int dims)
    {
        if (dims > Shape.MaxDims)
        {
            throw new ShapeException($"{operation}: the result would have {dims} axes, at most {Shape.MaxDims} are possible");
        }
    }

    /// <summary>Computes the extent that is -1, and checks that the number of elements stays.</summary>
    Span<long> ResolveShape(string operation, ReadOnlySpan<long> shape, Span<long> extents)
    {
        CheckDims(operation, shape.Length);
        var (known, inferred) = (1L, -1);
        for (var i = 0; i < shape.Length; i++)
        {
            if (shape[i] == -1 && inferred < 0)
            {
                inferred = i;
            }
            else if (shape[i] < 0)
            {
                throw new ShapeException($"{operation}: {Shape.Format(shape)} is no shape: extents are 0 or more, and one may be -1");
            }
            else
            {
                known = shape[i] == 0 ? 0 : known > long.MaxValue / shape[i] ? long.MaxValue : known * shape[i];
            }
            extents[i] = shape[i];
        }
        var elements = NumElements;
        if (inferred >= 0 && known > 0 && elements % known == 0)
        {
            extents[inferred] = elements / known;
        }
        else if (inferred >= 0 || known != elements)
        {
            throw new ShapeException($"{operation}: a tensor of shape {Shape} with {elements} elements does not fit {Shape.Format(shape)}");
        }
        return extents[..shape.Length];
    }

    /// <summary>The strides under which this tensor's memory reads as another shape, in the same order. Axes that are neighbours in memory form a
    /// block; each block must be cut up, or joined, by itself.</summary>
    bool TryViewStrides(ReadOnlySpan<long> extents, Span<long> strides)
    {
        if (NumElements == 0 || IsContiguous)
        {
            var next = 1L;
            for (var i = extents.Length - 1; i >= 0; i--)
            {
                strides[i] = next;
                next *= Math.Max(extents[i], 1);
            }
            return true;
        }
        var target = extents.Length - 1;
        var (blockElements, blockStride) = (1L, StrideSpan[^1]);
        for (var i = NumDims - 1; i >= 0; i--)
        {
            blockElements *= Extents[i];
            if (i > 0 && (Extents[i - 1] == 1 || StrideSpan[i - 1] == blockElements * blockStride))
            {
                continue;
            }
            var filled = 1L;
            while (target >= 0 && (filled < blockElements || extents[target] == 1))
            {
                strides[target] = filled * blockStride;
                filled *= extents[target--];
            }
            if (filled != blockElements)
            {
                return false;
            }
            if (i > 0)
            {
                (blockElements, blockStride) = (1, StrideSpan[i - 1]);
            }
        }
        return target < 0;
    }

    sealed class ReshapeNode(string name, Tensor x) : Node(name, [x])
    {
        readonly Shape shape = x.Shape;

        /// <inheritdoc/>
        public override void Backward(Tensor g, Span<Tensor?> grads) => grads[0] = g.Reshape(shape);
    }

    sealed class PermuteNode : Node
    {
        readonly int[] inverse;

        internal PermuteNode(string name, Tensor x, ReadOnlySpan<int> dims) : base(name, [x])
        {
            inverse = new int[dims.Length];
            for (var i = 0; i < dims.Length; i++)
            {
                inverse[dims[i]] = i;
            }
        }

        /// <inheritdoc/>
        public override void Backward(Tensor g, Span<Tensor?> grads) => grads[0] = g.Permute(inverse);
    }

    sealed class ExpandNode(Tensor x) : Node(nameof(Expand), [x])
    {
        readonly Shape shape = x.Shape;

        /// <inheritdoc/>
        public override void Backward(Tensor g, Span<Tensor?> grads) => grads[0] = g.SumToShape(shape);
    }

    sealed class SumToShapeNode(Tensor x) : Node(nameof(SumToShape), [x])
    {
        readonly Shape shape = x.Shape;

        /// <inheritdoc/>
        public override void Backward(Tensor g, Span<Tensor?> grads) => grads[0] = g.Expand(shape);
    }

    sealed class SliceNode(string name, Tensor x, Cuts cuts) : Node(name, [x])
    {
        readonly Shape shape = x.Shape;
        readonly Cuts cuts = cuts;

        /// <inheritdoc/>
        public override void Backward(Tensor g, Span<Tensor?> grads) => grads[0] = g.Reshape(cuts.Lengths[..shape.Count]).Unslice(shape, cuts);
    }

    sealed class UnsliceNode(Tensor x, Cuts cuts) : Node(nameof(Unslice), [x])
    {
        readonly Cuts cuts = cuts;

        /// <inheritdoc/>
        public override void Backward(Tensor g, Span<Tensor?> grads) => grads[0] = g.Sliced(cuts);
    }
}
