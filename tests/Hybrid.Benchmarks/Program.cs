using System.CommandLine;
using System.Text.Json;
using Hybrid.Benchmarks.Workloads;
using Spectre.Console;

namespace Hybrid.Benchmarks;

/// <summary>Measures Hybrid beside TorchSharp, in turn and in one process.</summary>
public static class Program
{
    static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Runs a command line.</summary>
    public static int Main(string[] args)
    {
        if (args is [Startup.Argument, var side])
        {
            Startup.Run(side);
            return 0;
        }
        var filter = new Option<string>("--filter") { Description = "Only workloads whose name contains this", DefaultValueFactory = _ => "" };
        var named = new Argument<string>("workloads") { Description = "The same as --filter", DefaultValueFactory = _ => "" };
        var json = new Option<FileInfo?>("--json") { Description = "Write the figures there" };
        var alone = new Option<bool>("--alone") { Description = "Only Hybrid's side, without TorchSharp" };
        var seconds = new Option<double>("--seconds") { Description = "Time for each workload, preparation apart", DefaultValueFactory = _ => 2 };
        var root = new RootCommand("Measures Hybrid beside TorchSharp.") { named, filter, json, alone, seconds };
        root.SetAction(parsed => Run(parsed.GetValue(filter) is { Length: > 0 } text ? text : parsed.GetValue(named)!, parsed.GetValue(json), !parsed.GetValue(alone), parsed.GetValue(seconds)));
        return root.Parse(args).Invoke();
    }

    static int Run(string filter, FileInfo? json, bool peer, double seconds)
    {
        using var machine = new Machine(Device.CpuThreads);
        Console.WriteLine($"{Machine.Processor()}, {Device.CpuThreads} threads, kernels {Device.Cpu.Isa}, {DateTime.UtcNow:yyyy-MM-dd}");
        Console.WriteLine($"peak {machine.FlopsPerSecond() / 1e9:F0} GFLOP/s, copy {machine.BytesPerSecond() / 1e9:F1} GB/s");
        List<Measurement> measured = [];
        foreach (var measurement in Measure(filter, new Stopper(machine, peer, TimeSpan.FromSeconds(seconds)), peer))
        {
            measured.Add(measurement);
            Console.Error.WriteLine(Describe(measurement));
        }
        if (measured.Count == 0)
        {
            Console.Error.WriteLine($"bench: no workload's name contains '{filter}'");
            return 1;
        }
        Print(measured, peer);
        if (json is not null)
        {
            File.WriteAllText(json.FullName, JsonSerializer.Serialize(measured.Select(Fields), Indented));
        }
        return 0;
    }

    static IEnumerable<Measurement> Measure(string filter, Stopper stopper, bool peer)
    {
        bool Wanted(string name) => name.Contains(filter, StringComparison.OrdinalIgnoreCase);
        if (Wanted("startup: first op memory"))
        {
            foreach (var measurement in Startup.Measure(peer))
            {
                yield return measurement;
            }
        }
        IEnumerable<Workload> workloads = [.. Small.All(), .. Products.All(), .. Memory.All(), .. Convolutions.All(), .. Training.All(), .. Growth.All()];
        foreach (var workload in workloads.Where(w => Wanted(w.Name)))
        {
            yield return stopper.Measure(workload);
        }
        if (Wanted("train lenet5 mnist 3 epochs") && Environment.GetEnvironmentVariable("HYBRID_DATA") is { } data)
        {
            foreach (var measurement in Mnist.Measure(Path.Combine(data, "mnist"), peer))
            {
                yield return measurement;
            }
        }
    }

    static string Describe(Measurement m) => m.Ratio is { } ratio
        ? $"{m.Name}: {Figure(m)}, TorchSharp {m.Peer:G4} {m.Unit}, ratio {ratio:F2}{OfPeak(m)}"
        : $"{m.Name}: {Figure(m)}{OfPeak(m)}";

    static string Figure(Measurement m) =>
        $"{m.Hybrid:G4} {m.Unit}" + (m.Limit is { } limit ? $" ({(m.Hybrid <= limit ? "within" : "above")} {limit:G4})" : "");

    static string OfPeak(Measurement m) => m.PeakFraction is { } share ? $", {share:P0} of peak" : "";

    static void Print(List<Measurement> measured, bool peer)
    {
        var table = new Table().Border(TableBorder.Markdown);
        table.AddColumns("workload", "Hybrid");
        table.AddColumns(peer ? ["TorchSharp", "ratio", "quartiles", "to reach"] : []);
        table.AddColumns("rate", "of peak");
        foreach (var m in measured)
        {
            string[] figures = [Markup.Escape(m.Name), Figure(m)];
            string[] compared = peer ? [$"{m.Peer:G4} {m.Unit}", $"{m.Ratio:F2}", $"{m.Low:F2} - {m.High:F2}", m.Target is null ? "" : m.Ratio >= m.Target ? $"{m.Target}" : $"{m.Target}, below"] : [];
            string[] rate = m.PeakFraction is { } share ? [$"{m.Rate / 1e9:G4} {(m.IsArithmetic ? "GFLOP/s" : "GB/s")}", $"{share:P0}"] : ["", ""];
            table.AddRow([.. figures, .. compared, .. rate]);
        }
        AnsiConsole.Profile.Width = 160;
        AnsiConsole.Write(table);
    }

    // "hybrid_us" for times; "hybrid_MB" and "hybrid_%" for what is not a time.
    static Dictionary<string, object?> Fields(Measurement m) => new()
    {
        ["name"] = m.Name,
        [$"hybrid_{m.Unit}"] = m.Hybrid,
        [$"peer_{m.Unit}"] = m.Peer,
        ["ratio"] = m.Ratio,
        ["ratio_low"] = m.Low,
        ["ratio_high"] = m.High,
        ["target"] = m.Target,
        ["limit"] = m.Limit,
        ["peak_fraction"] = m.PeakFraction,
    };
}
