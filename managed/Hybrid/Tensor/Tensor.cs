using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hybrid.Bindings;

namespace Hybrid;

/// <summary>An array of numbers with any number of axes, on a device, that knows how it was computed. PyTorch's <c>torch.Tensor</c>.</summary>
/// <remarks>
/// <para>Memory is given back when the tensor is disposed, when the <see cref="TensorScope"/> it was created in ends, or when the garbage
/// collector finds it unused; none of the three needs the others.</para>
/// <para>Views (slices, transposes, reshapes) share their elements with the tensor they were taken from: a write to one is seen by the others.</para>
/// <para>Distinct tensors may be used from distinct threads at once, and one tensor may be read from several. Writing to a tensor, or
/// accumulating gradients into it, while another thread uses it needs a lock of the caller's.</para>
/// <para><c>==</c> compares references; <see cref="Eq(Tensor)"/> compares elements.</para>
/// </remarks>
public unsafe partial class Tensor : IDisposable
{
    HyTensor view;
    Storage? storage;
    Node? node;      // the node that made it; for a leaf that requires a gradient, the one that accumulates it
    Tensor? grad;
    bool ownsGrad;   // Backward made the gradient; one that was assigned belongs to whoever assigned it
    bool leafRequiresGrad;

    /// <summary>Takes over one reference to the storage, and joins the thread's scope. The view is the caller's to fill.</summary>
    Tensor(Storage storage)
    {
        this.storage = storage;
        TensorScope.Current?.Add(this);
    }

    /// <summary>A tensor that shares another's elements, is a leaf and belongs to no scope: for what outlives a step, such as a parameter.</summary>
    private protected Tensor(Tensor data, bool requiresGrad)
    {
        ArgumentNullException.ThrowIfNull(data);
        storage = data.LiveStorage.AddReference();
        view = data.view;
        RequiresGrad = requiresGrad;
    }

    /// <summary>The scope that will dispose this tensor.</summary>
    internal TensorScope? Scope { get; set; }

    /// <summary>The view that the core takes, for <c>fixed (HyTensor* px = x)</c>: this also keeps the tensor and its memory alive during a call.</summary>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref readonly HyTensor GetPinnableReference()
    {
        if (storage is null)
        {
            ThrowDisposed();
        }
        return ref view;
    }

    /// <summary>Whether the tensor was disposed.</summary>
    public bool IsDisposed => storage is null;

    /// <summary>The extents of the axes.</summary>
    public Shape Shape => new(Extents);

    /// <summary>The distances between neighbours along each axis, in elements; 0 where an axis was expanded.</summary>
    public Shape Strides => new(MemoryMarshal.CreateReadOnlySpan(ref view.Strides[0], view.Ndim));

    /// <summary>The number of axes; 0 for a single number. PyTorch's <c>ndim</c>.</summary>
    public int NumDims => view.Ndim;

    /// <summary>The number of axes: another name of <see cref="NumDims"/>. PyTorch's <c>dim()</c>.</summary>
    public int Dim => view.Ndim;

    /// <summary>The number of elements. PyTorch's <c>numel()</c>.</summary>
    public long NumElements
    {
        get
        {
            var product = 1L;
            foreach (var extent in Extents)
            {
                product *= extent;
            }
            return product;
        }
    }

    /// <summary>The type of the elements.</summary>
    public DType DType => (DType)view.Dtype;

    /// <summary>The device that holds the elements.</summary>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public Device Device => LiveStorage.Device;

    /// <summary>Whether the elements lie one after another in row-major order.</summary>
    public bool IsContiguous
    {
        get
        {
            var expected = 1L;
            for (var i = view.Ndim - 1; i >= 0; i--)
            {
                if (view.Shape[i] == 0)
                {
                    return true;
                }
                if (view.Shape[i] != 1 && view.Strides[i] != expected)
                {
                    return false;
                }
                expected *= view.Shape[i];
            }
            return true;
        }
    }

    /// <summary>The extent of an axis.</summary>
    /// <param name="dim">the axis; -1 is the last</param>
    /// <exception cref="ArgumentOutOfRangeException">No such axis.</exception>
    public long Size(int dim) => view.Shape[Shape.CheckDim(dim, view.Ndim, nameof(Size))];

    /// <summary>How many writes in place the elements have seen, through this tensor or a view of the same memory.</summary>
    public int Version => LiveStorage.Version;

    /// <summary>Gives the memory back as soon as no view and no graph uses it any more. Harmless when repeated; any other use of a disposed
    /// tensor is an <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose() => Interlocked.Exchange(ref storage, null)?.Release();

    /// <summary>The extents, without a copy.</summary>
    internal ReadOnlySpan<long> Extents => MemoryMarshal.CreateReadOnlySpan(ref view.Shape[0], view.Ndim);

