namespace Hybrid.NN;

/// <summary>Mean of (x − target)². See PyTorch's <c>nn.MSELoss</c>.</summary>
/// <param name="reduction">How losses of elements become one.</param>
public sealed partial class MSELoss(Reduction reduction = Reduction.Mean) : Module<Tensor, Tensor, Tensor>
{
    /// <summary>Computes the loss.</summary>
    /// <param name="x">Predictions, any shape, floating.</param>
    /// <param name="target">What they should be, of the same shape.</param>
    /// <returns>A tensor without axes; of x's shape when nothing is reduced.</returns>
    /// <exception cref="ShapeException">The shapes differ.</exception>
    public override Tensor Forward(Tensor x, Tensor target) => F.MseLoss(x, target, reduction);
}

/// <summary>½ Σ (x − target)², the textbooks' squared error: its gradient is x − target.</summary>
public sealed partial class SumSquaresLoss : Module<Tensor, Tensor, Tensor>
{
    /// <summary>Computes the loss.</summary>
    /// <param name="x">Predictions, any shape, floating.</param>
    /// <param name="target">What they should be, of the same shape.</param>
    /// <returns>A tensor without axes.</returns>
    /// <exception cref="ShapeException">The shapes differ.</exception>
    public override Tensor Forward(Tensor x, Tensor target) => F.SumSquaresLoss(x, target);
}

/// <summary>Cross-entropy of softmax(logits) against class labels. See PyTorch's <c>nn.CrossEntropyLoss</c>.</summary>
/// <param name="reduction">How losses of samples become one; the mean is over those that are not ignored.</param>
/// <param name="ignoreIndex">Samples of this label count for nothing.</param>
/// <param name="labelSmoothing">0 to 1: this part of the target is spread evenly over the classes.</param>
public sealed partial class CrossEntropyLoss(Reduction reduction = Reduction.Mean, long ignoreIndex = -100, double labelSmoothing = 0)
    : Module<Tensor, Tensor, Tensor>
{
    /// <summary>Computes the loss.</summary>
    /// <param name="logits">Scores before softmax, [N, C], floating.</param>
    /// <param name="labels">Classes, [N], int64, each 0 to C − 1.</param>
    /// <returns>A tensor without axes; [N] when nothing is reduced.</returns>
    /// <exception cref="ShapeException">The shapes do not match.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A label is no class.</exception>
    public override Tensor Forward(Tensor logits, Tensor labels) => F.CrossEntropy(logits, labels, reduction, ignoreIndex, labelSmoothing);
}

/// <summary>Binary cross-entropy −(t log p + (1 − t) log(1 − p)). See PyTorch's <c>nn.BCELoss</c>.</summary>
/// <param name="reduction">How losses of elements become one.</param>
public sealed partial class BCELoss(Reduction reduction = Reduction.Mean) : Module<Tensor, Tensor, Tensor>
{
    /// <summary>Computes the loss.</summary>
    /// <param name="probabilities">Predictions, 0 to 1, any shape, floating.</param>
    /// <param name="target">What they should be, 0 to 1, of the same shape.</param>
    /// <returns>A tensor without axes; of the input's shape when nothing is reduced.</returns>
    /// <exception cref="ShapeException">The shapes differ.</exception>
    public override Tensor Forward(Tensor probabilities, Tensor target) => F.BinaryCrossEntropy(probabilities, target, reduction);
}

/// <summary>Binary cross-entropy of sigmoid(logits), computed without overflow. See PyTorch's <c>nn.BCEWithLogitsLoss</c>.</summary>
/// <param name="reduction">How losses of elements become one.</param>
public sealed partial class BCEWithLogitsLoss(Reduction reduction = Reduction.Mean) : Module<Tensor, Tensor, Tensor>
{
    /// <summary>Computes the loss.</summary>
    /// <param name="logits">Predictions before the sigmoid, any shape, floating.</param>
    /// <param name="target">What they should be, 0 to 1, of the same shape.</param>
    /// <returns>A tensor without axes; of the input's shape when nothing is reduced.</returns>
    /// <exception cref="ShapeException">The shapes differ.</exception>
    public override Tensor Forward(Tensor logits, Tensor target) => F.BinaryCrossEntropyWithLogits(logits, target, reduction);
}
