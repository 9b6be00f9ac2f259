using Hybrid.NN;
using Hybrid.SourceGenerator;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Hybrid.Tests;

/// <summary>Compiles sources against Hybrid with the generator, as a user's project would.</summary>
internal sealed class GeneratorRun
{
    private static readonly MetadataReference[] References =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => Path.GetFileName(path).StartsWith("System.", StringComparison.Ordinal))
            .Append(typeof(Module).Assembly.Location)
            .Append(typeof(HybridException).Assembly.Location)
            .Distinct()
            .Select(path => MetadataReference.CreateFromFile(path)),
    ];

    private GeneratorRun(GeneratorDriverRunResult result, Compilation output)
    {
        Diagnostics = [.. result.Diagnostics];
        Sources = result.Results[0].GeneratedSources.ToDictionary(s => s.HintName, s => s.SourceText.ToString().ReplaceLineEndings("\n"));
        Errors = [.. output.GetDiagnostics().Where(d => d.Severity >= DiagnosticSeverity.Warning).Select(d => d.ToString())];
    }

    /// <summary>What the generator reported.</summary>
    public Diagnostic[] Diagnostics { get; }

    /// <summary>What it wrote, by file name.</summary>
    public Dictionary<string, string> Sources { get; }

    /// <summary>The compiler's errors and warnings about sources and generated code together.</summary>
    public string[] Errors { get; }

    /// <summary>The lines that list members in the only generated file.</summary>
    public string[] Listed => [.. Sources.Values.Single().Split('\n').Select(l => l.Trim()).Where(l => l.StartsWith("members.", StringComparison.Ordinal))];

    public static CSharpCompilation Compile(params string[] sources) => CSharpCompilation.Create(
        "Sample",
        sources.Select((source, i) => CSharpSyntaxTree.ParseText("using Hybrid; using Hybrid.NN;\n" + source, path: $"Sample{i}.cs")),
        References,
        new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable));

    public static GeneratorDriver Driver() => CSharpGeneratorDriver.Create(
        [new ModuleGenerator().AsSourceGenerator()],
        driverOptions: new GeneratorDriverOptions(IncrementalGeneratorOutputKind.None, trackIncrementalGeneratorSteps: true));

    public static GeneratorRun Of(params string[] sources)
    {
        var driver = Driver().RunGeneratorsAndUpdateCompilation(Compile(sources), out var output, out _);
        return new GeneratorRun(driver.GetRunResult(), output);
    }
}
