using System.Collections;
using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Hybrid.Data;

/// <summary>Walks a data set in batches, shuffled anew each time, reading ahead on a background thread. See PyTorch's
/// <c>torch.utils.data.DataLoader</c>.</summary>
/// <remarks>Each enumeration is one epoch. The order depends on the seed and on how many epochs this loader began before, nothing else.
/// A batch belongs to whoever enumerates: inside a <see cref="TensorScope"/> it is freed with the scope.</remarks>
public sealed class DataLoader : IEnumerable<(Tensor Inputs, Tensor Targets)>
{
    readonly Dataset dataset;
    readonly bool shuffle;
    readonly ulong seed;
    readonly bool dropLast;
    readonly int prefetch;
    int epoch;

    /// <summary>Makes a loader.</summary>
    /// <param name="dataset">The samples.</param>
    /// <param name="batchSize">Samples in a batch, 1 or more; the last batch may be smaller.</param>
    /// <param name="shuffle">Whether each epoch has an order of its own.</param>
    /// <param name="seed">Seed of the orders.</param>
    /// <param name="dropLast">Whether to leave out a last batch that is smaller.</param>
    /// <param name="prefetch">Batches to read ahead on a background thread; 0 reads on the caller's.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public DataLoader(Dataset dataset, int batchSize = 1, bool shuffle = false, ulong seed = 0, bool dropLast = false, int prefetch = 2)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(prefetch);
        this.dataset = dataset;
        this.shuffle = shuffle;
        this.seed = seed;
        this.dropLast = dropLast;
        this.prefetch = prefetch;
        BatchSize = batchSize;
    }

    /// <summary>Samples in a batch.</summary>
    public int BatchSize { get; }

    /// <summary>Batches in an epoch.</summary>
    public int Count => dropLast ? dataset.Count / BatchSize : (int)(((long)dataset.Count + BatchSize - 1) / BatchSize);

    /// <summary>Begins an epoch.</summary>
    public IEnumerator<(Tensor Inputs, Tensor Targets)> GetEnumerator()
    {
        var order = Order(epoch++);
        return prefetch == 0 ? ReadHere(order) : ReadAhead(order);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    int[] Order(int epoch)
    {
        var order = new int[dataset.Count];
        for (int i = 0; i < order.Length; i++)
        {
            order[i] = i;
        }
        if (shuffle)
        {
            new SplitMix(seed, (ulong)epoch).Shuffle(order);
        }
        return order;
    }

    (Tensor, Tensor) Read(int[] order, int batch)
    {
        int start = batch * BatchSize;
        return dataset.Batch(order.AsSpan(start, Math.Min(BatchSize, order.Length - start)));
    }

    IEnumerator<(Tensor Inputs, Tensor Targets)> ReadHere(int[] order)
    {
        for (int batch = 0; batch < Count; batch++)
        {
            yield return Read(order, batch);
        }
    }

    IEnumerator<(Tensor Inputs, Tensor Targets)> ReadAhead(int[] order)
    {
        using var ready = new BlockingCollection<(Tensor Inputs, Tensor Targets)>(prefetch);
        using var cancel = new CancellationTokenSource();
        ExceptionDispatchInfo? failure = null;
        var reader = new Thread(() =>
        {
            try
            {
                for (int batch = 0; batch < Count && !cancel.IsCancellationRequested; batch++)
                {
                    ready.Add(Read(order, batch), cancel.Token);
                }
            }
            catch (OperationCanceledException) when (cancel.IsCancellationRequested)
            {
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
            finally
            {
                ready.CompleteAdding();
            }
        })
        { IsBackground = true, Name = "Hybrid DataLoader" };
        reader.Start();
        try
        {
            foreach (var batch in ready.GetConsumingEnumerable())
            {
                TensorScope.Current?.Add(batch.Inputs);
                TensorScope.Current?.Add(batch.Targets);
                yield return batch;
            }
            failure?.Throw();
        }
        finally
        {
            cancel.Cancel();
            reader.Join();
            while (ready.TryTake(out var unread))
            {
                unread.Inputs.Dispose();
                unread.Targets.Dispose();
            }
        }
    }
}
