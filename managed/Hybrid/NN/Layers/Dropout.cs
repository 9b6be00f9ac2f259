namespace Hybrid.NN;

/// <summary>
/// Zeroes each element with probability p in training, and divides the others by 1 − p (Srivastava et al., 2014); passes through in
/// evaluation. See PyTorch's <c>nn.Dropout</c>.
/// </summary>
public sealed partial class Dropout : Module<Tensor, Tensor>
{
    private readonly double p;
    private readonly Generator? generator;

    /// <summary>A dropout layer.</summary>
    /// <param name="p">The probability of zero, 0 to 1.</param>
    /// <param name="generator">The source of random numbers; <see cref="Generator.Default"/> when null.</param>
    /// <exception cref="ArgumentOutOfRangeException">p is out of its range.</exception>
    public Dropout(double p = 0.5, Generator? generator = null)
    {
        Require.Fraction(nameof(Dropout), nameof(p), p);
        (this.p, this.generator) = (p, generator);
    }

    /// <summary>Applies it; the output has the input's shape.</summary>
    /// <param name="x">Any shape, floating.</param>
    public override Tensor Forward(Tensor x) => F.Dropout(x, p, Training, generator);

    /// <inheritdoc/>
    protected override string Describe() => $"p: {p}";
}
