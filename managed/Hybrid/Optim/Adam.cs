using Hybrid.Bindings;
using Hybrid.NN;

namespace Hybrid.Optim;

/// <summary>
/// Adam (Kingma and Ba, 2015): m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − η m̂ / (√v̂ + ε), where m̂ = m / (1 − β₁ᵗ), v̂ = v /
/// (1 − β₂ᵗ) and g includes weightDecay · θ. See PyTorch's <c>optim.Adam</c>; <see cref="AdamW"/> decouples the decay.
/// </summary>
public class Adam : Optimizer
{
    private static readonly string[] Moments = ["exp_avg", "exp_avg_sq"];

    private readonly double beta1;
    private readonly double beta2;
    private readonly double eps;

    /// <summary>Adam on parameters.</summary>
    /// <param name="parameters">Leaf tensors; <c>model.Parameters()</c>.</param>
    /// <param name="learningRate">The step size η, 0 or more.</param>
    /// <param name="beta1">Decay β₁ of the first moment, 0 to below 1.</param>
    /// <param name="beta2">Decay β₂ of the second moment, 0 to below 1.</param>
    /// <param name="eps">ε, added to the denominator, 0 or more.</param>
    /// <param name="weightDecay">The L2 penalty, 0 or more.</param>
    /// <exception cref="ArgumentException">There is no parameter, or one is no floating leaf.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public Adam(IEnumerable<Tensor> parameters, double learningRate = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8,
        double weightDecay = 0)
        : this([new ParamGroup(parameters)], learningRate, beta1, beta2, eps, weightDecay)
    {
    }

    /// <summary>Adam on groups of parameters, each with its own learning rate and weight decay where it has one.</summary>
    /// <inheritdoc cref="Adam(IEnumerable{Tensor}, double, double, double, double, double)"/>
    public Adam(IEnumerable<ParamGroup> groups, double learningRate = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8,
        double weightDecay = 0)
        : base(groups, learningRate, weightDecay)
    {
        Require.Fraction(GetType().Name, nameof(beta1), beta1, belowOne: true);
        Require.Fraction(GetType().Name, nameof(beta2), beta2, belowOne: true);
        Require.NotNegative(GetType().Name, nameof(eps), eps);
        (this.beta1, this.beta2, this.eps) = (beta1, beta2, eps);
    }

    /// <inheritdoc/>
    protected sealed override IReadOnlyList<string> StateNames => Moments;

    private protected virtual bool Decoupled => false;

    private protected sealed override void FillSchedule(Span<double> numbers, ParamGroup group, long step) =>
        (numbers[0], numbers[1], numbers[2]) = (group.LearningRate, 1 - Math.Pow(beta1, step), 1 - Math.Pow(beta2, step));

    /// <inheritdoc/>
    protected sealed override unsafe void Update(
        ReadOnlySpan<Tensor> parameters, ReadOnlySpan<Tensor> gradients, ParamGroup group, ReadOnlySpan<OptimizerState> states, long step)
    {
        var settings = new HyAdamParams
        {
            LearningRate = group.LearningRate,
            Beta1 = beta1,
            Beta2 = beta2,
            Eps = eps,
            WeightDecay = group.WeightDecay,
            Decoupled = Decoupled ? 1 : 0,
            Step = step,
            Schedule = ScheduleAddress,
        };
        var n = parameters.Length;
        fixed (HyTensor* views = Views(parameters, gradients, states))
        {
            Native.AdamStep(parameters[0].Device.Handle, &settings, n, views, views + n, views + 2 * n, views + 3 * n);
        }
    }
}

/// <summary>
/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019): θ ← θ − η weightDecay θ before each step of <see cref="Adam"/>, whose
/// gradient then holds no penalty. See PyTorch's <c>optim.AdamW</c>.
/// </summary>
public sealed class AdamW : Adam
{
    /// <summary>AdamW on parameters.</summary>
    /// <param name="parameters">Leaf tensors; <c>model.Parameters()</c>.</param>
    /// <param name="learningRate">The step size η, 0 or more.</param>
    /// <param name="beta1">Decay β₁ of the first moment, 0 to below 1.</param>
    /// <param name="beta2">Decay β₂ of the second moment, 0 to below 1.</param>
    /// <param name="eps">ε, added to the denominator, 0 or more.</param>
    /// <param name="weightDecay">The share of the parameter that each step takes away, over η; 0 or more.</param>
    /// <exception cref="ArgumentException">There is no parameter, or one is no floating leaf.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public AdamW(IEnumerable<Tensor> parameters, double learningRate = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8,
        double weightDecay = 1e-2)
        : base(parameters, learningRate, beta1, beta2, eps, weightDecay)
    {
    }

    /// <summary>AdamW on groups of parameters, each with its own learning rate and weight decay where it has one.</summary>
    /// <inheritdoc cref="AdamW(IEnumerable{Tensor}, double, double, double, double, double)"/>
    public AdamW(IEnumerable<ParamGroup> groups, double learningRate = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8,
        double weightDecay = 1e-2)
        : base(groups, learningRate, beta1, beta2, eps, weightDecay)
    {
    }

    private protected override bool Decoupled => true;
}
