namespace Hybrid.Benchmarks;

/// <summary>One piece of work, done by Hybrid and by TorchSharp.</summary>
/// <param name="Name">What the tables and the JSON call it.</param>
/// <param name="Hybrid">Prepares Hybrid's side; the action does the work once.</param>
/// <param name="Peer">Prepares TorchSharp's side, and is not called without it.</param>
public sealed record Workload(string Name, Func<Action> Hybrid, Func<Action> Peer)
{
    /// <summary>Floating-point operations of the direct method, where arithmetic bounds the work; otherwise 0.</summary>
    public double Flops { get; init; }

    /// <summary>Bytes that must at least be read and written, where memory bounds the work; otherwise 0.</summary>
    public double Bytes { get; init; }

    /// <summary>The ratio to reach; null where none is set.</summary>
    public double? Target { get; init; }

    /// <summary>Threads on both sides; the default where null.</summary>
    public int? Threads { get; init; }
}
