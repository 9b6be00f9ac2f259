namespace Hybrid.NN;

/// <summary>Makes one axis of several; by default of all but the batch's. See PyTorch's <c>nn.Flatten</c>.</summary>
/// <param name="startDim">The first axis; negative counts from the last.</param>
/// <param name="endDim">The last axis.</param>
public sealed partial class Flatten(int startDim = 1, int endDim = -1) : Module<Tensor, Tensor>
{
    /// <summary>Flattens.</summary>
    /// <param name="x">[…, A, …, B, …]</param>
    /// <returns>[…, A · … · B, …]; a view where strides allow</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such axis.</exception>
    public override Tensor Forward(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        return x.Flatten(startDim, endDim);
    }

    /// <inheritdoc/>
    protected override string Describe() => $"startDim: {startDim}, endDim: {endDim}";
}
