using Hybrid.Bindings;

namespace Hybrid;

/// <summary>A block of a device's memory that tensors share: counted, so that disposing the last tensor gives it back at once, and
/// finalizable, so that it goes back too when nobody disposes anything.</summary>
/// <remarks>
/// <para>Nobody is told when native memory is scarce, least of all the garbage collector, for which a tensor is 200 bytes however much it
/// holds. So allocation itself watches: when live bytes outgrow what survived the last collection twofold, it collects.</para>
/// <para>An object with a finalizer is dear to make and to let go, so the storages of small blocks are used again: each thread keeps those
/// that it released, registered with the collector all the while. Those of large blocks are not: there the cost does not show, and a storage that
/// has grown old, should nobody dispose its next tensor, is found by a full collection only.</para>
/// </remarks>
internal sealed unsafe class Storage
{
    const long Floor = 64L << 20;
    const long LargestPooled = 64L << 10;
    const int MostPooled = 4096;

    static readonly Lock Gate = new();
    static long live;
    static long limit = Floor;
    static int finalizerThread;

    [ThreadStatic]
    static Pool? pool;

    int references;
    Storage? next;   // in the pool
    bool foreign;    // somebody else's memory
    Action? release; // of foreign memory

    ~Storage()
    {
        finalizerThread = Environment.CurrentManagedThreadId;
        references = 0; // a finalizer of the user's that disposes a tensor comes too late
        Free();
    }

    internal Device Device { get; private set; } = null!;

    internal long Bytes { get; private set; }

    internal void* Data { get; private set; }

    /// <summary>How many tensors and saved tensors use the block.</summary>
    internal int References => Volatile.Read(ref references);

    /// <summary>Rises with every write in place; views share it.</summary>
    internal int Version { get; private set; }

    /// <summary>Which use of this object it is: with <see cref="Version"/> it tells one state of one block from all others.</summary>
    internal int Generation { get; private set; }

    /// <summary>The operation that wrote last, for the error about it.</summary>
    internal string? Writer { get; private set; }

    /// <summary>Bytes held by tensors that are neither disposed nor collected, on all devices.</summary>
    internal static long LiveBytes => Volatile.Read(ref live);

    internal static Storage Create(Device device, long bytes)
    {
        var storage = bytes <= LargestPooled ? (pool ??= new Pool()).Take() : new Storage();
        storage.references = 1;
        storage.Device = device;
        storage.Bytes = bytes;
        // Registered with the collector even if the allocation fails: there is nothing to free then.
        storage.Data = Allocate(device, bytes);
        Interlocked.Add(ref live, bytes);
        return storage;
    }

    /// <summary>A storage over somebody else's memory, which must stay until <paramref name="release"/> is called.</summary>
    internal static Storage Over(Device device, void* data, long bytes, Action? release) =>
        new() { references = 1, Device = device, Bytes = bytes, Data = data, foreign = true, release = release };

    internal Storage AddReference()
    {
        Interlocked.Increment(ref references);
        return this;
    }

    internal void Release()
    {
        // Who holds the only reference shares it with nobody, and needs no atomic subtraction.
        if (Volatile.Read(ref references) != 1 && Interlocked.Decrement(ref references) != 0)
        {
            return;
        }
        references = 0;
        Free();
        if (foreign || Bytes > LargestPooled || pool is not { } own || !own.Put(this))
        {
            GC.SuppressFinalize(this);
        }
    }

    internal void Written(string operation)
    {
        Version++;
        Writer = operation;
        DeviceGraph.Recording?.Wrote(this, operation);
    }

    void Free()
    {
        var data = Data;
        Data = null;
        if (foreign)
        {
            Interlocked.Exchange(ref release, null)?.Invoke();
        }
        else if (data != null)
        {
            Interlocked.Add(ref live, -Bytes);
            if (Native.TryFree(Device.Handle, data) == 0)
            {
                Native.Free(Device.Handle, data);
            }
        }
    }

    static void* Allocate(Device device, long bytes)
    {
        void* data;
        return bytes <= Volatile.Read(ref limit) - Volatile.Read(ref live) && Native.TryAlloc(device.Handle, bytes, &data) != 0
            ? data
            : AllocateSlowly(device, bytes);
    }

    static void* AllocateSlowly(Device device, long bytes)
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

    /// <summary>The storages that a thread released and will use again. A thread that only releases has none; nor has the finalizers' thread,
    /// where a storage may be about to be finalized.</summary>
    sealed class Pool
    {
        readonly int most = OnFinalizerThread ? 0 : MostPooled;
        Storage? first;
        int count;

        internal Storage Take()
        {
            if (first is not { } storage)
            {
                return new Storage();
            }
            first = storage.next;
            count--;
            storage.next = null;
            storage.Version = 0;
            storage.Generation++;
            storage.Writer = null;
            return storage;
        }

        internal bool Put(Storage storage)
        {
            if (count >= most)
            {
                return false;
            }
            storage.next = first;
            first = storage;
            count++;
            return true;
        }
    }
}
