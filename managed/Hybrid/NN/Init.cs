namespace Hybrid.NN;

/// <summary>Which of a weight's two sides keeps its variance in the initialisation by Kaiming He.</summary>
public enum FanMode
{
    /// <summary>The inputs of each output: variance is kept in the forward pass.</summary>
    FanIn,

    /// <summary>The outputs of each input: variance is kept in the backward pass.</summary>
    FanOut,
}

/// <summary>What follows a layer, for <see cref="Init.Gain"/>.</summary>
public enum Nonlinearity
{
    /// <summary>Nothing.</summary>
    Linear,

    /// <summary>The logistic function.</summary>
    Sigmoid,

    /// <summary>The hyperbolic tangent.</summary>
    Tanh,

    /// <summary>max(0, x).</summary>
    Relu,

    /// <summary>x above 0, a · x below.</summary>
    LeakyRelu,

    /// <summary>The scaled exponential linear unit.</summary>
    Selu,
}

/// <summary>
/// Fills tensors with initial values, in place and unseen by autograd. See PyTorch's <c>torch.nn.init</c>. Each returns the tensor it was
/// given. Random numbers come from <see cref="Generator.Default"/> unless a generator is given, and depend on its seed alone.
/// </summary>
public static class Init
{
    /// <summary>Uniform numbers in [low, high).</summary>
    /// <typeparam name="T">The tensor's type.</typeparam>
    /// <param name="tensor">Floating.</param>
    /// <param name="low">The lower bound.</param>
    /// <param name="high">The upper bound.</param>
    /// <param name="generator">The source of random numbers.</param>
    /// <returns>The tensor.</returns>
    public static T Uniform_<T>(T tensor, double low = 0, double high = 1, Generator? generator = null) where T : Tensor
    {
        using var noGrad = NoGrad.Begin();
        tensor.Uniform_(low, high, generator);
        return tensor;
    }

    /// <summary>Normally distributed numbers.</summary>
    /// <typeparam name="T">The tensor's type.</typeparam>
    /// <param name="tensor">Floating.</param>
    /// <param name="mean">Their mean.</param>
    /// <param name="std">Their standard deviation, 0 or more.</param>
    /// <param name="generator">The source of random numbers.</param>
    /// <returns>The tensor.</returns>
    public static T Normal_<T>(T tensor, double mean = 0, double std = 1, Generator? generator = null) where T : Tensor
    {
        using var noGrad = NoGrad.Begin();
        tensor.Normal_(mean, std, generator);
        return tensor;
    }

    /// <summary>One value everywhere.</summary>
    /// <typeparam name="T">The tensor's type.</typeparam>
    /// <param name="tensor">Any dtype.</param>
    /// <param name="value">The value.</param>
    /// <returns>The tensor.</returns>
    public static T Constant_<T>(T tensor, double value) where T : Tensor
    {
        using var noGrad = NoGrad.Begin();
        tensor.Fill_(value);
        return tensor;
    }

    /// <summary>
    /// Uniform numbers in ±gain · √(3 / fan): He et al., "Delving deep into rectifiers", 2015.
    /// </summary>
    /// <typeparam name="T">The tensor's type.</typeparam>
    /// <param name="tensor">A weight: [outputs, inputs, kernel…], floating.</param>
    /// <param name="a">Slope of the leaky ReLU that follows; with √5 the bound is 1 / √fan, PyTorch's default for layers.</param>
    /// <param name="mode">Which fan.</param>
    /// <param name="nonlinearity">What follows the layer.</param>
    /// <param name="generator">The source of random numbers.</param>
    /// <returns>The tensor.</returns>
    /// <exception cref="ShapeException">The tensor has fewer than two axes.</exception>
    public static T KaimingUniform_<T>(T tensor, double a = 0, FanMode mode = FanMode.FanIn, Nonlinearity nonlinearity = Nonlinearity.LeakyRelu,
        Generator? generator = null) where T : Tensor
    {
        var bound = Math.Sqrt(3) * KaimingStd(nameof(KaimingUniform_), tensor, a, mode, nonlinearity);
        return Uniform_(tensor, -bound, bound, generator);
    }

