using System.Diagnostics;
using System.Globalization;
using TorchSharp;

namespace Hybrid.Benchmarks;

/// <summary>The first operation of a process, and the memory it then has: each time a process of its own.</summary>
public static class Startup
{
    /// <summary>The hidden argument that makes this program such a process.</summary>
    public const string Argument = "first-operation";

    const int Rounds = 9;

    /// <summary>Does one operation, and prints its result and the megabytes that are resident.</summary>
    /// <param name="side">hybrid or peer</param>
    public static void Run(string side)
    {
        float sum = side == "peer" ? PeerSum() : HybridSum();
        using var self = Process.GetCurrentProcess();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{sum} {self.WorkingSet64 / 1e6}"));
    }

    /// <summary>Measures both sides, in turn.</summary>
    public static IEnumerable<Measurement> Measure(bool peer)
    {
        List<double> ourTime = [], ourMemory = [], theirTime = [], theirMemory = [];
        for (int round = 0; round <= Rounds; round++)
        {
            var (time, memory) = Spawn("hybrid");
            var (otherTime, otherMemory) = peer ? Spawn("peer") : default;
            if (round == 0)
            {
                continue; // reads the files into memory
            }
            ourTime.Add(time);
            ourMemory.Add(memory);
            if (peer)
            {
                theirTime.Add(otherTime);
                theirMemory.Add(otherMemory);
            }
        }
        yield return Measurement.Of("first op", "us", ourTime, theirTime) with { Target = 8, Limit = 60_000 };
        yield return Measurement.Of("first op memory", "MB", ourMemory, theirMemory) with { Target = 3, Limit = 60 };
    }

    static float HybridSum()
    {
        using var a = Tensor.Ones(2, 2);
        using var b = a + a;
        using var sum = b.Sum();
        return sum.Item<float>();
    }

    static float PeerSum()
    {
        using var a = torch.ones(2, 2);
        using var b = a + a;
        using var sum = b.sum();
        return sum.item<float>();
    }

    // From the start of the process to its line of output: a process knows its own age only to the clock's tick of 10 ms.
    static (double Microseconds, double Megabytes) Spawn(string side)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, [typeof(Startup).Assembly.Location, Argument, side]) { RedirectStandardOutput = true };
        var watch = Stopwatch.StartNew();
        using var process = Process.Start(start)!;
        string? line = process.StandardOutput.ReadLine();
        double time = watch.Elapsed.TotalMicroseconds;
        process.WaitForExit();
        return line?.Split(' ') is ["8", var memory]
            ? (time, double.Parse(memory, CultureInfo.InvariantCulture))
            : throw new InvalidOperationException($"first op: the process for {side} printed '{line}' and ended with {process.ExitCode}");
    }
}
