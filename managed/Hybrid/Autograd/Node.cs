using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Hybrid;

/// <summary>A recorded operation: what the graph is made of. It knows where gradients of its inputs go, and computes them from the gradient of
/// its one output.</summary>
/// <remarks>Its sequence number is above those of the nodes that made its inputs, so walking the graph by falling number meets every consumer
/// of a tensor before its producer.</remarks>
internal abstract class Node
{
    static long lastSequence;

    readonly int inputs;
    readonly Node?[]? manyEdges;   // of an operation with more inputs than FewEdges holds
    FewEdges fewEdges;
    SavedTensor? saved;

    /// <summary>Records an edge for each input that requires a gradient.</summary>
    /// <param name="name">the operation as users know it: <c>Conv2d</c></param>
    /// <param name="inputs">its tensors, null where one is absent</param>
    protected Node(string name, ReadOnlySpan<Tensor?> inputs)
    {
        Name = name;
        this.inputs = inputs.Length;
        manyEdges = inputs.Length <= FewEdges.Length ? null : new Node?[inputs.Length];
        var edges = MutableEdges;
        for (var i = 0; i < inputs.Length; i++)
        {
            edges[i] = inputs[i]?.GradEdge;
        }
        Sequence = Interlocked.Increment(ref lastSequence);
    }

    /// <summary>The operation as users know it.</summary>
    internal string Name { get; }

    internal long Sequence { get; }

    /// <summary>Where the gradients of the inputs go; null where none is wanted.</summary>
    internal ReadOnlySpan<Node?> Edges => MutableEdges;

    Span<Node?> MutableEdges => manyEdges ?? MemoryMarshal.CreateSpan(ref fewEdges[0], inputs);

    /// <summary>Whether temporaries that <see cref="Backward"/> creates may be disposed when it returns. Not so where it is a user's code.</summary>
    internal virtual bool OwnsTemporaries => true;

    /// <summary>Computes the gradients of the inputs. <see cref="GradMode.IsEnabled"/> is true here exactly when the gradients are to be
    /// differentiable: then compute with tensor operations, otherwise with fused kernels.</summary>
    /// <param name="g">the gradient of the output; must not be written to</param>
    /// <param name="grads">receives for each input that <see cref="NeedsGrad"/> its gradient, shaped like it: a new tensor, <paramref name="g"/>
    /// itself, or a view of it; null means zero</param>
    public abstract void Backward(Tensor g, Span<Tensor?> grads);

    /// <summary>Frees what was saved for <see cref="Backward"/>; called after it when the graph is not retained. Saved tensors are freed here:
    /// override only to free something else.</summary>
    protected internal virtual void Release()
    {
        for (var s = saved; s is not null; s = s.Next)
        {
            s.Release();
        }
    }

    /// <summary>Whether the gradient of an input is wanted.</summary>
    /// <param name="input">its place in the constructor's list</param>
    protected bool NeedsGrad(int input) => Edges[input] is not null;

    /// <summary>Keeps an input, the output or a temporary for <see cref="Backward"/>. The node holds its own reference to the memory: a temporary
    /// can be disposed at once.</summary>
    protected SavedTensor Save(Tensor tensor) => saved = new SavedTensor(this, tensor, saved);

    /// <summary>The edges of nearly every operation, without an array of their own.</summary>
    [InlineArray(Length)]
    struct FewEdges
    {
        internal const int Length = 3;

        Node? first;
    }
}

/// <summary>Where gradients of a leaf end: in its <see cref="Tensor.Grad"/>.</summary>
internal sealed class AccumulateGrad(Tensor leaf) : Node("AccumulateGrad", [])
{
    internal Tensor Leaf => leaf;

    /// <inheritdoc/>
    public override void Backward(Tensor g, Span<Tensor?> grads) => throw new InvalidOperationException("AccumulateGrad has no inputs");
}
