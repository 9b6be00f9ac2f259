using System.CommandLine;
using System.Globalization;
using Hybrid.Bindings;
using Hybrid.Cli.Tuning;
using Spectre.Console;

namespace Hybrid.Cli.Commands;

/// <summary><c>hybrid tune</c>: measures every way to compute convolutions on this machine, and writes the table that the library then follows.</summary>
static unsafe class TuneCommand
{
    /// <summary>A way that gains less over the library's rules is not worth other rounding, and may be chance.</summary>
    const double LeastGain = 1.05;

    static readonly string[] Passes = ["all", "forward", "input_grad", "weight_grad"];

    public static Command Create()
    {
        var shapes = new Option<string[]>("--conv")
        {
            Description = "a convolution to tune, such as \"N8 C64 H56 K64 R3 s1 p1\" (also W, S, d and g; stride, padding and dilation may be pairs); may be "
                + "given several times; without it, layers of well-known networks",
            HelpName = "SHAPE",
        };
        var pass = Options.Choice("--pass", "what to tune", Passes);
        var rounds = Options.Count("--rounds", "how often each way is measured", 9);
        var output = Options.File("--out", "the table, to which the shapes are added; without it, the one that the library reads by itself");
        var command = new Command("tune", "Measure which way of computing convolutions is fastest here, and keep the result") { shapes, pass, rounds, output };
        command.SetAction(parsed =>
            Run(parsed.GetValue(shapes) ?? [], parsed.GetValue(pass)!, parsed.GetValue(rounds), parsed.GetValue(output)?.FullName));
        return command;
    }

    static void Run(string[] asked, string pass, int rounds, string? output)
    {
        var shapes = asked.Length == 0 ? ConvShape.Usual : [.. asked.Select(ConvShape.Parse)];
        var passes = Enum.GetValues<HyConvPass>().Where(p => pass == Passes[0] || pass == Passes[1 + (int)p]).ToArray();
        string path = Open(output);

        var console = AnsiConsole.Console;
        bool terminal = !Console.IsOutputRedirected;
        console.Profile.Width = terminal ? console.Profile.Width : 200;
        var table = new Table().Border(terminal ? TableBorder.Rounded : TableBorder.Ascii).AddColumns("convolution", "pass", "rule", "chosen", "gain", "µs");
        table.Columns[4].RightAligned();
        int kept = 0;
        void Measure(Action refresh)
        {
            foreach (var shape in shapes)
            {
                foreach (var p in passes)
                {
                    kept += Tune(shape, p, rounds, table) ? 1 : 0;
                    refresh();
                }
            }
        }
        if (terminal)
        {
            console.Live(table).Start(context => Measure(context.Refresh));
        }
        else
        {
            Measure(() => { });
            console.Write(table);
        }
        Native.TuningSave(Cpu, path);
        console.Profile.Out.Writer.WriteLine($"Wrote {path}: {kept} of {shapes.Count * passes.Length} go another way than by the library's rules");
    }

    // Takes in what the file holds, so that its other shapes stay. One that is broken is replaced: to mend it is what the command is for.
    static string Open(string? output)
    {
        string path = output ?? Native.TuningPath(Cpu);
        if (path == "")
        {
            throw new UserException("--out: expected a file, because the library reads none here (HYBRID_TUNING is none, or there is no home directory)");
        }
        try
        {
            Native.TuningLoad(Cpu, File.Exists(path) ? path : null);
        }
        catch (ArgumentException e)
        {
            Console.Error.WriteLine($"hybrid: {path} is written anew: {e.Message}");
            Native.TuningLoad(Cpu, null);
        }
        return path;
    }

    // Measures one pass and names the fastest way in the device's table, where the rules choose another; says whether they do.
    static bool Tune(ConvShape shape, HyConvPass pass, int rounds, Table table)
    {
        using var trial = new ConvTrial(shape, pass);
        trial.Name(HyConvWay.Chosen);
        var (serving, rule) = trial.Ways();
        var times = trial.Measure(serving, rounds);
        var gains = times.ToDictionary(e => e.Key, e => Median([.. e.Value.Zip(times[rule], (own, rules) => rules / own)]));
        var best = gains.Where(e => times[e.Key].Length == rounds).MaxBy(e => e.Value);
        bool other = best.Value >= LeastGain;
        trial.Name(other ? best.Key : HyConvWay.Chosen);
        table.AddRow($"{shape}", Passes[1 + (int)pass], Name(rule), other ? Name(best.Key) : "", other ? Number(best.Value, "F2") : "",
            string.Join(", ", times.OrderBy(e => Median(e.Value)).Select(e => $"{Name(e.Key)} {Number(1e6 * Median(e.Value), "F0")}")));
        return other;
    }

    static double Median(double[] values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    static string Name(HyConvWay way) => way.ToString().ToLowerInvariant();

    static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    static HyDevice* Cpu
    {
        get
        {
            HyDevice* device;
            Native.DeviceGet(HyDeviceKind.Cpu, 0, &device);
            return device;
        }
    }
}
