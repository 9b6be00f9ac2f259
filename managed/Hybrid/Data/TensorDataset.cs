namespace Hybrid.Data;

/// <summary>Samples held in two tensors, one row a sample. See PyTorch's <c>torch.utils.data.TensorDataset</c>.</summary>
public class TensorDataset : Dataset
{
    /// <summary>Makes a data set of two tensors.</summary>
    /// <param name="inputs">[N, …].</param>
    /// <param name="targets">[N, …].</param>
    /// <exception cref="ShapeException">There is no first axis, or its extents differ.</exception>
    public TensorDataset(Tensor inputs, Tensor targets)
    {
        if (inputs.NumDims == 0 || targets.NumDims == 0 || inputs.Size(0) != targets.Size(0))
        {
            throw new ShapeException($"TensorDataset: expected as many inputs as targets along the first axis, got {inputs.Shape} and {targets.Shape}");
        }
        Inputs = inputs;
        Targets = targets;
    }

    /// <summary>All inputs, [N, …].</summary>
    public Tensor Inputs { get; }

    /// <summary>All targets, [N, …].</summary>
    public Tensor Targets { get; }

    /// <inheritdoc/>
    public override int Count => checked((int)Inputs.Size(0));

    /// <inheritdoc/>
    public override (Tensor Input, Tensor Target) this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            var (input, target) = Batch([index]);
            return (input.Select(0, 0), target.Select(0, 0));
        }
    }

    /// <inheritdoc/>
    public override (Tensor Inputs, Tensor Targets) Batch(ReadOnlySpan<int> indices)
    {
        using var index = Tensor.From(indices).To(DType.Int64);
        return (Inputs.IndexSelect(0, index), Targets.IndexSelect(0, index));
    }
}
