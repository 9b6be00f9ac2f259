using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Hybrid.BindingsGenerator;

/// <summary>Runs clang on the header: what the CLANG variable names, or the first of clang, clang-20 … clang-14 that runs.</summary>
internal sealed class Clang(string root)
{
    public const string HeaderPath = "native/include/hybrid/hybrid.h";

    readonly string program = FindProgram(Environment.GetEnvironmentVariable("CLANG"));

    /// <summary>clang's syntax tree of the header, as JSON, comments included.</summary>
    public string SyntaxTree() => Run("", "-Xclang", "-ast-dump=json", "-fparse-all-comments", "-fsyntax-only", HeaderPath);

    /// <summary>Lines "#define NAME VALUE" of every macro that the header leaves defined.</summary>
    public string Macros() => Run("", "-E", "-dM", HeaderPath);

    public string HeaderText() => File.ReadAllText(Path.Combine(root, HeaderPath));

    /// <summary>A source text, preprocessed, without line markers.</summary>
    public string Preprocess(string source) => Run(source, "-E", "-P", "-x", "c", "-");

    /// <summary>The program named, or else the first candidate that runs.</summary>
    internal static string FindProgram(string? named)
    {
        string[] candidates = string.IsNullOrEmpty(named)
            ? ["clang", .. Enumerable.Range(14, 7).Reverse().Select(version => $"clang-{version}")]
            : [named];
        foreach (var candidate in candidates)
        {
            try
            {
                using var process = Start(candidate, ".", ["--version"]);
                process.StandardInput.Close();
                process.StandardOutput.ReadToEnd();
                process.WaitForExit();
                if (process.ExitCode == 0)
                {
                    return candidate;
                }
            }
            catch (Win32Exception)
            {
                // No such program: try the next.
            }
        }
        var tried = string.Join(", ", candidates);
        throw new GeneratorException($"clang is missing (tried {tried}); install it, or name it in the CLANG variable");
    }

    static Process Start(string program, string directory, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = directory,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardInputEncoding = new UTF8Encoding(false),
        };
        return Process.Start(start)!;
    }

    string Run(string input, params string[] arguments)
    {
        using var process = Start(program, root, ["-Inative/include", .. arguments]);
        var errors = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new GeneratorException($"{program} refuses {HeaderPath}:\n{errors.Result.TrimEnd()}");
    }
}
