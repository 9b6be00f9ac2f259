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

    public static Result Run(string directory, params string[] arguments) => Finish(Start(directory, arguments));

    /// <summary>Runs the command with <c>HYBRID_TUNING</c> set.</summary>
    public static Result RunTuned(string directory, string tuning, params string[] arguments) => Finish(StartWith(tuning, directory, arguments));

    static Result Finish(Process started)
    {
        using var process = started;
        var error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new Result(process.ExitCode, output, error.Result);
    }

    // What the user has tuned is not what is tested.
    public static Process Start(string directory, params string[] arguments) => StartWith("none", directory, arguments);

    static Process StartWith(string tuning, string directory, string[] arguments)
    {
        string command = Path.Combine(TestContext.CurrentContext.TestDirectory, "Hybrid.Cli.dll");
        // What a shell starts in the background ignores Ctrl-C, and so would all that it starts in turn.
        return Process.Start(new ProcessStartInfo("env", ["--default-signal=INT", $"HYBRID_TUNING={tuning}", "dotnet", command, .. arguments])
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }
}
