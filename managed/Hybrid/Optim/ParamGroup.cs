using Hybrid.NN;

namespace Hybrid.Optim;

/// <summary>Parameters that share a learning rate and a weight decay. See PyTorch's parameter groups.</summary>
/// <example><code>new SGD([new ParamGroup(body.Parameters()), new ParamGroup(head.Parameters(), learningRate: 0.1)], learningRate:
/// 0.01)</code></example>
public sealed class ParamGroup
{
    private double? learningRate;
    private double? weightDecay;

    /// <summary>A group.</summary>
    /// <param name="parameters">Leaf tensors that require a gradient, or frozen parameters; each once.</param>
    /// <param name="learningRate">Their step size, 0 or more; the optimiser's own when null.</param>
    /// <param name="weightDecay">Their weight decay, 0 or more; the optimiser's own when null.</param>
    /// <exception cref="ArgumentException">A tensor is no leaf, or not floating.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public ParamGroup(IEnumerable<Tensor> parameters, double? learningRate = null, double? weightDecay = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Require.NotNegative(nameof(ParamGroup), nameof(learningRate), learningRate ?? 0);
        Require.NotNegative(nameof(ParamGroup), nameof(weightDecay), weightDecay ?? 0);
        (this.learningRate, this.weightDecay) = (learningRate, weightDecay);
        Parameters = [.. parameters];
        foreach (var parameter in Parameters)
        {
            ArgumentNullException.ThrowIfNull(parameter, nameof(parameters));
            if (!parameter.IsLeaf)
            {
                throw new ArgumentException(
                    $"ParamGroup: a tensor of shape {parameter.Shape} is the result of {parameter.GradFn}, expected a leaf");
            }
            if (!parameter.DType.IsFloating())
            {
                throw new ArgumentException(
                    $"ParamGroup: a tensor of shape {parameter.Shape} is {parameter.DType.Name()}, expected a floating dtype");
            }
        }
    }

    /// <summary>The parameters, in the order they were given.</summary>
    public IReadOnlyList<Tensor> Parameters { get; }

    /// <summary>The step size; 0 until an optimiser supplies its own to a group that was made without one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set below 0, or to no number.</exception>
    public double LearningRate
    {
        get => learningRate ?? 0;
        set
        {
            Require.NotNegative(nameof(ParamGroup), nameof(LearningRate), value);
            learningRate = value;
        }
    }

    /// <summary>The weight decay; 0 until an optimiser supplies its own to a group that was made without one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set below 0, or to no number.</exception>
    public double WeightDecay
    {
        get => weightDecay ?? 0;
        set
        {
            Require.NotNegative(nameof(ParamGroup), nameof(WeightDecay), value);
            weightDecay = value;
        }
    }

    /// <summary>The step size that schedules start from; null before the first schedule.</summary>
    internal double? InitialLearningRate { get; set; }

    internal void SetDefaults(double learningRate, double weightDecay)
    {
        this.learningRate ??= learningRate;
        this.weightDecay ??= weightDecay;
    }
}
