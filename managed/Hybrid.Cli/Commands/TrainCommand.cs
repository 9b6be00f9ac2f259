using System.CommandLine;
using System.Runtime.InteropServices;
using Hybrid.Cli.Pictures;
using Hybrid.Cli.Training;
using Hybrid.Data;
using Hybrid.Examples.Models;
using Spectre.Console;

namespace Hybrid.Cli.Commands;

/// <summary><c>hybrid train</c>: trains a digit classifier, and leaves the model, its figures and its pictures in a directory.</summary>
static class TrainCommand
{
    const int Interrupted = 130; // 128 + SIGINT, as shells have it

    public static Command Create()
    {
        var data = new Option<DirectoryInfo?>("--data") { Description = "directory of the MNIST files (IDX, plain or .gz); without it, the embedded synthetic digits", HelpName = "DIR" };
        var model = new Option<string>("--model") { Description = "the network", DefaultValueFactory = _ => "cnn" };
        model.AcceptOnlyFromAmong([.. DigitModel.Names]);
        var epochs = Number("--epochs", "passes over the training images", 3);
        var batch = Number("--batch", "images in a step", 64);
        var rate = new Option<double>("--lr") { Description = "learning rate of Adam at the start; it falls along a cosine", DefaultValueFactory = _ => 1e-3, HelpName = "X" };
        rate.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && double.TryParse(result.Tokens[0].Value, out double x) && !(x > 0 && double.IsFinite(x)))
            {
                result.AddError($"--lr: expected a number above 0, got {result.Tokens[0].Value}");
            }
        });
        var seed = new Option<ulong>("--seed") { Description = "seed of the weights and of the order of the images", DefaultValueFactory = _ => 1, HelpName = "N" };
        var output = new Option<DirectoryInfo>("--out") { Description = "directory for the model and the pictures", DefaultValueFactory = _ => new DirectoryInfo("out"), HelpName = "DIR" };
        var json = new Option<FileInfo?>("--json") { Description = "file for the figures, for a program to read", HelpName = "FILE" };

        var command = new Command("train", "Train a digit classifier") { data, model, epochs, batch, rate, seed, output, json };
        command.SetAction(parsed => Run(
            new TrainingOptions(parsed.GetValue(model)!, parsed.GetValue(epochs), parsed.GetValue(batch), parsed.GetValue(rate), parsed.GetValue(seed)),
            parsed.GetValue(data), parsed.GetValue(output)!, parsed.GetValue(json)));
        return command;
    }

    static Option<int> Number(string name, string description, int fallback)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => fallback, HelpName = "N" };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int n) && n < 1)
            {
                result.AddError($"{name}: expected 1 or more, got {n}");
            }
        });
        return option;
    }

    static int Run(TrainingOptions options, DirectoryInfo? data, DirectoryInfo output, FileInfo? json)
    {
        // What would fail at the end had better fail now.
        output.Create();
        if (json is { Directory.Exists: false })
        {
            throw new DirectoryNotFoundException($"--json: there is no directory {json.Directory!.FullName}");
        }
        var (train, test) = Load(data);
        Generator.ManualSeed(options.Seed);
        var model = DigitModel.Create(options.Model, train.Height, train.Width);

        using var interrupt = new CancellationTokenSource();
        using var sigint = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var sigterm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            interrupt.Cancel();
        }

        var view = new TrainingView(AnsiConsole.Console);
        view.Begin(options, train, test, model);
        var trainer = new Trainer(model, train, test, options);
        var result = trainer.Run(view, interrupt.Token);

        string modelFile = Path.Combine(output.FullName, "model.safetensors");
        model.SaveWithShape(modelFile);
        if (result.Test is null)
        {
            view.Interrupted(modelFile);
            return Interrupted;
        }
        string[] pictures = [.. WritePictures(output.FullName, model, result, test)];
        if (json is not null)
        {
            TrainingReport.From(result, model).Write(json.FullName);
        }
        view.End(result, [modelFile, .. pictures, .. json is null ? Array.Empty<string>() : [json.FullName]]);
        return 0;
    }

    static (ImageDataset Train, ImageDataset Test) Load(DirectoryInfo? data) => data is null
        ? (Digits.Generate(10_000, seed: 1), Digits.Generate(2_000, seed: 2))
        : (Mnist.Load(data.FullName, train: true), Mnist.Load(data.FullName, train: false));

    static IEnumerable<string> WritePictures(string directory, DigitModel model, TrainingResult result, ImageDataset test)
    {
        yield return LearningCurves.Write(Path.Combine(directory, "learning-curves.png"), result);
        if (model.FirstFilters is { } filters)
        {
            yield return FilterSheet.Write(Path.Combine(directory, "filters.png"), filters);
        }
        yield return PredictionSheet.Write(Path.Combine(directory, "predictions.png"), model, test, result.Test!);
    }
}
