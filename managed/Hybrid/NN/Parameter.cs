namespace Hybrid.NN;

/// <summary>
/// A tensor that a module learns: a leaf that requires a gradient, belongs to no <see cref="TensorScope"/>, and is found by the module's
/// <see cref="Module.Parameters"/> and by optimisers. See PyTorch's <c>nn.Parameter</c>.
/// </summary>
public sealed class Parameter : Tensor
{
    /// <summary>A parameter over the elements of a tensor, which both then share.</summary>
    /// <param name="data">The first values; floating when a gradient is required.</param>
    /// <param name="requiresGrad">False freezes the parameter.</param>
    /// <exception cref="DTypeException">A gradient is required and the tensor is not floating.</exception>
    public Parameter(Tensor data, bool requiresGrad = true) : base(data, requiresGrad)
    {
    }

    /// <summary>A parameter of the default dtype and device whose values are still to be set.</summary>
    internal static Parameter Uninitialized(params ReadOnlySpan<long> shape)
    {
        using var suspended = TensorScope.Suspend();
        using var data = Empty(shape);
        return new Parameter(data);
    }
}
