using System.Text;
using Hybrid.Bindings;

namespace Hybrid;

/// <summary>The kind of a <see cref="Device"/>.</summary>
public enum DeviceKind
{
    /// <summary>The processor that runs the program.</summary>
    Cpu = 0,

    /// <summary>An NVIDIA GPU.</summary>
    Cuda = 1,
}

/// <summary>What a device's caching allocator holds, in bytes.</summary>
/// <param name="Live">handed out to tensors</param>
/// <param name="Peak">the highest value of <paramref name="Live"/></param>
/// <param name="Cached">freed by tensors, kept for reuse</param>
/// <param name="Limit">the limit on live and cached together; 0 when there is none</param>
/// <param name="Allocations">number of allocations</param>
/// <param name="SystemAllocations">number of blocks asked of the system: the cache's misses</param>
public readonly record struct MemoryStats(long Live, long Peak, long Cached, long Limit, long Allocations, long SystemAllocations);

/// <summary>Where tensors live and are computed. There is one object for each device. PyTorch's <c>torch.device</c>.</summary>
public sealed unsafe class Device
{
    static readonly Lock Gate = new();
    static readonly List<Device> Known = [];
    static Device? cpu; // not a static initialiser's: where the library is missing, its exception is to reach the caller as it is
    static Device? best;
    static Device? chosen;

    readonly HyDeviceInfo info;

    Device(HyDevice* handle)
    {
        Handle = handle;
        fixed (HyDeviceInfo* p = &info)
        {
            Native.DeviceDescribe(handle, p);
        }
    }

    /// <summary>The core's handle.</summary>
    internal HyDevice* Handle { get; }

    /// <summary>The processor that runs the program.</summary>
    public static Device Cpu => cpu ??= Get(DeviceKind.Cpu);

    /// <summary>The first GPU when there is one, otherwise the processor.</summary>
    public static Device Best => best ??= TryGet(DeviceKind.Cuda, 0) ?? Cpu;

    /// <summary>The device that new tensors live on when none is named; the processor unless set.</summary>
    public static Device Default
    {
        get => chosen ?? Cpu;
        set => chosen = value ?? throw new ArgumentNullException(nameof(value));
    }

    /// <summary>The number of threads that kernels on the processor use, the caller's included; results do not depend on it.
    /// PyTorch's <c>set_num_threads</c>.</summary>
    /// <exception cref="ArgumentException">Set below 1 or above 256.</exception>
    public static int CpuThreads
    {
        get => Native.GetNumThreads();
        set => Native.SetNumThreads(value);
    }

    /// <summary>Finds a device.</summary>
    /// <param name="kind">its kind</param>
    /// <param name="index">which one of its kind, from 0</param>
    /// <exception cref="DeviceException">There is no such device.</exception>
    public static Device Get(DeviceKind kind, int index = 0)
    {
        HyDevice* handle;
        Native.DeviceGet((HyDeviceKind)kind, index, &handle);
        lock (Gate)
        {
            foreach (var device in Known)
            {
                if (device.Handle == handle)
                {
                    return device;
                }
            }
            var found = new Device(handle);
            Known.Add(found);
            return found;
        }
    }

    /// <summary>Finds a device, or gives null where there is none.</summary>
    /// <param name="kind">its kind</param>
    /// <param name="index">which one of its kind, from 0</param>
    public static Device? TryGet(DeviceKind kind, int index = 0)
    {
        try
        {
            return Get(kind, index);
        }
        catch (DeviceException)
        {
            return null;
        }
    }

    /// <summary>The device's kind.</summary>
    public DeviceKind Kind => (DeviceKind)info.Kind;

    /// <summary>Which one of its kind, from 0.</summary>
    public int Index => info.Index;

    /// <summary>The processor's own name.</summary>
    public string Name
    {
        get
        {
            fixed (HyDeviceInfo* p = &info)
            {
                return Text(p->Name, 64);
            }
        }
    }

