using System.Diagnostics;
using Hybrid.Bindings;

namespace Hybrid.Tests;

/// <summary>Finding and refusing native libraries.</summary>
public class LoaderTests
{
    [Test]
    public void TheVariableNamesTheOnlyCandidate() =>
        Assert.That(NativeLibraryLoader.Candidates("/somewhere/libhybrid.so", "/app"), Is.EqualTo(new[] { "/somewhere/libhybrid.so" }));

    [Test]
    public void WithoutItTheApplicationsFoldersComeFirst()
    {
        var candidates = NativeLibraryLoader.Candidates(null, Path.GetFullPath("/app")).ToList();
        Assert.That(candidates, Has.Count.EqualTo(3));
        Assert.That(Path.GetDirectoryName(candidates[0]), Is.EqualTo(Path.GetFullPath("/app")));
        Assert.That(candidates[1], Does.Contain("runtimes").And.Contain("native").And.EndWith(Path.GetFileName(candidates[0])));
        Assert.That(candidates[2], Is.EqualTo("hybrid"));
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
            Assert.That(attempts[1].Failure, Is.Not.Null.And.Not.Contain("\n"));
            Assert.That(exception.Message, Does.Contain($"{missing}: no such file").And.Contain($"{text}: "));
            Assert.That(exception.Message, Does.Contain(NativeLibraryLoader.Variable));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [TestCase("int hy_abi_version(void) { return 9999; }", "it has ABI version 9999, these bindings expect 3")]
    [TestCase("int something_else(void) { return 1; }", "it is not Hybrid's library: it has no hy_abi_version")]
    public void AnotherLibraryIsRefused(string source, string reason)
    {
        var directory = Directory.CreateTempSubdirectory("hybrid-loader-");
        try
        {
            var library = Compile(source, directory.FullName);
            var attempts = new List<LoadAttempt>();
            Assert.Throws<DllNotFoundException>(() => NativeLibraryLoader.Load([library], attempts));
            Assert.That(attempts[0].Failure, Is.EqualTo(reason));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    static string Compile(string source, string directory)
    {
        var library = Path.Combine(directory, "library.so");
        File.WriteAllText(Path.Combine(directory, "library.c"), source);
        using var compiler = Process.Start("cc", ["-shared", "-fPIC", "-o", library, Path.Combine(directory, "library.c")]);
        compiler.WaitForExit();
        Assert.That(compiler.ExitCode, Is.Zero);
        return library;
    }
}
