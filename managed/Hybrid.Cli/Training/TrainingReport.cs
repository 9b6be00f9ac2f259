using System.Text.Json;
using System.Text.Json.Serialization;
using Hybrid.Examples.Models;
using Hybrid.IO;

namespace Hybrid.Cli.Training;

/// <summary>The figures of a training, as <c>--json</c> writes them.</summary>
/// <param name="TestAccuracy">Share of the test images read rightly, 0 to 1.</param>
/// <param name="TestLoss">Mean cross-entropy over the test images.</param>
/// <param name="TrainSeconds">Time spent in training steps.</param>
/// <param name="Parameters">Number of trained values.</param>
/// <param name="Epochs">One entry an epoch.</param>
/// <param name="Confusion">A row for each true digit: how often each digit was read.</param>
sealed record TrainingReport(
    double TestAccuracy, double TestLoss, double TrainSeconds, long Parameters, IReadOnlyList<EpochFigures> Epochs, long[][] Confusion)
{
    public static TrainingReport From(TrainingResult result, DigitModel model)
    {
        var confusion = new long[result.Test!.Confusion.GetLength(0)][];
        for (int row = 0; row < confusion.Length; row++)
        {
            confusion[row] = new long[confusion.Length];
            for (int column = 0; column < confusion.Length; column++)
            {
                confusion[row][column] = result.Test.Confusion[row, column];
            }
        }
        return new TrainingReport(
            result.Test.Accuracy, result.Test.Loss, result.TrainSeconds, model.ParameterCount, result.Epochs, confusion);
    }

    public void Write(string path) =>
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, this, ReportJson.Default.TrainingReport));
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(TrainingReport))]
sealed partial class ReportJson : JsonSerializerContext;
