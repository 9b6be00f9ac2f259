namespace Hybrid.NN;

/// <summary>Three-dimensional convolution (a cross-correlation, as everywhere in deep learning). See PyTorch's <c>nn.Conv3d</c>.</summary>
/// <remarks>Where gradients are not recorded, the layer keeps a second copy of its weight, in the order in which the device convolves with it, until the
/// weight changes: single images with many channels are then up to 1.5 times as fast, with the same bits. It takes up to four times the weight's memory
/// (Winograd's transforms of a 3 x 3 kernel), never more than 64 MB.</remarks>
public sealed partial class Conv3d : Module<Tensor, Tensor>, ITakesActivation
{
    private readonly Size3 stride;
    private readonly Size3 padding;
    private readonly Size3 dilation;
    private readonly int groups;
    private readonly Derived<PreparedKernels> prepared = new();

    /// <summary>A layer with weight and bias drawn uniformly from ±1 / √(inChannels / groups · kernel's volume).</summary>
    /// <param name="inChannels">Channels of the input, a multiple of <paramref name="groups"/>.</param>
    /// <param name="outChannels">Channels of the output, a multiple of <paramref name="groups"/>.</param>
    /// <param name="kernel">The window's depth, height and width, 1 or more.</param>
    /// <param name="stride">How far the window moves, 1 or more; 1 when null.</param>
    /// <param name="padding">Zeros on each side, 0 or more.</param>
    /// <param name="dilation">Distance between the window's elements, 1 or more; 1 when null.</param>
    /// <param name="groups">Into how many parts the channels are split; inChannels of them make a depthwise convolution.</param>
    /// <param name="bias">Whether to add a bias.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    /// <exception cref="ArgumentException">The groups do not divide the channels.</exception>
    public Conv3d(long inChannels, long outChannels, Size3 kernel, Size3? stride = null, Size3 padding = default, Size3? dilation = null,
        int groups = 1, bool bias = true)
    {
        (this.stride, this.padding, this.dilation, this.groups) = (stride ?? 1, padding, dilation ?? 1, groups);
        Require.Channels(nameof(Conv3d), inChannels, outChannels, groups);
        Require.PositiveSize(nameof(Conv3d), nameof(kernel), kernel);
        Require.PositiveSize(nameof(Conv3d), nameof(stride), this.stride);
        Require.NotNegativeSize(nameof(Conv3d), nameof(padding), padding);
        Require.PositiveSize(nameof(Conv3d), nameof(dilation), this.dilation);
        Weight = Parameter.Uninitialized(outChannels, inChannels / groups, kernel.Depth, kernel.Height, kernel.Width);
        Bias = bias ? Parameter.Uninitialized(outChannels) : null;
        Init.Layer(Weight, Bias);
    }

    /// <summary>The weight, [outChannels, inChannels / groups, depth, height, width].</summary>
    public Parameter Weight { get; }

    /// <summary>The bias, [outChannels]; null without one.</summary>
    public Parameter? Bias { get; }

    /// <summary>Applies the layer.</summary>
    /// <param name="x">[N, inChannels, D, H, W], or [inChannels, D, H, W] for one sample</param>
    /// <returns>[N, outChannels, OD, OH, OW] with OD = ⌊(D + 2 · padding − dilation · (kernel − 1) − 1) / stride⌋ + 1, OH and OW likewise</returns>
    /// <exception cref="ShapeException">The channels do not match, or the window is larger than the padded input.</exception>
    public override Tensor Forward(Tensor x) => Forward(x, Activation.None);

    Tensor ITakesActivation.Forward(Tensor x, Activation activation) => Forward(x, activation);

    private Tensor Forward(Tensor x, Activation activation) =>
        F.Conv3dKeeping(x, Weight, Bias, stride, padding, dilation, groups, activation, prepared);

    /// <inheritdoc/>
    protected override string Describe() =>
        $"{Weight.Shape[1] * groups}, {Weight.Shape[0]}, kernel: {Weight.Shape[2]}x{Weight.Shape[3]}x{Weight.Shape[4]}, stride: {stride}"
        + (padding == 0 ? "" : $", padding: {padding}") + (dilation == 1 ? "" : $", dilation: {dilation}")
        + (groups == 1 ? "" : $", groups: {groups}") + (Bias is null ? ", bias: false" : "");
}
