using System.Diagnostics;

namespace Hybrid.Tests.Cli;

/// <summary>Runs the <c>hybrid</c> command as its users do: in a process of its own.</summary>
static class HybridProcess
{
    public sealed record Result(int ExitCode, string Output, string Error)
    {
        /// <summary>Asserts that the command failed as it should: exit code 1, one sentence, no stack trace.</summary>
        public void AssertFailsWith(string expected)
        {
            Assert.That(ExitCode, Is.EqualTo(1), Output + Error);
            Assert.That(Error, Does.Contain(expected));
            Assert.That(Error, Does.Not.Contain("   at ").And.Not.Contain("Unhandled"));
            Assert.That(Error.Trim().Split('\n'), Has.Length.EqualTo(1), Error);
        }
    }

    public static Result Run(string directory, params string[] arguments)
    {
        using var process = Start(directory, arguments);
        var error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new Result(process.ExitCode, output, error.Result);
    }

    public static Process Start(string directory, params string[] arguments)
    {
        string command = Path.Combine(TestContext.CurrentContext.TestDirectory, "Hybrid.Cli.dll");
        // What a shell starts in the background ignores Ctrl-C, and so would all that it starts in turn.
        return Process.Start(new ProcessStartInfo("env", ["--default-signal=INT", "dotnet", command, .. arguments])
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }
}
