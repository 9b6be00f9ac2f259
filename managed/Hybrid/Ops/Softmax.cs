using Hybrid.Bindings;

namespace Hybrid;

public partial class Tensor
{
    /// <summary>exp(x) / sum(exp(x)) along an axis, without overflow. See PyTorch's <c>softmax</c>.</summary>
    /// <param name="dim">the axis whose elements sum to 1; negative counts from the end</param>
    /// <returns>this tensor's shape and dtype</returns>
    /// <exception cref="DTypeException">This tensor is not floating.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such axis.</exception>
    public Tensor Softmax(int dim) => SoftmaxOps.Softmax(this, dim, logarithm: false);

    /// <summary>The logarithm of softmax along an axis, x - log(sum(exp(x))), without overflow. See PyTorch's <c>log_softmax</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <returns>this tensor's shape and dtype</returns>
    /// <exception cref="DTypeException">This tensor is not floating.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such axis.</exception>
    public Tensor LogSoftmax(int dim) => SoftmaxOps.Softmax(this, dim, logarithm: true);

    /// <summary>log(sum(exp(x))) along an axis, without overflow; -∞ over nothing. See PyTorch's <c>logsumexp</c>.</summary>
    /// <param name="dim">the axis; negative counts from the end</param>
    /// <param name="keepDim">whether the axis stays, with extent 1</param>
    /// <returns>this tensor's shape without <paramref name="dim"/></returns>
    /// <exception cref="DTypeException">This tensor is not floating.</exception>
    public Tensor LogSumExp(int dim, bool keepDim = false)
    {
        Checks.Floating("LogSumExp", this);
        if (NN.Autocast.Raise(this) is var raised && !ReferenceEquals(raised, this))
            return raised.LogSumExp(dim, keepDim);
        if (NumElements == 0)
            return Sum(dim, keepDim) + double.NegativeInfinity;
        // The shift is a constant: it cancels in the value and in every derivative. One that is infinite would make ∞ - ∞ of it.
        var largest = Detach().AMax([dim], keepDim: true);
        var shift = Where(largest.Abs().Eq(double.PositiveInfinity), 0, largest);
        var y = (this - shift).Exp().Sum(dim, keepDim: true).Log() + shift;
        return keepDim || Dim == 0 ? y : y.Squeeze(dim);
    }
}

/// <summary>Softmax's forward and backward.</summary>
internal static class SoftmaxOps
{
    internal static unsafe Tensor Softmax(Tensor x, int dim, bool logarithm)
    {
        var name = logarithm ? "LogSoftmax" : "Softmax";
        var axis = Shape.CheckDim(dim, Math.Max(1, x.Dim), name);
        x = NN.Autocast.Raise(x);
        if (x.Dim == 0)
            return Softmax(x.Reshape(1), 0, logarithm).Reshape();
        var y = Tensor.NewResult(x.Shape, x.DType, x.Device);
        fixed (HyTensor* px = x, py = y)
            Native.Softmax(x.Device.Handle, px, axis, logarithm ? 1 : 0, py);
        if (GradMode.Records(x))
            y.SetNode(new SoftmaxNode(name, x, y, axis, logarithm));
        return y;
    }

    sealed class SoftmaxNode : Node
    {
        readonly int axis;
        readonly bool logarithm;
        readonly SavedTensor output;

        public SoftmaxNode(string name, Tensor x, Tensor y, int axis, bool logarithm) : base(name, [x])
        {
            (this.axis, this.logarithm) = (axis, logarithm);
            output = Save(y);
        }

        public override unsafe void Backward(Tensor g, Span<Tensor?> grads)
        {
            var y = output.Unpack();
            if (GradMode.IsEnabled)
            {
                grads[0] = logarithm ? g - y.Exp() * g.Sum(axis, keepDim: true) : y * (g - (g * y).Sum(axis, keepDim: true));
                return;
            }
            var dx = grads[0] = Tensor.NewResult(y.Shape, y.DType, y.Device);
            fixed (HyTensor* py = y, pg = g, pdx = dx)
                Native.SoftmaxBackward(y.Device.Handle, py, pg, axis, logarithm ? 1 : 0, pdx);
        }
    }
}
