using System.Text;

namespace Hybrid.NN;

/// <summary>
/// The base of everything that has parameters: layers, losses, whole models. Derive from <see cref="Module{TIn, TOut}"/>, make the class
/// <c>partial</c>, keep parameters and child modules in fields or auto-properties, and a source generator finds them. See PyTorch's
/// <c>torch.nn.Module</c>.
/// </summary>
/// <remarks>
/// Names in <see cref="NamedParameters"/>, <see cref="StateDict"/> and files are PyTorch's: the path of members joined by dots, each in
/// snake case, so that the weight of a field <c>conv1</c> is <c>conv1.weight</c>. A member is found when its type is
/// <see cref="Parameter"/>, a module, or an array or list of one of them; a <see cref="Tensor"/> only when it is marked
/// <see cref="BufferAttribute"/>; and a primary constructor's parameter when a method uses it.
/// </remarks>
public abstract partial class Module
{
    /// <summary>Whether the module trains (true at first) or is used: Dropout and BatchNorm differ. Set by <c>Train()</c> and
    /// <c>Eval()</c>.</summary>
    public bool Training { get; private set; } = true;

    /// <summary>The modules directly below this one, in order of declaration.</summary>
    public IEnumerable<Module> Children => Members().Children.Select(static c => c.Value);

    /// <summary>Lists this module's own members; the source generator overrides it. Call the base's first.</summary>
    /// <param name="members">Receives them.</param>
    protected virtual void CollectMembers(ModuleMembers members)
    {
    }

    /// <summary>What stands between the parentheses of <see cref="ToString"/>: a layer's arguments.</summary>
    protected virtual string Describe() => "";

    /// <summary>This module and all below it with their names, each once, however often it is shared; this one is "". PyTorch's
    /// <c>named_modules</c>.</summary>
    public IEnumerable<(string Name, Module Module)> NamedModules()
    {
        var found = new List<(string, Module)>();
        Walk("", [], found);
        return found;
    }

    /// <summary>All parameters of this module and those below it with their names, each once, however often it is shared. PyTorch's
    /// <c>named_parameters</c>.</summary>
    public IEnumerable<(string Name, Parameter Parameter)> NamedParameters() => Named(static m => m.Parameters);

    /// <summary>All parameters of this module and those below it, each once: what an optimiser takes. PyTorch's
    /// <c>parameters</c>.</summary>
    public IEnumerable<Parameter> Parameters() => NamedParameters().Select(static p => p.Parameter);

    /// <summary>All buffers of this module and those below it with their names, each once. PyTorch's <c>named_buffers</c>.</summary>
    public IEnumerable<(string Name, Tensor Buffer)> NamedBuffers() => Named(static m => m.Buffers);

    /// <summary>Drops the gradients of all parameters. PyTorch's <c>zero_grad</c>.</summary>
    /// <remarks>Gradients that <see cref="Tensor.Backward"/> made go back to the allocator at once: Clone a gradient that you want to
    /// keep.</remarks>
    /// <param name="setToNone">True sets <see cref="Tensor.Grad"/> to null, false fills it with zeros.</param>
    public void ZeroGrad(bool setToNone = true)
    {
        foreach (var parameter in Parameters())
        {
            parameter.ZeroGrad(setToNone);
        }
    }

    /// <summary>The module and those below it as a tree, like PyTorch's: <c>Net(\n  (fc): Linear(4, 2)\n)</c>.</summary>
    public override string ToString() => Tree([]);

    /// <summary>A module that is its own descendant is written as an ellipsis there.</summary>
    private string Tree(HashSet<Module> above)
    {
        if (!above.Add(this))
        {
            return $"{GetType().Name}(…)";
        }
        var children = Members().Children;
        var text = new StringBuilder(GetType().Name).Append('(').Append(Describe());
        foreach (var (name, child) in children)
        {
            text.Append('\n').Append($"({name}): {child.Tree(above)}".Replace("\n", "\n  ").Insert(0, "  "));
        }
        above.Remove(this);
        return text.Append(children.Count > 0 ? "\n)" : ")").ToString();
    }

    internal void SetTraining(bool training)
    {
        foreach (var (_, module) in NamedModules())
        {
            module.Training = training;
        }
    }

    private ModuleMembers Members()
    {
        var members = new ModuleMembers(GetType().Name);
        CollectMembers(members);
        return members;
    }

    private void Walk(string name, HashSet<Module> seen, List<(string, Module)> found)
    {
        if (!seen.Add(this))
        {
            return;
        }
        found.Add((name, this));
        foreach (var (childName, child) in Members().Children)
        {
            child.Walk(Join(name, childName), seen, found);
        }
    }

    private IEnumerable<(string Name, T Value)> Named<T>(Func<ModuleMembers, List<(string Name, T Value)>> select) where T : Tensor
    {
        var seen = new HashSet<T>(ReferenceEqualityComparer.Instance);
        foreach (var (path, module) in NamedModules())
        {
            foreach (var (name, value) in select(module.Members()))
            {
                if (seen.Add(value))
                {
                    yield return (Join(path, name), value);
                }
            }
        }
    }

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";
}

/// <summary>A module that makes one value of another: most layers and models are a <c>Module&lt;Tensor, Tensor&gt;</c>.</summary>
/// <typeparam name="TIn">What goes in.</typeparam>
/// <typeparam name="TOut">What comes out.</typeparam>
public abstract partial class Module<TIn, TOut> : Module
{
    /// <summary>Computes the module's output.</summary>
    /// <param name="x">The input.</param>
    /// <returns>The output.</returns>
    public abstract TOut Forward(TIn x);
}

/// <summary>A module of two inputs, such as a loss of predictions and targets.</summary>
/// <typeparam name="TIn1">What goes in first.</typeparam>
/// <typeparam name="TIn2">What goes in second.</typeparam>
/// <typeparam name="TOut">What comes out.</typeparam>
public abstract partial class Module<TIn1, TIn2, TOut> : Module
{
    /// <summary>Computes the module's output.</summary>
    /// <param name="x">The first input.</param>
    /// <param name="y">The second input.</param>
    /// <returns>The output.</returns>
    public abstract TOut Forward(TIn1 x, TIn2 y);
}
