using Hybrid.Bindings;

namespace Hybrid;

/// <summary>A queue of work on a device: what is asked on one stream happens in that order, work on two streams in any order but for
/// <see cref="DeviceEvent"/>s. PyTorch's <c>torch.cuda.Stream</c>.</summary>
/// <example><code>
/// using var stream = new DeviceStream(device);
/// using (stream.Use())
/// {
///     y = a.MatMul(b);
/// }
/// stream.Synchronize();
/// </code></example>
/// <remarks>Memory that is freed while a stream is current is reused after the work that the stream holds by then: dispose a tensor while the stream
/// that used it last is current, or have that one wait for the others.</remarks>
public sealed unsafe class DeviceStream : IDisposable
{
    HyStream* stream;

    /// <summary>A new stream.</summary>
    /// <param name="device">the device that does the work</param>
    /// <exception cref="NotSupportedException">The device has no streams: the processor has none.</exception>
    public DeviceStream(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        Device = device;
        HyStream* made;
        Native.StreamCreate(device.Handle, &made);
        stream = made;
    }

    /// <summary>The device that does the work.</summary>
    public Device Device { get; }

    /// <summary>CUDA's own handle, a <c>CUstream</c>, for CUDA code of one's own.</summary>
    /// <exception cref="ObjectDisposedException">The stream was disposed.</exception>
    public nint Handle => (nint)Live;

    /// <summary>Makes the stream the device's current one, for all threads, until the returned value is disposed. PyTorch's
    /// <c>torch.cuda.stream</c>.</summary>
    /// <exception cref="ObjectDisposedException">The stream was disposed.</exception>
    /// <exception cref="ArgumentException">The device is being captured.</exception>
    public Restore Use() => new(Device, (nint)Live);

    /// <summary>Waits until everything that was asked on the stream is done.</summary>
    /// <exception cref="HybridException">Something of it failed.</exception>
    public void Synchronize()
    {
        using var done = new DeviceEvent(Device);
        using (Use())
        {
            done.Record();
        }
        done.Synchronize();
    }

    /// <summary>Destroys the stream once its work is done. Harmless when repeated.</summary>
    /// <exception cref="ArgumentException">The stream is the current one.</exception>
    public void Dispose()
    {
        if (stream == null)
        {
            return;
        }
        Native.StreamDestroy(Device.Handle, stream);
        stream = null;
    }

    HyStream* Live => stream != null ? stream : throw new ObjectDisposedException(nameof(DeviceStream), $"A stream of {Device} was used after it had been disposed.");

    /// <summary>Makes the earlier stream the current one again when disposed.</summary>
    public readonly struct Restore : IDisposable
    {
        readonly Device device;
        readonly nint earlier;

        internal Restore(Device device, nint stream)
        {
            this.device = device;
            earlier = device.CurrentStream;
            Native.StreamSet(device.Handle, (HyStream*)stream);
        }

        /// <summary>Makes the earlier stream the current one again.</summary>
        public void Dispose()
        {
            if (device is not null)
            {
                Native.StreamSet(device.Handle, (HyStream*)earlier);
            }
        }
    }
}
