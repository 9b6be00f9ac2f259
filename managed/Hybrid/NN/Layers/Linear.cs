namespace Hybrid.NN;

/// <summary>y = x Wᵀ + b. See PyTorch's <c>nn.Linear</c>.</summary>
public sealed partial class Linear : Module<Tensor, Tensor>, ITakesActivation
{
    /// <summary>A layer with weight and bias drawn uniformly from ±1 / √inFeatures.</summary>
    /// <param name="inFeatures">Extent of the input's last axis, 1 or more.</param>
    /// <param name="outFeatures">Extent of the output's last axis, 1 or more.</param>
    /// <param name="bias">Whether to add a bias.</param>
    /// <exception cref="ArgumentOutOfRangeException">An extent is below 1.</exception>
    public Linear(long inFeatures, long outFeatures, bool bias = true)
    {
        Require.Positive(nameof(Linear), nameof(inFeatures), inFeatures);
        Require.Positive(nameof(Linear), nameof(outFeatures), outFeatures);
        Weight = Parameter.Uninitialized(outFeatures, inFeatures);
        Bias = bias ? Parameter.Uninitialized(outFeatures) : null;
        Init.Layer(Weight, Bias);
    }

    /// <summary>The weight, [outFeatures, inFeatures].</summary>
    public Parameter Weight { get; }

    /// <summary>The bias, [outFeatures]; null without one.</summary>
    public Parameter? Bias { get; }

    /// <summary>Applies the layer.</summary>
    /// <param name="x">[…, inFeatures]</param>
    /// <returns>[…, outFeatures]</returns>
    /// <exception cref="ShapeException">The last axis is not inFeatures long.</exception>
    public override Tensor Forward(Tensor x) => F.Linear(x, Weight, Bias);

    Tensor ITakesActivation.Forward(Tensor x, Activation activation) => F.Linear(x, Weight, Bias, activation);

    /// <inheritdoc/>
    protected override string Describe() => $"{Weight.Shape[1]}, {Weight.Shape[0]}{(Bias is null ? ", bias: false" : "")}";
}
