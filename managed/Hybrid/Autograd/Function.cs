namespace Hybrid;

/// <summary>An operation with a gradient of one's own. PyTorch's <c>autograd.Function</c>.</summary>
/// <remarks>An object stands for one kind of operation and may be applied any number of times; what one application leaves for its gradient goes
/// through the <see cref="Context"/>.</remarks>
/// <example><code>
/// sealed class Cube : Function
/// {
///     protected override Tensor Forward(Context context, ReadOnlySpan&lt;Tensor> inputs)
///     {
///         context.Save(inputs[0]);
///         return inputs[0] * inputs[0] * inputs[0];
///     }
///
///     protected override Tensor?[] Backward(Context context, Tensor g) => [3 * g * context.Saved(0) * context.Saved(0)];
/// }
/// var y = new Cube().Apply(x);
/// </code></example>
public abstract class Function
{
    /// <summary>What <see cref="Forward"/> leaves for <see cref="Backward"/>.</summary>
    public sealed class Context
    {
        internal List<Tensor> Kept { get; } = [];

        internal FunctionNode? Node { get; set; }

        /// <summary>Anything else that the gradient needs.</summary>
        public object? State { get; set; }

        /// <summary>Saves an input, the output or a temporary for the gradient; a write to it in between becomes an error.</summary>
        /// <param name="tensor">the tensor</param>
        public void Save(Tensor tensor) => Kept.Add(tensor);

        /// <summary>A tensor that was saved.</summary>
        /// <param name="index">which one, in the order of saving</param>
        /// <exception cref="InvalidOperationException">It was written in place since, or the graph has been freed.</exception>
        public Tensor Saved(int index) => Node!.Saved(index);

        /// <summary>Whether the gradient of an input is wanted.</summary>
        /// <param name="input">its place in the list</param>
        public bool NeedsGrad(int input) => Node!.Wants(input);
    }

    /// <summary>Computes the result. Runs unrecorded.</summary>
    /// <param name="context">keeps what the gradient needs</param>
    /// <param name="inputs">the inputs</param>
    protected abstract Tensor Forward(Context context, ReadOnlySpan<Tensor> inputs);

    /// <summary>Computes the gradients of the inputs. Compute with tensor operations: then they can be differentiated in turn.</summary>
    /// <param name="context">what <see cref="Forward"/> kept</param>
    /// <param name="gradient">the gradient of the result; must not be written to</param>
    /// <returns>for each input its gradient, shaped like it; null means zero</returns>
    protected abstract Tensor?[] Backward(Context context, Tensor gradient);

    /// <summary>Computes the result and records the operation.</summary>
    /// <param name="inputs">the inputs</param>
    /// <exception cref="InvalidOperationException"><see cref="Forward"/> gives a tensor that is already part of the graph.</exception>
    public Tensor Apply(params ReadOnlySpan<Tensor> inputs)
    {
        var context = new Context();
        Tensor output;
        using (NoGrad.Begin())
        {
            output = Forward(context, inputs);
        }
        if (!GradMode.Records(inputs!))
        {
            return output;
        }
        if (output.RequiresGrad || IsOneOf(inputs, output))
        {
            // Forward gave back one of its inputs, which must not become the result of this node.
            output = output.Detach();
        }
        output.SetNode(new FunctionNode(this, context, inputs));
        return output;
    }

    static bool IsOneOf(ReadOnlySpan<Tensor> tensors, Tensor wanted)
    {
        foreach (var tensor in tensors)
        {
            if (ReferenceEquals(tensor, wanted))
            {
                return true;
            }
        }
        return false;
    }

    internal Tensor?[] RunBackward(Context context, Tensor gradient) => Backward(context, gradient);
}

/// <summary>The node of a <see cref="Function"/>.</summary>
internal sealed class FunctionNode : Node
{
    readonly Function function;
    readonly Function.Context context;
    readonly SavedTensor[] saved;
    readonly Shape[] shapes;

    internal FunctionNode(Function function, Function.Context context, ReadOnlySpan<Tensor> inputs) : base(function.GetType().Name, inputs!)
    {
        this.function = function;
        this.context = context;
        context.Node = this;
        shapes = new Shape[inputs.Length];
        for (var i = 0; i < inputs.Length; i++)
        {
            shapes[i] = inputs[i].Shape;
        }
        saved = new SavedTensor[context.Kept.Count];
        for (var i = 0; i < saved.Length; i++)
        {
            saved[i] = Save(context.Kept[i]);
        }
        context.Kept.Clear();
    }

    internal override bool OwnsTemporaries => false;

    internal Tensor Saved(int index) => saved[index].Unpack();

    internal bool Wants(int input) => NeedsGrad(input);

    /// <inheritdoc/>
    public override void Backward(Tensor g, Span<Tensor?> grads)
    {
        var given = function.RunBackward(context, g);
        if (given?.Length != shapes.Length)
        {
            throw new InvalidOperationException($"{Name}: Backward gave {given?.Length ?? 0} gradients for {shapes.Length} inputs");
        }
        for (var i = 0; i < given.Length; i++)
        {
            if (given[i] is { } gradient && gradient.Shape != shapes[i])
            {
                throw new ShapeException($"{Name}: Backward gave input {i} of shape {shapes[i]} a gradient of shape {gradient.Shape}");
            }
            grads[i] = given[i];
        }
    }
}
