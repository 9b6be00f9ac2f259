using Hybrid.Bindings;

namespace Hybrid;

/// <summary>A device's work, recorded once by <see cref="Device.Capture"/> and replayed as a whole: a training step of hundreds of small kernels then
/// costs the host one call. PyTorch's <c>torch.cuda.CUDAGraph</c>.</summary>
/// <example><code>
/// var (images, labels) = (Tensor.Zeros([64, 1, 28, 28], device: device), Tensor.Zeros([64], DType.Int64, device));
/// Tensor? loss = null;
/// using var graph = device.Capture(() =>
/// {
///     optimizer.ZeroGrad();
///     loss = F.CrossEntropy(model.Forward(images), labels);
///     loss.Backward();
///     optimizer.Step();
/// });
/// foreach (var (x, y) in loader)
/// {
///     images.Copy_(x.To(device));
///     labels.Copy_(y.To(device));
///     graph.Replay();
/// }
/// Console.WriteLine(loss!.Item());
/// </code></example>
/// <remarks>
/// <para>A replay reads and writes the very memory that was recorded: give it new inputs by writing into the old ones. What the program itself did
/// while it was recorded, such as choosing by a number or counting, it does not do again.</para>
/// <para>What changes from step to step nonetheless does: random numbers go on in their generator's sequence, and optimisers of Hybrid's count their
/// steps and follow their <see cref="Optim.Optimizer.LearningRate"/>. Other settings of theirs are recorded as they were.</para>
/// <para>Tensors that were made while recording live in the graph's memory, which is theirs until it is disposed.</para>
/// </remarks>
public sealed unsafe class DeviceGraph : IDisposable
{
    [ThreadStatic]
    static DeviceGraph? recording;

    readonly List<(Storage Storage, int Generation, string Operation)> written = [];
    readonly List<IReplayed> replayed = [];
    readonly List<Tensor> owned = [];
    readonly Tensor draws;     // what hy_graph_begin takes: a seed, and how much further in its sequence
    Generator? generator;
    ulong firstOffset, drawn;
    HyGraph* graph;

    DeviceGraph(Device device)
    {
        Device = device;
        using var suspended = TensorScope.Suspend();
        draws = Tensor.Zeros([2], DType.Int64, device);
        owned.Add(draws);
    }

    /// <summary>What the program brings up to date before each replay.</summary>
    internal interface IReplayed
    {
        /// <summary>Asks the device's current stream to do so.</summary>
        void BeforeReplay();
    }

    /// <summary>The graph that this thread is recording; null most of the time.</summary>
    internal static DeviceGraph? Recording => recording;

    /// <summary>The device that does the work.</summary>
    public Device Device { get; }

    internal static DeviceGraph Record(Device device, Action step)
    {
        if (recording is { } other)
        {
            throw new InvalidOperationException($"Capture: {other.Device} is being captured already, expected one capture at a time");
        }
        var made = new DeviceGraph(device);
        try
        {
            recording = made;
            made.Record(step);
            return made;
        }
        catch
        {
            made.draws.Dispose();
            throw;
        }
        finally
        {
            recording = null;
        }
    }

    /// <summary>Does the recorded work once more, on the device's current stream; returns before it is done.</summary>
    /// <exception cref="ObjectDisposedException">The graph was disposed.</exception>
    public void Replay()
    {
        ObjectDisposedException.ThrowIf(graph == null, this);
        if (generator is not null)
        {
            var (seed, offset) = generator.Draw((long)drawn);
            Send(draws, [seed, offset - firstOffset]);
        }
        foreach (var state in replayed)
        {
            state.BeforeReplay();
        }
        Native.GraphLaunch(Device.Handle, graph);
        foreach (var (storage, generation, operation) in written)
        {
            if (storage.Generation == generation)
            {
                storage.Written(operation);
            }
        }
    }

    /// <summary>Waits until the graph has run, and frees its memory but for tensors that are still there. Harmless when repeated.</summary>
    public void Dispose()
    {
        if (graph == null)
        {
            return;
        }
        Native.GraphDestroy(Device.Handle, graph);
        graph = null;
        foreach (var tensor in owned)
        {
            tensor.Dispose();
        }
    }

    /// <summary>Writes numbers into the device's memory, in the order of its stream, without waiting for it.</summary>
    internal static void Send<T>(Tensor to, ReadOnlySpan<T> numbers) where T : unmanaged
    {
        fixed (T* from = numbers)
        fixed (HyTensor* p = to)
        {
            Native.TransferAsync(p->Device, p->Data, from, (long)numbers.Length * sizeof(T), toHost: 0);
        }
    }

    /// <summary>A write in place was recorded: whatever was computed from the memory is out of date after a replay too.</summary>
    internal void Wrote(Storage storage, string operation)
    {
        if (ReferenceEquals(storage.Device, Device))
        {
            written.Add((storage, storage.Generation, operation));
        }
    }

    /// <summary>Numbers were drawn from a generator.</summary>
    internal void Drew(Generator source, ulong first, long count)
    {
        if (generator is null)
        {
            (generator, firstOffset) = (source, first);
        }
        else if (!ReferenceEquals(generator, source))
        {
            throw new InvalidOperationException("Capture: the step draws random numbers from two generators, expected one");
        }
        drawn += (ulong)count;
    }

    /// <summary>Has something brought up to date before each replay.</summary>
    /// <param name="state">what does so</param>
    /// <param name="memory">where on the device; the graph disposes it</param>
    internal void Add(IReplayed state, Tensor memory)
    {
        replayed.Add(state);
        owned.Add(memory);
    }

    void Record(Action step)
    {
        fixed (HyTensor* p = draws)
        {
            Native.GraphBegin(Device.Handle, (ulong*)p->Data);
        }
        HyGraph* made;
        try
        {
            step();
        }
        catch
        {
            // The recording ends in any case; what the step threw is what the caller is told.
            try
            {
                Native.GraphEnd(Device.Handle, &made);
                Native.GraphDestroy(Device.Handle, made);
            }
            catch (Exception e) when (e is HybridException or ArgumentException)
            {
            }
            throw;
        }
        finally
        {
            generator?.Restart(generator.Seed, firstOffset); // nothing was drawn yet
        }
        Native.GraphEnd(Device.Handle, &made);
        graph = made;
    }
}
