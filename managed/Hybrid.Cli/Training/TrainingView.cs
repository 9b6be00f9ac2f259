using System.Globalization;
using Hybrid.Data;
using Hybrid.Examples.Models;
using Spectre.Console;

namespace Hybrid.Cli.Training;

/// <summary>What a person sees of a training: bars on a terminal, plain lines elsewhere.</summary>
sealed class TrainingView(IAnsiConsole console)
{
    readonly bool terminal = !Console.IsOutputRedirected && console.Profile.Capabilities is { Interactive: true, Ansi: true };

    public void Begin(TrainingOptions options, ImageDataset train, ImageDataset test, DigitModel model)
    {
        Line($"Data      {train.Name}, {train.Height} x {train.Width}: {train.Count:N0} to train on, {test.Count:N0} to test with");
        Line($"Model     {options.Model}, {model.ParameterCount:N0} parameters");
        Line($"Training  {options.Epochs} {(options.Epochs == 1 ? "epoch" : "epochs")} in batches of {options.Batch}, Adam at {options.LearningRate.ToString(CultureInfo.InvariantCulture)}, seed {options.Seed}");
        Line($"Device    {Device.Default}");
        Line("");
    }

    /// <summary>Shows one epoch while it runs.</summary>
    /// <param name="epoch">From 1.</param>
    /// <param name="epochs">How many there will be.</param>
    /// <param name="batches">Steps in this one.</param>
    /// <param name="run">Runs it: calls its argument with the loss after each step, and returns the figures, or null when it was interrupted.</param>
    public void Epoch(int epoch, int epochs, int batches, Func<Action<double>, EpochFigures?> run)
    {
        if (!terminal)
        {
            if (run(_ => { }) is { } figures)
            {
                Line($"epoch {epoch}/{epochs}  {Summary(figures)}");
            }
            return;
        }
        var progress = console.Progress().HideCompleted(false).Columns(
            new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = 24 }, new PercentageColumn(), new RemainingTimeColumn());
        progress.Start(context =>
        {
            var task = context.AddTask($"epoch {epoch}/{epochs}", maxValue: batches);
            double smooth = double.NaN;
            var figures = run(loss =>
            {
                smooth = double.IsNaN(smooth) ? loss : 0.95 * smooth + 0.05 * loss;
                task.Description = $"epoch {epoch}/{epochs}  loss {smooth:F4}";
                task.Increment(1);
            });
            if (figures is not null)
            {
                // Short enough for 80 columns; the table at the end has the rest.
                task.Description = $"epoch {epoch}/{epochs}  loss {figures.Loss:F4}  test {Percent(figures.TestAccuracy)}";
            }
        });
    }

    public void End(TrainingResult result, IReadOnlyList<string> files)
    {
        var epochs = new Table().Border(Border).AddColumns("epoch", "loss", "accuracy", "test loss", "test accuracy", "images/s");
        for (int i = 0; i < 6; i++)
        {
            epochs.Columns[i].RightAligned();
        }
        foreach (var e in result.Epochs)
        {
            epochs.AddRow($"{e.Epoch}", $"{e.Loss:F4}", Percent(e.Accuracy), $"{e.TestLoss:F4}", Percent(e.TestAccuracy), $"{e.ImagesPerSecond:N0}");
        }
        Line("");
        console.Write(epochs);
        Line("");
        Line("Confusion on the test images (rows: true digits, columns: digits read)");
        console.Write(Confusion(result.Test!.Confusion));
        Line("");
        Line($"Test accuracy {Percent(result.Test.Accuracy)} after {result.TrainSeconds:F1} s of training");
        foreach (string file in files)
        {
            Line($"Wrote {Path.GetRelativePath(Environment.CurrentDirectory, file)}");
        }
    }

    public void Interrupted(string modelFile)
    {
        Line("");
        Line($"Interrupted: the batch in hand was finished and the model as it stands saved to {Path.GetRelativePath(Environment.CurrentDirectory, modelFile)}");
    }

    TableBorder Border => terminal ? TableBorder.Rounded : TableBorder.Ascii;

    Table Confusion(long[,] counts)
    {
        int classes = counts.GetLength(0);
        var table = new Table().Border(Border).AddColumn("");
        for (int column = 0; column < classes; column++)
        {
            table.AddColumn(new TableColumn($"{column}").RightAligned());
        }
        for (int row = 0; row < classes; row++)
        {
            var cells = new string[classes + 1];
            cells[0] = $"{row}";
            for (int column = 0; column < classes; column++)
            {
                string colour = row == column ? "green" : counts[row, column] > 0 ? "red" : "grey";
                cells[column + 1] = $"[{colour}]{(counts[row, column] == 0 ? "." : counts[row, column].ToString(CultureInfo.InvariantCulture))}[/]";
            }
            table.AddRow(cells);
        }
        return table;
    }

    static string Summary(EpochFigures e) => string.Create(CultureInfo.InvariantCulture,
        $"loss {e.Loss:F4}  accuracy {Percent(e.Accuracy)}  test {Percent(e.TestAccuracy)}  {e.ImagesPerSecond:N0} images/s");

    static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:F2} %");

    // Not through Spectre, which would wrap a long line at 80 columns where there is no terminal.
    void Line(string text) => console.Profile.Out.Writer.WriteLine(text);
}
