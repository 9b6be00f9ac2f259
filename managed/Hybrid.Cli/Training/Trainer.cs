using System.Diagnostics;
using System.Globalization;
using Hybrid.Data;
using Hybrid.Examples.Models;
using Hybrid.NN;
using Hybrid.Optim;

namespace Hybrid.Cli.Training;

/// <summary>What to train and how.</summary>
sealed record TrainingOptions(string Model, int Epochs, int Batch, double LearningRate, ulong Seed);

/// <summary>The figures of one pass over the training images. Loss and accuracy are means over the pass, while the network was still learning;
/// the test figures are those of the network at its end.</summary>
sealed record EpochFigures(int Epoch, double Loss, double Accuracy, double ImagesPerSecond, double TestLoss, double TestAccuracy);

/// <summary>How the network did on the test images.</summary>
/// <param name="Loss">Mean cross-entropy.</param>
/// <param name="Confusion">[true digit, predicted digit]: how many.</param>
/// <param name="Predicted">The predicted digit of each image, in the data set's order.</param>
sealed record TestFigures(double Loss, long[,] Confusion, int[] Predicted)
{
    /// <summary>The share of images that were read rightly, 0 to 1.</summary>
    public double Accuracy
    {
        get
        {
            long right = 0;
            for (int i = 0; i < Confusion.GetLength(0); i++)
            {
                right += Confusion[i, i];
            }
            return (double)right / Predicted.Length;
        }
    }
}

/// <summary>What became of a training.</summary>
/// <param name="Epochs">The passes that were finished.</param>
/// <param name="TrainSeconds">Time spent in training steps.</param>
/// <param name="StepLosses">The loss of every step.</param>
/// <param name="Test">The test figures; null when the training was interrupted.</param>
sealed record TrainingResult(IReadOnlyList<EpochFigures> Epochs, double TrainSeconds, IReadOnlyList<double> StepLosses, TestFigures? Test);

/// <summary>The training loop.</summary>
sealed class Trainer(DigitModel model, ImageDataset train, ImageDataset test, TrainingOptions options)
{
    const int Classes = 10;
    const int TestBatch = 250;

    readonly List<double> stepLosses = [];
    readonly Stopwatch training = new();

    /// <summary>Trains until the epochs are done, or finishes the step in hand when the token is cancelled.</summary>
    /// <exception cref="UserException">The loss is no longer a number.</exception>
    public TrainingResult Run(TrainingView view, CancellationToken interrupt)
    {
        var loader = new DataLoader(train, options.Batch, shuffle: true, seed: options.Seed);
        var optimizer = new Adam(model.Parameters(), options.LearningRate);
        var schedule = new CosineAnnealingLR(optimizer, (int)Math.Min((long)options.Epochs * loader.Count, int.MaxValue));
        var epochs = new List<EpochFigures>();
        TestFigures? figures = null;
        for (int epoch = 1; epoch <= options.Epochs && !interrupt.IsCancellationRequested; epoch++)
        {
            view.Epoch(epoch, options.Epochs, loader.Count, report =>
            {
                var (loss, accuracy, speed) = Pass(epoch, loader, optimizer, schedule, report, interrupt);
                if (interrupt.IsCancellationRequested)
                {
                    return null;
                }
                figures = Evaluate();
                CheckFinite(figures.Loss, epoch);
                epochs.Add(new EpochFigures(epoch, loss, accuracy, speed, figures.Loss, figures.Accuracy));
                return epochs[^1];
            });
        }
        // An interrupt may also come while the test images are read: what counts is whether the epochs are done.
        return new TrainingResult(epochs, training.Elapsed.TotalSeconds, stepLosses, epochs.Count == options.Epochs ? figures : null);
    }

    (double Loss, double Accuracy, double ImagesPerSecond) Pass(
        int epoch, DataLoader loader, Optimizer optimizer, LRScheduler schedule, Action<double> report, CancellationToken interrupt)
    {
        model.Train();
        double loss = 0;
        long right = 0, seen = 0;
        double before = training.Elapsed.TotalSeconds;
        training.Start();
        foreach (var (images, labels) in loader)
        {
            var (batchLoss, batchRight) = Step(images, labels, optimizer);
            schedule.Step();
            CheckFinite(batchLoss, epoch);
            int count = (int)images.Size(0);
            stepLosses.Add(batchLoss);
            loss += batchLoss * count;
            right += batchRight;
            seen += count;
            images.Dispose();
            labels.Dispose();
            report(batchLoss);
            if (interrupt.IsCancellationRequested)
            {
                break;
            }
        }
        training.Stop();
        return (loss / seen, (double)right / seen, seen / (training.Elapsed.TotalSeconds - before));
    }

    void CheckFinite(double loss, int epoch)
    {
        if (!double.IsFinite(loss))
        {
            throw new UserException($"the loss became {loss} in epoch {epoch}: try a smaller --lr than {options.LearningRate.ToString(CultureInfo.InvariantCulture)}");
        }
    }

    (double Loss, long Right) Step(Tensor images, Tensor labels, Optimizer optimizer)
    {
        using var scope = TensorScope.Begin();
        optimizer.ZeroGrad();
        var logits = model.Forward(images);
        var loss = F.CrossEntropy(logits, labels);
        loss.Backward();
        optimizer.Step();
        return (loss.Item(), logits.Detach().ArgMax(1).Eq(labels).Sum().Item<long>());
    }

    TestFigures Evaluate()
    {
        model.Eval();
        using var noGrad = NoGrad.Begin();
        var confusion = new long[Classes, Classes];
        var predicted = new List<int>(test.Count);
        double loss = 0;
        foreach (var (images, labels) in new DataLoader(test, TestBatch))
        {
            using var scope = TensorScope.Begin();
            var logits = model.Forward(images);
            loss += F.CrossEntropy(logits, labels, Reduction.Sum).Item();
            var truths = labels.ToArray<long>();
            var guesses = logits.ArgMax(1).ToArray<long>();
            for (int i = 0; i < truths.Length; i++)
            {
                confusion[truths[i], guesses[i]]++;
                predicted.Add((int)guesses[i]);
            }
            images.Dispose();
            labels.Dispose();
        }
        return new TestFigures(loss / test.Count, confusion, [.. predicted]);
    }
}
