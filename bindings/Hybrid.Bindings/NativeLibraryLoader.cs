using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Hybrid.Bindings;

/// <summary>An attempt to load the native library.</summary>
/// <param name="Path">the file; a bare name, <c>libhybrid.so</c> say, for the system's own search</param>
/// <param name="Failure">why it failed; null when it is the one that was loaded</param>
public sealed record LoadAttempt(string Path, string? Failure);

/// <summary>
/// Finds the native library: the file that the HYBRID_LIBRARY variable names and, when that is not set, the application's folder, its
/// runtimes/RID/native folder, the folders of its packages and the system's own search, in this order. A library of another ABI version is refused.
/// </summary>
public static unsafe class NativeLibraryLoader
{
    /// <summary>The environment variable that names the library's file; when set, nothing else is tried.</summary>
    public const string Variable = "HYBRID_LIBRARY";

    const string LibraryName = "hybrid";

    static readonly Lock Gate = new();
    static readonly List<LoadAttempt> Made = [];
    static nint library;

    /// <summary>The file that was loaded (a bare name when the system's search found it); null as long as none is.</summary>
    public static string? LoadedPath
    {
        get
        {
            lock (Gate)
            {
                return library == 0 ? null : Made[^1].Path;
            }
        }
    }

    /// <summary>Every attempt to load the library so far, in order.</summary>
    public static IReadOnlyList<LoadAttempt> Attempts
    {
        get
        {
            lock (Gate)
            {
                return [.. Made];
            }
        }
    }

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "The resolver must stand before the first native call, wherever that is made.")]
    internal static void Initialize() => NativeLibrary.SetDllImportResolver(typeof(NativeLibraryLoader).Assembly, Resolve);

    /// <summary>This process's platform, as .NET names it: linux-x64, say, or linux-musl-x64.</summary>
    static string Platform => (OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : OnMusl ? "linux-musl" : "linux")
        + $"-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";

    /// <summary>Whether the C library is musl: Microsoft's builds of .NET name it, Alpine's name Alpine.</summary>
    static bool OnMusl => RuntimeInformation.RuntimeIdentifier.Contains("musl") || RuntimeInformation.RuntimeIdentifier.StartsWith("alpine", StringComparison.Ordinal);

    /// <summary>The files to try, in order.</summary>
    /// <param name="variable">what <see cref="Variable"/> holds</param>
    /// <param name="baseDirectory">the application's folder</param>
    /// <param name="packageFolders">the folders that .NET found native libraries of packages in, separated as in a PATH</param>
    internal static IEnumerable<string> Candidates(string? variable, string baseDirectory, string? packageFolders)
    {
        if (!string.IsNullOrEmpty(variable))
        {
            return [Path.GetFullPath(variable)];
        }
        List<string> folders = [baseDirectory, Path.Combine(baseDirectory, "runtimes", Platform, "native")];
        folders.AddRange((packageFolders ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries));
        List<string> candidates = [];
        foreach (string folder in folders)
        {
            string candidate = Path.Combine(folder, FileName);
            if (!candidates.Contains(candidate))
            {
                candidates.Add(candidate);
            }
        }
        return [.. candidates, FileName];
    }

    static string FileName => OperatingSystem.IsWindows() ? "libhybrid.dll" : OperatingSystem.IsMacOS() ? "libhybrid.dylib" : "libhybrid.so";

    /// <summary>Loads the first candidate that is the library, noting each attempt.</summary>
    /// <exception cref="DllNotFoundException">None is; the message lists them with the reasons, and says what to install.</exception>
    internal static nint Load(IEnumerable<string> candidates, List<LoadAttempt> attempts)
    {
        foreach (var candidate in candidates)
        {
            var failure = TryLoad(candidate, out var handle);
            attempts.Add(new(candidate, failure));
            if (failure is null)
            {
                return handle;
            }
        }
        throw new DllNotFoundException($"Hybrid's native library for {Platform} could not be loaded. Tried:\n"
            + string.Join('\n', attempts.Select(attempt => $"  {attempt.Path}: {attempt.Failure}"))
            + $"\nIt comes with the package Hybrid, in Hybrid.Native.{Platform.Replace("-musl", "")} of the same version: restore and publish for {Platform},"
            + $" or name the library's file in the {Variable} variable.");
    }

    static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (name != LibraryName)
        {
            return 0;
        }
        lock (Gate)
        {
            if (library == 0)
            {
                Made.Clear();
                library = Load(Candidates(Environment.GetEnvironmentVariable(Variable), AppContext.BaseDirectory,
                    AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string), Made);
            }
            return library;
        }
    }

    /// <returns>why it failed, or null</returns>
    static string? TryLoad(string candidate, out nint handle)
    {
        handle = 0;
        var isFile = candidate != FileName;
        if (isFile && !File.Exists(candidate))
        {
            return "no such file";
        }
        if (isFile && NativeFile.Refusal(candidate) is { } refusal)
        {
            return refusal;
        }
        try
        {
            handle = NativeLibrary.Load(candidate); // not .NET's search for an assembly: it would load files that were refused before
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            return e.Message.ReplaceLineEndings(" ").Trim();
        }
        var failure = CheckVersion(handle);
        if (failure is not null)
        {
            NativeLibrary.Free(handle);
        }
        return failure;
    }

    static string? CheckVersion(nint handle)
    {
        if (!NativeLibrary.TryGetExport(handle, "hy_abi_version", out var function))
        {
            return "it is not Hybrid's library: it has no hy_abi_version";
        }
        int abi = ((delegate* unmanaged[Cdecl]<int>)function)();
        if (abi == Constants.AbiVersion)
        {
            return null;
        }
        string version = NativeLibrary.TryGetExport(handle, "hy_version", out function)
            ? Utf8.Read(((delegate* unmanaged[Cdecl]<byte*>)function)())
            : "of unknown number";
        return $"it is version {version} with ABI version {abi}, Hybrid {OurVersion} expects ABI version {Constants.AbiVersion}:"
            + " the packages Hybrid and Hybrid.Native must be of one version";
    }

    static string OurVersion => typeof(NativeLibraryLoader).Assembly.GetName().Version!.ToString(3);
}
