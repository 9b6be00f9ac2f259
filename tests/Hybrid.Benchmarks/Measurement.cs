using System.Diagnostics;

namespace Hybrid.Benchmarks;

/// <summary>What a workload took.</summary>
/// <param name="Name">The workload's name.</param>
/// <param name="Unit">What the two figures are in: us or MB.</param>
/// <param name="Hybrid">Hybrid's median.</param>
/// <param name="Peer">TorchSharp's median; null alone.</param>
/// <param name="Ratio">The median of the rounds' ratios, TorchSharp's figure over Hybrid's: above 1 Hybrid is better.</param>
/// <param name="Low">The ratios' lower quartile.</param>
/// <param name="High">The ratios' upper quartile.</param>
/// <param name="Rate">Operations or bytes a second that Hybrid reached; 0 where that says nothing.</param>
/// <param name="PeakFraction">That rate over the machine's in the same rounds.</param>
/// <param name="IsArithmetic">Whether the rate is of operations, not of bytes.</param>
/// <param name="Target">The ratio to reach; null where none is set.</param>
/// <param name="Limit">The most that Hybrid's own figure is to be; null where none is set.</param>
public sealed record Measurement(string Name, string Unit, double Hybrid, double? Peer = null, double? Ratio = null, double? Low = null,
    double? High = null, double Rate = 0, double? PeakFraction = null, bool IsArithmetic = false,
    double? Target = null, double? Limit = null)
{
    /// <summary>Sums paired figures up.</summary>
    public static Measurement Of(string name, string unit, IReadOnlyList<double> hybrid, IReadOnlyList<double> peer)
    {
        var measured = new Measurement(name, unit, Quantile(hybrid, 0.5));
        if (peer.Count == 0)
        {
            return measured;
        }
        var ratios = hybrid.Zip(peer, (h, p) => p / h).ToArray();
        return measured with { Peer = Quantile(peer, 0.5), Ratio = Quantile(ratios, 0.5), Low = Quantile(ratios, 0.25), High = Quantile(ratios, 0.75) };
    }

    /// <summary>The value below which a share of the values lies, interpolated.</summary>
    public static double Quantile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        double at = share * (sorted.Length - 1);
        int below = (int)at;
        return below + 1 == sorted.Length ? sorted[below] : sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
    }
}

/// <summary>Alternates the two sides, and measures the machine in between.</summary>
/// <param name="machine">The machine's own speed.</param>
/// <param name="peer">Whether TorchSharp takes part.</param>
/// <param name="budget">Time to spend on a workload, preparation apart.</param>
public sealed class Stopper(Machine machine, bool peer, TimeSpan budget)
{
    const int FewestRounds = 5, MostRounds = 60;
    const double BlockMicroseconds = 15_000;

    // Milliseconds until the threads of whoever ran before are asleep: libgomp's spin for some.
    const int Pause = 10;

    /// <summary>Measures a workload.</summary>
    public Measurement Measure(Workload workload)
    {
        int threads = Device.CpuThreads;
        Device.CpuThreads = workload.Threads ?? threads;
        var ours = Prepare(workload.Hybrid);
        Block? theirs = peer ? Prepare(() => PeerSide(workload)) : null;
        List<double> hybrid = [], other = [], peaks = [];
        var watch = Stopwatch.StartNew();
        while (hybrid.Count < FewestRounds || (hybrid.Count < MostRounds && watch.Elapsed < budget))
        {
            bool first = hybrid.Count % 2 == 0;
            if (first)
            {
                hybrid.Add(ours.Run());
            }
            if (theirs is not null)
            {
                other.Add(theirs.Run());
            }
            if (!first)
            {
                hybrid.Add(ours.Run());
            }
            if (workload.Flops + workload.Bytes > 0)
            {
                Thread.Sleep(Pause);
                peaks.Add(workload.Flops > 0 ? machine.FlopsPerSecond() : machine.BytesPerSecond());
            }
        }
        Device.CpuThreads = threads;
        return WithRate(Measurement.Of(workload.Name, "us", hybrid, other) with { Target = workload.Target }, workload, peaks);
    }

    // Medians on both sides: a slow moment of the machine shows in neither.
    static Measurement WithRate(Measurement measured, Workload workload, List<double> peaks)
    {
        if (peaks.Count == 0)
        {
            return measured;
        }
        bool arithmetic = workload.Flops > 0;
        double rate = (arithmetic ? workload.Flops : workload.Bytes) / (measured.Hybrid * 1e-6);
        return measured with { Rate = rate, PeakFraction = rate / Measurement.Quantile(peaks, 0.5), IsArithmetic = arithmetic };
    }

    static Action PeerSide(Workload workload)
    {
        TorchSharp.torch.set_num_threads(workload.Threads ?? Device.CpuThreads);
        return workload.Peer();
    }

    static Block Prepare(Func<Action> side)
    {
        var action = side();
        for (int i = 0; i < 3; i++)
        {
            action();
        }
        var watch = Stopwatch.StartNew();
        action();
        return new Block(action, (int)Math.Clamp(BlockMicroseconds / watch.Elapsed.TotalMicroseconds, 1, 20_000));
    }

    // One untimed call wakes the side's threads and fills the caches with its data, after the other side had the machine.
    sealed record Block(Action Action, int Repetitions)
    {
        public double Run()
        {
            Thread.Sleep(Pause);
            Action();
            var watch = Stopwatch.StartNew();
            for (int i = 0; i < Repetitions; i++)
            {
                Action();
            }
            return watch.Elapsed.TotalMicroseconds / Repetitions;
        }
    }
}
