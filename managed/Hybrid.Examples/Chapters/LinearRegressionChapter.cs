using Hybrid.NN;
using Hybrid.Optim;

namespace Hybrid.Examples;

/// <summary>A module with one linear layer: y = weight · x + bias.</summary>
public sealed partial class Line : Module<Tensor, Tensor>
{
    readonly Linear linear = new(1, 1);

    /// <summary>The slope that it has learnt.</summary>
    public double Slope => linear.Weight.Item();

    /// <summary>The height at x = 0 that it has learnt.</summary>
    public double Intercept => linear.Bias!.Item();

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x) => linear.Forward(x);
}

/// <summary>The training loop that every network shares: guess, measure, differentiate, step.</summary>
public static class LinearRegressionChapter
{
    /// <summary>Runs the chapter and returns the line that it found through noisy points of y = 2x + 1.</summary>
    public static (double Slope, double Intercept) Run(TextWriter console)
    {
        Generator.ManualSeed(1);
        var x = Tensor.Linspace(-1, 1, 64).Reshape(-1, 1);
        var y = 2 * x + 1 + 0.1 * Tensor.Randn(64, 1);

        var model = new Line();
        var optimizer = new SGD(model.Parameters(), learningRate: 0.1);
        for (int epoch = 1; epoch <= 200; epoch++)
        {
            optimizer.ZeroGrad();
            var loss = F.MseLoss(model.Forward(x), y);
            loss.Backward();
            optimizer.Step();
            if (epoch is 1 or 10 or 50 or 200)
            {
                console.WriteLine($"epoch {epoch,3}  loss {loss.Item():F4}  y = {model.Slope:F3} x + {model.Intercept:F3}");
            }
        }
        console.WriteLine("the points were drawn around y = 2 x + 1");
        return (model.Slope, model.Intercept);
    }
}
