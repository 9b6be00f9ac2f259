namespace Hybrid;

/// <summary>A tensor that a <see cref="Node"/> keeps for its gradient: it holds the memory even when the tensor itself is disposed, and notices
/// when the elements were written in between.</summary>
/// <remarks>A node and its output hold each other where the output is saved. That is harmless: neither has a finalizer, and
/// <see cref="Release"/> parts them.</remarks>
internal sealed class SavedTensor
{
    readonly Node owner;
    readonly int version;
    Tensor? tensor;
    Storage? storage;
    bool ownsHandle;     // it replaced the tensor, which was disposed

    internal SavedTensor(Node owner, Tensor tensor, SavedTensor? next)
    {
        this.owner = owner;
        this.tensor = tensor;
        storage = tensor.LiveStorage.AddReference();
        version = storage.Version;
        Next = next;
    }

    /// <summary>The node's next saved tensor.</summary>
    internal SavedTensor? Next { get; }

    /// <summary>The tensor as it was saved, attached to the graph.</summary>
    /// <exception cref="InvalidOperationException">It was written in place or converted since, or the graph has been freed.</exception>
    public Tensor Unpack()
    {
        if (tensor is null || storage is null)
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
        if (tensor.IsDisposed)
        {
            var alias = tensor.Alias(storage);
            alias.SetEdge(tensor.GradEdge);
            tensor = alias;
            ownsHandle = true;
        }
        else if (!ReferenceEquals(tensor.LiveStorage, storage))
        {
            throw new InvalidOperationException(
                $"Backward: a tensor of shape {tensor.Shape} was moved to another dtype or device after {owner.Name} saved it for its gradient");
        }
        return tensor;
    }

    internal void Release()
    {
        if (ownsHandle)
        {
            tensor?.Dispose();
        }
        tensor = null;
        storage?.Release();
        storage = null;
    }
}
