namespace Hybrid.NN;

public static partial class F
{
    /// <summary>Dropout (Srivastava et al., 2014): in training each element becomes 0 with probability p, and the others are divided by
    /// 1 - p; otherwise x itself. See PyTorch's <c>dropout</c>.</summary>
    /// <param name="x">any shape, floating</param>
    /// <param name="p">the probability of an element to be dropped, 0 to 1</param>
    /// <param name="training">whether to drop at all</param>
    /// <param name="generator">where random numbers come from; <see cref="Generator.Default"/> by default</param>
    /// <returns>x's shape</returns>
    /// <exception cref="ArgumentOutOfRangeException">p lies outside 0 to 1.</exception>
    /// <exception cref="DTypeException">x is not floating.</exception>
    public static Tensor Dropout(Tensor x, double p = 0.5, bool training = true, Generator? generator = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (!(p >= 0 && p <= 1))
            throw new ArgumentOutOfRangeException(null, $"Dropout: p is {p}; 0 to 1 was expected");
        Checks.Floating("Dropout", x);
        if (!training || p == 0)
            return x;
        var mask = Tensor.EmptyLike(x);
        mask.Bernoulli_(1 - p, generator);
        return x * (p == 1 ? mask : mask.Mul_(1 / (1 - p)));
    }
}