    /// <summary>Normally distributed numbers of mean 0 and standard deviation gain / √fan: He et al., "Delving deep into rectifiers",
    /// 2015.</summary>
    /// <inheritdoc cref="KaimingUniform_"/>
    public static T KaimingNormal_<T>(T tensor, double a = 0, FanMode mode = FanMode.FanIn, Nonlinearity nonlinearity = Nonlinearity.LeakyRelu,
        Generator? generator = null) where T : Tensor =>
        Normal_(tensor, 0, KaimingStd(nameof(KaimingNormal_), tensor, a, mode, nonlinearity), generator);

    /// <summary>Uniform numbers in ±gain · √(6 / (fanIn + fanOut)): Glorot and Bengio, "Understanding the difficulty of training deep
    /// feedforward neural networks", 2010.</summary>
    /// <typeparam name="T">The tensor's type.</typeparam>
    /// <param name="tensor">A weight: [outputs, inputs, kernel…], floating.</param>
    /// <param name="gain">A factor; see <see cref="Gain"/>.</param>
    /// <param name="generator">The source of random numbers.</param>
    /// <returns>The tensor.</returns>
    /// <exception cref="ShapeException">The tensor has fewer than two axes.</exception>
    public static T XavierUniform_<T>(T tensor, double gain = 1, Generator? generator = null) where T : Tensor
    {
        var bound = Math.Sqrt(3) * XavierStd(nameof(XavierUniform_), tensor, gain);
        return Uniform_(tensor, -bound, bound, generator);
    }

    /// <summary>Normally distributed numbers of mean 0 and standard deviation gain · √(2 / (fanIn + fanOut)): Glorot and Bengio,
    /// 2010.</summary>
    /// <inheritdoc cref="XavierUniform_"/>
    public static T XavierNormal_<T>(T tensor, double gain = 1, Generator? generator = null) where T : Tensor =>
        Normal_(tensor, 0, XavierStd(nameof(XavierNormal_), tensor, gain), generator);

    /// <summary>The factor by which a nonlinearity shrinks a standard deviation, inverted. PyTorch's <c>calculate_gain</c>.</summary>
    /// <param name="nonlinearity">The nonlinearity.</param>
    /// <param name="a">The slope of the leaky ReLU.</param>
    public static double Gain(Nonlinearity nonlinearity, double a = 0.01) => nonlinearity switch
    {
        Nonlinearity.Linear or Nonlinearity.Sigmoid => 1,
        Nonlinearity.Tanh => 5.0 / 3,
        Nonlinearity.Relu => Math.Sqrt(2),
        Nonlinearity.LeakyRelu => Math.Sqrt(2 / (1 + a * a)),
        Nonlinearity.Selu => 0.75,
        _ => throw new ArgumentOutOfRangeException(null, $"Gain: nonlinearity is {nonlinearity}, expected one of the enum's"),
    };

    /// <summary>PyTorch's default for the weight and bias of a layer, both uniform in ±1 / √fanIn.</summary>
    internal static void Layer(Parameter weight, Parameter? bias)
    {
        KaimingUniform_(weight, Math.Sqrt(5));
        if (bias is not null)
        {
            var bound = 1 / Math.Sqrt(Fans(nameof(Layer), weight).In);
            Uniform_(bias, -bound, bound);
        }
    }

    private static double KaimingStd(string operation, Tensor tensor, double a, FanMode mode, Nonlinearity nonlinearity)
    {
        var (fanIn, fanOut) = Fans(operation, tensor);
        return Gain(nonlinearity, a) / Math.Sqrt(mode == FanMode.FanIn ? fanIn : fanOut);
    }

    private static double XavierStd(string operation, Tensor tensor, double gain)
    {
        var (fanIn, fanOut) = Fans(operation, tensor);
        return gain * Math.Sqrt(2.0 / (fanIn + fanOut));
    }

    // An empty weight has nothing to fill; 1 keeps its bounds finite.
    private static (long In, long Out) Fans(string operation, Tensor tensor)
    {
        if (tensor.NumDims < 2)
        {
            throw new ShapeException($"{operation}: the tensor is {tensor.Shape}, expected a weight [outputs, inputs, …]");
        }
        var shape = tensor.Shape;
        long kernel = 1;
        for (var i = 2; i < shape.Count; i++)
        {
            kernel *= shape[i];
        }
        return (Math.Max(1, shape[1] * kernel), Math.Max(1, shape[0] * kernel));
    }
}
