using System.CommandLine;
using Hybrid.Cli.Commands;

namespace Hybrid.Cli;

/// <summary>The <c>hybrid</c> command.</summary>
public static class Program
{
    /// <summary>Runs a command line.</summary>
    /// <returns>0 when the command did its work; 1 when it could not, with one sentence on standard error; 130 when it was interrupted.</returns>
    public static int Main(string[] args)
    {
        var root = new RootCommand("Deep learning for .NET: train and use a digit classifier, and read the learner's chapters.")
        {
            TrainCommand.Create(),
            PredictCommand.Create(),
            ExampleCommand.Create(),
            TuneCommand.Create(),
            InfoCommand.Create(),
        };
        var parsed = root.Parse(args.Length == 0 ? ["--help"] : args);
        if (parsed.Errors.Count > 0)
        {
            string command = parsed.CommandResult.Command == root ? "hybrid" : $"hybrid {parsed.CommandResult.Command.Name}";
            string message = parsed.UnmatchedTokens is [var unknown, ..] ? $"there is no command or option '{unknown}'" : parsed.Errors[0].Message;
            Console.Error.WriteLine($"hybrid: {message} ({command} --help says more)");
            return 1;
        }
        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (Exception e) when (IsUsersToMend(Cause(e)))
        {
            Console.Error.WriteLine($"hybrid: {Cause(e).Message}");
            return 1;
        }
    }

    // A native library that cannot be loaded is found out in a static constructor.
    static Exception Cause(Exception e) => e is TypeInitializationException { InnerException: { } inner } ? Cause(inner) : e;

    // What a person can mend gets a sentence; a defect of ours keeps its stack trace.
    static bool IsUsersToMend(Exception e) => e is HybridException or IOException or InvalidDataException or UnauthorizedAccessException
        or OutOfMemoryException or DllNotFoundException or ArgumentException or NotSupportedException or UserException;
}

/// <summary>Something that the person at the command line can mend; the message is all they see.</summary>
public sealed class UserException(string message) : Exception(message);
