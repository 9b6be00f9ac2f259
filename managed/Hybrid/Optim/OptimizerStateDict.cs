namespace Hybrid.Optim;

public abstract partial class Optimizer
{
    private const string StepName = "step";

    /// <summary>
    /// All that the optimiser remembers, as named tensors that <see cref="IO.Safetensors.Save"/> takes: for the i-th parameter
    /// <c>state.i.step</c> and, say, <c>state.i.exp_avg</c>; for the g-th group <c>param_groups.g.lr</c>, <c>.weight_decay</c> and, under a
    /// schedule, <c>.initial_lr</c>. The other hyper-parameters are the constructor's.
    /// </summary>
    /// <returns>The tensors; those of the state share memory with the optimiser's.</returns>
    public OrderedDictionary<string, Tensor> StateDict()
    {
        var dict = new OrderedDictionary<string, Tensor>();
        for (var i = 0; i < states.Length; i++)
        {
            if (states[i] is { } state)
            {
                dict.Add(Key(i, StepName), Tensor.Scalar(state.Steps, DType.Int64));
                for (var k = 0; k < StateNames.Count; k++)
                {
                    dict.Add(Key(i, StateNames[k]), state.Tensors[k].Detach());
                }
            }
        }
        for (var g = 0; g < ParamGroups.Count; g++)
        {
            foreach (var (name, value) in Numbers(ParamGroups[g]))
            {
                dict.Add($"param_groups.{g}.{name}", Tensor.Scalar(value, DType.Float64));
            }
        }
        return dict;
    }

    /// <summary>Goes on from what <see cref="StateDict"/> gave. Everything is checked first: when an entry does not fit, nothing
    /// changes.</summary>
    /// <param name="dict">The state of an optimiser of this kind over parameters of the same shapes, in the same groups.</param>
    /// <exception cref="ArgumentException">An entry is missing, unexpected, or of another shape; the message lists all.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> dict)
    {
        ArgumentNullException.ThrowIfNull(dict);
        using var scope = TensorScope.Begin();
        using var noGrad = NoGrad.Begin();
        var problems = new List<string>();
        var known = new HashSet<string>();
        var loaded = new OptimizerState?[states.Length];
        for (var i = 0; i < states.Length; i++)
        {
            loaded[i] = ReadState(dict, i, known, problems);
        }
        var rates = ParamGroups.Select((_, g) => ReadGroup(dict, g, known, problems)).ToList();
        problems.AddRange(dict.Keys.Where(key => !known.Contains(key)).Select(static key => $"{key} is unexpected"));
        if (problems.Count > 0)
        {
            throw new ArgumentException($"{Name}: the state does not fit: {string.Join("; ", problems)}");
        }
        loaded.CopyTo(states, 0);
        for (var g = 0; g < ParamGroups.Count; g++)
        {
            (ParamGroups[g].LearningRate, ParamGroups[g].WeightDecay, ParamGroups[g].InitialLearningRate) = rates[g];
        }
    }

    private static IEnumerable<(string Name, double Value)> Numbers(ParamGroup group)
    {
        yield return ("lr", group.LearningRate);
        yield return ("weight_decay", group.WeightDecay);
        if (group.InitialLearningRate is { } initial)
        {
            yield return ("initial_lr", initial);
        }
    }

    private OptimizerState? ReadState(IReadOnlyDictionary<string, Tensor> dict, int index, HashSet<string> known, List<string> problems)
    {
        // A parameter that has never had a gradient has no state.
        string[] keys = [Key(index, StepName), .. StateNames.Select(name => Key(index, name))];
        if (!keys.Any(dict.ContainsKey))
        {
            return null;
        }
        var step = ReadNumber(dict, keys[0], required: true, known, problems);
        var tensors = new List<Tensor>();
        foreach (var key in keys.AsSpan(1))
        {
            known.Add(key);
            if (!dict.TryGetValue(key, out var tensor))
            {
                problems.Add($"{key} is missing");
            }
            else if (tensor.Shape != parameters[index].Shape)
            {
                problems.Add($"{key} has shape {tensor.Shape}, expected {parameters[index].Shape}");
            }
            else
            {
                tensors.Add(Own(tensor, parameters[index]));
            }
        }
        return new OptimizerState(tensors, (long)(step ?? 0));
    }

    // A copy of its own, in the parameter's dtype and on its device.
    private static Tensor Own(Tensor tensor, Tensor parameter)
    {
        var converted = tensor.Detach().To(parameter.DType).To(parameter.Device);
        using var suspended = TensorScope.Suspend();
        return converted.Clone();
    }

    private (double LearningRate, double WeightDecay, double? Initial) ReadGroup(
        IReadOnlyDictionary<string, Tensor> dict, int index, HashSet<string> known, List<string> problems)
    {
        var prefix = $"param_groups.{index}.";
        return (
            ReadNumber(dict, prefix + "lr", required: true, known, problems) ?? 0,
            ReadNumber(dict, prefix + "weight_decay", required: true, known, problems) ?? 0,
            ReadNumber(dict, prefix + "initial_lr", required: false, known, problems));
    }

    private static double? ReadNumber(
        IReadOnlyDictionary<string, Tensor> dict, string key, bool required, HashSet<string> known, List<string> problems)
    {
        known.Add(key);
        if (!dict.TryGetValue(key, out var tensor))
        {
            if (required)
            {
                problems.Add($"{key} is missing");
            }
            return null;
        }
        if (tensor.NumElements != 1 || tensor.Item() is not (>= 0 and < double.PositiveInfinity))
        {
            problems.Add($"{key} is {tensor}, expected a number of 0 or more");
            return null;
        }
        return tensor.Item();
    }

    private static string Key(int index, string name) => $"state.{index}.{name}";
}
