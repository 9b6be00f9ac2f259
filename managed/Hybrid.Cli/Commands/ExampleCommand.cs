using System.CommandLine;
using Hybrid.Examples;

namespace Hybrid.Cli.Commands;

/// <summary><c>hybrid example</c>: runs one of the learner's chapters.</summary>
static class ExampleCommand
{
    public static Command Create()
    {
        var name = new Argument<string?>("NAME") { Description = "the chapter; without one, the list of them", Arity = ArgumentArity.ZeroOrOne, HelpName = "NAME" };
        name.CompletionSources.Add([.. Chapters.All.Select(chapter => chapter.Name)]);
        var output = Options.Directory("--out", "directory for a chapter's pictures", "out");
        var command = new Command("example", "Run one of the learner's chapters") { name, output };
        command.SetAction(parsed => Run(parsed.GetValue(name), parsed.GetRequiredValue(output)!));
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
        var chosen = Chapters.All.FirstOrDefault(chapter => chapter.Name == name)
            ?? throw new UserException($"there is no chapter '{name}': expected one of {string.Join(", ", Chapters.All.Select(chapter => chapter.Name))}");
        chosen.Run(Console.Out, output.FullName);
        Console.WriteLine();
        Console.WriteLine($"The page behind this: managed/Hybrid.Examples/Chapters/{chosen.Source}.cs");
    }
}
