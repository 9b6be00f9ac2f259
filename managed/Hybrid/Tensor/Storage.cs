using Hybrid.Bindings;

namespace Hybrid;

/// <summary>A block of a device's memory that tensors share: counted, so that disposing the last tensor gives it back at once, and
/// finalizable, so that it goes back too when nobody disposes anything.</summary>
/// <remarks>Nobody is told when native memory is scarce, least of all the garbage collector, for which a tensor is 200 bytes however much it
/// holds. So allocation itself watches: when live bytes outgrow what survived the last collection twofold, it collects.</remarks>
internal sealed unsafe class Storage
{
    const long Floor = 256L << 20;

    static readonly Lock Gate = new();
    static long live;
    static long limit = Floor;
    static int finalizerThread;

    int references = 1;

    Storage(Device device, long bytes)
    {
        Device = device;
        Bytes = bytes;
        // Registered with the collector even if the allocation below fails: freeing NULL is harmless.
        Data = Allocate(device, bytes);
        Interlocked.Add(ref live, bytes);
    }

    ~Storage()
    {
        finalizerThread = Environment.CurrentManagedThreadId;
        Free();
    }

    internal Device Device { get; }

    internal long Bytes { get; }

    internal void* Data { get; private set; }

    /// <summary>How many tensors and saved tensors use the block.</summary>
    internal int References => Volatile.Read(ref references);

    /// <summary>Rises with every write in place; views share it.</summary>
    internal int Version { get; private set; }

    /// <summary>The operation that wrote last, for the error about it.</summary>
    internal string? Writer { get; private set; }

    /// <summary>Bytes held by tensors that are neither disposed nor collected, on all devices.</summary>
    internal static long LiveBytes => Volatile.Read(ref live);

    internal static Storage Create(Device device, long bytes) => new(device, bytes);

    internal Storage AddReference()
    {
        Interlocked.Increment(ref references);
        return this;
    }

    internal void Release()
    {
        if (Interlocked.Decrement(ref references) == 0)
        {
            GC.SuppressFinalize(this);
            Free();
        }
    }

    internal void Written(string operation)
    {
        Version++;
        Writer = operation;
    }

    void Free()
    {
        var data = Data;
        Data = null;
        if (data != null)
        {
            Interlocked.Add(ref live, -Bytes);
            Native.Free(Device.Handle, data);
        }
    }

    static void* Allocate(Device device, long bytes)
    {
        var collected = bytes > Volatile.Read(ref limit) - Volatile.Read(ref live) && Collect(bytes);
        void* data;
        try
        {
            Native.Alloc(device.Handle, bytes, &data);
        }
        catch (OutOfMemoryException) when (!OnFinalizerThread)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Native.Alloc(device.Handle, bytes, &data);
        }
        if (collected)
        {
            // Only now: a request that could not be served must not move the limit out of reach.
            Volatile.Write(ref limit, Math.Max(Floor, 2 * (Volatile.Read(ref live) + bytes)));
        }
        return data;
    }

    static bool OnFinalizerThread => Environment.CurrentManagedThreadId == finalizerThread;

    /// <summary>Has the collector find tensors that nobody holds any more: the young ones first; everything if those were too few. The limit
    /// then moves to twice what survived, so the cost stays in proportion to what is allocated.</summary>
    /// <returns>whether everything was collected</returns>
    static bool Collect(long bytes)
    {
        // Finalizers free the memory, so their thread can't wait for them. One thread collecting is enough.
        if (OnFinalizerThread || !Gate.TryEnter())
        {
            return false;
        }
        try
        {
            GC.Collect(1, GCCollectionMode.Forced, blocking: true);
            GC.WaitForPendingFinalizers();
            if (bytes <= Volatile.Read(ref limit) / 4 * 3 - Volatile.Read(ref live))
            {
                return false;
            }
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return true;
        }
        finally
        {
            Gate.Exit();
        }
    }
}
