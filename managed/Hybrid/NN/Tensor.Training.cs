namespace Hybrid;

// What modules and optimisers do with the tensors that they keep.
public partial class Tensor
{
    /// <summary>Drops the gradient, and gives its memory back where Backward made it; or fills it with zeros.</summary>
    internal void ZeroGrad(bool setToNone)
    {
        var made = ownsGrad ? grad : null;
        if (setToNone)
        {
            Grad = null;
            made?.Dispose();
        }
        else if (grad is { } gradient)
        {
            using var suspended = TensorScope.Suspend();
            using var noGrad = NoGrad.Begin();
            if (!gradient.IsLeaf)
            {
                // Zeros have no history: what made the gradient, if that was recorded, goes.
                TakeGrad(gradient.Detach());
                made?.Dispose();
            }
            grad.Zero_();
        }
    }

    /// <summary>Replaces the elements by converted ones, of the tensor and of its gradient; the object stays, and so does every reference
    /// to it.</summary>
    internal void Convert(Func<Tensor, Tensor> convert)
    {
        using var suspended = TensorScope.Suspend();
        using var noGrad = NoGrad.Begin();
        using var current = NewAlias();
        using var converted = convert(current);
        var old = Interlocked.Exchange(ref storage, converted.LiveStorage.AddReference());
        view = converted.view;
        old?.Release();
        Grad?.Convert(convert);
    }
}
