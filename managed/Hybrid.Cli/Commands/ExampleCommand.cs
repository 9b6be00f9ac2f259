using System.CommandLine;
using Hybrid.Examples;

namespace Hybrid.Cli.Commands;

/// <summary><c>hybrid example</c>: runs one of the learner's chapters.</summary>
static class ExampleCommand
{
    public static Command Create()
    {
        var name = new Argument<string?>("NAME") { Description = "the chapter; without one, the list of them", Arity = ArgumentArity.ZeroOrOne };
        name.AcceptOnlyFromAmong([.. Chapters.All.Select(chapter => chapter.Name)]);
        var output = new Option<DirectoryInfo>("--out") { Description = "directory for a chapter's pictures", DefaultValueFactory = _ => new DirectoryInfo("out"), HelpName = "DIR" };
        var command = new Command("example", "Run one of the learner's chapters") { name, output };
        command.SetAction(parsed => Run(parsed.GetValue(name), parsed.GetValue(output)!));
        return command;
    }

    static void Run(string? name, DirectoryInfo output)
    {
        if (name is null)
        {
            foreach (var chapter in Chapters.All)
            {
                Console.WriteLine($"{chapter.Name,-34}{chapter.Title}");
            }
            return;
        }
        Chapters.All.First(chapter => chapter.Name == name).Run(Console.Out, output.FullName);
    }
}
