namespace Hybrid.NN;

/// <summary>max(0, x), elementwise. See PyTorch's <c>nn.ReLU</c>.</summary>
public sealed partial class ReLU : Module<Tensor, Tensor>, IActivation
{
    Activation IActivation.Kind => Activation.Relu;

    /// <summary>Applies it; the output has the input's shape.</summary>
    /// <param name="x">Any shape, floating.</param>
    public override Tensor Forward(Tensor x) => F.Relu(x);
}

/// <summary>1 / (1 + exp(−x)), elementwise. See PyTorch's <c>nn.Sigmoid</c>.</summary>
public sealed partial class Sigmoid : Module<Tensor, Tensor>, IActivation
{
    Activation IActivation.Kind => Activation.Sigmoid;

    /// <summary>Applies it; the output has the input's shape.</summary>
    /// <param name="x">Any shape, floating.</param>
    public override Tensor Forward(Tensor x) => F.Sigmoid(x);
}

/// <summary>The hyperbolic tangent, elementwise. See PyTorch's <c>nn.Tanh</c>.</summary>
public sealed partial class Tanh : Module<Tensor, Tensor>, IActivation
{
    Activation IActivation.Kind => Activation.Tanh;

    /// <summary>Applies it; the output has the input's shape.</summary>
    /// <param name="x">Any shape, floating.</param>
    public override Tensor Forward(Tensor x) => F.Tanh(x);
}

/// <summary>x · Φ(x) with the normal distribution's Φ, in its exact form. See PyTorch's <c>nn.GELU</c>.</summary>
public sealed partial class GELU : Module<Tensor, Tensor>, IActivation
{
    Activation IActivation.Kind => Activation.Gelu;

    /// <summary>Applies it; the output has the input's shape.</summary>
    /// <param name="x">Any shape, floating.</param>
    public override Tensor Forward(Tensor x) => F.Gelu(x);
}

/// <summary>exp(x) / Σ exp(x) along an axis. See PyTorch's <c>nn.Softmax</c>.</summary>
/// <param name="dim">The axis whose elements add up to 1; negative counts from the last.</param>
public sealed partial class Softmax(int dim = -1) : Module<Tensor, Tensor>
{
    /// <summary>Applies it; the output has the input's shape.</summary>
    /// <param name="x">Any shape with that axis, floating.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such axis.</exception>
    public override Tensor Forward(Tensor x) => F.Softmax(x, dim);

    /// <inheritdoc/>
    protected override string Describe() => $"dim: {dim}";
}
