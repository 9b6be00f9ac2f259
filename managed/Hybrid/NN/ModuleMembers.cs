namespace Hybrid.NN;

/// <summary>
/// Receives the parameters, buffers and child modules of one module, in order of declaration. Code that the source generator writes for a
/// partial module calls it; a module that overrides <see cref="Module.CollectMembers"/> by hand does so itself. Nulls are passed over.
/// </summary>
public sealed class ModuleMembers
{
    private readonly Dictionary<string, object> names = [];
    private readonly string owner;

    internal ModuleMembers(string owner) => this.owner = owner;

    internal List<(string Name, Parameter Value)> Parameters { get; } = [];

    internal List<(string Name, Tensor Value)> Buffers { get; } = [];

    internal List<(string Name, Module Value)> Children { get; } = [];

    /// <summary>Lists a parameter.</summary>
    /// <param name="name">Its name in the state dictionary, without dots.</param>
    /// <param name="parameter">The parameter; may be null.</param>
    /// <exception cref="InvalidOperationException">Another member has this name.</exception>
    public void AddParameter(string name, Parameter? parameter) => Add(Parameters, name, parameter);

    /// <summary>Lists parameters, named <c>name.0</c>, <c>name.1</c> and so on.</summary>
    /// <param name="name">The list's name.</param>
    /// <param name="parameters">The parameters; may be null, and hold nulls.</param>
    /// <inheritdoc cref="AddParameter" path="/exception"/>
    public void AddParameters(string name, IReadOnlyList<Parameter?>? parameters) => AddAll(Parameters, name, parameters);

    /// <summary>Lists a buffer.</summary>
    /// <param name="name">Its name in the state dictionary, without dots.</param>
    /// <param name="buffer">The buffer; may be null.</param>
    /// <inheritdoc cref="AddParameter" path="/exception"/>
    public void AddBuffer(string name, Tensor? buffer) => Add(Buffers, name, buffer);

    /// <summary>Lists a child.</summary>
    /// <param name="name">Its name in the state dictionary, without dots.</param>
    /// <param name="module">The child; may be null.</param>
    /// <inheritdoc cref="AddParameter" path="/exception"/>
    public void AddModule(string name, Module? module) => Add(Children, name, module);

    /// <summary>Lists children, named <c>name.0</c>, <c>name.1</c> and so on.</summary>
    /// <param name="name">The list's name.</param>
    /// <param name="modules">The children; may be null, and hold nulls.</param>
    /// <inheritdoc cref="AddParameter" path="/exception"/>
    public void AddModules(string name, IReadOnlyList<Module?>? modules) => AddAll(Children, name, modules);

    private void AddAll<T>(List<(string, T)> list, string name, IReadOnlyList<T?>? values) where T : class
    {
        for (var i = 0; i < (values?.Count ?? 0); i++)
        {
            Add(list, $"{name}.{i}", values![i]);
        }
    }

    private void Add<T>(List<(string, T)> list, string name, T? value) where T : class
    {
        if (value is null)
        {
            return;
        }
        if (names.TryAdd(name, value))
        {
            list.Add((name, value));
        }
        // An overridden property is listed by the base class and by the derived one: the same value, which counts once.
        else if (!ReferenceEquals(names[name], value))
        {
            throw new InvalidOperationException(
                $"{owner}: two members are named '{name}' in the state dictionary, expected one of each name");
        }
    }
}
