using Hybrid.NN;

namespace Hybrid.Optim;

/// <summary>
/// Sets an optimiser's learning rates by a formula of the epoch, each from the rate that its group started with. Call <see cref="Step"/>
/// after each epoch. See PyTorch's <c>lr_scheduler</c>.
/// </summary>
public abstract class LRScheduler
{
    private readonly Optimizer optimizer;

    /// <summary>A schedule of an optimiser's learning rates, at epoch 0.</summary>
    /// <param name="optimizer">The optimiser. Its groups' present rates are those that the formula starts from, unless an earlier schedule
    /// or a loaded state has set them.</param>
    protected LRScheduler(Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        this.optimizer = optimizer;
        foreach (var group in optimizer.ParamGroups)
        {
            group.InitialLearningRate ??= group.LearningRate;
        }
    }

    /// <summary>How many epochs have passed. Setting it also sets the learning rates: so a resumed training goes on where it was.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set below 0.</exception>
    public int LastEpoch
    {
        get;
        set
        {
            Require.NotNegative(GetType().Name, nameof(LastEpoch), value);
            field = value;
            foreach (var group in optimizer.ParamGroups)
            {
                group.LearningRate = Rate(group.InitialLearningRate ?? group.LearningRate, value);
            }
        }
    }

    /// <summary>Goes on to the next epoch.</summary>
    public void Step() => LastEpoch++;

    /// <summary>The learning rate of an epoch.</summary>
    /// <param name="initial">The rate of epoch 0.</param>
    /// <param name="epoch">The epoch, 0 or more.</param>
    protected abstract double Rate(double initial, int epoch);
}

/// <summary>Multiplies the learning rate by gamma every stepSize epochs: η₀ γ^⌊epoch / stepSize⌋. See PyTorch's <c>StepLR</c>.</summary>
public sealed class StepLR : LRScheduler
{
    private readonly int stepSize;
    private readonly double gamma;

    /// <summary>A schedule in steps.</summary>
    /// <param name="optimizer">The optimiser.</param>
    /// <param name="stepSize">Epochs between two steps, 1 or more.</param>
    /// <param name="gamma">The factor, 0 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public StepLR(Optimizer optimizer, int stepSize, double gamma = 0.1) : base(optimizer)
    {
        Require.Positive(nameof(StepLR), nameof(stepSize), stepSize);
        Require.NotNegative(nameof(StepLR), nameof(gamma), gamma);
        (this.stepSize, this.gamma) = (stepSize, gamma);
    }

    /// <inheritdoc/>
    protected override double Rate(double initial, int epoch) => initial * Math.Pow(gamma, epoch / stepSize);
}

/// <summary>
/// Half a cosine from the first learning rate to the least (Loshchilov and Hutter, "SGDR", 2017): ηmin + (η₀ − ηmin)(1 + cos(π epoch /
/// tMax)) / 2; it rises again after tMax. See PyTorch's <c>CosineAnnealingLR</c>.
/// </summary>
public sealed class CosineAnnealingLR : LRScheduler
{
    private readonly int tMax;
    private readonly double etaMin;

    /// <summary>A schedule along a cosine.</summary>
    /// <param name="optimizer">The optimiser.</param>
    /// <param name="tMax">The epoch of the least rate, 1 or more.</param>
    /// <param name="etaMin">The least rate, 0 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public CosineAnnealingLR(Optimizer optimizer, int tMax, double etaMin = 0) : base(optimizer)
    {
        Require.Positive(nameof(CosineAnnealingLR), nameof(tMax), tMax);
        Require.NotNegative(nameof(CosineAnnealingLR), nameof(etaMin), etaMin);
        (this.tMax, this.etaMin) = (tMax, etaMin);
    }

    /// <inheritdoc/>
    protected override double Rate(double initial, int epoch) => etaMin + (initial - etaMin) * (1 + Math.Cos(Math.PI * epoch / tMax)) / 2;
}
