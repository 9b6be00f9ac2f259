namespace Hybrid.NN;

/// <summary>
/// Marks a <see cref="Tensor"/> field or auto-property of a module as a buffer: state that no optimiser trains, but that moves with the
/// module, and is saved and loaded with it, as the running mean of <see cref="BatchNorm2d"/> is. PyTorch's <c>register_buffer</c>.
/// </summary>
[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public sealed class BufferAttribute : Attribute;

/// <summary>
/// Names a module's member in the state dictionary. Without it the name is the member's own in PyTorch's spelling: <c>runningMean</c> and
/// <c>RunningMean</c> become <c>running_mean</c>.
/// </summary>
/// <param name="name">The name, such as <c>LayerNorm</c>.</param>
[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public sealed class StateNameAttribute(string name) : Attribute
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;
}
