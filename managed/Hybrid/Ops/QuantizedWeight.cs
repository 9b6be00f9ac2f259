using Hybrid.Bindings;
using Hybrid.NN;

namespace Hybrid;

/// <summary>What layers with 8-bit weights calculate with: the weight as the kernels read it, kept while the weight stays as it is.</summary>
internal sealed class QuantizedWeight
{
    const int OutputsOfAPanel = 16;

    readonly Derived<Tensor> packed = new();

    /// <summary>Replaces a layer's float32 weight by int8 integers, symmetrically and by output; it requires no gradient any more.</summary>
    /// <returns>What the integers are to be multiplied with, one number for each output.</returns>
    internal static unsafe Tensor Quantize(Parameter weight)
    {
        using var suspended = TensorScope.Suspend();
        using var mode = NoGrad.Begin();
        using var integers = Tensor.NewResult(weight.Shape, DType.Int8, weight.Device);
        var scale = Tensor.NewResult(new Shape(weight.Shape[0]), DType.Float32, weight.Device);
        fixed (HyTensor* pw = weight, pq = integers, ps = scale)
        {
            Native.QuantizeWeight(weight.Device.Handle, pw, pq, ps);
        }
        weight.ZeroGrad(setToNone: true);
        weight.RequiresGrad = false;
        weight.Convert(_ => integers.NewAlias());
        return scale;
    }

    /// <summary>activation(x · weightᵀ + bias).</summary>
    internal unsafe Tensor Linear(Tensor x, Parameter weight, Tensor scale, Tensor? bias, Activation activation)
    {
        ArgumentNullException.ThrowIfNull(x);
        RefuseGradients("Linear", x);
        if (x.Dim == 0 || x.Shape[^1] != weight.Shape[1])
        {
            throw new ShapeException($"Linear: input {x.Shape} was given with weight {weight.Shape}; an input [..., I] and a weight [O, I] were expected");
        }
        var rows = MatMulOps.Rows(x);
        var y = Tensor.NewResult(new Shape(rows.Shape[0], weight.Shape[0]), DType.Float32, x.Device);
        fixed (HyTensor* px = rows, pw = Packed(weight), ps = scale, pb = bias, py = y)
        {
            Native.QuantizedLinear(x.Device.Handle, px, pw, ps, pb, activation.Code(), py);
        }
        return MatMulOps.FromRows(y, x);
    }

    /// <summary>activation(x ∗ weight + bias), without groups.</summary>
    internal unsafe Tensor Conv2d(Tensor x, Parameter weight, Tensor scale, Tensor? bias, Window window, Activation activation)
    {
        ArgumentNullException.ThrowIfNull(x);
        RefuseGradients("Conv2d", x);
        if (x.Dim == 3)
        {
            return Conv2d(x.Unsqueeze(0), weight, scale, bias, window, activation).Squeeze(0);
        }
        if (x.Dim != 4 || x.Shape[1] != weight.Shape[1])
        {
            throw new ShapeException($"Conv2d: input {x.Shape} was given with weight {weight.Shape}; [N, C, H, W] and [K, C, R, S] were expected");
        }
        var (height, width) = window.Output("Conv2d", x.Shape);
        var y = Tensor.NewResult(new Shape(x.Shape[0], weight.Shape[0], height, width), DType.Float32, x.Device);
        var p = new HyConv2dParams { Groups = 1, Activation = activation.Code() };
        (p.Stride[0], p.Stride[1]) = (window.Stride.Height, window.Stride.Width);
        (p.Padding[0], p.Padding[1]) = (window.Padding.Height, window.Padding.Width);
        (p.Dilation[0], p.Dilation[1]) = (window.Dilation.Height, window.Dilation.Width);
        fixed (HyTensor* px = x, pw = Packed(weight), ps = scale, pb = bias, py = y)
        {
            Native.QuantizedConv2d(x.Device.Handle, &p, window.Kernel.Height, window.Kernel.Width, px, pw, ps, pb, py);
        }
        return y;
    }

    static void RefuseGradients(string layer, Tensor x)
    {
        if (GradMode.Records(x))
        {
            throw new InvalidOperationException($"{layer}: no gradient flows through int8 weights: the input must not require one, or be used under NoGrad");
        }
    }

    unsafe Tensor Packed(Parameter weight)
    {
        ReadOnlySpan<Tensor?> sources = [weight];
        if (packed.Find(sources) is { } known)
        {
            return known;
        }
        using var suspended = TensorScope.Suspend();
        var (outputs, inputs) = (weight.Shape[0], weight.NumElements / weight.Shape[0]);
        var panels = Tensor.NewResult(
            new Shape((outputs + OutputsOfAPanel - 1) / OutputsOfAPanel, (inputs + 1) / 2, OutputsOfAPanel, 2), DType.Int8, weight.Device);
        fixed (HyTensor* pw = weight, pp = panels)
        {
            Native.PackInt8(weight.Device.Handle, pw, pp);
        }
        return packed.Keep(sources, panels);
    }
}
