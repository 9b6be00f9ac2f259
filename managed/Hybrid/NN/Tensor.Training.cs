namespace Hybrid;

// What modules and optimisers do with the tensors that they keep.
public partial class Tensor
{
    /// <summary>Drops the gradient, or fills it with zeros.</summary>
    internal void ZeroGrad(bool setToNone)
    {
        if (setToNone)
        {
            Grad = null;
        }
        else if (Grad is { } gradient)
        {
            // Zeros have no history: what made the gradient, if that was recorded, goes.
            using var suspended = TensorScope.Suspend();
            using var noGrad = NoGrad.Begin();
            Grad = gradient.IsLeaf ? gradient : gradient.Detach();
            Grad.Zero_();
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
