using Hybrid.NN;
using Hybrid.Optim;

namespace Hybrid.Examples;

/// <summary>The same points, two questions. Which side is it on? A class: logits and cross-entropy. How far is it? A number: one output and
/// squared error.</summary>
public static class ClassificationOrRegressionChapter
{
    const int Count = 256, Epochs = 300;

    /// <summary>Runs the chapter and returns the classifier's accuracy and the regressor's mean error.</summary>
    public static (double Accuracy, double MeanError) Run(TextWriter console)
    {
        Generator.ManualSeed(1);
        var points = Tensor.Rand(Count, 2) * 2 - 1;
        var distance = points.Square().Sum(1, keepDim: true).Sqrt();

        // Classification: is the point inside the circle of radius 0.7? Two logits, integer labels, cross-entropy.
        var labels = (distance < 0.7).To(DType.Int64).Flatten();
        var classifier = Network(outputs: 2);
        Train(classifier, () => F.CrossEntropy(classifier.Forward(points), labels));
        double accuracy;
        using (NoGrad.Begin())
        {
            accuracy = classifier.Forward(points).ArgMax(1).Eq(labels).To(DType.Float32).Mean().Item();
        }
        console.WriteLine($"classification, inside or outside: {100 * accuracy:F1} % right");

        // Regression: how far is the point from the middle? One output, float targets, squared error.
        var regressor = Network(outputs: 1);
        Train(regressor, () => F.MseLoss(regressor.Forward(points), distance));
        double error;
        using (NoGrad.Begin())
        {
            error = (regressor.Forward(points) - distance).Abs().Mean().Item();
        }
        console.WriteLine($"regression, distance from the middle: off by {error:F3} on average, of {distance.Mean().Item():F3}");
        return (accuracy, error);
    }

    static Sequential Network(int outputs) => new(new Linear(2, 32), new Tanh(), new Linear(32, outputs));

    static void Train(Sequential network, Func<Tensor> loss)
    {
        var optimizer = new Adam(network.Parameters(), learningRate: 0.02);
        for (int epoch = 0; epoch < Epochs; epoch++)
        {
            using var scope = TensorScope.Begin();
            optimizer.ZeroGrad();
            loss().Backward();
            optimizer.Step();
        }
    }
}
