using Hybrid.Bindings;
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

    // What a step updates, closed up, and as the core takes it: kept, so that a step allocates nothing.
    private readonly Tensor[] moving;
    private readonly Tensor[] gradients;
    private readonly OptimizerState[] movingStates;
    private readonly ParamGroup[] movingGroups;
    private HyTensor[] views = [];

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
        (moving, gradients) = (new Tensor[parameters.Length], new Tensor[parameters.Length]);
        (movingStates, movingGroups) = (new OptimizerState[parameters.Length], new ParamGroup[parameters.Length]);
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
        var count = 0;
        for (var i = 0; i < parameters.Length; i++)
        {
            if (parameters[i].Grad is { } gradient)
            {
                (moving[count], gradients[count], movingGroups[count]) = (parameters[i], gradient, groupOf[i]);
                movingStates[count++] = states[i] ??= NewState(parameters[i]);
            }
        }
        for (int begin = 0, end; begin < count; begin = end)
        {
            end = begin + 1;
            while (end < count && GoTogether(begin, end))
            {
                end++;
            }
            var graph = DeviceGraph.Recording is { } recording && ReferenceEquals(recording.Device, moving[begin].Device) ? recording : null;
            StepTogether(graph, moving.AsSpan(begin, end - begin), gradients.AsSpan(begin, end - begin), movingGroups[begin],
                movingStates.AsSpan(begin, end - begin));
        }
        Array.Clear(gradients, 0, count);
    }

    private void StepTogether(DeviceGraph? graph, ReadOnlySpan<Tensor> parameters, ReadOnlySpan<Tensor> gradients, ParamGroup group,
        ReadOnlySpan<OptimizerState> states)
    {
        if (graph is not null)
        {
            Record(graph, parameters, gradients, group, states);
        }
        else
        {
            Update(parameters, gradients, group, states, states[0].Steps + 1);
            foreach (var state in states)
            {
                state.Steps++;
            }
        }
        foreach (var parameter in parameters)
        {
            parameter.LiveStorage.Written(Name);
        }
    }

    /// <summary>Updates parameters in place. Gradients are not recorded meanwhile.</summary>
    /// <param name="parameters">Parameters of one group and on one device that have seen as many steps as each other.</param>
    /// <param name="gradients">Their gradients; left as they are.</param>
    /// <param name="group">Their group, with the learning rate and the weight decay.</param>
    /// <param name="states">Their states, updated in place.</param>
    /// <param name="step">Number of this step of the parameters, from 1.</param>
    protected abstract void Update(
        ReadOnlySpan<Tensor> parameters, ReadOnlySpan<Tensor> gradients, ParamGroup group, ReadOnlySpan<OptimizerState> states, long step);

    /// <summary>The views of all parameters, then of all gradients, then of the first state of each, and so on. They are valid as long as
    /// the tensors live, which this optimiser holds until the step ends.</summary>
    private protected ReadOnlySpan<HyTensor> Views(
        ReadOnlySpan<Tensor> parameters, ReadOnlySpan<Tensor> gradients, ReadOnlySpan<OptimizerState> states)
    {
        var (count, kept) = (parameters.Length, StateNames.Count);
        if (views.Length < (2 + kept) * count)
        {
            views = new HyTensor[(2 + kept) * count];
        }
        for (var i = 0; i < count; i++)
        {
            views[i] = parameters[i].GetPinnableReference();
            views[count + i] = gradients[i].GetPinnableReference();
            for (var k = 0; k < kept; k++)
            {
                views[(2 + k) * count + i] = states[i].Tensors[k].GetPinnableReference();
            }
        }
        return views;
    }

    private bool GoTogether(int first, int other) =>
        ReferenceEquals(movingGroups[first], movingGroups[other]) && movingStates[first].Steps == movingStates[other].Steps
        && ReferenceEquals(moving[first].Device, moving[other].Device);

    private OptimizerState NewState(Tensor parameter)
    {
        if (DeviceGraph.Recording is { } graph && ReferenceEquals(graph.Device, parameter.Device) && StateNames.Count > 0)
        {
            throw new InvalidOperationException($"{Name}: the first step of a parameter of shape {parameter.Shape} makes its {StateNames[0]}, which no graph "
                + "may record: expected a step before Capture records, which takes warmups of 1 or more");
        }
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
