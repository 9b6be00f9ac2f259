namespace Hybrid;

/// <summary>Whether the thread records operations for <see cref="Tensor.Backward"/>. PyTorch's <c>no_grad</c> and <c>enable_grad</c>.</summary>
public static class GradMode
{
    [ThreadStatic]
    static bool disabled;

    /// <summary>Whether operations of this thread are recorded; true unless <see cref="NoGrad.Begin"/> says otherwise.</summary>
    public static bool IsEnabled => !disabled;

    /// <summary>Records again, inside a <see cref="NoGrad"/> block say, until the returned value is disposed.</summary>
    public static Restore Enable() => Set(true);

    internal static Restore Set(bool enabled)
    {
        var restore = new Restore(disabled);
        disabled = !enabled;
        return restore;
    }

    /// <summary>Whether an operation of these inputs is to be recorded: recording is on and one of them requires a gradient.</summary>
    internal static bool Records(Tensor? a) => !disabled && a is { RequiresGrad: true };

    /// <inheritdoc cref="Records(Tensor?)"/>
    internal static bool Records(Tensor? a, Tensor? b) => !disabled && (a is { RequiresGrad: true } || b is { RequiresGrad: true });

    /// <inheritdoc cref="Records(Tensor?)"/>
    internal static bool Records(params ReadOnlySpan<Tensor?> inputs)
    {
        if (!disabled)
        {
            foreach (var input in inputs)
            {
                if (input is { RequiresGrad: true })
                {
                    return true;
                }
            }
        }
        return false;
    }

    /// <summary>Restores the earlier mode when disposed.</summary>
    public readonly struct Restore : IDisposable
    {
        readonly bool earlier;

        internal Restore(bool earlier) => this.earlier = earlier;

        /// <summary>Restores the earlier mode.</summary>
        public void Dispose() => disabled = earlier;
    }
}

/// <summary>A block whose operations are not recorded. PyTorch's <c>no_grad</c>.</summary>
/// <example><code>
/// using (NoGrad.Begin())
/// {
///     accuracy = Accuracy(model.Forward(images), labels);
/// }
/// </code></example>
public static class NoGrad
{
    /// <summary>Stops recording on this thread until the returned value is disposed.</summary>
    public static GradMode.Restore Begin() => GradMode.Set(false);
}
