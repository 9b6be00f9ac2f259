using Hybrid.Bindings;

namespace Hybrid.NN
{
    public static partial class F
    {
        /// <summary>Max pooling over the last two axes; a NaN wins. See PyTorch's <c>max_pool2d</c>.</summary>
        /// <param name="x">[N, C, H, W], or [C, H, W] for one sample; floating</param>
        /// <param name="kernel">the window</param>
        /// <param name="stride">how far the window moves; the window's own size by default</param>
        /// <param name="padding">what is added on each side, as -∞; at most half the window</param>
        /// <param name="dilation">distance between the window's elements; 1 by default</param>
        /// <returns>[N, C, OH, OW] with OH = ⌊(H + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1, and OW likewise</returns>
        /// <exception cref="ShapeException">The window does not fit, or the axes are not those.</exception>
        /// <exception cref="ArgumentException">A kernel, stride or dilation below 1, or a padding out of range.</exception>
        public static Tensor MaxPool2d(Tensor x, Size2 kernel, Size2? stride = null, Size2 padding = default, Size2? dilation = null) =>
            PoolOps.Pool("MaxPool2d", x, new Window(kernel, stride ?? kernel, padding, dilation ?? 1), false, PoolOps.MaxPool2d);

        /// <summary>Average pooling over the last two axes. See PyTorch's <c>avg_pool2d</c>.</summary>
        /// <param name="x">[N, C, H, W], or [C, H, W] for one sample; floating</param>
        /// <param name="kernel">the window</param>
        /// <param name="stride">how far the window moves; the window's own size by default</param>
        /// <param name="padding">zeros on each side; at most half the window</param>
        /// <param name="countIncludePad">whether padding counts in the divisor</param>
        /// <returns>[N, C, OH, OW] with OH = ⌊(H + 2·padding − kernel) / stride⌋ + 1, and OW likewise</returns>
        /// <exception cref="ShapeException">The window does not fit, or the axes are not those.</exception>
        /// <exception cref="ArgumentException">A kernel or stride below 1, or a padding out of range.</exception>
        public static Tensor AvgPool2d(Tensor x, Size2 kernel, Size2? stride = null, Size2 padding = default,
            bool countIncludePad = true) =>
            PoolOps.Pool("AvgPool2d", x, new Window(kernel, stride ?? kernel, padding, 1), countIncludePad, PoolOps.AvgPool2d);
    }
}

namespace Hybrid
{
    /// <summary>The poolings' shape rule, forward and backward.</summary>
    internal static class PoolOps
    {
        internal static unsafe Tensor Pool(string name, Tensor x, Window window, bool countIncludePad,
            Func<HyPool2dParams, Tensor, Shape, Tensor> forward)
        {
            ArgumentNullException.ThrowIfNull(x);
            if (x.Dim is not (3 or 4))
                throw new ShapeException($"{name}: input is {x.Shape}; [N, C, H, W] or [C, H, W] was expected");
            var (height, width) = window.Output(name, x.Shape);
            var p = new HyPool2dParams { CountIncludePad = countIncludePad ? 1 : 0 };
            (p.Kernel[0], p.Kernel[1]) = (window.Kernel.Height, window.Kernel.Width);
            (p.Stride[0], p.Stride[1]) = (window.Stride.Height, window.Stride.Width);
            (p.Padding[0], p.Padding[1]) = (window.Padding.Height, window.Padding.Width);
            (p.Dilation[0], p.Dilation[1]) = (window.Dilation.Height, window.Dilation.Width);
            var output = new Shape(x.Dim == 3 ? 1 : x.Shape[0], x.Shape[^3], height, width);
            return x.Dim == 3 ? forward(p, x.Unsqueeze(0), output).Squeeze(0) : forward(p, x, output);
        }

        internal static unsafe Tensor MaxPool2d(HyPool2dParams p, Tensor x, Shape output)
        {
            var y = Tensor.NewResult(output, x.DType, x.Device);
            var records = GradMode.Records(x);
            var index = records ? Tensor.NewResult(output, DType.Int32, x.Device) : null;
            fixed (HyTensor* px = x, py = y, pi = index)
                Native.MaxPool2d(x.Device.Handle, &p, px, py, pi);
            if (records)
                y.SetNode(new MaxPoolNode(p, x, index!));
            return y;
        }

        /// <summary>Each element of dy added to the place of a plane that its index names.</summary>
        static unsafe Tensor MaxPool2dBackward(HyPool2dParams p, Tensor dy, Tensor index, Shape input)
        {
            var dx = Tensor.NewResult(input, dy.DType, dy.Device);
            fixed (HyTensor* pdy = dy, pi = index, pdx = dx)
                Native.MaxPool2dBackward(dy.Device.Handle, &p, pdy, pi, pdx);
            if (GradMode.Records(dy))
                dx.SetNode(new MaxPoolBackwardNode(dy, index));
            return dx;
        }

        internal static unsafe Tensor AvgPool2d(HyPool2dParams p, Tensor x, Shape output)
        {
            var y = Tensor.NewResult(output, x.DType, x.Device);
            fixed (HyTensor* px = x, py = y)
                Native.AvgPool2d(x.Device.Handle, &p, px, py);
            if (GradMode.Records(x))
                y.SetNode(new AvgPoolNode(p, x));
            return y;
        }

        static unsafe Tensor AvgPool2dBackward(HyPool2dParams p, Tensor dy, Shape input)
        {
            var dx = Tensor.NewResult(input, dy.DType, dy.Device);
            fixed (HyTensor* pdy = dy, pdx = dx)
                Native.AvgPool2dBackward(dy.Device.Handle, &p, pdy, pdx);
            if (GradMode.Records(dy))
                dx.SetNode(new AvgPoolBackwardNode(p, dy));
            return dx;
        }

        sealed class MaxPoolNode : Node
        {
            readonly HyPool2dParams p;
            readonly Shape input;
            readonly SavedTensor index;

            public MaxPoolNode(HyPool2dParams p, Tensor x, Tensor index) : base("MaxPool2d", [x])
            {
                (this.p, input) = (p, x.Shape);
                this.index = Save(index);
            }

            public override void Backward(Tensor g, Span<Tensor?> grads) => grads[0] = MaxPool2dBackward(p, g, index.Unpack(), input);
        }

        sealed class MaxPoolBackwardNode : Node
        {
            readonly SavedTensor index;

            public MaxPoolBackwardNode(Tensor dy, Tensor index) : base("MaxPool2dBackward", [dy]) => this.index = Save(index);

            public override void Backward(Tensor g, Span<Tensor?> grads)
            {
                var places = index.Unpack();
                var shape = places.Shape;
                grads[0] = g.Flatten(2, 3).Gather(2, places.To(DType.Int64).Flatten(2, 3)).Reshape(shape.AsSpan());
            }
        }

        // Average pooling is linear: its gradient's gradient is itself.
        sealed class AvgPoolNode(HyPool2dParams p, Tensor x) : Node("AvgPool2d", [x])
        {
            readonly Shape input = x.Shape;

            public override void Backward(Tensor g, Span<Tensor?> grads) => grads[0] = AvgPool2dBackward(p, g, input);
        }

        sealed class AvgPoolBackwardNode(HyPool2dParams p, Tensor dy) : Node("AvgPool2dBackward", [dy])
        {
            readonly Shape output = dy.Shape;

            public override void Backward(Tensor g, Span<Tensor?> grads) => grads[0] = AvgPool2d(p, g, output);
        }
    }
}
