namespace Hybrid.Data;

/// <summary>A finite collection of samples, each an input and its target. See PyTorch's <c>torch.utils.data.Dataset</c>.</summary>
/// <remarks>Override the indexer for a data set of your own; override <see cref="Batch"/> too where many samples can be had faster at once.</remarks>
public abstract class Dataset
{
    /// <summary>The number of samples.</summary>
    public abstract int Count { get; }

    /// <summary>One sample: its input and its target, without a batch axis.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public abstract (Tensor Input, Tensor Target) this[int index] { get; }

    /// <summary>Several samples, stacked along a new first axis.</summary>
    /// <param name="indices">Which samples, in this order; at least one.</param>
    /// <returns>Inputs [n, …] and targets [n, …].</returns>
    public virtual (Tensor Inputs, Tensor Targets) Batch(ReadOnlySpan<int> indices)
    {
        var inputs = new Tensor[indices.Length];
        var targets = new Tensor[indices.Length];
        for (int i = 0; i < indices.Length; i++)
        {
            (inputs[i], targets[i]) = this[indices[i]];
        }
        var batch = (Tensor.Stack(inputs), Tensor.Stack(targets));
        for (int i = 0; i < inputs.Length; i++)
        {
            inputs[i].Dispose();
            targets[i].Dispose();
        }
        return batch;
    }
}
