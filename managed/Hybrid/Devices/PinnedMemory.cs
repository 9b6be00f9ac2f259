using Hybrid.Bindings;

namespace Hybrid;

/// <summary>Memory of the host that a device reads and writes by itself, so that copies run beside the program. PyTorch's <c>pin_memory</c>. Scarce,
/// and slow to get: keep it.</summary>
/// <typeparam name="T">the C# type of the tensors' dtype</typeparam>
public sealed unsafe class PinnedMemory<T> : IDisposable where T : unmanaged
{
    readonly Device device;
    readonly int length;
    void* data;

    /// <summary>Undefined elements.</summary>
    /// <param name="device">the device that will read and write them</param>
    /// <param name="length">how many, 0 or more</param>
    /// <exception cref="NotSupportedException">The device has no such memory: the processor needs none.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The system has no more of it.</exception>
    public PinnedMemory(Device device, int length)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        (this.device, this.length) = (device, length);
        void* made;
        Native.HostAlloc(device.Handle, Math.Max(1, (long)length) * sizeof(T), &made);
        data = made;
    }

    /// <summary>The elements. While a copy runs, leave them alone: <see cref="DeviceEvent.Synchronize"/> says when it is done.</summary>
    /// <exception cref="ObjectDisposedException">The memory was freed.</exception>
    public Span<T> Span => new(Live, length);

    /// <summary>Has the device copy the elements into a tensor, on its current stream; returns before it does.</summary>
    /// <param name="tensor">contiguous, on the device, of as many elements and of <typeparamref name="T"/>'s dtype</param>
    /// <exception cref="ArgumentException">The tensor is another one.</exception>
    public void CopyToAsync(Tensor tensor)
    {
        Check(nameof(CopyToAsync), tensor);
        fixed (HyTensor* p = tensor)
        {
            Native.TransferAsync(device.Handle, p->Data, Live, (long)length * sizeof(T), toHost: 0);
        }
        tensor.LiveStorage.Written(nameof(CopyToAsync));
    }

    /// <summary>Has the device copy a tensor's elements here, on its current stream; returns before it does.</summary>
    /// <param name="tensor">contiguous, on the device, of as many elements and of <typeparamref name="T"/>'s dtype</param>
    /// <exception cref="ArgumentException">The tensor is another one.</exception>
    public void CopyFromAsync(Tensor tensor)
    {
        Check(nameof(CopyFromAsync), tensor);
        fixed (HyTensor* p = tensor)
        {
            Native.TransferAsync(device.Handle, Live, p->Data, (long)length * sizeof(T), toHost: 1);
        }
    }

    /// <summary>Waits for the device and frees the memory. Harmless when repeated.</summary>
    public void Dispose()
    {
        if (data == null)
        {
            return;
        }
        device.Synchronize();
        Native.HostFree(device.Handle, data);
        data = null;
    }

    void* Live => data != null ? data : throw new ObjectDisposedException(nameof(PinnedMemory<T>), $"Pinned memory of {device} was used after it had been disposed.");

    void Check(string operation, Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!tensor.IsContiguous || !ReferenceEquals(tensor.Device, device) || tensor.DType != DTypes.Of<T>() || tensor.NumElements != length)
        {
            throw new ArgumentException($"{operation}: the tensor is {tensor.DType.Name()} of shape {tensor.Shape}, strides {tensor.Strides} on {tensor.Device}; "
                + $"expected {length} contiguous elements of {DTypes.Of<T>().Name()} on {device}", nameof(tensor));
        }
    }
}
