using Hybrid.NN;

namespace Hybrid.Examples;

/// <summary>A loss says how wrong a guess is in one number; its gradient says in which direction less wrong lies.</summary>
public static class LossesChapter
{
    /// <summary>Runs the chapter and returns the losses, and the cross-entropy's gradient beside y - t.</summary>
    public static (double SumSquares, double Mse, double CrossEntropy, float[] Gradient, float[] Difference) Run(TextWriter console)
    {
        // A guess over three classes, and the truth as a one-hot vector: it is the second class.
        var guess = Tensor.From([0.1f, 0.7f, 0.2f]);
        var truth = Tensor.From([0f, 1f, 0f]);

        // ½ Σ (y - t)², whose gradient is simply y - t.
        double sumSquares = F.SumSquaresLoss(guess, truth).Item();
        console.WriteLine($"½ sum of squares: {sumSquares:F4}");

        // The mean of the squares: PyTorch's MSE.
        double mse = F.MseLoss(guess, truth).Item();
        console.WriteLine($"mean squared error: {mse:F4}");

        // Cross-entropy takes the scores before softmax (logits) and the number of the right class: -log softmax(scores)[class].
        var scores = Tensor.From([1f, 2f, 0.5f], [1, 3], requiresGrad: true);
        var loss = F.CrossEntropy(scores, Tensor.From([1L]));
        loss.Backward();
        console.WriteLine($"cross-entropy: {loss.Item():F4} = -log {scores.Detach().Softmax(1)[0, 1].Item():F4}");

        // Softmax with cross-entropy has the same simple gradient: what was guessed less what is true.
        var difference = scores.Detach().Softmax(1) - truth;
        console.WriteLine($"its gradient: {scores.Grad}");
        console.WriteLine($"y - t:        {difference}");
        return (sumSquares, mse, loss.Item(), scores.Grad!.ToArray<float>(), difference.ToArray<float>());
    }
}
