using Hybrid.Bindings;
using Hybrid.NN;

namespace Hybrid.NN
{
    public static partial class F
    {
        /// <summary>Two-dimensional convolution (cross-correlation). See PyTorch's <c>conv2d</c>.</summary>
        /// <param name="x">[N, C, H, W], or [C, H, W] for one sample; floating</param>
        /// <param name="weight">[K, C / groups, R, S]</param>
        /// <param name="bias">[K]; none by default</param>
        /// <param name="stride">how far the kernel moves; 1 by default</param>
        /// <param name="padding">zeros on each side; 0 by default</param>
        /// <param name="dilation">distance between kernel elements; 1 by default</param>
        /// <param name="groups">how many groups the channels are split into, each with its own kernels</param>
        /// <param name="activation">what is applied to the result; none by default</param>
        /// <returns>[N, K, OH, OW] with OH = ⌊(H + 2·padding − dilation·(R − 1) − 1) / stride⌋ + 1, and OW likewise</returns>
        /// <exception cref="ShapeException">The channels do not match, or the kernel does not fit.</exception>
        /// <exception cref="DTypeException">The operands are not floating, or not of one dtype.</exception>
        /// <exception cref="ArgumentException">A stride, dilation or groups below 1, or a padding below 0.</exception>
        public static Tensor Conv2d(Tensor x, Tensor weight, Tensor? bias = null, Size2? stride = null, Size2 padding = default,
                                    Size2? dilation = null, int groups = 1, Activation activation = Activation.None) =>
            Conv2dKeeping(x, weight, bias, stride ?? 1, padding, dilation ?? 1, groups, activation, null);

        /// <summary>The same, with the place where a layer keeps its prepared weight.</summary>
        internal static Tensor Conv2dKeeping(Tensor x, Tensor weight, Tensor? bias, Size2 stride, Size2 padding, Size2 dilation, int groups,
                                             Activation activation, Derived<PreparedKernels>? prepared)
        {
            ArgumentNullException.ThrowIfNull(x);
            ArgumentNullException.ThrowIfNull(weight);
            if (x.Dim is not (3 or 4) || weight.Dim != 4)
                throw new ShapeException(
                    $"Conv2d: input {x.Shape} was given with weight {weight.Shape}; [N, C, H, W] and [K, C / groups, R, S] were expected");
            Autocast.Lower(ref x, ref weight, ref bias);
            if (activation.NeedsInput() && GradMode.Records(x, weight, bias))
                return activation.Apply(Conv2d(x, weight, bias, stride, padding, dilation, groups));
            return x.Dim == 3
                ? ConvOps.Conv2d(x.Unsqueeze(0), weight, bias, stride, padding, dilation, groups, activation, prepared).Squeeze(0)
                : ConvOps.Conv2d(x, weight, bias, stride, padding, dilation, groups, activation, prepared);
        }
    }
}

namespace Hybrid
{
    /// <summary>
    /// Convolution and its two gradients. Each is linear in either operand and the derivatives of each are the other two, so the three
    /// nodes below close under differentiation: y = x ∗ w gives dx = InputGrad(dy, w) and dw = WeightGrad(x, dy), and so on round.
    /// </summary>
    internal static class ConvOps
    {
        internal static unsafe Tensor Conv2d(Tensor x, Tensor w, Tensor? bias, Size2 stride, Size2 padding, Size2 dilation, int groups,
                                              Activation activation, Derived<PreparedKernels>? kept)
        {
            var kernel = new Size2((int)w.Shape[2], (int)w.Shape[3]);
            var (height, width) = new Window(kernel, stride, padding, dilation).Output("Conv2d", x.Shape);
            var p = new HyConv2dParams { Groups = groups, Exact = Numerics.Exact ? 1 : 0 };
            (p.Stride[0], p.Stride[1]) = (stride.Height, stride.Width);
            (p.Padding[0], p.Padding[1]) = (padding.Height, padding.Width);
            (p.Dilation[0], p.Dilation[1]) = (dilation.Height, dilation.Width);
            return Forward(p, x, w, bias, new Shape(x.Shape[0], w.Shape[0], height, width), activation, kept);
        }

        static unsafe Tensor Forward(HyConv2dParams p, Tensor x, Tensor w, Tensor? bias, Shape output, Activation activation = Activation.None,
                                     Derived<PreparedKernels>? kept = null)
        {
            p.Activation = activation.Code();
            var records = GradMode.Records(x, w, bias);
            var y = Tensor.NewResult(output, x.DType, x.Device);
            var prepared = kept is null || records ? null : PreparedKernels.For(ref p, x, w, y, kept);
            fixed (HyTensor* px = x, pw = w, pb = bias, py = y, pp = prepared)
            {
                if (pp is null)
                    Native.Conv2d(x.Device.Handle, &p, px, pw, pb, py);
                else
                    Native.Conv2dPrepared(x.Device.Handle, &p, px, pw, pp, pb, py);
            }
            if (records)
                y.SetNode(new ConvNode(p, x, w, bias, activation, y));
            return y;
        }

