using Hybrid.Bindings;

namespace Hybrid;

/// <summary>Walks the graph backward from its roots. A list ordered by sequence number meets every consumer of a tensor before its producer, so a
/// node runs once, when its gradient is complete; nothing recurses, so depth is bounded by memory alone.</summary>
/// <remarks>Every gradient on its way is a handle that the engine alone holds. Its elements may be overwritten where its storage has no other
/// user either. A thread keeps one engine from walk to walk.</remarks>
internal sealed class Engine
{
    [ThreadStatic]
    static Engine? idle;

    readonly TensorScope scope = TensorScope.Reusable();
    Pending[] pending = new Pending[16];   // the first `count`, by rising sequence number: the next to run is the last
    int count;
    Tensor?[] grads = new Tensor?[4];      // what one node computes
    bool retainGraph;
    bool createGraph;

    // Set by Autograd.Grad: the nodes whose gradients are wanted, in place of accumulation in leaves, and those that lie on the way to them.
    Dictionary<Node, Tensor?>? captures;
    HashSet<Node>? useful;

    Engine()
    {
    }

    /// <summary>A node that waits for its turn, and the sum of the gradients that have reached it.</summary>
    struct Pending(Node node, Tensor gradient)
    {
        internal readonly Node Node = node;
        internal Tensor Gradient = gradient;
    }

    static Engine Start(bool retainGraph, bool createGraph)
    {
        var engine = idle ?? new Engine(); // a second one when a node's own code walks a graph
        idle = null;
        engine.retainGraph = retainGraph;
        engine.createGraph = createGraph;
        return engine;
    }

    /// <summary>Lets go of everything, whether the walk ended well or not, and keeps the engine for the thread's next.</summary>
    void Finish()
    {
        for (; count > 0; count--)
        {
            pending[count - 1].Gradient.Dispose();
            pending[count - 1] = default;
        }
        Array.Clear(grads);
        captures = null;
        useful = null;
        idle = this;
    }

    /// <summary>See <see cref="Tensor.Backward"/>.</summary>
    internal static void Backward(Tensor root, Tensor? gradient, bool retainGraph, bool createGraph)
    {
        var engine = Start(retainGraph, createGraph);
        try
        {
            engine.AddRoot(root, gradient, nameof(Backward));
            engine.Run();
        }
        finally
        {
            engine.Finish();
        }
    }

    /// <summary>See <see cref="Autograd"/>; null for an input that was not used.</summary>
    internal static Tensor?[] Grad(ReadOnlySpan<Tensor> outputs, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor?> gradients, bool retainGraph, bool createGraph)
    {
        var captures = new Dictionary<Node, Tensor?>();
        foreach (var input in inputs)
        {
            captures[input.GradEdge!] = null;
        }
        var engine = Start(retainGraph, createGraph);
        try
        {
            engine.captures = captures;
            engine.useful = FindUseful(outputs, captures);
            for (var i = 0; i < outputs.Length; i++)
            {
                engine.AddRoot(outputs[i], i < gradients.Length ? gradients[i] : null, nameof(Autograd.Grad));
            }
            engine.Run();
        }
        finally
        {
            engine.Finish();
        }
        var result = new Tensor?[inputs.Length];
        for (var i = 0; i < inputs.Length; i++)
        {
            var captured = captures[inputs[i].GradEdge!];
            // One handle for each place in the list, so that each can be disposed by itself.
            result[i] = captured is null || Array.IndexOf(result, captured) < 0 ? captured : NewHandle(captured);
            if (result[i] is { } gradient)
            {
                TensorScope.Current?.Add(gradient);
            }
        }
        return result;
    }

    void AddRoot(Tensor root, Tensor? gradient, string operation)
    {
        if (root.GradEdge is not { } edge)
        {
            throw new InvalidOperationException($"{operation}: the tensor of shape {root.Shape} does not require a gradient, nor was it computed from one that does");
        }
        Tensor start;
        if (gradient is not null)
        {
            root.CheckGradient(gradient, operation);
            start = NewHandle(gradient);
        }
        else if (root.NumElements == 1)
        {
            using var _ = TensorScope.Suspend();
            start = Tensor.OnesLike(root);
        }
        else
        {
            throw new InvalidOperationException($"{operation}: a tensor of shape {root.Shape} has {root.NumElements} elements: give its gradient, or reduce it to one number first");
        }
        Deliver(edge, start);
    }

    void Run()
    {
        using var mode = GradMode.Set(createGraph);
        while (count > 0)
        {
            var next = pending[--count];
            pending[count] = default;
            Step(next.Node, next.Gradient);
        }
    }

    void Step(Node node, Tensor g)
    {
        if (captures is not null && captures.ContainsKey(node))
        {
            captures[node] = NewHandle(g);
        }
        var edges = node.Edges;
        if (!LeadsOn(edges))
        {
            g.Dispose();
            return;
        }
        if (grads.Length < edges.Length)
        {
            grads = new Tensor?[edges.Length];
        }
        if (node.OwnsTemporaries)
        {
            scope.Enter();
        }
        try
        {
            node.Backward(g, grads.AsSpan(0, edges.Length));
            for (var i = 0; i < edges.Length; i++)
            {
                grads[i] = edges[i] is null || grads[i] is not { } gradient ? null : Own(gradient);
            }
        }
        finally
        {
            scope.Dispose();
        }
        if (!retainGraph)
        {
            node.Release();
        }
        if (node.OwnsTemporaries)
        {
            g.Dispose();
        }
        for (var i = 0; i < edges.Length; i++)
        {
            if (grads[i] is { } gradient)
            {
                grads[i] = null;
                Deliver(edges[i]!, gradient);
            }
        }
    }

