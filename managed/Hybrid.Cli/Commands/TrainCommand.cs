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
        var data = Options.Directory("--data", "directory of the MNIST files (IDX, plain or .gz); without it, the embedded synthetic digits");
        var model = Options.Choice("--model", "the network", DigitModel.Names);
        var epochs = Options.Count("--epochs", "passes over the training images", 3);
        var batch = Options.Count("--batch", "images in a step", 64);
        var rate = Options.Positive("--lr", "learning rate of Adam at the start; it falls along a cosine", 2e-3);
        var seed = Options.Seed("--seed", "seed of the weights and of the order of the images", 1);
        var output = Options.Directory("--out", "directory for the model and the pictures", "out");
        var json = Options.File("--json", "file for the figures, for a program to read");

        var command = new Command("train", "Train a digit classifier") { data, model, epochs, batch, rate, seed, output, json };
        command.SetAction(parsed => Run(
            new TrainingOptions(parsed.GetValue(model)!, parsed.GetValue(epochs), parsed.GetValue(batch), parsed.GetValue(rate), parsed.GetValue(seed)),
            parsed.GetValue(data), parsed.GetValue(output)!, parsed.GetValue(json)));
        return command;
    }

    static int Run(TrainingOptions options, DirectoryInfo? data, DirectoryInfo output, FileInfo? json)
    {
        // What would fail at the end had better fail now.
        Options.MakeWritable("--out", output);
        if (json is not null)
        {
            Options.CheckWritable("--json", json);
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
