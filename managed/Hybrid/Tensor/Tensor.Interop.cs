using Hybrid.Bindings;

namespace Hybrid;

// The way to code of one's own that works on the device's memory, a CUDA kernel say.
public unsafe partial class Tensor
{
    /// <summary>The address of the first element, in the device's memory. PyTorch's <c>data_ptr</c>. It is valid as long as the tensor is: hold on to the
    /// tensor while it is used, and on a GPU use it on <see cref="Device.CurrentStream"/>, or after an event of that stream. What is written
    /// there is not noticed as a write in place.</summary>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public nint DataPointer => (nint)GetPinnableReference().Data;

    /// <summary>A tensor over memory that belongs to somebody else: nothing is copied. PyTorch's <c>from_blob</c>.</summary>
    /// <param name="pointer">the first element's address in the device's memory, a multiple of the element's size; it must stay valid until
    /// <paramref name="release"/> is called or, without it, as long as the tensor or a view of it is used</param>
    /// <param name="shape">the extents; the elements lie one after another in row-major order</param>
    /// <param name="dtype">the dtype</param>
    /// <param name="device">the device whose memory it is; <see cref="Device.Default"/> when left out</param>
    /// <param name="release">called once, when the last tensor over the memory is disposed or, by the garbage collector's thread, collected; work that
    /// a GPU was asked for may still be going on then</param>
    /// <exception cref="ArgumentException">The address is null, or no multiple of the element's size.</exception>
    /// <exception cref="ShapeException">An extent is negative.</exception>
    public static Tensor FromPointer(nint pointer, ReadOnlySpan<long> shape, DType dtype, Device? device = null, Action? release = null)
    {
        foreach (var extent in shape)
        {
            if (extent < 0)
            {
                throw new ShapeException($"FromPointer: an extent is {extent}, expected 0 or more ({Shape.Format(shape)})");
            }
        }
        CheckDims("FromPointer", shape.Length);
        var elements = Shape.Product(shape);
        if (pointer == 0 || pointer % dtype.Size() != 0)
        {
            throw new ArgumentException($"FromPointer: the address is {pointer}, expected a multiple of {dtype.Size()} above 0", nameof(pointer));
        }
        device ??= Device.Default;
        var result = new Tensor(Storage.Over(device, (void*)pointer, elements * dtype.Size(), release));
        ref var view = ref result.view;
        view.Data = (void*)pointer;
        view.Device = device.Handle;
        view.Dtype = (int)dtype;
        view.Ndim = shape.Length;
        SetContiguous(ref view, shape);
        return result;
    }
}
