namespace Hybrid.NN;

/// <summary>Two-dimensional max pooling. See PyTorch's <c>nn.MaxPool2d</c> and <see cref="F.MaxPool2d"/>.</summary>
/// <param name="kernel">The window's height and width, 1 or more.</param>
/// <param name="stride">How far the window moves; the kernel when null.</param>
/// <param name="padding">What is added on each side, up to half the kernel; it never wins.</param>
/// <param name="dilation">Distance between the window's elements; 1 when null.</param>
public sealed partial class MaxPool2d(Size2 kernel, Size2? stride = null, Size2 padding = default, Size2? dilation = null)
    : Module<Tensor, Tensor>
{
    /// <summary>Pools.</summary>
    /// <param name="x">[N, C, H, W], or [C, H, W] for one sample</param>
    /// <returns>[N, C, OH, OW] with OH = ⌊(H + 2 · padding − dilation · (kernel − 1) − 1) / stride⌋ + 1</returns>
    /// <exception cref="ShapeException">The window is larger than the padded input.</exception>
    public override Tensor Forward(Tensor x) => F.MaxPool2d(x, kernel, stride, padding, dilation);

    /// <inheritdoc/>
    protected override string Describe() => $"kernel: {kernel}, stride: {stride ?? kernel}, padding: {padding}, dilation: {dilation ?? 1}";
}

/// <summary>Two-dimensional average pooling. See PyTorch's <c>nn.AvgPool2d</c> and <see cref="F.AvgPool2d"/>.</summary>
/// <param name="kernel">The window's height and width, 1 or more.</param>
/// <param name="stride">How far the window moves; the kernel when null.</param>
/// <param name="padding">Zeros on each side, up to half the kernel.</param>
/// <param name="countIncludePad">Whether padding counts in the average.</param>
public sealed partial class AvgPool2d(Size2 kernel, Size2? stride = null, Size2 padding = default, bool countIncludePad = true)
    : Module<Tensor, Tensor>
{
    /// <summary>Pools.</summary>
    /// <param name="x">[N, C, H, W], or [C, H, W] for one sample</param>
    /// <returns>[N, C, OH, OW] with OH = ⌊(H + 2 · padding − kernel) / stride⌋ + 1</returns>
    /// <exception cref="ShapeException">The window is larger than the padded input.</exception>
    public override Tensor Forward(Tensor x) => F.AvgPool2d(x, kernel, stride, padding, countIncludePad);

    /// <inheritdoc/>
    protected override string Describe() => $"kernel: {kernel}, stride: {stride ?? kernel}, padding: {padding}";
}
