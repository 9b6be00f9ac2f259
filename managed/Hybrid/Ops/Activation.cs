using Hybrid.Bindings;

namespace Hybrid.NN;

/// <summary>What <see cref="F.Linear"/> and <see cref="F.Conv2d"/> apply to their result while it is still in the cache.</summary>
public enum Activation
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>max(0, x).</summary>
    Relu,

    /// <summary>1 / (1 + exp(−x)).</summary>
    Sigmoid,

    /// <summary>The hyperbolic tangent.</summary>
    Tanh,

    /// <summary>x · Φ(x) with the normal distribution's Φ, in its exact form. Its gradient needs x, so it is a step of its own while
    /// gradients are recorded.</summary>
    Gelu,

    /// <summary>x · sigmoid(x). Its gradient needs x, so it is a step of its own while gradients are recorded.</summary>
    Silu,
}

/// <summary>A layer that can apply an activation to its result.</summary>
internal interface ITakesActivation
{
    Tensor Forward(Tensor x, Activation activation);
}

/// <summary>A module that is an activation and nothing else.</summary>
internal interface IActivation
{
    Activation Kind { get; }
}

internal static class ActivationOps
{
    static HyUnaryOp Op(Activation activation) => activation switch
    {
        Activation.Relu => HyUnaryOp.Relu,
        Activation.Sigmoid => HyUnaryOp.Sigmoid,
        Activation.Tanh => HyUnaryOp.Tanh,
        Activation.Gelu => HyUnaryOp.Gelu,
        Activation.Silu => HyUnaryOp.Silu,
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "expected one of the enum's values"),
    };

    /// <summary>The activation as the core's calls take it: HY_ACTIVATION(op).</summary>
    internal static int Code(this Activation activation) => activation == Activation.None ? Constants.NoActivation : (int)Op(activation) + 1;

    /// <summary>Whether the derivative reads the activation's input, which a fused step does not keep.</summary>
    internal static bool NeedsInput(this Activation activation) =>
        activation != Activation.None && (ElementwiseOps.UnaryOps[(int)Op(activation)].Reads & Reads.Input) != 0;

    internal static Tensor Apply(this Activation activation, Tensor x) => ElementwiseOps.Unary(Op(activation), x);

    /// <summary>The gradient of the activation's input, from its output y and the gradient g of that.</summary>
    internal static Tensor Backward(this Activation activation, Tensor? y, Tensor g) =>
        activation == Activation.None ? g : ElementwiseOps.UnaryBackward(Op(activation), 0, null, y, g);
}
