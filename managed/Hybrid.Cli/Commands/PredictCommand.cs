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
        var model = Options.File("--model", "a model that hybrid train wrote");
        model.Required = true;
        var images = new Argument<string[]>("IMAGE") { Description = "PNG or JPEG pictures of one digit each, of any size", Arity = ArgumentArity.OneOrMore };
        images.Validators.Add(result =>
        {
            if (result.Tokens.FirstOrDefault(token => token.Value is "" || (token.Value[0] == '-' && !File.Exists(token.Value))) is { } token)
            {
                result.AddError($"expected an option or a picture, got '{token.Value}'");
            }
        });
        var command = new Command("predict", "Read the digits in pictures") { model, images };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(model)!, parsed.GetRequiredValue(images)));
        return command;
    }

    static int Run(FileInfo modelFile, string[] images)
    {
        var model = DigitModel.FromFile(modelFile.FullName);
        using var noGrad = NoGrad.Begin();
        int failures = 0;
        foreach (var file in images)
        {
            using var scope = TensorScope.Begin();
            try
            {
                var (image, inverted) = DigitImage.Read(file, model.Height, model.Width);
                var probabilities = F.Softmax(model.Forward(image), -1).ToArray<float>();
                Print(file, probabilities, inverted);
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
