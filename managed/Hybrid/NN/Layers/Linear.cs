namespace Hybrid.NN;

/// <summary>y = x Wᵀ + b. See PyTorch's <c>nn.Linear</c>.</summary>
/// <remarks>Where gradients are not recorded, the layer keeps a second copy of its weight, in the order in which the device multiplies with it, until the
/// weight changes: batches of 2 to 255 rows are then up to twice as fast, with the same bits. Weights beyond 64 MB are left as they are.</remarks>
public sealed partial class Linear : Module<Tensor, Tensor>, ITakesActivation
{
    private readonly QuantizedWeight quantized = new();
    private readonly Derived<Tensor> prepared = new();

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

    /// <summary>What an int8 weight is multiplied with, [outFeatures]; null until <see cref="Quantization.Quantize{T}"/>.</summary>
    [Buffer]
    public Tensor? WeightScale { get; private set; }

    /// <summary>The bias, [outFeatures]; null without one.</summary>
    public Parameter? Bias { get; }

    /// <summary>Applies the layer.</summary>
    /// <param name="x">[…, inFeatures]</param>
    /// <returns>[…, outFeatures]</returns>
    /// <exception cref="ShapeException">The last axis is not inFeatures long.</exception>
    public override Tensor Forward(Tensor x) => Forward(x, Activation.None);

    Tensor ITakesActivation.Forward(Tensor x, Activation activation) => Forward(x, activation);

    internal void QuantizeWeight() => WeightScale ??= QuantizedWeight.Quantize(Weight);

    private Tensor Forward(Tensor x, Activation activation) =>
        WeightScale is { } scale ? quantized.Linear(x, Weight, scale, Bias, activation) : F.KeepingLinear(x, Weight, Bias, activation, prepared);

    /// <inheritdoc/>
    protected override string Describe() => $"{Weight.Shape[1]}, {Weight.Shape[0]}{(Bias is null ? ", bias: false" : "")}";
}
