using System.Runtime.CompilerServices;
using Hybrid.Bindings;

namespace Hybrid;

public partial class Tensor
{
    /// <summary>A part of the tensor: a view, unless a tensor is given as index. Axes without an index are taken whole. Assigning writes in place, broadcasting.
    /// PyTorch's indexing.</summary>
    /// <param name="indices">for each axis a number, a range, <see cref="TensorIndex.Ellipsis"/> or <see cref="TensorIndex.NewAxis"/>; or one bool or int64 tensor alone</param>
    /// <exception cref="ArgumentOutOfRangeException">A place lies outside its axis.</exception>
    /// <exception cref="ArgumentException">More indices than axes, a second ellipsis, or a tensor among other indices.</exception>
    /// <exception cref="InvalidOperationException">Assigned while the tensor needs a gradient and recording is on.</exception>
    [IndexerName("Elements")]
    public Tensor this[params ReadOnlySpan<TensorIndex> indices]
    {
        get => SoleTensor(indices) is { } index ? Take(index) : Cut(indices);
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            CheckInPlace("Index", value);
            using var mode = NoGrad.Begin();
            if (SoleTensor(indices) is { } index)
            {
                Put(index, value);
                return;
            }
            using var part = Cut(indices);
            part.Copy_(value);
        }
    }

    /// <summary>The places, in row-major order, at which a tensor is not 0. PyTorch's <c>nonzero</c>.</summary>
    /// <returns>int64, [places, axes]</returns>
    public Tensor NonZero()
    {
        var places = TruePlaces(this);
        var found = new long[places.Length * NumDims];
        for (var i = 0; i < places.Length; i++)
        {
            var rest = places[i];
            for (var axis = NumDims - 1; axis >= 0; axis--)
            {
                found[i * NumDims + axis] = rest % Extents[axis];
                rest /= Extents[axis];
            }
        }
        return From(found, [places.Length, NumDims], device: Device);
    }

    static Tensor? SoleTensor(ReadOnlySpan<TensorIndex> indices)
    {
        foreach (var index in indices)
        {
            if (index.Tensor is { } tensor)
            {
                return indices.Length == 1 ? tensor : throw new ArgumentException("Index: a tensor can only be the sole index", nameof(indices));
            }
        }
        return null;
    }

    Tensor Cut(ReadOnlySpan<TensorIndex> indices)
    {
        var taken = CountAxes(indices);
        var cuts = new Cuts(Extents);
        CheckDims("Index", indices.Length - taken);
        Span<long> extents = stackalloc long[NumDims + indices.Length];
        Span<long> strides = stackalloc long[NumDims + indices.Length];
        var (axis, dims) = (0, 0);
        foreach (var index in indices)
        {
            if (index.IsEllipsis)
            {
                KeepAxes(axis + NumDims - taken, ref axis, extents, strides, ref dims);
            }
            else if (index.IsNewAxis)
            {
                (extents[dims], strides[dims]) = (1, 1);
                dims++;
            }
            else if (index.IsPlace)
            {
                cuts.Set(axis, CheckIndex("Index", index.At, axis), 1, 1);
                axis++;
            }
            else
            {
                var (start, length, step) = index.Resolve(Extents[axis]);
                cuts.Set(axis, start, length, step);
                (extents[dims], strides[dims]) = (length, StrideSpan[axis] * step);
                dims++;
                axis++;
            }
        }
        KeepAxes(NumDims, ref axis, extents, strides, ref dims);
        CheckDims("Index", dims);
        return Slice("Index", cuts, extents[..dims], strides[..dims]);
    }

    int CountAxes(ReadOnlySpan<TensorIndex> indices)
    {
        var (taken, ellipses) = (0, 0);
        foreach (var index in indices)
        {
            ellipses += index.IsEllipsis ? 1 : 0;
            taken += index.IsEllipsis || index.IsNewAxis ? 0 : 1;
        }
        if (taken > NumDims || ellipses > 1)
        {
            throw new ArgumentException(ellipses > 1
                ? "Index: one ellipsis at most"
                : $"Index: {taken} indices given for a tensor of {NumDims} axes ({Shape})", nameof(indices));
        }
        return taken;
    }

    void KeepAxes(int end, ref int axis, Span<long> extents, Span<long> strides, ref int dims)
    {
        for (; axis < end; axis++, dims++)
        {
            (extents[dims], strides[dims]) = (Extents[axis], StrideSpan[axis]);
        }
    }

    /// <summary>The slices of the leading axes that a bool or an int64 tensor names, copied.</summary>
    Tensor Take(Tensor index)
    {
        using var places = Places(index, out var rows, out var shape);
        return rows.IndexSelect(0, places).Reshape(shape);
    }

    unsafe void Put(Tensor index, Tensor value)
    {
        using var scope = TensorScope.Begin();
        var places = Places(index, out var rows, out var shape);
        if (!IsContiguous)
        {
            throw new InvalidOperationException($"Index: assigning by a tensor needs a contiguous tensor, this one has shape {Shape} and strides {Strides}");
        }
        // A value in the same memory would be read after parts of it were written.
        value = ReferenceEquals(value.LiveStorage, LiveStorage) ? value.Clone() : value.To(DType).To(Device);
        var source = value.Expand(shape).Contiguous();
        var at = places.ToArray<long>();
        // All are checked before the first is written.
        foreach (var place in at)
        {
            if ((ulong)place >= (ulong)rows.Extents[0])
            {
                throw new ArgumentOutOfRangeException(nameof(index), $"Index: a place, {place} counted from the beginning, lies outside axis 0 of {rows.Shape}");
            }
        }
        var bytes = Shape.Product(rows.Extents[1..]) * DType.Size();
        fixed (HyTensor* pr = rows, ps = source)
        {
            for (var i = 0L; i < at.Length; i++)
            {
                Native.Transfer(pr->Device, (byte*)pr->Data + at[i] * bytes, ps->Device, (byte*)ps->Data + i * bytes, bytes);
            }
        }
        LiveStorage.Written("Index");
    }

    /// <summary>What a tensor index means: rows of this tensor, the places taken of them, and the shape of what is taken.</summary>
    Tensor Places(Tensor index, out Tensor rows, out Shape shape)
    {
        if (index.DType == DType.Int64)
        {
            rows = NumDims == 0 ? throw new ArgumentException("Index: a tensor without axes cannot be indexed by a tensor") : this;
            shape = new Shape([.. index.Extents, .. Extents[1..]]);
            return Wrap(index.Reshape(-1), Extents[0]);
        }
        if (index.DType != DType.Bool)
        {
            throw new DTypeException($"Index: a tensor index is bool or int64, given {index.DType.Name()}");
        }
        if (index.NumDims > NumDims || !index.Extents.SequenceEqual(Extents[..index.NumDims]))
        {
            throw new ShapeException($"Index: a bool tensor of shape {index.Shape} does not match the leading axes of {Shape}");
        }
        var found = TruePlaces(index);
        var rest = Extents[index.NumDims..];
        rows = Reshape([index.NumElements, .. rest]);
        shape = new Shape([found.Length, .. rest]);
        return From(found, device: Device);
    }

    /// <summary>Negative places count from the end; the core refuses what then still lies outside.</summary>
    static Tensor Wrap(Tensor index, long extent) => Where(index < 0, index + extent, index);

    static long[] TruePlaces(Tensor tensor)
    {
        using var flags = tensor.Ne(0);
        var holds = flags.ToArray<bool>();
        var places = new List<long>();
        for (var i = 0; i < holds.Length; i++)
        {
            if (holds[i])
            {
                places.Add(i);
            }
        }
        return [.. places];
    }
}