    /// <summary>The instruction set that kernels use, <c>avx2</c> say; on a GPU its architecture.</summary>
    public string Isa
    {
        get
        {
            fixed (HyDeviceInfo* p = &info)
            {
                return Text(p->Isa, 32);
            }
        }
    }

    /// <summary>The BLAS that serves plain matrix products where it is faster, with its version; <c>none</c> without one.</summary>
    public string Blas
    {
        get
        {
            fixed (HyDeviceInfo* p = &info)
            {
                return Text(p->Blas, 64);
            }
        }
    }

    /// <summary>Processors that the program may run on; on a GPU its multiprocessors.</summary>
    public int Cores => info.Cores;

    /// <summary>Width of the kernels' vectors in bytes on a processor, otherwise 0.</summary>
    public int VectorBytes => info.VectorBytes;

    /// <summary>Memory of the device in bytes; 0 when unknown.</summary>
    public long MemoryBytes => info.MemoryBytes;

    /// <summary>What the device's allocator holds now.</summary>
    public MemoryStats Memory
    {
        get
        {
            HyMemoryStats s;
            Native.MemoryGetStats(Handle, &s);
            return new(s.Live, s.LivePeak, s.Cached, s.Limit, s.Allocations, s.SystemAllocations);
        }
    }

    /// <summary>Returns the memory that the allocator keeps for reuse to the system. PyTorch's <c>empty_cache</c>.</summary>
    public void TrimMemory() => Native.MemoryTrim(Handle);

    /// <summary>Limits what the allocator may hold, live and cached together.</summary>
    /// <param name="bytes">the limit; 0 lifts it</param>
    public void SetMemoryLimit(long bytes) => Native.MemorySetLimit(Handle, bytes);

    /// <summary>Waits until everything that was asked of the device is done; immediate on the processor.</summary>
    public void Synchronize() => Native.Synchronize(Handle);

    /// <summary>CUDA's own handle of the current stream, a <c>CUstream</c>, for CUDA code of one's own: the device's, unless
    /// <see cref="DeviceStream.Use"/> chose another one.</summary>
    /// <exception cref="NotSupportedException">The device has no streams: the processor has none.</exception>
    public nint CurrentStream
    {
        get
        {
            HyStream* stream;
            Native.StreamGet(Handle, &stream);
            return (nint)stream;
        }
    }

    /// <summary>Records a step's work to replay it as a whole.</summary>
    /// <param name="step">the step, a training step say. It must read nothing from the device (no <see cref="Tensor.Item()"/>), copy nothing from the
    /// host to it, and dispose what it makes, or leave it to the garbage collector: it is run with a <see cref="TensorScope"/> of its own only if it
    /// begins one. No other thread may ask anything of the device meanwhile.</param>
    /// <param name="warmups">how often the step is first run as it is, 0 or more: once makes what a first step makes, such as an optimiser's state.
    /// These are real steps: they train.</param>
    /// <returns>The graph, which has not run yet.</returns>
    /// <exception cref="NotSupportedException">The device has no graphs: the processor has none.</exception>
    /// <exception cref="InvalidOperationException">Another capture is going on, or the step can't be recorded.</exception>
    /// <exception cref="ArgumentException">The step reads from the device or waits for it.</exception>
    public DeviceGraph Capture(Action step, int warmups = 1)
    {
        ArgumentNullException.ThrowIfNull(step);
        ArgumentOutOfRangeException.ThrowIfNegative(warmups);
        for (var i = 0; i < warmups; i++)
        {
            step();
        }
        return DeviceGraph.Record(this, step);
    }

    /// <summary><c>cpu</c>, or <c>cuda:0</c>.</summary>
    public override string ToString() => Kind == DeviceKind.Cpu ? "cpu" : $"cuda:{Index}";

    static string Text(byte* text, int size)
    {
        var bytes = new ReadOnlySpan<byte>(text, size);
        var end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }
}
