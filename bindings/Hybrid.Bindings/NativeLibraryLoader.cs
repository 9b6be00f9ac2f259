using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Hybrid.Bindings;

/// <summary>An attempt to load the native library.</summary>
/// <param name="Path">the file, or "hybrid" for the system's own search</param>
/// <param name="Failure">why it failed; null when it is the one that was loaded</param>
public sealed record LoadAttempt(string Path, string? Failure);

/// <summary>
/// Finds the native library: the file that the HYBRID_LIBRARY variable names and, when that is not set, the application's folder, its
/// runtimes/RID/native folder and the system's own search, in this order. A library of another ABI version is refused.
/// </summary>
public static unsafe class NativeLibraryLoader
{
    /// <summary>The environment variable that names the library's file; when set, nothing else is tried.</summary>
    public const string Variable = "HYBRID_LIBRARY";

    const string LibraryName = "hybrid";

    static readonly Lock Gate = new();
    static readonly List<LoadAttempt> Made = [];
    static nint library;

    /// <summary>The file that was loaded ("hybrid" when the system's search found it); null as long as none is.</summary>
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

    /// <summary>The files to try, in order.</summary>
    internal static IEnumerable<string> Candidates(string? variable, string baseDirectory)
    {
        if (!string.IsNullOrEmpty(variable))
        {
            return [variable];
        }
        var (system, file) = OperatingSystem.IsWindows() ? ("win", "hybrid.dll")
            : OperatingSystem.IsMacOS() ? ("osx", "libhybrid.dylib")
            : ("linux", "libhybrid.so");
        var rid = $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        return [Path.Combine(baseDirectory, file), Path.Combine(baseDirectory, "runtimes", rid, "native", file), LibraryName];
    }

    /// <summary>Loads the first candidate that is the library, noting each attempt.</summary>
    /// <exception cref="DllNotFoundException">None is; the message lists them with the reasons.</exception>
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
        throw new DllNotFoundException("Hybrid's native library could not be loaded. Tried:\n"
            + string.Join('\n', attempts.Select(attempt => $"  {attempt.Path}: {attempt.Failure}"))
            + $"\nBuild it, or name its file in the {Variable} variable.");
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
                library = Load(Candidates(Environment.GetEnvironmentVariable(Variable), AppContext.BaseDirectory), Made);
            }
            return library;
        }
    }

    /// <returns>why it failed, or null</returns>
    static string? TryLoad(string candidate, out nint handle)
    {
        handle = 0;
        var isFile = candidate != LibraryName;
        if (isFile && !File.Exists(candidate))
        {
            return "no such file";
        }
        try
        {
            handle = isFile
                ? NativeLibrary.Load(Path.GetFullPath(candidate))
                : NativeLibrary.Load(candidate, typeof(NativeLibraryLoader).Assembly, null);
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
        var version = ((delegate* unmanaged[Cdecl]<int>)function)();
        return version == Constants.AbiVersion ? null : $"it has ABI version {version}, these bindings expect {Constants.AbiVersion}";
    }
}
