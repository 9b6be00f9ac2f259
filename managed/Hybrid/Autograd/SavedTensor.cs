namespace Hybrid;

/// <summary>A tensor that a <see cref="Node"/> keeps for its gradient: it holds the memory even when the tensor itself is disposed, and notices
/// when the elements were written in between.</summary>
internal sealed class SavedTensor
{
    readonly Node owner;
    readonly bool isOutput;
    readonly int version;
    Tensor tensor;
    Storage? storage;
    bool ownsHandle;     // an output is saved by a handle of its own, so that node and output do not hold each other

    internal SavedTensor(Node owner, Tensor tensor, bool isOutput, SavedTensor? next)
    {
        this.owner = owner;
        this.isOutput = isOutput;
        storage = tensor.LiveStorage.AddReference();
        version = storage.Version;
        this.tensor = isOutput ? tensor.NewAlias() : tensor;
        ownsHandle = isOutput;
        Next = next;
    }

    /// <summary>The node's next saved tensor.</summary>
    internal SavedTensor? Next { get; }

    /// <summary>The tensor as it was saved, attached to the graph.</summary>
    /// <exception cref="InvalidOperationException">It was written in place or converted since, or the graph has been freed.</exception>
    public Tensor Unpack()
    {
        if (storage is null)
        {
            throw new InvalidOperationException(
                $"Backward: what {owner.Name} had saved was freed by an earlier Backward through it; call that one with retainGraph: true");
        }
        if (storage.Version != version)
        {
            throw new InvalidOperationException(
                $"Backward: a tensor of shape {tensor.Shape} was modified in place by {storage.Writer} after {owner.Name} saved it for its gradient "
                + $"(version {storage.Version}, expected {version})");
        }
        if (!tensor.IsDisposed && !ReferenceEquals(tensor.LiveStorage, storage))
        {
            throw new InvalidOperationException(
                $"Backward: a tensor of shape {tensor.Shape} was moved to another dtype or device after {owner.Name} saved it for its gradient");
        }
        if (tensor.IsDisposed)
        {
            var alias = tensor.Alias(storage);
            alias.SetEdge(tensor.GradEdge);
            tensor = alias;
            ownsHandle = true;
        }
        if (isOutput && GradMode.IsEnabled)
        {
            tensor.SetEdge(owner);
        }
        return tensor;
    }

    internal void Release()
    {
        if (ownsHandle)
        {
            tensor.Dispose();
        }
        storage?.Release();
        storage = null;
    }
}
