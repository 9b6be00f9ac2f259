using Hybrid.Bindings;

namespace Hybrid;

/// <summary>A place in a stream, to wait for or to take the time at. PyTorch's <c>torch.cuda.Event</c>.</summary>
public sealed unsafe class DeviceEvent : IDisposable
{
    HyEvent* handle;

    /// <summary>An event that marks nothing yet.</summary>
    /// <param name="device">the device whose streams it marks</param>
    /// <param name="timing">whether <see cref="ElapsedMilliseconds"/> will read it, which makes recording slower</param>
    /// <exception cref="NotSupportedException">The device has no events: the processor has none.</exception>
    public DeviceEvent(Device device, bool timing = false)
    {
        ArgumentNullException.ThrowIfNull(device);
        Device = device;
        HyEvent* made;
        Native.EventCreate(device.Handle, timing ? 1 : 0, &made);
        handle = made;
    }

    /// <summary>The device whose streams it marks.</summary>
    public Device Device { get; }

    /// <summary>CUDA's own handle, a <c>CUevent</c>.</summary>
    /// <exception cref="ObjectDisposedException">The event was disposed.</exception>
    public nint Handle => (nint)Live;

    /// <summary>Marks the place behind all that was asked so far on the current stream; an older mark is dropped.</summary>
    public void Record() => Native.EventRecord(Device.Handle, Live);

    /// <summary>Has the current stream of a device wait for the mark; the caller goes on at once.</summary>
    /// <param name="device">the device whose stream waits; the event's own when left out</param>
    public void Wait(Device? device = null) => Native.EventWait((device ?? Device).Handle, Live);

    /// <summary>Waits until all that lies before the mark is done.</summary>
    /// <exception cref="HybridException">Something of it failed.</exception>
    public void Synchronize() => Native.EventSynchronize(Device.Handle, Live);

    /// <summary>The milliseconds from this mark to another; waits for both.</summary>
    /// <param name="end">the later event; both were made with timing</param>
    public double ElapsedMilliseconds(DeviceEvent end)
    {
        ArgumentNullException.ThrowIfNull(end);
        double milliseconds;
        Native.EventElapsed(Device.Handle, Live, end.Live, &milliseconds);
        return milliseconds;
    }

    /// <summary>Destroys the event. Harmless when repeated.</summary>
    public void Dispose()
    {
        if (handle != null)
        {
            Native.EventDestroy(Device.Handle, handle);
            handle = null;
        }
    }

    HyEvent* Live => handle != null ? handle : throw new ObjectDisposedException(nameof(DeviceEvent), $"An event of {Device} was used after it had been disposed.");
}
