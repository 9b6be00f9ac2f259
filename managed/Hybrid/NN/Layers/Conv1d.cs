namespace Hybrid.NN;

/// <summary>One-dimensional convolution (a cross-correlation, as everywhere in deep learning). See PyTorch's <c>nn.Conv1d</c>.</summary>
/// <remarks>Where gradients are not recorded, the layer keeps a second copy of its weight, in the order in which the device convolves with it, until the
/// weight changes: single images with many channels are then up to 1.5 times as fast, with the same bits. It takes up to four times the weight's memory
/// (Winograd's transforms of a 3 x 3 kernel), never more than 64 MB.</remarks>
public sealed partial class Conv1d : Module<Tensor, Tensor>, ITakesActivation
{
    private readonly int stride;
    private readonly int padding;
    private readonly int dilation;
    private readonly int groups;
    private readonly Derived<PreparedKernels> prepared = new();

    /// <summary>A layer with weight and bias drawn uniformly from ±1 / √(inChannels / groups · kernel).</summary>
    /// <param name="inChannels">Channels of the input, a multiple of <paramref name="groups"/>.</param>
    /// <param name="outChannels">Channels of the output, a multiple of <paramref name="groups"/>.</param>
    /// <param name="kernel">The window's length, 1 or more.</param>
    /// <param name="stride">How far the window moves, 1 or more.</param>
    /// <param name="padding">Zeros on each side, 0 or more.</param>
    /// <param name="dilation">Distance between the window's elements, 1 or more.</param>
    /// <param name="groups">Into how many parts the channels are split; inChannels of them make a depthwise convolution.</param>
    /// <param name="bias">Whether to add a bias.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    /// <exception cref="ArgumentException">The groups do not divide the channels.</exception>
    public Conv1d(long inChannels, long outChannels, int kernel, int stride = 1, int padding = 0, int dilation = 1,
        int groups = 1, bool bias = true)
    {
        (this.stride, this.padding, this.dilation, this.groups) = (stride, padding, dilation, groups);
        Require.Channels(nameof(Conv1d), inChannels, outChannels, groups);
        Require.Positive(nameof(Conv1d), nameof(kernel), kernel);
        Require.Positive(nameof(Conv1d), nameof(stride), stride);
        Require.NotNegative(nameof(Conv1d), nameof(padding), padding);
        Require.Positive(nameof(Conv1d), nameof(dilation), dilation);
        Weight = Parameter.Uninitialized(outChannels, inChannels / groups, kernel);
        Bias = bias ? Parameter.Uninitialized(outChannels) : null;
        Init.Layer(Weight, Bias);
    }

    /// <summary>The weight, [outChannels, inChannels / groups, length].</summary>
    public Parameter Weight { get; }

    /// <summary>The bias, [outChannels]; null without one.</summary>
    public Parameter? Bias { get; }

    /// <summary>Applies the layer.</summary>
    /// <param name="x">[N, inChannels, L], or [inChannels, L] for one sample</param>
    /// <returns>[N, outChannels, OL] with OL = ⌊(L + 2 · padding − dilation · (kernel − 1) − 1) / stride⌋ + 1</returns>
    /// <exception cref="ShapeException">The channels do not match, or the window is larger than the padded input.</exception>
    public override Tensor Forward(Tensor x) => Forward(x, Activation.None);

    Tensor ITakesActivation.Forward(Tensor x, Activation activation) => Forward(x, activation);

    private Tensor Forward(Tensor x, Activation activation) =>
        F.Conv1dKeeping(x, Weight, Bias, stride, padding, dilation, groups, activation, prepared);

    /// <inheritdoc/>
    protected override string Describe() =>
        $"{Weight.Shape[1] * groups}, {Weight.Shape[0]}, kernel: {Weight.Shape[2]}, stride: {stride}"
        + (padding == 0 ? "" : $", padding: {padding}") + (dilation == 1 ? "" : $", dilation: {dilation}")
        + (groups == 1 ? "" : $", groups: {groups}") + (Bias is null ? ", bias: false" : "");
}
