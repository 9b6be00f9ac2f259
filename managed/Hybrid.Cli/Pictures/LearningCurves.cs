using Hybrid.Cli.Training;
using Hybrid.Examples;
using ScottPlot;

namespace Hybrid.Cli.Pictures;

/// <summary>Loss and accuracy over the course of a training.</summary>
static class LearningCurves
{
    const int Width = 1100, Height = 460, SmoothingSteps = 25;

    public static string Write(string path, TrainingResult result)
    {
        var epochs = result.Epochs.Select(e => (double)e.Epoch).ToArray();
        double steps = (double)result.StepLosses.Count / epochs.Length;

        var loss = Picture.NewPlot("Loss", "epoch", "cross-entropy");
        var every = loss.Add.SignalXY([.. result.StepLosses.Select((_, i) => (i + 1) / steps)], result.StepLosses.ToArray());
        every.Color = Colors.Gray.WithAlpha(.35);
        every.LegendText = "each batch";
        var smooth = loss.Add.SignalXY([.. result.StepLosses.Select((_, i) => (i + 1) / steps)], Smooth(result.StepLosses));
        smooth.LineWidth = 2;
        smooth.Color = Picture.Blue;
        smooth.LegendText = "smoothed";
        var test = loss.Add.Scatter(epochs, result.Epochs.Select(e => e.TestLoss).ToArray());
        test.Color = Picture.Orange;
        test.LineWidth = 2;
        test.MarkerSize = 8;
        test.LegendText = "test images";
        loss.Axes.SetLimitsY(0, Math.Max(1.05 * result.StepLosses.Take(SmoothingSteps).Max(), 0.1));
        loss.ShowLegend(Alignment.UpperRight);

        var accuracy = Picture.NewPlot("Accuracy", "epoch", "%");
        var train = accuracy.Add.Scatter(epochs, result.Epochs.Select(e => 100 * e.Accuracy).ToArray());
        train.Color = Picture.Blue;
        train.LineWidth = 2;
        train.MarkerSize = 8;
        train.LegendText = "training images, while learning";
        var right = accuracy.Add.Scatter(epochs, result.Epochs.Select(e => 100 * e.TestAccuracy).ToArray());
        right.Color = Picture.Orange;
        right.LineWidth = 2;
        right.MarkerSize = 8;
        right.LegendText = "test images";
        accuracy.Axes.SetLimitsX(0.8, epochs.Length + 0.2);
        accuracy.ShowLegend(Alignment.LowerRight);

        return Picture.WritePlots(path, Width, Height, loss, accuracy);
    }

    // The mean over a window of steps around each, so that the trend shows through the batches' scatter.
    static double[] Smooth(IReadOnlyList<double> values)
    {
        var smooth = new double[values.Count];
        for (int i = 0; i < smooth.Length; i++)
        {
            int from = Math.Max(0, i - SmoothingSteps), to = Math.Min(values.Count - 1, i + SmoothingSteps);
            for (int j = from; j <= to; j++)
            {
                smooth[i] += values[j];
            }
            smooth[i] /= to - from + 1;
        }
        return smooth;
    }
}