        static unsafe Tensor InputGrad(HyConv2dParams p, Tensor dy, Tensor w, Shape input)
        {
            var dx = Tensor.NewResult(input, dy.DType, dy.Device);
            fixed (HyTensor* pdy = dy, pw = w, pdx = dx)
                Native.Conv2dInputGrad(dy.Device.Handle, &p, pdy, pw, pdx);
            if (GradMode.Records(dy, w))
                dx.SetNode(new InputGradNode(p, dy, w));
            return dx;
        }

        static unsafe Tensor WeightGrad(HyConv2dParams p, Tensor x, Tensor dy, Shape weight, Tensor? dbias = null)
        {
            var dw = Tensor.NewResult(weight, dy.DType, dy.Device);
            fixed (HyTensor* px = x, pdy = dy, pdw = dw, pdb = dbias)
                Native.Conv2dWeightGrad(dy.Device.Handle, &p, px, pdy, pdw, pdb);
            if (GradMode.Records(x, dy))
                dw.SetNode(new WeightGradNode(p, x, dy));
            return dw;
        }

        sealed class ConvNode : Node
        {
            readonly HyConv2dParams p;
            readonly Activation activation;
            readonly Shape input, weight;
            readonly SavedTensor? x, w, y;

            public ConvNode(HyConv2dParams p, Tensor x, Tensor w, Tensor? bias, Activation activation, Tensor y) : base("Conv2d", [x, w, bias])
            {
                (this.p, this.activation, input, weight) = (p, activation, x.Shape, w.Shape);
                this.y = activation == Activation.None ? null : Save(y);
                this.x = NeedsGrad(1) ? Save(x) : null;
                this.w = NeedsGrad(0) ? Save(w) : null;
            }

            public override void Backward(Tensor g, Span<Tensor?> grads)
            {
                g = activation.Backward(y?.Unpack(), g);
                if (NeedsGrad(0))
                    grads[0] = InputGrad(p, g, w!.Unpack(), input);
                // The kernel sums the bias's gradient while it reads g for the weight's; a sum of its own keeps it differentiable.
                var fused = NeedsGrad(1) && NeedsGrad(2) && !GradMode.IsEnabled;
                if (NeedsGrad(2))
                    grads[2] = fused ? Tensor.NewResult(new Shape(weight[0]), g.DType, g.Device) : g.Sum([0, 2, 3]);
                if (NeedsGrad(1))
                    grads[1] = WeightGrad(p, x!.Unpack(), g, weight, fused ? grads[2] : null);
            }
        }

        sealed class InputGradNode : Node
        {
            readonly HyConv2dParams p;
            readonly Shape output, weight;
            readonly SavedTensor? dy, w;

            public InputGradNode(HyConv2dParams p, Tensor dy, Tensor w) : base("Conv2dInputGrad", [dy, w])
            {
                (this.p, output, weight) = (p, dy.Shape, w.Shape);
                this.dy = NeedsGrad(1) ? Save(dy) : null;
                this.w = NeedsGrad(0) ? Save(w) : null;
            }

            public override void Backward(Tensor g, Span<Tensor?> grads)
            {
                if (NeedsGrad(0))
                    grads[0] = Forward(p, g, w!.Unpack(), null, output);
                if (NeedsGrad(1))
                    grads[1] = WeightGrad(p, g, dy!.Unpack(), weight);
            }
        }

        sealed class WeightGradNode : Node
        {
            readonly HyConv2dParams p;
            readonly Shape input, output;
            readonly SavedTensor? x, dy;

            public WeightGradNode(HyConv2dParams p, Tensor x, Tensor dy) : base("Conv2dWeightGrad", [x, dy])
            {
                (this.p, input, output) = (p, x.Shape, dy.Shape);
                this.x = NeedsGrad(1) ? Save(x) : null;
                this.dy = NeedsGrad(0) ? Save(dy) : null;
            }

            public override void Backward(Tensor g, Span<Tensor?> grads)
            {
                if (NeedsGrad(0))
                    grads[0] = InputGrad(p, dy!.Unpack(), g, input);
                if (NeedsGrad(1))
                    grads[1] = Forward(p, x!.Unpack(), g, null, output);
            }
        }
    }
}
