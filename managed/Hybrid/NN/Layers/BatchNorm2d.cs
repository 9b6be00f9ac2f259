namespace Hybrid.NN;

/// <summary>
/// Batch normalisation of images (Ioffe and Szegedy, 2015): each channel is shifted and scaled to mean 0 and variance 1 over the batch,
/// then by a learnt bias and weight. In evaluation running estimates take the place of the batch's statistics. See PyTorch's
/// <c>nn.BatchNorm2d</c>.
/// </summary>
public sealed partial class BatchNorm2d : Module<Tensor, Tensor>
{
    private readonly double eps;
    private readonly double? momentum;
    private readonly Derived<FoldedWeights> folded = new();

    /// <summary>A layer with weight 1 and bias 0.</summary>
    /// <param name="numFeatures">Channels, 1 or more.</param>
    /// <param name="eps">Added to the variance, 0 or more.</param>
    /// <param name="momentum">The newest batch's share in the running estimates, 0 to 1; null for the plain average of all batches.</param>
    /// <param name="affine">Whether there are a weight and a bias.</param>
    /// <param name="trackRunningStats">Whether there are running estimates; without, the batch's own statistics are used in evaluation
    /// too.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public BatchNorm2d(long numFeatures, double eps = 1e-5, double? momentum = 0.1, bool affine = true, bool trackRunningStats = true)
    {
        Require.Positive(nameof(BatchNorm2d), nameof(numFeatures), numFeatures);
        Require.NotNegative(nameof(BatchNorm2d), nameof(eps), eps);
        Require.Fraction(nameof(BatchNorm2d), nameof(momentum), momentum ?? 0);
        (this.eps, this.momentum) = (eps, momentum);
        if (affine)
        {
            Weight = Init.Constant_(Parameter.Uninitialized(numFeatures), 1);
            Bias = Init.Constant_(Parameter.Uninitialized(numFeatures), 0);
        }
        if (trackRunningStats)
        {
            using var suspended = TensorScope.Suspend();
            RunningMean = Tensor.Zeros(numFeatures);
            RunningVar = Tensor.Ones(numFeatures);
            NumBatchesTracked = Tensor.Zeros([], DType.Int64);
        }
    }

    /// <summary>The learnt scale, [numFeatures]; null when not affine.</summary>
    public Parameter? Weight { get; }

    /// <summary>The learnt shift, [numFeatures]; null when not affine.</summary>
    public Parameter? Bias { get; }

    /// <summary>The running estimate of each channel's mean, [numFeatures]; null when not tracked.</summary>
    [Buffer]
    public Tensor? RunningMean { get; }

    /// <summary>The running estimate of each channel's variance (the unbiased one), [numFeatures]; null when not tracked.</summary>
    [Buffer]
    public Tensor? RunningVar { get; }

    /// <summary>How many batches the estimates come from: int64 without axes; null when not tracked.</summary>
    [Buffer]
    public Tensor? NumBatchesTracked { get; }

    /// <summary>Normalises a batch. In training it also updates the running estimates.</summary>
    /// <param name="x">[N, numFeatures, H, W]; in training at least two values a channel</param>
    /// <returns>x's shape</returns>
    /// <exception cref="ShapeException">The input is not four-dimensional or has other channels, or training has one value a
    /// channel.</exception>
    public override Tensor Forward(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (x.NumDims != 4)
        {
            throw new ShapeException($"BatchNorm2d: input is {x.Shape}, expected [N, C, H, W]");
        }
        var counts = Training && NumBatchesTracked is not null;
        var share = momentum ?? (counts ? 1 / (NumBatchesTracked!.Item() + 1) : 0);
        var y = F.BatchNorm(x, RunningMean, RunningVar, Weight, Bias, Training, share, eps);
        if (counts)
        {
            NumBatchesTracked!.Add_(1);
        }
        return y;
    }

    /// <summary>Whether the layer is but a scale and a shift for each channel now, and nobody asks for gradients of its parts.</summary>
    internal bool FoldsInto(Conv2d conv) =>
        !Training && !GradMode.IsEnabled && RunningMean is { } mean && mean.Size(0) == conv.Weight.Size(0) && mean.DType == conv.Weight.DType;

    /// <summary>The weights with which the convolution alone does what it and this layer do: w · s and (b − mean) · s + bias with
    /// s = weight / √(variance + eps). Computed once for the same parameters and estimates.</summary>
    internal FoldedWeights Fold(Conv2d conv)
    {
        ReadOnlySpan<Tensor?> sources = [conv.Weight, conv.Bias, Weight, Bias, RunningMean, RunningVar];
        if (folded.Find(sources) is { } known)
        {
            return known;
        }
        using var suspended = TensorScope.Suspend();
        using var rstd = (RunningVar! + eps).Rsqrt();
        using var scale = Weight is null ? rstd.Clone() : rstd * Weight;
        using var columns = scale.View(-1, 1, 1, 1);
        using var shift = conv.Bias is null ? -RunningMean! : conv.Bias - RunningMean!;
        var bias = shift * scale;
        if (Bias is not null)
        {
            bias.Add_(Bias);
        }
        return folded.Keep(sources, new FoldedWeights(conv.Weight * columns, bias));
    }

    /// <inheritdoc/>
    protected override string Describe() => $"{RunningMean?.Shape[0] ?? Weight?.Shape[0]}, eps: {eps}, momentum: {momentum}"
        + (Weight is null ? ", affine: false" : "") + (RunningMean is null ? ", trackRunningStats: false" : "");
}

/// <summary>A convolution's weight and bias with a batch normalisation inside.</summary>
internal sealed record FoldedWeights(Tensor Weight, Tensor Bias);
