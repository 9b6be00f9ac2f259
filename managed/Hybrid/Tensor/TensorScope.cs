namespace Hybrid;

/// <summary>Disposes, at its end, the tensors that the thread created since its beginning: a training step's temporaries go back to the
/// allocator at once instead of waiting for the garbage collector.</summary>
/// <remarks>Scopes nest, and belong to the thread that began them: do not let an <c>await</c> resume on another thread in between.
/// Gradients that <see cref="Tensor.Backward"/> accumulates in leaves, parameters and the state of optimisers are left alone.</remarks>
/// <example><code>
/// foreach (var (images, labels) in loader)
/// {
///     using var scope = TensorScope.Begin();
///     optimizer.ZeroGrad();
///     var loss = F.CrossEntropy(model.Forward(images), labels);
///     loss.Backward();
///     optimizer.Step();
/// }
/// </code></example>
public sealed class TensorScope : IDisposable
{
    [ThreadStatic]
    static TensorScope? current;

    [ThreadStatic]
    static Tensor?[]? spare;   // an emptied list, for the next scope that begins

    Tensor?[] tensors = [];
    int count;
    TensorScope? outer;
    readonly bool reusable;
    bool ended;

    TensorScope(bool reusable) => this.reusable = ended = reusable;

    /// <summary>The innermost scope of this thread; null without one, and while suspended.</summary>
    internal static TensorScope? Current
    {
        get
        {
            // A scope that was disposed before its inner ones is skipped here.
            while (current is { ended: true } scope)
            {
                current = scope.outer;
            }
            return current;
        }
    }

    /// <summary>Begins a scope on this thread.</summary>
    public static TensorScope Begin() => new TensorScope(reusable: false).Enter();

    /// <summary>Until disposed, what the thread creates belongs to no scope: for state that outlives a step.</summary>
    internal static Suspension Suspend() => new(Current);

    /// <summary>Keeps a tensor beyond this scope: it then belongs to the enclosing scope, or to nobody when there is none.</summary>
    /// <param name="tensor">a tensor; left as it is when it does not belong to this scope</param>
    /// <returns>the same tensor</returns>
    public T Keep<T>(T tensor) where T : Tensor
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (ReferenceEquals(tensor.Scope, this))
        {
            tensor.Scope = null;
            var enclosing = outer;
            while (enclosing is { ended: true })
            {
                enclosing = enclosing.outer;
            }
            enclosing?.Add(tensor);
        }
        return tensor;
    }

    /// <summary>Ends the scope: disposes what was created in it and not kept. Harmless when repeated.</summary>
    public void Dispose()
    {
        if (ended)
        {
            return;
        }
        ended = true;
        if (ReferenceEquals(current, this))
        {
            current = outer;
        }
        DisposeTensors();
        if (!reusable)
        {
            spare = tensors.Length > 0 ? tensors : spare;
            tensors = [];
        }
    }

    /// <summary>The engine's own scope, entered anew for each node.</summary>
    internal static TensorScope Reusable() => new(reusable: true);

    internal TensorScope Enter()
    {
        ended = false;
        outer = Current;
        current = this;
        return this;
    }

    internal void Add(Tensor tensor)
    {
        tensor.Scope = this;
        if (count == tensors.Length)
        {
            Grow();
        }
        tensors[count++] = tensor;
    }

    void Grow()
    {
        if (count == 0 && spare is { } list)
        {
            spare = null;
            tensors = list;
        }
        else
        {
            Array.Resize(ref tensors, Math.Max(16, 2 * count));
        }
    }

    void DisposeTensors()
    {
        foreach (var tensor in tensors.AsSpan(0, count))
        {
            if (ReferenceEquals(tensor!.Scope, this))
            {
                tensor.Dispose();
            }
        }
        Array.Clear(tensors, 0, count);
        count = 0;
    }

    /// <summary>See <see cref="Suspend"/>.</summary>
    internal readonly ref struct Suspension
    {
        readonly TensorScope? suspended;

        internal Suspension(TensorScope? scope)
        {
            suspended = scope;
            current = null;
        }

        /// <summary>Goes on with the scope that was suspended.</summary>
        public void Dispose() => current = suspended;
    }
}
