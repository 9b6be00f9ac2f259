namespace Hybrid.NN;

public static partial class F
{
    /// <summary>One-dimensional convolution (cross-correlation): a two-dimensional one of height 1. See PyTorch's <c>conv1d</c>.</summary>
    /// <param name="x">[N, C, L], or [C, L] for one sample; floating</param>
    /// <param name="weight">[K, C / groups, R]</param>
    /// <param name="bias">[K]; none by default</param>
    /// <param name="stride">how far the kernel moves, 1 or more</param>
    /// <param name="padding">zeros on each side, 0 or more</param>
    /// <param name="dilation">distance between kernel elements, 1 or more</param>
    /// <param name="groups">how many groups the channels are split into, each with its own kernels</param>
    /// <param name="activation">what is applied to the result; none by default</param>
    /// <returns>[N, K, OL] with OL = ⌊(L + 2·padding − dilation·(R − 1) − 1) / stride⌋ + 1</returns>
    /// <exception cref="ShapeException">The axes or channels do not match, or the kernel does not fit.</exception>
    /// <exception cref="DTypeException">The operands are not floating, or not of one dtype.</exception>
    /// <exception cref="ArgumentException">A stride, dilation or groups below 1, or a padding below 0.</exception>
    public static Tensor Conv1d(Tensor x, Tensor weight, Tensor? bias = null, int stride = 1, int padding = 0, int dilation = 1, int groups = 1,
        Activation activation = Activation.None) =>
        Conv1dKeeping(x, weight, bias, stride, padding, dilation, groups, activation, null);

    /// <summary>The same, with the place where a layer keeps its prepared weight.</summary>
    internal static Tensor Conv1dKeeping(Tensor x, Tensor weight, Tensor? bias, int stride, int padding, int dilation, int groups, Activation activation,
        Derived<PreparedKernels>? prepared)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(weight);
        if (x.NumDims is not (2 or 3) || weight.NumDims != 3)
        {
            throw new ShapeException($"Conv1d: input {x.Shape} was given with weight {weight.Shape}; [N, C, L] and [K, C / groups, R] were expected");
        }
        return Conv2dKeeping(x.Unsqueeze(-2), weight.Unsqueeze(-2), bias, (1, stride), (0, padding), (1, dilation), groups, activation, prepared).Squeeze(-2);
    }

    /// <summary>Three-dimensional convolution (cross-correlation). See PyTorch's <c>conv3d</c>.</summary>
    /// <param name="x">[N, C, D, H, W], or [C, D, H, W] for one sample; floating</param>
    /// <param name="weight">[K, C / groups, Q, R, S]</param>
    /// <param name="bias">[K]; none by default</param>
    /// <param name="stride">how far the kernel moves; 1 by default</param>
    /// <param name="padding">zeros on each side; 0 by default</param>
    /// <param name="dilation">distance between kernel elements; 1 by default</param>
    /// <param name="groups">how many groups the channels are split into, each with its own kernels</param>
    /// <param name="activation">what is applied to the result; none by default</param>
    /// <returns>[N, K, OD, OH, OW], each extent as in <see cref="Conv2d"/></returns>
    /// <remarks>Every output slice is a two-dimensional convolution of the Q input slices below it, taken as channels. It needs a copy of the input
    /// that is Q times as large, and, like the slices, is what the two-dimensional kernels are fastest at.</remarks>
    /// <exception cref="ShapeException">The axes or channels do not match, or the kernel does not fit.</exception>
    /// <exception cref="DTypeException">The operands are not floating, or not of one dtype.</exception>
    /// <exception cref="ArgumentException">A stride, dilation or groups below 1, or a padding below 0.</exception>
    public static Tensor Conv3d(Tensor x, Tensor weight, Tensor? bias = null, Size3? stride = null, Size3 padding = default,
        Size3? dilation = null, int groups = 1, Activation activation = Activation.None) =>
        Conv3dKeeping(x, weight, bias, stride ?? 1, padding, dilation ?? 1, groups, activation, null);

    /// <summary>The same, with the place where a layer keeps its prepared weight.</summary>
    internal static Tensor Conv3dKeeping(Tensor x, Tensor weight, Tensor? bias, Size3 stride, Size3 padding, Size3 dilation, int groups, Activation activation,
        Derived<PreparedKernels>? prepared)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(weight);
        if (x.NumDims is not (4 or 5) || weight.NumDims != 5)
        {
            throw new ShapeException(
                $"Conv3d: input {x.Shape} was given with weight {weight.Shape}; [N, C, D, H, W] and [K, C / groups, Q, R, S] were expected");
        }
        return x.NumDims == 5
            ? SlicesAsChannels(x, weight, bias, stride, padding, dilation, groups, activation, prepared)
            : SlicesAsChannels(x.Unsqueeze(0), weight, bias, stride, padding, dilation, groups, activation, prepared).Squeeze(0);
    }

    private static Tensor SlicesAsChannels(Tensor x, Tensor weight, Tensor? bias, Size3 stride, Size3 padding, Size3 dilation, int groups,
        Activation activation, Derived<PreparedKernels>? prepared)
    {
        var (n, c, taps) = (x.Size(0), x.Size(1), (int)weight.Size(2));
        var along = new Window((taps, 1), (stride.Depth, 1), (padding.Depth, 0), (dilation.Depth, 1));
        var (depth, _) = along.Output("Conv3d", new Shape(x.Size(2), 1));
        if (padding.Depth > 0)
        {
            var zeros = Tensor.Zeros([n, c, padding.Depth, x.Size(3), x.Size(4)], x.DType, x.Device);
            x = Tensor.Cat([zeros, x, zeros], 2);
        }
        var slices = new Tensor[taps];
        for (var tap = 0; tap < taps; tap++)
        {
            long first = (long)tap * dilation.Depth;
            var below = TensorIndex.Slice(first, first + (depth - 1) * stride.Depth + 1, stride.Depth);
            slices[tap] = x[Range.All, Range.All, below].Permute(0, 2, 1, 3, 4);
        }
        var images = Tensor.Stack(slices, 3).Reshape(n * depth, c * taps, x.Size(3), x.Size(4));
        var kernels = weight.Reshape(weight.Size(0), weight.Size(1) * taps, weight.Size(3), weight.Size(4));
        var own = weight.IsContiguous ? prepared : null; // kernels are a copy otherwise, which is another one each time
        var y = Conv2dKeeping(images, kernels, bias, (stride.Height, stride.Width), (padding.Height, padding.Width),
            (dilation.Height, dilation.Width), groups, activation, own);
        return y.Reshape(n, depth, y.Size(1), y.Size(2), y.Size(3)).Permute(0, 2, 1, 3, 4).Contiguous();
    }
}
