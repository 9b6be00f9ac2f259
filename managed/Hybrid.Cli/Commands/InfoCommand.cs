using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using Hybrid.Bindings;

namespace Hybrid.Cli.Commands;

/// <summary><c>hybrid info</c>: what runs here, from where.</summary>
static class InfoCommand
{
    public static Command Create()
    {
        var command = new Command("info", "Print device, instruction set, threads, versions and paths");
        command.SetAction(_ => Run());
        return command;
    }

    static unsafe void Run()
    {
        var device = Device.Cpu;
        Print("Hybrid", typeof(Tensor).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion);
        Print("Native library", $"{Native.Version()}, ABI {Native.AbiVersion()}");
        Print("", NativeLibraryLoader.LoadedPath ?? "");
        Print("Device", $"{device}: {device.Name}, {device.Cores} cores");
        Print("Instruction set", device.VectorBytes == 0 ? device.Isa : $"{device.Isa}, vectors of {8 * device.VectorBytes} bits");
        Print("BLAS", device.Blas);
        Print("Threads", $"{Device.CpuThreads}");
        HyDevice* cpu;
        Native.DeviceGet(HyDeviceKind.Cpu, 0, &cpu);
        string tuning = Native.TuningPath(cpu);
        Print("Tuning", tuning == "" ? "none" : File.Exists(tuning) ? tuning : $"{tuning} (not there: hybrid tune writes it)");
        Print(".NET", $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}");
        Print("", RuntimeEnvironment.GetRuntimeDirectory());
        Print("Command", AppContext.BaseDirectory);
        foreach (string variable in (ReadOnlySpan<string>)["HYBRID_ISA", "HYBRID_NUM_THREADS", "HYBRID_LIBRARY", "HYBRID_TUNING"])
        {
            if (Environment.GetEnvironmentVariable(variable) is { } value)
            {
                Print(variable, value);
            }
        }
    }

    static void Print(string name, string value) => Console.WriteLine($"{name,-18}{value}");
}
