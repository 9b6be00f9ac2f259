namespace Hybrid.NN;

/// <summary>Two-dimensional convolution (a cross-correlation, as everywhere in deep learning). See PyTorch's <c>nn.Conv2d</c>.</summary>
/// <remarks>Where gradients are not recorded, the layer keeps a second copy of its weight, in the order in which the device convolves with it, until the
/// weight changes: single images with many channels are then up to 1.5 times as fast, with the same bits. It takes up to four times the weight's memory
/// (Winograd's transforms of a 3 x 3 kernel), never more than 64 MB.</remarks>
public sealed partial class Conv2d : Module<Tensor, Tensor>, ITakesActivation
{
    private readonly QuantizedWeight quantized = new();
    private readonly Size2 stride;
    private readonly Size2 padding;
    private readonly Size2 dilation;
    private readonly int groups;
    private readonly Derived<PreparedKernels> prepared = new();

    /// <summary>A layer with weight and bias drawn uniformly from ±1 / √(inChannels / groups · kernel's area).</summary>
    /// <param name="inChannels">Channels of the input, a multiple of <paramref name="groups"/>.</param>
    /// <param name="outChannels">Channels of the output, a multiple of <paramref name="groups"/>.</param>
    /// <param name="kernel">The window's height and width, 1 or more.</param>
    /// <param name="stride">How far the window moves, 1 or more; 1 when null.</param>
    /// <param name="padding">Zeros on each side, 0 or more.</param>
    /// <param name="dilation">Distance between the window's elements, 1 or more; 1 when null.</param>
    /// <param name="groups">Into how many parts the channels are split; inChannels of them make a depthwise convolution.</param>
    /// <param name="bias">Whether to add a bias.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    /// <exception cref="ArgumentException">The groups do not divide the channels.</exception>
    public Conv2d(long inChannels, long outChannels, Size2 kernel, Size2? stride = null, Size2 padding = default, Size2? dilation = null,
        int groups = 1, bool bias = true)
    {
        (this.stride, this.padding, this.dilation, this.groups) = (stride ?? 1, padding, dilation ?? 1, groups);
        Require.Channels(nameof(Conv2d), inChannels, outChannels, groups);
        Require.PositiveSize(nameof(Conv2d), nameof(kernel), kernel);
        Require.PositiveSize(nameof(Conv2d), nameof(stride), this.stride);
        Require.NotNegativeSize(nameof(Conv2d), nameof(padding), padding);
        Require.PositiveSize(nameof(Conv2d), nameof(dilation), this.dilation);
        Weight = Parameter.Uninitialized(outChannels, inChannels / groups, kernel.Height, kernel.Width);
        Bias = bias ? Parameter.Uninitialized(outChannels) : null;
        Init.Layer(Weight, Bias);
    }

    /// <summary>The weight, [outChannels, inChannels / groups, height, width].</summary>
    public Parameter Weight { get; }

    /// <summary>What an int8 weight is multiplied with, [outChannels]; null until <see cref="Quantization.Quantize{T}"/>.</summary>
    [Buffer]
    public Tensor? WeightScale { get; private set; }

    /// <summary>The bias, [outChannels]; null without one.</summary>
    public Parameter? Bias { get; }

    /// <summary>Applies the layer.</summary>
    /// <param name="x">[N, inChannels, H, W], or [inChannels, H, W] for one sample</param>
    /// <returns>[N, outChannels, OH, OW] with OH = ⌊(H + 2 · padding − dilation · (kernel − 1) − 1) / stride⌋ + 1</returns>
    /// <exception cref="ShapeException">The channels do not match, or the window is larger than the padded input.</exception>
    public override Tensor Forward(Tensor x) => Forward(x, Activation.None);

    Tensor ITakesActivation.Forward(Tensor x, Activation activation) => Forward(x, activation);

    internal void QuantizeWeight() => WeightScale ??= groups == 1 ? QuantizedWeight.Quantize(Weight) : null;

    private Tensor Forward(Tensor x, Activation activation) => WeightScale is { } scale
        ? quantized.Conv2d(x, Weight, scale, Bias, new Window(Kernel, stride, padding, dilation), activation)
        : F.Conv2dKeeping(x, Weight, Bias, stride, padding, dilation, groups, activation, prepared);

    private Size2 Kernel => new((int)Weight.Shape[2], (int)Weight.Shape[3]);

    /// <summary>This layer and the batch normalisation behind it, as one convolution.</summary>
    internal Tensor Forward(Tensor x, BatchNorm2d norm, Activation activation)
    {
        var (weight, bias) = norm.Fold(this);
        return F.Conv2dKeeping(x, weight, bias, stride, padding, dilation, groups, activation, prepared);
    }

    /// <inheritdoc/>
    protected override string Describe()
    {
        return $"{Weight.Shape[1] * groups}, {Weight.Shape[0]}, kernel: {Kernel}, stride: {stride}"
            + (padding == 0 ? "" : $", padding: {padding}") + (dilation == 1 ? "" : $", dilation: {dilation}")
            + (groups == 1 ? "" : $", groups: {groups}") + (Bias is null ? ", bias: false" : "");
    }
}