    /// <summary>The distances between neighbours, without a copy.</summary>
    internal ReadOnlySpan<long> StrideSpan => MemoryMarshal.CreateReadOnlySpan(ref view.Strides[0], view.Ndim);

    /// <summary>The storage; an exception when disposed.</summary>
    internal Storage LiveStorage
    {
        get
        {
            if (storage is null)
            {
                ThrowDisposed();
            }
            return storage;
        }
    }

    /// <summary>Whether nobody but this tensor uses the memory, so that it may be overwritten.</summary>
    internal bool OwnsStorage => LiveStorage.References == 1;

    /// <summary>A tensor with undefined elements, for an operation to write its result to.</summary>
    internal static Tensor NewResult(ReadOnlySpan<long> shape, DType dtype, Device device)
    {
        var elements = Shape.Product(shape);
        if (elements > long.MaxValue / 8)
        {
            throw new ShapeException($"Shape: {Shape.Format(shape)} has more elements than memory can hold");
        }
        var storage = Storage.Create(device, elements * dtype.Size());
        var result = new Tensor(storage);
        ref var view = ref result.view; // filled where it stays: it is most of the object
        view.Data = storage.Data;
        view.Device = device.Handle;
        view.Dtype = (int)dtype;
        view.Ndim = shape.Length;
        SetContiguous(ref view, shape);
        return result;
    }

    /// <summary>A tensor with undefined elements, for an operation to write its result to.</summary>
    internal static Tensor NewResult(in Shape shape, DType dtype, Device device) => NewResult(shape.AsSpan(), dtype, device);

    /// <summary>A tensor over the same memory with other extents and strides; the caller vouches that they stay inside.</summary>
    internal Tensor NewView(ReadOnlySpan<long> shape, ReadOnlySpan<long> strides, long offset = 0)
    {
        var result = new Tensor(LiveStorage.AddReference());
        ref var other = ref result.view;
        other.Data = (byte*)view.Data + offset * DType.Size();
        other.Device = view.Device;
        other.Dtype = view.Dtype;
        other.Ndim = shape.Length;
        for (var i = 0; i < shape.Length; i++)
        {
            other.Shape[i] = shape[i];
            other.Strides[i] = strides[i];
        }
        return result;
    }

    /// <summary>The view of a contiguous tensor under other extents, for a call of the core that needs no tensor of it. It is valid as long as
    /// the tensor is pinned.</summary>
    internal HyTensor ViewAs(ReadOnlySpan<long> shape)
    {
        var other = view;
        other.Ndim = shape.Length;
        SetContiguous(ref other, shape);
        return other;
    }

    /// <summary>The view of a matrix with its axes exchanged, likewise.</summary>
    internal HyTensor TransposedView()
    {
        var other = view;
        (other.Shape[0], other.Shape[1]) = (view.Shape[1], view.Shape[0]);
        (other.Strides[0], other.Strides[1]) = (view.Strides[1], view.Strides[0]);
        return other;
    }

    /// <summary>A second handle to the same elements: no graph, no scope.</summary>
    internal Tensor NewAlias() => Alias(LiveStorage);

    /// <summary>The same for a saved tensor, whose storage outlives the handle it came from.</summary>
    internal Tensor Alias(Storage kept)
    {
        using var _ = TensorScope.Suspend();
        return new Tensor(kept.AddReference()) { view = view };
    }

    /// <summary>An element as a double, at a distance from the first; for tensors on the processor.</summary>
    internal double ElementAt(long offset)
    {
        fixed (HyTensor* p = this)
        {
            return DType switch
            {
                DType.Float32 => ((float*)p->Data)[offset],
                DType.Float64 => ((double*)p->Data)[offset],
                DType.Int32 => ((int*)p->Data)[offset],
                DType.Int64 => ((long*)p->Data)[offset],
                DType.BFloat16 => ((BFloat16*)p->Data)[offset],
                DType.Float16 => (double)((Half*)p->Data)[offset],
                DType.Int8 => ((sbyte*)p->Data)[offset],
                _ => ((byte*)p->Data)[offset],
            };
        }
    }

    /// <summary>An element of an int64 tensor, likewise, without rounding.</summary>
    internal long Int64At(long offset)
    {
        fixed (HyTensor* p = this)
        {
            return ((long*)p->Data)[offset];
        }
    }

    static void SetContiguous(ref HyTensor view, ReadOnlySpan<long> shape)
    {
        var stride = 1L;
        for (var i = shape.Length - 1; i >= 0; i--)
        {
            view.Shape[i] = shape[i];
            view.Strides[i] = stride;
            stride *= Math.Max(shape[i], 1);
        }
    }

    [DoesNotReturn]
    void ThrowDisposed() => throw new ObjectDisposedException(nameof(Tensor), $"A tensor of shape {Shape.Format(Extents)} was used after it had been disposed.");
}
