using System.Diagnostics;
using System.Text.RegularExpressions;
using Hybrid.NN;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Hybrid.Tests;

/// <summary>The C# samples of the guides: those of a page, from top to bottom, are one program, which compiles without a warning, runs, and prints what the
/// comments behind its calls of Console.WriteLine say.</summary>
public partial class SampleTests
{
    const string ImplicitUsings = "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq;";

    static readonly string[] Libraries = [typeof(Tensor).Assembly.Location, typeof(HybridException).Assembly.Location];

    static string Root => Ancestors(TestContext.CurrentContext.TestDirectory).First(folder => File.Exists(Path.Combine(folder, "Hybrid.sln")));

    static IEnumerable<string> Pages =>
        Directory.EnumerateFiles(Path.Combine(Root, "docs"), "*.md").Append(Path.Combine(Root, "README.md")).Append(Path.Combine(Root, "packaging", "README.md"))
            .Where(page => Sample().IsMatch(File.ReadAllText(page))).Select(page => Path.GetRelativePath(Root, page)).Order();

    [TestCaseSource(nameof(Pages))]
    public void ThePagesSamplesDoWhatTheySay(string page)
    {
        string text = File.ReadAllText(Path.Combine(Root, page));
        using var folder = new TemporaryFolder();
        WriteMnist(folder["mnist"]);
        string program = Compile(Sample().Matches(text).Select(match => match.Groups[1].Value), folder);
        string[] expected = [.. Sample().Matches(text).SelectMany(match => Printed().Matches(match.Groups[1].Value)).Select(match => match.Groups[1].Value.Trim())];
        Assert.That(Run(program, folder.FullName), Is.EqualTo(expected));
    }

    [Test]
    public void EveryGuideButTheIndexAndTheOneWithoutCodeHasSamples() => Assert.That(Pages.Count(), Is.GreaterThanOrEqualTo(8));

    static string Compile(IEnumerable<string> samples, TemporaryFolder folder)
    {
        var options = CSharpParseOptions.Default;
        var parts = samples.Select(sample => SyntaxFactory.ParseCompilationUnit(sample)).ToList();
        var usings = parts.SelectMany(part => part.Usings).Select(line => line.ToString()).Union(
            ["using Hybrid;", "using Hybrid.NN;", "using Hybrid.Optim;", "using Hybrid.Data;", "using Hybrid.IO;"]);
        var members = parts.SelectMany(part => part.Members).OrderBy(member => member is not GlobalStatementSyntax); // statements come before types
        string source = string.Join('\n', [.. usings, .. members.Select(member => member.ToFullString())]);
        Compilation compilation = CSharpCompilation.Create("Sample",
            [CSharpSyntaxTree.ParseText(ImplicitUsings, options), CSharpSyntaxTree.ParseText(source, options)],
            ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
                .Where(path => Path.GetFileName(path).StartsWith("System.", StringComparison.Ordinal)).Concat(Libraries)
                .Select(path => MetadataReference.CreateFromFile(path)),
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        GeneratorRun.Driver().RunGeneratorsAndUpdateCompilation(compilation, out compilation, out _);
        string program = folder["Sample.dll"];
        var result = compilation.Emit(program);
        Assert.That(result.Diagnostics.Where(d => d.Severity >= DiagnosticSeverity.Warning), Is.Empty, source);
        return program;
    }

    static string[] Run(string program, string folder)
    {
        foreach (string library in Libraries.Append(Hybrid.Bindings.NativeLibraryLoader.LoadedPath ?? Load()))
        {
            File.Copy(library, Path.Combine(folder, Path.GetFileName(library)));
        }
        File.WriteAllText(Path.ChangeExtension(program, "runtimeconfig.json"),
            $$"""
            {
              "runtimeOptions": {
                "framework": { "name": "Microsoft.NETCore.App", "version": "{{Environment.Version}}" },
                "configProperties": { "System.Globalization.Invariant": true }
              }
            }
            """);
        var start = new ProcessStartInfo("dotnet", [program]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        string[] lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, errors.Result);
        return lines;
    }

    static string Load()
    {
        Hybrid.Bindings.Native.AbiVersion();
        return Hybrid.Bindings.NativeLibraryLoader.LoadedPath!;
    }

    // Some images in MNIST's format (IDX), for the page that reads that.
    static void WriteMnist(string folder)
    {
        const int count = 128, extent = 28;
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(folder, "train-images-idx3-ubyte"), [0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, extent, 0, 0, 0, extent, .. new byte[count * extent * extent]]);
        File.WriteAllBytes(Path.Combine(folder, "train-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, count, .. new byte[count]]);
    }

    static IEnumerable<string> Ancestors(string folder)
    {
        for (string? at = folder; at is not null; at = Path.GetDirectoryName(at))
        {
            yield return at;
        }
    }

    [GeneratedRegex(@"^```csharp\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Sample();

    [GeneratedRegex(@"Console\.WriteLine\(.*\);\s*//(.*)$", RegexOptions.Multiline)]
    private static partial Regex Printed();
}
