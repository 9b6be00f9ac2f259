namespace Hybrid;

/// <summary>A source of random numbers: a seed and a position in its sequence. The same seed gives the same numbers on every device and
/// with any number of threads. PyTorch's <c>torch.Generator</c>.</summary>
/// <remarks>Philox counters (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): a number depends on seed and position alone.
/// May be used from several threads at once.</remarks>
public sealed class Generator
{
    readonly Lock gate = new();
    ulong seed;
    ulong offset;

    /// <summary>A generator at the beginning of a seed's sequence.</summary>
    /// <param name="seed">the seed; any number</param>
    public Generator(ulong seed) => this.seed = seed;

    /// <summary>The generator that is used where none is named. It begins with a seed that differs from run to run.</summary>
    public static Generator Default { get; } = new((ulong)Random.Shared.NextInt64());

    /// <summary>The seed.</summary>
    public ulong Seed
    {
        get
        {
            lock (gate)
            {
                return seed;
            }
        }
    }

    /// <summary>How many numbers were drawn.</summary>
    public ulong Offset
    {
        get
        {
            lock (gate)
            {
                return offset;
            }
        }
    }

    /// <summary>Seeds <see cref="Default"/>: what is drawn next is the same in every run. PyTorch's <c>manual_seed</c>.</summary>
    /// <param name="seed">the seed; any number</param>
    public static void ManualSeed(ulong seed) => Default.Restart(seed);

    /// <summary>Goes to a position in a seed's sequence: with <see cref="Seed"/> and <see cref="Offset"/>, a way to save and restore it.</summary>
    /// <param name="seed">the seed</param>
    /// <param name="offset">how many numbers of its sequence are to be skipped</param>
    public void Restart(ulong seed, ulong offset = 0)
    {
        lock (gate)
        {
            this.seed = seed;
            this.offset = offset;
        }
    }

    /// <summary>Takes the next numbers of the sequence: the place where they begin.</summary>
    internal (ulong Seed, ulong Offset) Draw(long count)
    {
        lock (gate)
        {
            var first = offset;
            offset += (ulong)count;
            DeviceGraph.Recording?.Drew(this, first, count);
            return (seed, first);
        }
    }
}
