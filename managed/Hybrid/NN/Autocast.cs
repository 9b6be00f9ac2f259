namespace Hybrid.NN;

/// <summary>Mixed precision (Micikevicius et al., 2018): within a block, matrix products and convolutions are computed in a 16-bit dtype, and
/// softmax, normalisations and losses in float32, whatever their operands are. Parameters stay as they are. PyTorch's <c>torch.autocast</c>.</summary>
/// <example><code>
/// using (Autocast.Begin())
/// {
///     loss = F.CrossEntropy(model.Forward(images), labels);
/// }
/// loss.Backward();
/// </code></example>
/// <remarks>
/// <para>It serves GPUs, whose tensor cores are several times as fast so. The processor computes 16-bit types as float32, rounded once: there it saves
/// no time, but for bfloat16's matrix products where <see cref="Device.Isa"/> is "avx512-bf16", which take the processor's own instruction.</para>
/// <para>float64 is left alone. Everything not named above takes its operands as they come. The 16-bit copy of a parameter is made once a block, unless the
/// parameter changes; gradients flow back through it, in the parameter's own dtype. Gradients are computed in the dtypes in which the forward pass
/// was: call <see cref="Tensor.Backward"/> outside the block. float16 needs a <see cref="Optim.GradScaler"/>; bfloat16, with float32's range, does
/// not.</para>
/// </remarks>
public sealed class Autocast : IDisposable
{
    [ThreadStatic]
    private static Autocast? current;

    private readonly Autocast? outer;
    private readonly DType? lower; // null where casting is off
    private readonly Dictionary<Tensor, Copy> copies;
    private bool ended;

    private Autocast(DType? lower)
    {
        outer = Current;
        this.lower = lower;
        copies = outer is not null && outer.lower == lower ? outer.copies : new(ReferenceEqualityComparer.Instance);
    }

    private readonly record struct Copy(Tensor Tensor, Storage Storage, int Generation, int Version, bool Recorded, DeviceGraph? Graph);

    /// <summary>Whether this thread casts: between <see cref="Begin"/> and the end of what it gave.</summary>
    public static bool IsEnabled => Current?.lower is not null;

    /// <summary>The dtype of this thread's matrix products and convolutions; null where they are left alone.</summary>
    public static DType? DType => Current?.lower;

    private static Autocast? Current
    {
        get
        {
            while (current is { ended: true } block)
            {
                current = block.outer;
            }
            return current;
        }
    }

    /// <summary>Casts, on this thread, until the returned value is disposed.</summary>
    /// <param name="dtype">bfloat16 or float16</param>
    /// <param name="enabled">false leaves operands as they are, inside another block say</param>
    /// <exception cref="DTypeException">The dtype is another one.</exception>
    public static Autocast Begin(DType dtype = Hybrid.DType.BFloat16, bool enabled = true)
    {
        if (dtype is not (Hybrid.DType.BFloat16 or Hybrid.DType.Float16))
        {
            throw new DTypeException($"Autocast: {dtype.Name()} is given, expected bfloat16 or float16");
        }
        return current = new Autocast(enabled ? dtype : null);
    }

    /// <summary>Ends the block. Harmless when repeated.</summary>
    public void Dispose()
    {
        if (!ended && !ReferenceEquals(copies, outer?.copies))
        {
            copies.Clear(); // not disposed: graphs may hold them
        }
        ended = true;
    }

    /// <summary>The operands of a product, in the block's dtype.</summary>
    internal static void Lower(ref Tensor a, ref Tensor b)
    {
        if (current is not null && Current is { lower: { } dtype } block)
        {
            (a, b) = (block.Cast(a, dtype), block.Cast(b, dtype));
        }
    }

    /// <inheritdoc cref="Lower(ref Tensor, ref Tensor)"/>
    internal static void Lower(ref Tensor x, ref Tensor weight, ref Tensor? bias)
    {
        if (current is not null && Current is { lower: { } dtype } block)
        {
            (x, weight) = (block.Cast(x, dtype), block.Cast(weight, dtype));
            bias = bias is null ? null : block.Cast(bias, dtype);
        }
    }

    /// <summary>An operand of what needs float32's digits.</summary>
    internal static Tensor Raise(Tensor x) =>
        current is not null && IsEnabled && x.DType is Hybrid.DType.BFloat16 or Hybrid.DType.Float16 ? x.To(Hybrid.DType.Float32) : x;

    private Tensor Cast(Tensor x, DType dtype)
    {
        if (x.DType == dtype || !x.DType.IsFloating() || x.DType == Hybrid.DType.Float64)
        {
            return x;
        }
        return x is Parameter ? CastOnce(x, dtype) : x.To(dtype);
    }

    private Tensor CastOnce(Tensor parameter, DType dtype)
    {
        var storage = parameter.LiveStorage;
        var fresh = new Copy(parameter, storage, storage.Generation, storage.Version, GradMode.Records(parameter), DeviceGraph.Recording);
        if (copies.TryGetValue(parameter, out var known) && !known.Tensor.IsDisposed && known with { Tensor = parameter } == fresh)
        {
            return known.Tensor;
        }
        var copy = parameter.To(dtype);
        copies[parameter] = fresh with { Tensor = copy };
        return copy;
    }
}
