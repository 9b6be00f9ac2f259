namespace Hybrid.NN;

/// <summary>Functions of neural networks: stateless, differentiable, named as in PyTorch's <c>torch.nn.functional</c>.</summary>
public static partial class F
{
    /// <summary>max(0, x), elementwise. See PyTorch's <c>relu</c>.</summary>
    /// <param name="x">any shape, floating</param>
    /// <returns>x's shape</returns>
    public static Tensor Relu(Tensor x) => x.Relu();

    /// <summary>x above 0, negativeSlope · x below. See PyTorch's <c>leaky_relu</c>.</summary>
    /// <param name="x">any shape, floating</param>
    /// <param name="negativeSlope">the slope below 0</param>
    /// <returns>x's shape</returns>
    public static Tensor LeakyRelu(Tensor x, double negativeSlope = 0.01) => x.LeakyRelu(negativeSlope);

    /// <summary>x above 0, alpha · (exp(x) - 1) below. See PyTorch's <c>elu</c>.</summary>
    /// <param name="x">any shape, floating</param>
    /// <param name="alpha">the limit below 0, negated</param>
    /// <returns>x's shape</returns>
    public static Tensor Elu(Tensor x, double alpha = 1) => x.Elu(alpha);

    /// <summary>x · Φ(x) with the normal distribution's Φ; the exact form. See PyTorch's <c>gelu</c>.</summary>
    /// <param name="x">any shape, floating</param>
    /// <returns>x's shape</returns>
    public static Tensor Gelu(Tensor x) => x.Gelu();

    /// <summary>x · sigmoid(x), elementwise. See PyTorch's <c>silu</c>.</summary>
    /// <param name="x">any shape, floating</param>
    /// <returns>x's shape</returns>
    public static Tensor Silu(Tensor x) => x.Silu();

    /// <summary>log(1 + exp(x)), elementwise, without overflow. See PyTorch's <c>softplus</c>.</summary>
    /// <param name="x">any shape, floating</param>
    /// <returns>x's shape</returns>
    public static Tensor Softplus(Tensor x) => x.Softplus();

    /// <summary>1 / (1 + exp(-x)), elementwise. See PyTorch's <c>sigmoid</c>.</summary>
    /// <param name="x">any shape, floating</param>
    /// <returns>x's shape</returns>
    public static Tensor Sigmoid(Tensor x) => x.Sigmoid();

    /// <summary>The hyperbolic tangent, elementwise. See PyTorch's <c>tanh</c>.</summary>
    /// <param name="x">any shape, floating</param>
    /// <returns>x's shape</returns>
    public static Tensor Tanh(Tensor x) => x.Tanh();

    /// <summary>exp(x) / sum(exp(x)) along an axis, without overflow. See PyTorch's <c>softmax</c>.</summary>
    /// <param name="x">any shape, floating</param>
    /// <param name="dim">the axis whose elements sum to 1; negative counts from the end</param>
    /// <returns>x's shape</returns>
    public static Tensor Softmax(Tensor x, int dim) => x.Softmax(dim);

    /// <summary>The logarithm of softmax along an axis, without overflow. See PyTorch's <c>log_softmax</c>.</summary>
    /// <param name="x">any shape, floating</param>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <returns>x's shape</returns>
    public static Tensor LogSoftmax(Tensor x, int dim) => x.LogSoftmax(dim);

    /// <summary>1 at each element's class, 0 elsewhere. See PyTorch's <c>one_hot</c>.</summary>
    /// <param name="x">int64, any shape, each 0 or more</param>
    /// <param name="numClasses">how many classes; one more than the largest by default</param>
    /// <returns>x's shape with one more axis, the classes, at the end; int64</returns>
    public static Tensor OneHot(Tensor x, long numClasses = -1) => x.OneHot(numClasses);
}
