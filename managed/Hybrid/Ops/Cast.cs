using Hybrid.Bindings;

namespace Hybrid;

// Copies: to another dtype, another device, or another place.
public unsafe partial class Tensor
{
    /// <summary>This tensor in another dtype: itself where it has that dtype, otherwise a copy. Casting to an integer cuts the fraction off and
    /// saturates; NaN becomes 0; to bool is "not 0". PyTorch's <c>to</c>.</summary>
    /// <param name="dtype">the dtype</param>
    public Tensor To(DType dtype) => dtype == DType ? this : Copy("To", dtype);

    /// <summary>This tensor on another device: itself where it lives there, otherwise a copy. PyTorch's <c>to</c>.</summary>
    /// <param name="device">the device</param>
    public Tensor To(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (ReferenceEquals(device, Device))
        {
            return this;
        }
        var source = Contiguous();
        var y = NewResult(Extents, DType, device);
        fixed (HyTensor* px = source, py = y)
        {
            Native.Transfer(py->Device, py->Data, px->Device, px->Data, NumElements * DType.Size());
        }
        if (GradMode.Records(this))
        {
            y.SetNode(new CopyNode("To", this));
        }
        return y;
    }

    /// <summary>This tensor where its elements lie one after another in row-major order, otherwise a copy in which they do. PyTorch's <c>contiguous</c>.</summary>
    public Tensor Contiguous() => IsContiguous ? this : Copy("Contiguous", DType);

    /// <summary>A contiguous copy; gradients flow through it. PyTorch's <c>clone</c>.</summary>
    public Tensor Clone() => Copy("Clone", DType);

    Tensor Copy(string name, DType dtype)
    {
        var y = NewResult(Extents, dtype, Device);
        fixed (HyTensor* px = this, py = y)
        {
            Native.Copy(px->Device, px, py);
        }
        if (dtype.IsFloating() && GradMode.Records(this))
        {
            y.SetNode(new CopyNode(name, this));
        }
        return y;
    }

    sealed class CopyNode : Node
    {
        readonly DType dtype;
        readonly Device device;

        internal CopyNode(string name, Tensor x) : base(name, [x])
        {
            dtype = x.DType;
            device = x.Device;
        }

        /// <inheritdoc/>
        public override void Backward(Tensor g, Span<Tensor?> grads) => grads[0] = g.To(dtype).To(device);
    }
}
