using System.Diagnostics;
using System.Runtime.InteropServices;
using Hybrid.Bindings;

namespace Hybrid.Tests;

/// <summary>Finding and refusing native libraries.</summary>
public class LoaderTests
{
    [Test]
    public void TheVariableNamesTheOnlyCandidate() =>
        Assert.That(NativeLibraryLoader.Candidates("somewhere/libhybrid.so", "/app", "/package"), Is.EqualTo(new[] { Path.GetFullPath("somewhere/libhybrid.so") }));

    [Test]
    public void WithoutItTheApplicationsFoldersComeFirst()
    {
        string app = Path.GetFullPath("/app"), package = Path.GetFullPath("/package");
        var candidates = NativeLibraryLoader.Candidates(null, app, string.Join(Path.PathSeparator, package, app)).ToList();
        Assert.That(candidates, Has.Count.EqualTo(4));
        Assert.That(Path.GetDirectoryName(candidates[0]), Is.EqualTo(Path.GetFullPath("/app")));
        Assert.That(candidates[1], Does.Contain("runtimes").And.Contain("native").And.EndWith(Path.GetFileName(candidates[0])));
        Assert.That(Path.GetDirectoryName(candidates[2]), Is.EqualTo(package));
        Assert.That(candidates[3], Is.EqualTo(Path.GetFileName(candidates[0])), "the system's search");
    }

    [Test]
    public void TheLoadedFileIsKnown()
    {
        Assert.That(Native.AbiVersion(), Is.EqualTo(Constants.AbiVersion));
        Assert.That(NativeLibraryLoader.LoadedPath, Is.Not.Null);
        Assert.That(NativeLibraryLoader.Attempts[^1], Is.EqualTo(new LoadAttempt(NativeLibraryLoader.LoadedPath!, null)));
    }

    [Test]
    public void AFailedLoadListsEveryPathWithItsReason()
    {
        var directory = Directory.CreateTempSubdirectory("hybrid-loader-");
        try
        {
            var missing = Path.Combine(directory.FullName, "missing.so");
            var text = Path.Combine(directory.FullName, "text.so");
            File.WriteAllText(text, "no library at all");
            var attempts = new List<LoadAttempt>();
            var exception = Assert.Throws<DllNotFoundException>(() => NativeLibraryLoader.Load([missing, text], attempts))!;
            Assert.That(attempts.Select(attempt => attempt.Path), Is.EqualTo(new[] { missing, text }));
            Assert.That(attempts[0].Failure, Is.EqualTo("no such file"));
            Assert.That(exception.Message, Does.Contain($"{missing}: no such file").And.Contain($"{text}: it is no shared library"));
            Assert.That(exception.Message, Does.Contain($"Hybrid.Native.{RuntimeInformation.RuntimeIdentifier}"));
            Assert.That(exception.Message, Does.Contain(NativeLibraryLoader.Variable));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [TestCase("int hy_abi_version(void) { return 9999; }", "it is version of unknown number with ABI version 9999, Hybrid ")]
    [TestCase("int hy_abi_version(void) { return 1; } const char *hy_version(void) { return \"0.0.9\"; }", "it is version 0.0.9 with ABI version 1, Hybrid ")]
    [TestCase("int something_else(void) { return 1; }", "it is not Hybrid's library: it has no hy_abi_version")]
    public void AnotherLibraryIsRefused(string source, string reason)
    {
        var directory = Directory.CreateTempSubdirectory("hybrid-loader-");
        try
        {
            var library = Compile(source, directory.FullName);
            var attempts = new List<LoadAttempt>();
            Assert.Throws<DllNotFoundException>(() => NativeLibraryLoader.Load([library], attempts));
            Assert.That(attempts[0].Failure, Does.StartWith(reason));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    // The machine's word of an ELF header (tool interface standard, figure 1-3): 183 is arm64, 62 is x86-64.
    [Test, Platform("Linux")]
    public void ALibraryForAnotherProcessorIsNamedAsSuch()
    {
        using var folder = new TemporaryFolder();
        string library = Compile("int hy_abi_version(void) { return 1; }", folder.FullName);
        byte[] bytes = File.ReadAllBytes(library);
        string other = bytes[18] == 183 ? "x64" : "arm64";
        bytes[18] = bytes[18] == 183 ? (byte)62 : (byte)183;
        File.WriteAllBytes(library, bytes);
        var attempts = new List<LoadAttempt>();
        Assert.Throws<DllNotFoundException>(() => NativeLibraryLoader.Load([library], attempts));
        Assert.That(attempts[0].Failure, Does.StartWith($"it is for Linux on {other}, this process runs on Linux on "));
    }

    [Test, Platform("Linux")]
    public void ALibraryThatIsCutShortIsRefusedBeforeItKillsTheProcess()
    {
        using var folder = new TemporaryFolder();
        string library = Compile("int hy_abi_version(void) { return 1; }", folder.FullName);
        byte[] bytes = File.ReadAllBytes(library);
        Assert.That(NativeFile.EndOfElf(bytes), Is.EqualTo(bytes.Length));
        File.WriteAllBytes(library, bytes[..(bytes.Length / 2)]);
        var attempts = new List<LoadAttempt>();
        Assert.Throws<DllNotFoundException>(() => NativeLibraryLoader.Load([library], attempts));
        Assert.That(attempts[0].Failure, Is.EqualTo($"it is cut short: it has {bytes.Length / 2} bytes of {bytes.Length}"));
    }

    [TestCase("4D5A", null, null)]
    [TestCase("CFFAEDFE0C000001", "macOS", "arm64")]
    [TestCase("7F454C4602010100000000000000000003003E00", "Linux", "x64")]
    [TestCase("7F454C460201010000000000000000000300F300", "Linux", null)]
    [TestCase("23212F62696E2F7368", null, null)]
    [TestCase("", null, null)]
    public void HeadersTellSystemAndProcessor(string header, string? system, string? processor) =>
        Assert.That(NativeFile.Read(Convert.FromHexString(header)), Is.EqualTo((system, processor)));

    [Test]
    public void WindowsHeadersTellTheirProcessor()
    {
        byte[] header = new byte[128];
        "MZ"u8.CopyTo(header);
        header[60] = 80;
        "PE\0\0"u8.CopyTo(header.AsSpan(80));
        (header[84], header[85]) = (0x64, 0x86);
        Assert.That(NativeFile.Read(header), Is.EqualTo(("Windows", "x64")));
        header[60] = 126;
        Assert.That(NativeFile.Read(header), Is.EqualTo(((string?)null, (string?)null)));
    }

    static string Compile(string source, string directory)
    {
        var library = Path.Combine(directory, "library.so");
        File.WriteAllText(Path.Combine(directory, "library.c"), source);
        using var compiler = Process.Start(OperatingSystem.IsWindows() ? "gcc" : "cc", ["-shared", "-fPIC", "-o", library, Path.Combine(directory, "library.c")]);
        compiler.WaitForExit();
        Assert.That(compiler.ExitCode, Is.Zero);
        return library;
    }
}
