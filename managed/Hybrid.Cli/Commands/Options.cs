using System.CommandLine;
using System.Globalization;

namespace Hybrid.Cli.Commands;

/// <summary>The options that the commands share: each says in one sentence what it expects.</summary>
static class Options
{
    delegate bool Reader<T>(string text, out T value);

    /// <summary>A whole number from 1.</summary>
    public static Option<int> Count(string name, string description, int fallback) => Make(name, description, "N", "a whole number from 1", fallback,
        (string text, out int n) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out n) && n >= 1);

    /// <summary>A whole number from 0.</summary>
    public static Option<ulong> Seed(string name, string description, ulong fallback) => Make(name, description, "N", "a whole number from 0", fallback,
        (string text, out ulong n) => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out n));

    /// <summary>A finite number above 0.</summary>
    public static Option<double> Positive(string name, string description, double fallback) => Make(name, description, "X", "a number above 0", fallback,
        (string text, out double x) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out x) && x > 0 && double.IsFinite(x));

    /// <summary>One of some words; the first unless another is given.</summary>
    public static Option<string> Choice(string name, string description, IReadOnlyList<string> words) =>
        Make(name, description, string.Join('|', words), $"one of {string.Join(", ", words)}", words[0], (string text, out string word) =>
        {
            word = text;
            return words.Contains(text);
        });

    /// <summary>A directory, which may not be there yet; null where there is no fallback.</summary>
    public static Option<DirectoryInfo?> Directory(string name, string description, string? fallback = null) =>
        Make(name, description, "DIR", "a directory", fallback is null ? null : new DirectoryInfo(fallback), (string text, out DirectoryInfo? directory) =>
        {
            directory = text is "" ? null : new DirectoryInfo(text);
            return directory is not null;
        });

    /// <summary>A file, which may not be there yet.</summary>
    public static Option<FileInfo?> File(string name, string description) =>
        Make(name, description, "FILE", "a file", null, (string text, out FileInfo? file) =>
        {
            file = text is "" ? null : new FileInfo(text);
            return file is not null;
        });

    /// <summary>Makes the directory if it is not there, and sees that files can be written into it.</summary>
    /// <exception cref="UserException">They can't.</exception>
    public static void MakeWritable(string option, DirectoryInfo directory)
    {
        try
        {
            directory.Create();
            using var probe = new FileStream(
                Path.Combine(directory.FullName, Path.GetRandomFileName()), FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{option}: expected a directory to write to, got {directory.FullName}, {Reason(directory, e)}");
        }
    }

    /// <summary>Sees that the file can be written.</summary>
    /// <exception cref="UserException">It can't.</exception>
    public static void CheckWritable(string option, FileInfo file)
    {
        if (System.IO.Directory.Exists(file.FullName))
        {
            throw new UserException($"{option}: expected a file, got {file.FullName}, which is a directory");
        }
        if (file is { Directory.Exists: false })
        {
            throw new UserException($"{option}: there is no directory {file.Directory!.FullName}");
        }
        MakeWritable(option, file.Directory!);
    }

    static string Reason(DirectoryInfo directory, Exception e) =>
        System.IO.File.Exists(directory.FullName) ? "which is a file"
        : e is UnauthorizedAccessException ? "where nothing may be written"
        : $"where nothing can be written ({e.Message})";

    static Option<T> Make<T>(string name, string description, string helpName, string expected, T fallback, Reader<T> read)
    {
        var option = new Option<T>(name)
        {
            Description = description,
            HelpName = helpName,
            CustomParser = result =>
            {
                if (!read(result.Tokens[^1].Value, out var value))
                {
                    result.AddError($"{name}: expected {expected}, got '{result.Tokens[^1].Value}'");
                }
                return value;
            },
        };
        if (fallback is not null)
        {
            option.DefaultValueFactory = _ => fallback;
        }
        return option;
    }
}
