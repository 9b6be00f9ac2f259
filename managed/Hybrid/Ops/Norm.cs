using Hybrid.Bindings;

namespace Hybrid.NN
{
    public static partial class F
    {
        /// <summary>Batch normalisation (Ioffe and Szegedy, 2015): each channel less its mean, over its standard deviation, times weight,
        /// plus bias. See PyTorch's <c>batch_norm</c>.</summary>
        /// <param name="x">[N, C, ...], floating</param>
        /// <param name="runningMean">[C]; in training it moves towards the batch's mean in place, otherwise it is the mean; null to use
        /// the batch's always</param>
        /// <param name="runningVar">[C]; likewise for the variance (the batch's is unbiased here)</param>
        /// <param name="weight">[C]; 1 by default</param>
        /// <param name="bias">[C]; 0 by default</param>
        /// <param name="training">whether to use the batch's own statistics</param>
        /// <param name="momentum">the batch's share in the running statistics, 0 to 1</param>
        /// <param name="eps">added to the variance</param>
        /// <returns>x's shape</returns>
        /// <exception cref="ShapeException">There is no channel axis, a parameter is not [C], or training is given fewer than two values a
        /// channel.</exception>
        /// <exception cref="DTypeException">The operands are not floating, or not of one dtype.</exception>
        /// <exception cref="ArgumentException">The momentum or eps is out of its range.</exception>
        public static Tensor BatchNorm(Tensor x, Tensor? runningMean, Tensor? runningVar, Tensor? weight = null, Tensor? bias = null,
                                       bool training = false, double momentum = 0.1, double eps = 1e-5)
        {
            ArgumentNullException.ThrowIfNull(x);
            if (x.Dim < 2)
                throw new ShapeException($"BatchNorm: input is {x.Shape}; [N, C, ...] was expected");
            Checks.Floating("BatchNorm", x);
            x = Autocast.Raise(x);
            Require.NotNegative("BatchNorm", nameof(eps), eps);
            foreach (var parameter in (ReadOnlySpan<Tensor?>)[runningMean, runningVar, weight, bias])
            {
                if (parameter is not null && parameter.DType != x.DType)
                    throw new DTypeException($"BatchNorm: input is {x.DType.Name()}, a parameter is {parameter.DType.Name()}; one dtype was expected");
                if (parameter is not null && (parameter.Dim != 1 || parameter.Shape[0] != x.Shape[1]))
                    throw new ShapeException($"BatchNorm: input {x.Shape} has {x.Shape[1]} channels, a parameter is {parameter.Shape}");
            }
            return training || runningMean is null || runningVar is null
                ? BatchNormOps.Train(x, runningMean, runningVar, weight, bias, momentum, eps)
                : BatchNormOps.Evaluate(x, runningMean, runningVar, weight, bias, eps);
        }
    }
}

namespace Hybrid
{
    /// <summary>Batch normalisation's forward and backward.</summary>
    internal static class BatchNormOps
    {
        internal static unsafe Tensor Train(Tensor x, Tensor? runningMean, Tensor? runningVar, Tensor? weight, Tensor? bias,
            double momentum, double eps)
        {
            var y = Tensor.NewResult(x.Shape, x.DType, x.Device);
            var mean = Tensor.NewResult(new Shape(x.Shape[1]), x.DType, x.Device);
            var rstd = Tensor.NewResult(new Shape(x.Shape[1]), x.DType, x.Device);
            fixed (HyTensor* px = x, pw = weight, pb = bias, prm = runningMean, prv = runningVar, py = y, pm = mean, pr = rstd)
                Native.BatchNorm(x.Device.Handle, eps, momentum, px, pw, pb, prm, prv, py, pm, pr);
            runningMean?.LiveStorage.Written("BatchNorm");
            runningVar?.LiveStorage.Written("BatchNorm");
            if (GradMode.Records(x, weight, bias))
                y.SetNode(new BatchNormNode(x, weight, bias, mean, rstd, eps));
            return y;
        }

        internal static Tensor Evaluate(Tensor x, Tensor runningMean, Tensor runningVar, Tensor? weight, Tensor? bias, double eps)
        {
            var scale = (runningVar + eps).Rsqrt();
            if (weight is not null)
                scale = scale * weight;
            var shift = bias is null ? -runningMean * scale : bias - runningMean * scale;
            return x * PerChannel(scale, x.Dim) + PerChannel(shift, x.Dim);
        }

        /// <summary>[C] as [C, 1, …], to broadcast against [N, C, …].</summary>
        static Tensor PerChannel(Tensor t, int ndim)
        {
            Span<long> shape = stackalloc long[ndim - 1];
            shape.Fill(1);
            shape[0] = t.NumElements;
            return t.Reshape(shape);
        }

        sealed class BatchNormNode : Node
        {
            readonly double eps;
            readonly SavedTensor x, mean, rstd;
            readonly SavedTensor? weight;

            public BatchNormNode(Tensor x, Tensor? weight, Tensor? bias, Tensor mean, Tensor rstd, double eps)
                : base("BatchNorm", [x, weight, bias])
            {
                this.eps = eps;
                (this.x, this.mean, this.rstd) = (Save(x), Save(mean), Save(rstd));
                this.weight = weight is null ? null : Save(weight);
            }

            public override void Backward(Tensor g, Span<Tensor?> grads)
            {
                if (GradMode.IsEnabled)
                    Composed(g, grads);
                else
                    Fused(g, grads);
            }

            unsafe void Fused(Tensor g, Span<Tensor?> grads)
            {
                Tensor input = x.Unpack(), m = mean.Unpack(), r = rstd.Unpack();
                var w = weight?.Unpack();
                var dx = grads[0] = NeedsGrad(0) ? Tensor.NewResult(input.Shape, input.DType, input.Device) : null;
                var dw = grads[1] = NeedsGrad(1) ? Tensor.NewResult(m.Shape, m.DType, m.Device) : null;
                var db = grads[2] = NeedsGrad(2) ? Tensor.NewResult(m.Shape, m.DType, m.Device) : null;
                fixed (HyTensor* pg = g, px = input, pw = w, pm = m, pr = r, pdx = dx, pdw = dw, pdb = db)
                    Native.BatchNormBackward(input.Device.Handle, pg, px, pw, pm, pr, pdx, pdw, pdb);
            }

            /// <summary>The same from tensor operations on x, whose mean and variance are recomputed to be part of the graph.</summary>
            void Composed(Tensor g, Span<Tensor?> grads)
            {
                var input = x.Unpack();
                var dims = new int[input.Dim - 1];
                for (var i = 1; i < dims.Length; i++)
                    dims[i] = i + 1;
                var centred = input - input.Mean(dims, keepDim: true);
                var r = (centred.Square().Mean(dims, keepDim: true) + eps).Rsqrt();
                var normalised = centred * r;
                if (NeedsGrad(0))
                {
                    var dy = weight is null ? g : g * PerChannel(weight.Unpack(), input.Dim);
                    grads[0] = r * (dy - dy.Mean(dims, keepDim: true) - normalised * (dy * normalised).Mean(dims, keepDim: true));
                }
                if (NeedsGrad(1))
                    grads[1] = (g * normalised).Sum(dims);
                if (NeedsGrad(2))
                    grads[2] = g.Sum(dims);
            }
        }
    }
}
