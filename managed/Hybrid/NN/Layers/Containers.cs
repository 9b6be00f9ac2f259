using System.Collections;

namespace Hybrid.NN;

/// <summary>Modules one after the other: the output of each is the input of the next. Its children are named 0, 1, …. See PyTorch's
/// <c>nn.Sequential</c>.</summary>
/// <example><code>var mlp = new Sequential(new Linear(784, 128), new ReLU(), new Linear(128, 10));</code></example>
public sealed class Sequential : Module<Tensor, Tensor>, IReadOnlyList<Module<Tensor, Tensor>>
{
    private readonly ModuleList<Module<Tensor, Tensor>> modules;

    /// <summary>A chain of modules.</summary>
    /// <param name="modules">The modules in order; none passes the input through.</param>
    /// <exception cref="ArgumentNullException">A module is null.</exception>
    public Sequential(params IEnumerable<Module<Tensor, Tensor>> modules) => this.modules = new ModuleList<Module<Tensor, Tensor>>(modules);

    /// <inheritdoc/>
    public int Count => modules.Count;

    /// <inheritdoc/>
    public Module<Tensor, Tensor> this[int index] => modules[index];

    /// <summary>Adds a module at the end.</summary>
    /// <param name="module">The module.</param>
    public void Add(Module<Tensor, Tensor> module) => modules.Add(module);

    /// <summary>Passes the input through all modules. A linear or convolution layer with an activation behind it is one step, with the same
    /// result. In evaluation, while gradients are not recorded, batch normalisation behind a convolution becomes part of its weights: the
    /// result is the same but for rounding.</summary>
    /// <param name="x">What the first module takes.</param>
    /// <returns>What the last module returns.</returns>
    public override Tensor Forward(Tensor x)
    {
        for (var i = 0; i < modules.Count;)
        {
            x = Step(x, ref i);
        }
        return x;
    }

    // Applies the module at i, with those behind it that it takes in, and moves i past them. The largest of relu(x) is relu of the largest: a max
    // pooling goes before it while gradients are recorded, since there are fewer elements behind.
    private Tensor Step(Tensor x, ref int i)
    {
        var module = modules[i++];
        var norm = module is Conv2d conv && At(i) is BatchNorm2d next && next.FoldsInto(conv) ? next : null;
        if (norm is not null)
        {
            i++;
        }
        var activation = module is ITakesActivation && At(i) is IActivation { Kind: var kind } ? kind : Activation.None;
        if (activation != Activation.None)
        {
            i++;
        }
        if (activation == Activation.Relu && norm is null && GradMode.IsEnabled && At(i) is MaxPool2d pool)
        {
            i++;
            return pool.Forward(module.Forward(x)).Relu();
        }
        return norm is not null ? ((Conv2d)module).Forward(x, norm, activation)
            : activation != Activation.None ? ((ITakesActivation)module).Forward(x, activation)
            : module.Forward(x);
    }

    private Module<Tensor, Tensor>? At(int index) => index < modules.Count ? modules[index] : null;

    /// <inheritdoc/>
    public IEnumerator<Module<Tensor, Tensor>> GetEnumerator() => modules.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <inheritdoc/>
    protected override void CollectMembers(ModuleMembers members) => modules.ListIn(members);
}

/// <summary>A list of modules, named 0, 1, …; it computes nothing itself. See PyTorch's <c>nn.ModuleList</c>.</summary>
/// <typeparam name="T">The modules' common type.</typeparam>
public sealed class ModuleList<T> : Module, IReadOnlyList<T> where T : Module
{
    private readonly List<T> modules = [];

    /// <summary>A list of modules.</summary>
    /// <param name="modules">The modules in order.</param>
    /// <exception cref="ArgumentNullException">A module is null.</exception>
    public ModuleList(params IEnumerable<T> modules)
    {
        ArgumentNullException.ThrowIfNull(modules);
        foreach (var module in modules)
        {
            Add(module);
        }
    }

    /// <inheritdoc/>
    public int Count => modules.Count;

    /// <inheritdoc/>
    public T this[int index] => modules[index];

    /// <summary>Adds a module at the end.</summary>
    /// <param name="module">The module.</param>
    public void Add(T module)
    {
        ArgumentNullException.ThrowIfNull(module);
        modules.Add(module);
    }

    /// <inheritdoc/>
    public IEnumerator<T> GetEnumerator() => modules.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <inheritdoc/>
    protected override void CollectMembers(ModuleMembers members) => ListIn(members);

    internal void ListIn(ModuleMembers members)
    {
        for (var i = 0; i < modules.Count; i++)
        {
            members.AddModule($"{i}", modules[i]);
        }
    }
}
