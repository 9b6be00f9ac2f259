using Hybrid.IO;

namespace Hybrid.NN;

/// <summary>What <see cref="Module.LoadStateDict"/> found where a state dictionary and a module differ.</summary>
/// <param name="Missing">Names of the module that the dictionary lacks: left as they were.</param>
/// <param name="Unexpected">Names of the dictionary that the module lacks: passed over.</param>
public sealed record StateDifference(IReadOnlyList<string> Missing, IReadOnlyList<string> Unexpected);

public abstract partial class Module
{
    /// <summary>
    /// All parameters and buffers by name, in order of declaration: a module's own parameters, then its buffers, then its children's. They
    /// share memory with the module, and are detached from any graph. What is shared appears under each of its names. PyTorch's
    /// <c>state_dict</c>.
    /// </summary>
    /// <exception cref="InvalidOperationException">A module is among its own descendants.</exception>
    public OrderedDictionary<string, Tensor> StateDict()
    {
        var state = new OrderedDictionary<string, Tensor>();
        foreach (var (name, tensor) in State())
        {
            state.Add(name, tensor.Detach());
        }
        return state;
    }

    /// <summary>
    /// Copies values into the parameters and buffers, converting dtype and device to theirs. Everything is checked first: when an entry
    /// does not fit, nothing changes. PyTorch's <c>load_state_dict</c>.
    /// </summary>
    /// <param name="state">The values by name.</param>
    /// <param name="strict">Whether names must match exactly; shapes always must.</param>
    /// <returns>The names that only one of them has; none when <paramref name="strict"/>.</returns>
    /// <exception cref="ArgumentException">Names or shapes do not fit; the message lists all that are missing, unexpected or of another
    /// shape.</exception>
    public StateDifference LoadStateDict(IReadOnlyDictionary<string, Tensor> state, bool strict = true)
    {
        ArgumentNullException.ThrowIfNull(state);
        var own = State();
        var names = own.Select(static t => t.Name).ToHashSet();
        var missing = own.Where(t => !state.ContainsKey(t.Name)).Select(static t => t.Name).ToList();
        var unexpected = state.Keys.Where(name => !names.Contains(name)).ToList();
        var shapes = own.Where(t => state.TryGetValue(t.Name, out var value) && value.Shape != t.Value.Shape)
            .Select(t => $"{t.Name} of shape {state[t.Name].Shape} where {t.Value.Shape} is expected").ToList();
        if (shapes.Count > 0 || (strict && missing.Count + unexpected.Count > 0))
        {
            string[] complaints =
            [
                .. missing.Count > 0 && strict ? [$"lacks {string.Join(", ", missing)}"] : Array.Empty<string>(),
                .. unexpected.Count > 0 && strict ? [$"has unexpected {string.Join(", ", unexpected)}"] : Array.Empty<string>(),
                .. shapes.Count > 0 ? [$"has {string.Join(", ", shapes)}"] : Array.Empty<string>(),
            ];
            throw new ArgumentException($"LoadStateDict: the state does not fit {GetType().Name}: it {string.Join("; it ", complaints)}");
        }
        Copy(own.Where(t => state.ContainsKey(t.Name)).Select(t => (t.Value, state[t.Name])).ToList());
        return new StateDifference(missing, unexpected);
    }

    /// <summary>Writes the state dictionary as a safetensors file, which PyTorch's world reads too; beside the file first, then
    /// renamed.</summary>
    /// <param name="path">The file; replaced when it exists.</param>
    /// <param name="metadata">Free text to keep with it.</param>
    /// <exception cref="IOException">The file can't be written.</exception>
    public void Save(string path, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var scope = TensorScope.Begin();
        Safetensors.Save(path, StateDict(), metadata);
    }

    /// <summary>Reads the state dictionary from a safetensors file. The file is read and checked whole before anything changes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="strict">Whether names must match exactly; shapes always must.</param>
    /// <returns>The names that only one of them has; none when <paramref name="strict"/>.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is no safetensors file, is truncated or corrupt, or does not fit the
    /// module.</exception>
    public StateDifference Load(string path, bool strict = true)
    {
        using var scope = TensorScope.Begin();
        var state = Safetensors.Load(path, Device.Cpu);
        try
        {
            return LoadStateDict(state, strict);
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"{e.Message} (file '{path}')", e);
        }
    }

    internal void ConvertTo(Func<Tensor, Tensor> convert)
    {
        // Buffers and parameters outlive whatever scope the caller has open.
        using var suspended = TensorScope.Suspend();
        using var noGrad = NoGrad.Begin();
        foreach (var (_, parameter) in NamedParameters())
        {
            parameter.Convert(convert);
        }
        foreach (var (_, buffer) in NamedBuffers())
        {
            buffer.Convert(convert);
        }
    }

    private static void Copy(List<(Tensor To, Tensor From)> pairs)
    {
        using var scope = TensorScope.Begin();
        using var noGrad = NoGrad.Begin();
        // Conversions can run out of memory: so all of them come before the first change.
        var converted = pairs.ConvertAll(static p => (p.To, From: p.From.Detach().To(p.To.DType).To(p.To.Device)));
        foreach (var (to, from) in converted)
        {
            to.Copy_(from);
        }
    }

    private List<(string Name, Tensor Value)> State()
    {
        var state = new List<(string, Tensor)>();
        CollectState("", [], state);
        return state;
    }

    private void CollectState(string path, HashSet<Module> above, List<(string Name, Tensor Value)> state)
    {
        if (!above.Add(this))
        {
            throw new InvalidOperationException(
                $"StateDict: {GetType().Name} '{path}' is among its own descendants, expected a tree of modules");
        }
        var members = Members();
        state.AddRange(members.Parameters.Select(p => (Join(path, p.Name), (Tensor)p.Value)));
        state.AddRange(members.Buffers.Select(b => (Join(path, b.Name), b.Value)));
        foreach (var (name, child) in members.Children)
        {
            child.CollectState(Join(path, name), above, state);
        }
        above.Remove(this);
    }
}
