namespace Hybrid;

// What automatic differentiation knows about a tensor; the graph itself is in Autograd/.
public partial class Tensor
{
    /// <summary>Whether gradients flow to this tensor: set on a leaf, or inherited from what it was computed from.</summary>
    /// <exception cref="DTypeException">Set on a tensor that is not floating.</exception>
    /// <exception cref="InvalidOperationException">Cleared on the result of an operation: use <see cref="Detach"/>.</exception>
    public bool RequiresGrad
    {
        get => leafRequiresGrad || !IsLeaf;
        set
        {
            if (value && !DType.IsFloating())
            {
                throw new DTypeException($"RequiresGrad: only floating tensors can have gradients, this one is {DType.Name()}");
            }
            if (!IsLeaf)
            {
                if (!value)
                {
                    throw new InvalidOperationException($"RequiresGrad: the result of {node!.Name} cannot stop requiring a gradient; take Detach() of it");
                }
                return;
            }
            leafRequiresGrad = value;
        }
    }

    /// <summary>Whether no recorded operation made this tensor: such tensors collect their gradient in <see cref="Grad"/>.</summary>
    public bool IsLeaf => node is null or AccumulateGrad;

    /// <summary>The gradient that <see cref="Backward"/> accumulated, shaped like this tensor; null before the first. Set it to null to start anew.</summary>
    /// <remarks>A later <see cref="Backward"/> adds to the same tensor, and the <c>ZeroGrad</c> of a module or an optimiser disposes one that
    /// <see cref="Backward"/> made (PyTorch leaves that to the last reference): <see cref="Clone"/> a gradient that you want to keep.</remarks>
    /// <exception cref="ShapeException">Set to a tensor of another shape.</exception>
    /// <exception cref="DTypeException">Set to a tensor of another dtype.</exception>
    /// <exception cref="DeviceException">Set to a tensor on another device.</exception>
    /// <exception cref="ArgumentException">Set to this very tensor.</exception>
    public Tensor? Grad
    {
        get => grad;
        set
        {
            if (value is not null)
            {
                CheckGradient(value, nameof(Grad));
                if (ReferenceEquals(value, this))
                {
                    throw new ArgumentException("Grad: a tensor cannot be its own gradient, which Backward would write to; Clone() it");
                }
            }
            grad = value;
            ownsGrad = false;
        }
    }

    /// <summary>Sets a gradient that nobody else knows, and that this tensor may therefore dispose.</summary>
    internal void TakeGrad(Tensor gradient)
    {
        Grad = gradient;
        ownsGrad = true;
    }

    /// <summary>The name of the operation that made this tensor, <c>Mul</c> say; null for a leaf. PyTorch's <c>grad_fn</c>.</summary>
    public string? GradFn => IsLeaf ? null : node!.Name;

    /// <summary>Computes the gradients of this tensor with respect to the leaves it was computed from, and adds them to their <see cref="Grad"/>.
    /// PyTorch's <c>backward</c>.</summary>
    /// <param name="gradient">gradient of something with respect to this tensor, shaped like it; may be left out where it has a single element</param>
    /// <param name="retainGraph">keep the graph, so that it can be walked again</param>
    /// <param name="createGraph">record the computation of the gradients, so that they can be differentiated in turn; keeps the graph too</param>
    /// <exception cref="InvalidOperationException">The tensor does not require a gradient, has several elements and no gradient is given, the
    /// graph has been freed, or a tensor that the gradient needs was written in place.</exception>
    /// <exception cref="ShapeException">The gradient's shape differs from the tensor's.</exception>
    /// <example><code>
    /// var x = Tensor.From([2f], requiresGrad: true);
    /// var y = 3 * x.Pow(3);
    /// y.Backward();
    /// Console.WriteLine(x.Grad);   // tensor([36])
    /// </code></example>
    public void Backward(Tensor? gradient = null, bool retainGraph = false, bool createGraph = false) =>
        Engine.Backward(this, gradient, retainGraph || createGraph, createGraph);

    /// <summary>The same elements, cut from the graph. PyTorch's <c>detach</c>.</summary>
    /// <returns>a view that requires no gradient</returns>
    public Tensor Detach() => NewView(Extents, StrideSpan);

    /// <summary>Sets <see cref="RequiresGrad"/> and returns this tensor, for a chain of calls. PyTorch's <c>requires_grad_</c>.</summary>
    /// <param name="requiresGrad">whether gradients flow to this tensor</param>
    public Tensor RequiresGrad_(bool requiresGrad = true)
    {
        RequiresGrad = requiresGrad;
        return this;
    }

    /// <summary>Where gradients of this tensor go; null when it requires none.</summary>
    internal Node? GradEdge => leafRequiresGrad ? node ?? Interlocked.CompareExchange(ref node, new AccumulateGrad(this), null) ?? node : IsLeaf ? null : node;

    /// <summary>Records the operation that made this tensor.</summary>
    internal void SetNode(Node made) => node = made;

    /// <summary>Puts a second handle in the first one's place in the graph: its gradients go where those of the first go.</summary>
    internal void SetEdge(Node? edge)
    {
        node = edge;
        leafRequiresGrad = edge is AccumulateGrad;
    }

    internal void CheckGradient(Tensor gradient, string operation)
    {
        if (!gradient.Extents.SequenceEqual(Extents))
        {
            throw new ShapeException($"{operation}: the gradient has shape {gradient.Shape}, the tensor {Shape}");
        }
        if (gradient.DType != DType)
        {
            throw new DTypeException($"{operation}: the gradient is {gradient.DType.Name()}, the tensor {DType.Name()}");
        }
        if (!ReferenceEquals(gradient.Device, Device))
        {
            throw new DeviceException($"{operation}: the gradient lives on {gradient.Device}, the tensor on {Device}");
        }
    }
}