    bool LeadsOn(ReadOnlySpan<Node?> edges)
    {
        foreach (var edge in edges)
        {
            if (edge is not null && (useful is null || useful.Contains(edge)))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>A handle that is the engine's own: the node's new tensor, taken out of its scope; or a second handle to a tensor that came from
    /// elsewhere, or that goes to another input too.</summary>
    Tensor Own(Tensor gradient)
    {
        if (!ReferenceEquals(gradient.Scope, scope))
        {
            return NewHandle(gradient);
        }
        gradient.Scope = null;
        return gradient;
    }

    static Tensor NewHandle(Tensor tensor)
    {
        var handle = tensor.NewAlias();
        handle.SetEdge(tensor.GradEdge);
        return handle;
    }

    /// <summary>Brings a gradient to the node that made the tensor it belongs to, or to the leaf.</summary>
    void Deliver(Node target, Tensor gradient)
    {
        if (useful is not null && !useful.Contains(target))
        {
            gradient.Dispose();
        }
        else if (target is not AccumulateGrad accumulate)
        {
            AddPending(target, gradient);
        }
        else if (captures is not null)
        {
            captures[target] = captures[target] is { } earlier ? Sum(earlier, gradient) : gradient;
        }
        else
        {
            Accumulate(accumulate.Leaf, gradient);
        }
    }

    /// <summary>Adds to the gradient of a node that waits, or has it wait.</summary>
    void AddPending(Node target, Tensor gradient)
    {
        var place = Find(target.Sequence);
        if (place > 0 && ReferenceEquals(pending[place - 1].Node, target))
        {
            ref var earlier = ref pending[place - 1].Gradient;
            earlier = Sum(earlier, gradient);
            return;
        }
        if (count == pending.Length)
        {
            Array.Resize(ref pending, 2 * count);
        }
        Array.Copy(pending, place, pending, place + 1, count - place);
        pending[place] = new(target, gradient);
        count++;
    }

    /// <summary>How many nodes that wait have this sequence number or a lower one.</summary>
    int Find(long sequence)
    {
        int low = 0, high = count;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (pending[middle].Node.Sequence <= sequence)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }
        return low;
    }

    /// <summary>The sum of two gradients whose handles it takes over.</summary>
    Tensor Sum(Tensor sum, Tensor gradient)
    {
        if (!createGraph && sum.OwnsStorage && sum.IsContiguous)
        {
            AddTo(sum, gradient);
        }
        else
        {
            using var suspended = TensorScope.Suspend();
            using var mode = GradMode.Set(createGraph);
            var earlier = sum;
            sum = earlier + gradient;
            earlier.Dispose();
        }
        gradient.Dispose();
        return sum;
    }

    /// <summary>Adds a gradient to a leaf's. The first one is taken as it is where nobody else uses its memory. A leaf that was disposed, or
    /// frozen since, wants none.</summary>
    void Accumulate(Tensor leaf, Tensor gradient)
    {
        if (leaf.IsDisposed || !leaf.RequiresGrad)
        {
            gradient.Dispose();
            return;
        }
        using var suspended = TensorScope.Suspend();
        if (leaf.Grad is not { } accumulated)
        {
            // A clone under createGraph is recorded.
            leaf.TakeGrad(gradient.OwnsStorage && gradient.IsContiguous ? gradient : gradient.Clone());
        }
        else if (createGraph || accumulated.RequiresGrad)
        {
            leaf.TakeGrad(accumulated + gradient);
        }
        else
        {
            AddTo(accumulated, gradient);
        }
        if (!ReferenceEquals(leaf.Grad, gradient))
        {
            gradient.Dispose();
        }
    }

    static unsafe void AddTo(Tensor sum, Tensor gradient)
    {
        fixed (HyTensor* ps = sum, pg = gradient)
        {
            Native.Binary(sum.Device.Handle, HyBinaryOp.Add, ps, pg, ps);
        }
        sum.LiveStorage.Written("Backward");
    }

    /// <summary>The nodes from which one of the wanted ones can be reached. Producers have lower sequence numbers than consumers, so one pass in
    /// rising order decides.</summary>
    static HashSet<Node> FindUseful(ReadOnlySpan<Tensor> outputs, Dictionary<Node, Tensor?> wanted)
    {
        var reached = new HashSet<Node>();
        var stack = new Stack<Node>();
        foreach (var output in outputs)
        {
            Visit(output.GradEdge);
        }
        while (stack.TryPop(out var node))
        {
            foreach (var edge in node.Edges)
            {
                Visit(edge);
            }
        }
        var rising = new List<Node>(reached);
        rising.Sort(static (a, b) => a.Sequence.CompareTo(b.Sequence));
        var useful = new HashSet<Node>();
        foreach (var node in rising)
        {
            var leads = wanted.ContainsKey(node);
            foreach (var edge in node.Edges)
            {
                leads |= edge is not null && useful.Contains(edge);
            }
            if (leads)
            {
                useful.Add(node);
            }
        }
        return useful;

        void Visit(Node? node)
        {
            if (node is not null && reached.Add(node))
            {
                stack.Push(node);
            }
        }
    }
}
