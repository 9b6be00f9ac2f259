using Hybrid.NN;

namespace Hybrid.Optim;

/// <summary>Changes parameters along their gradients. See PyTorch's <c>torch.optim.Optimizer</c>.</summary>
/// <example><code>
/// var optimizer = new Adam(model.Parameters(), learningRate: 1e-3);
/// optimizer.ZeroGrad();
/// F.CrossEntropy(model.Forward(images), labels).Backward();
/// optimizer.Step();
/// </code></example>
public abstract partial class Optimizer
{
    private readonly Tensor[] parameters;
    private readonly ParamGroup[] groupOf;   // of each parameter
    private readonly OptimizerState?[] states;

    /// <summary>An optimiser of these groups.</summary>
    /// <param name="groups">The parameters; each in one group, once.</param>
    /// <param name="learningRate">The step size of groups without their own, 0 or more.</param>
    /// <param name="weightDecay">The weight decay of groups without their own, 0 or more.</param>
    /// <exception cref="ArgumentException">There is no parameter, or one appears twice.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    protected Optimizer(IEnumerable<ParamGroup> groups, double learningRate, double weightDecay)
    {
        ArgumentNullException.ThrowIfNull(groups);
        Name = GetType().Name;
        Require.NotNegative(Name, nameof(learningRate), learningRate);
        Require.NotNegative(Name, nameof(weightDecay), weightDecay);
        ParamGroups = [.. groups];
        parameters = [.. ParamGroups.SelectMany(static g => g.Parameters)];
        groupOf = [.. ParamGroups.SelectMany(static g => g.Parameters.Select(_ => g))];
        if (parameters.Length == 0)
        {
            throw new ArgumentException($"{Name}: there is no parameter to optimise, expected at least one");
        }
        var seen = new HashSet<Tensor>(ReferenceEqualityComparer.Instance);
        foreach (var parameter in parameters)
        {
            if (!seen.Add(parameter))
            {
                throw new ArgumentException(
                    $"{Name}: a parameter of shape {parameter.Shape} is given twice, expected each parameter in one group, once");
            }
        }
        foreach (var group in ParamGroups)
        {
            group.SetDefaults(learningRate, weightDecay);
        }
        states = new OptimizerState?[parameters.Length];
    }

    /// <summary>The parameters with their learning rates.</summary>
    public IReadOnlyList<ParamGroup> ParamGroups { get; }

    /// <summary>The step size: the first group's when read, all groups' when set.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set below 0, or to no number.</exception>
    public double LearningRate
    {
        get => ParamGroups[0].LearningRate;
        set
        {
            foreach (var group in ParamGroups)
            {
                group.LearningRate = value;
            }
        }
    }

    /// <summary>Names of the tensors that each parameter's state holds, such as <c>exp_avg</c>: all of them start as zeros, shaped like the
    /// parameter.</summary>
    protected abstract IReadOnlyList<string> StateNames { get; }

    private string Name { get; }

    /// <summary>Drops the gradients of all parameters. PyTorch's <c>zero_grad</c>.</summary>
    /// <remarks>Gradients that <see cref="Tensor.Backward"/> made go back to the allocator at once: Clone a gradient that you want to
    /// keep.</remarks>
    /// <param name="setToNone">True sets <see cref="Tensor.Grad"/> to null, so that a parameter without a gradient is left alone by
    /// <see cref="Step"/>; false fills it with zeros.</param>
    public void ZeroGrad(bool setToNone = true)
    {
        foreach (var parameter in parameters)
        {
            parameter.ZeroGrad(setToNone);
        }
    }

    /// <summary>Updates every parameter that has a gradient, in place.</summary>
    /// <exception cref="DTypeException">A parameter changed its dtype since its last step.</exception>
    /// <exception cref="DeviceException">A parameter moved to another device since its last step.</exception>
    public void Step()
    {
        using var noGrad = NoGrad.Begin();
        for (var i = 0; i < parameters.Length; i++)
        {
            var parameter = parameters[i];
            if (parameter.Grad is { } gradient)
            {
                var state = states[i] ??= NewState(parameter);
                Update(parameter, gradient, groupOf[i], state, state.Steps + 1);
                state.Steps++;
                parameter.LiveStorage.Written(Name);
            }
        }
    }

    /// <summary>Updates one parameter in place. Gradients are not recorded meanwhile.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="gradient">Its gradient; left as it is.</param>
    /// <param name="group">Its group, with the learning rate and the weight decay.</param>
    /// <param name="state">Its state, updated in place.</param>
    /// <param name="step">Number of this step of the parameter, from 1.</param>
    protected abstract void Update(Tensor parameter, Tensor gradient, ParamGroup group, OptimizerState state, long step);

    private OptimizerState NewState(Tensor parameter)
    {
        // The state outlives the step, and so whatever scope the caller has open.
        using var suspended = TensorScope.Suspend();
        return new OptimizerState([.. StateNames.Select(_ => Tensor.ZerosLike(parameter))]);
    }
}

/// <summary>What an optimiser remembers of one parameter.</summary>
/// <param name="tensors">The tensors, in the order of the optimiser's names for them.</param>
/// <param name="steps">How many steps the parameter has seen.</param>
public sealed class OptimizerState(IReadOnlyList<Tensor> tensors, long steps = 0)
{
    /// <summary>The tensors, in the order of the optimiser's names for them.</summary>
    public IReadOnlyList<Tensor> Tensors { get; } = tensors;

    /// <summary>How many steps the parameter has seen.</summary>
    public long Steps { get; internal set; } = steps;
}
