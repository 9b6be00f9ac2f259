using System.CommandLine;
using System.Globalization;
using Hybrid.Cli.Pictures;
using Hybrid.Examples.Models;
using Hybrid.NN;

namespace Hybrid.Cli.Commands;

/// <summary><c>hybrid predict</c>: reads pictures with a trained model.</summary>
static class PredictCommand
{
    const int BarWidth = 40;

    public static Command Create()
    {
        var model = new Option<FileInfo>("--model") { Description = "a model that hybrid train wrote", HelpName = "FILE", Required = true };
        var images = new Argument<FileInfo[]>("IMAGE") { Description = "PNG or JPEG pictures of one digit each, of any size", Arity = ArgumentArity.OneOrMore };
        var command = new Command("predict", "Read the digits in pictures") { model, images };
        command.SetAction(parsed => Run(parsed.GetValue(model)!, parsed.GetValue(images)!));
        return command;
    }

    static int Run(FileInfo modelFile, FileInfo[] images)
    {
        var model = DigitModel.FromFile(modelFile.FullName);
        using var noGrad = NoGrad.Begin();
        int failures = 0;
        foreach (var file in images)
        {
            using var scope = TensorScope.Begin();
            try
            {
                var (image, inverted) = DigitImage.Read(file.FullName, model.Height, model.Width);
                var probabilities = F.Softmax(model.Forward(image), -1).ToArray<float>();
                Print(file.Name, probabilities, inverted);
            }
            catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException or UserException)
            {
                // One bad picture does not keep the others from being read.
                Console.Error.WriteLine($"hybrid: {e.Message}");
                failures++;
            }
        }
        return failures == 0 ? 0 : 1;
    }

    static void Print(string name, float[] probabilities, bool inverted)
    {
        int best = Array.IndexOf(probabilities, probabilities.Max());
        Console.WriteLine($"{name}: {best}{(inverted ? "  (dark ink on a light ground: inverted)" : "")}");
        for (int digit = 0; digit < probabilities.Length; digit++)
        {
            string bar = new('#', (int)MathF.Round(BarWidth * probabilities[digit]));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {digit}  {100 * probabilities[digit],6:F2} %  {bar}").TrimEnd());
        }
    }
}
