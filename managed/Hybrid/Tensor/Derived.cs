namespace Hybrid;

/// <summary>A value that is computed from tensors, kept until one of them has another memory or was written to. Threads may share it.</summary>
internal sealed class Derived<T> where T : class
{
    volatile Entry? entry;

    /// <summary>The value, if it was computed from these very elements; otherwise null.</summary>
    internal T? Find(ReadOnlySpan<Tensor?> sources) => entry is { } found && found.IsOf(sources) ? found.Value : null;

    /// <summary>Keeps a value for its sources as they are, instead of the earlier one: that goes when the last thread that uses it lets go.</summary>
    internal T Keep(ReadOnlySpan<Tensor?> sources, T value)
    {
        var states = new (Storage?, int, int)[sources.Length];
        for (int i = 0; i < states.Length; i++)
        {
            states[i] = State(sources[i]);
        }
        entry = new Entry(states, value);
        return value;
    }

    static (Storage?, int, int) State(Tensor? source) =>
        source is null ? default : (source.LiveStorage, source.LiveStorage.Generation, source.LiveStorage.Version);

    sealed record Entry((Storage?, int, int)[] States, T Value)
    {
        internal bool IsOf(ReadOnlySpan<Tensor?> sources)
        {
            if (sources.Length != States.Length)
            {
                return false;
            }
            for (int i = 0; i < sources.Length; i++)
            {
                if (State(sources[i]) != States[i])
                {
                    return false;
                }
            }
            return true;
        }
    }
}
