using Hybrid.Bindings;

namespace Hybrid.NN
{
    /// <summary>How per-sample losses become one.</summary>
    public enum Reduction
    {
        /// <summary>They do not: the loss keeps one value a sample.</summary>
        None = HyReduction.None,

        /// <summary>Their mean; NaN over nothing.</summary>
        Mean = HyReduction.Mean,

        /// <summary>Their sum.</summary>
        Sum = HyReduction.Sum,
    }

    public static partial class F
    {
        /// <summary>Cross-entropy of softmax(logits) against class labels, or against class probabilities. See PyTorch's
        /// <c>cross_entropy</c>.</summary>
        /// <param name="logits">[N, C], [N, C, d1, ...], or [C] for one sample; floating</param>
        /// <param name="labels">int64 (int32 and uint8 are cast), logits' shape without C, each from 0 to C - 1 or
        /// <paramref name="ignoreIndex"/>; or probabilities, like logits in shape and dtype</param>
        /// <param name="reduction">mean divides by the number of samples that are not ignored</param>
        /// <param name="ignoreIndex">samples with this label count for nothing</param>
        /// <param name="labelSmoothing">0 to 1: this part of the target is spread evenly over the classes</param>
        /// <returns>[]; labels' shape for <see cref="Reduction.None"/></returns>
        /// <exception cref="ShapeException">The shapes do not match.</exception>
        /// <exception cref="DTypeException">Logits are not floating, or labels are neither integers nor like logits.</exception>
        /// <exception cref="ArgumentOutOfRangeException">A label is no class.</exception>
        /// <exception cref="ArgumentException"><paramref name="labelSmoothing"/> lies outside 0 to 1.</exception>
        public static Tensor CrossEntropy(Tensor logits, Tensor labels, Reduction reduction = Reduction.Mean, long ignoreIndex = -100,
            double labelSmoothing = 0)
        {
            ArgumentNullException.ThrowIfNull(logits);
            ArgumentNullException.ThrowIfNull(labels);
            if (logits.Dim == 0)
                throw new ShapeException("CrossEntropy: logits are []; [N, C], [N, C, d1, ...] or [C] was expected");
            var axis = logits.Dim == 1 ? 0 : 1;
            logits = Autocast.Raise(logits);
            if (labels.DType.IsFloating())
            {
                labels = Autocast.Raise(labels);
                Checks.LikeInput("CrossEntropy", logits, labels);
                Require.Fraction("CrossEntropy", nameof(labelSmoothing), labelSmoothing);
                var target = labelSmoothing == 0 ? labels : labels * (1 - labelSmoothing) + labelSmoothing / logits.Shape[axis];
                return LossOps.Reduce(-(target * logits.LogSoftmax(axis)).Sum(axis), reduction);
            }
            LossOps.RequireLabels("CrossEntropy", logits.Shape, axis, labels);
            var rows = LossOps.ClassRows(logits, axis);
            var loss = LossOps.CrossEntropy(rows, labels.To(DType.Int64).Reshape(rows.Shape[0]), reduction, ignoreIndex, labelSmoothing);
            return reduction == Reduction.None ? loss.Reshape(labels.Shape.AsSpan()) : loss;
        }

        /// <summary>The negative log-likelihood of class labels. See PyTorch's <c>nll_loss</c>.</summary>
        /// <param name="logProbabilities">[N, C], [N, C, d1, ...], or [C] for one sample; floating</param>
        /// <param name="labels">int64 (int32 and uint8 are cast), the shape without C, each from 0 to C - 1 or
        /// <paramref name="ignoreIndex"/></param>
        /// <param name="reduction">mean divides by the number of samples that are not ignored</param>
        /// <param name="ignoreIndex">samples with this label count for nothing</param>
        /// <returns>[]; labels' shape for <see cref="Reduction.None"/></returns>
        /// <exception cref="ShapeException">The shapes do not match.</exception>
        /// <exception cref="DTypeException">The dtypes are not those.</exception>
        /// <exception cref="ArgumentOutOfRangeException">A label is no class.</exception>
        public static Tensor NllLoss(Tensor logProbabilities, Tensor labels, Reduction reduction = Reduction.Mean, long ignoreIndex = -100)
        {
            ArgumentNullException.ThrowIfNull(logProbabilities);
            ArgumentNullException.ThrowIfNull(labels);
            if (logProbabilities.Dim == 0)
                throw new ShapeException("NllLoss: log-probabilities are []; [N, C], [N, C, d1, ...] or [C] was expected");
            var axis = logProbabilities.Dim == 1 ? 0 : 1;
            Checks.Floating("NllLoss", logProbabilities);
            logProbabilities = Autocast.Raise(logProbabilities);
            LossOps.RequireLabels("NllLoss", logProbabilities.Shape, axis, labels);
            var index = labels.To(DType.Int64);
            var counted = index.Ne(ignoreIndex);
            var picked = LossOps.PickClass("NllLoss", logProbabilities, axis, Tensor.Where(counted, index, 0));
            var loss = Tensor.Where(counted, -picked, 0);
            return reduction == Reduction.Mean ? loss.Sum() / counted.Sum().To(loss.DType) : LossOps.Reduce(loss, reduction);
        }

        /// <summary>Squared error (x - target)². See PyTorch's <c>mse_loss</c>.</summary>
        /// <param name="x">any shape, floating</param>
        /// <param name="target">like x</param>
        /// <param name="reduction">how the errors become one</param>
        /// <returns>[]; x's shape for <see cref="Reduction.None"/></returns>
        /// <exception cref="ShapeException">The shapes differ.</exception>
        /// <exception cref="DTypeException">The operands are not floating, or not of one dtype.</exception>
        public static Tensor MseLoss(Tensor x, Tensor target, Reduction reduction = Reduction.Mean)
        {
            ArgumentNullException.ThrowIfNull(x);
            ArgumentNullException.ThrowIfNull(target);
            return LossOps.Mse(Autocast.Raise(x), Autocast.Raise(target), reduction);
        }

        /// <summary>Half the sum of squared errors, ½·Σ(x - target)²: its gradient is x - target.</summary>
        /// <param name="x">any shape, floating</param>
        /// <param name="target">like x</param>
        /// <returns>[]</returns>
        /// <exception cref="ShapeException">The shapes differ.</exception>
        /// <exception cref="DTypeException">The operands are not floating, or not of one dtype.</exception>
        public static Tensor SumSquaresLoss(Tensor x, Tensor target)
        {
            ArgumentNullException.ThrowIfNull(x);
            ArgumentNullException.ThrowIfNull(target);
            (x, target) = (Autocast.Raise(x), Autocast.Raise(target));
            Checks.LikeInput("SumSquaresLoss", x, target);
            return LossOps.Mse(x, target, Reduction.Sum) * 0.5;
        }

        /// <summary>Binary cross-entropy of probabilities, -(t·log(p) + (1 - t)·log(1 - p)), each logarithm at least -100. See PyTorch's
        /// <c>binary_cross_entropy</c>.</summary>
        /// <param name="probabilities">any shape, floating, each from 0 to 1</param>
        /// <param name="target">like probabilities</param>
        /// <param name="reduction">how the losses become one</param>
        /// <returns>[]; the operands' shape for <see cref="Reduction.None"/></returns>
        /// <exception cref="ShapeException">The shapes differ.</exception>
        /// <exception cref="DTypeException">The operands are not floating, or not of one dtype.</exception>
        /// <exception cref="ArgumentOutOfRangeException">A probability lies outside 0 to 1.</exception>
        public static Tensor BinaryCrossEntropy(Tensor probabilities, Tensor target, Reduction reduction = Reduction.Mean)
        {
            ArgumentNullException.ThrowIfNull(probabilities);
            ArgumentNullException.ThrowIfNull(target);
            (probabilities, target) = (Autocast.Raise(probabilities), Autocast.Raise(target));
            Checks.LikeInput("BinaryCrossEntropy", probabilities, target);
            return LossOps.Reduce(LossOps.BinaryCrossEntropy(probabilities, target), reduction);
        }

        /// <summary>Binary cross-entropy of sigmoid(logits), without overflow. See PyTorch's
        /// <c>binary_cross_entropy_with_logits</c>.</summary>
        /// <param name="logits">any shape, floating</param>
        /// <param name="target">like logits, probabilities</param>
        /// <param name="reduction">how the losses become one</param>
        /// <returns>[]; the operands' shape for <see cref="Reduction.None"/></returns>
        /// <exception cref="ShapeException">The shapes differ.</exception>
        /// <exception cref="DTypeException">The operands are not floating, or not of one dtype.</exception>
        public static Tensor BinaryCrossEntropyWithLogits(Tensor logits, Tensor target, Reduction reduction = Reduction.Mean)
        {
            ArgumentNullException.ThrowIfNull(logits);
            ArgumentNullException.ThrowIfNull(target);
            (logits, target) = (Autocast.Raise(logits), Autocast.Raise(target));
            Checks.LikeInput("BinaryCrossEntropyWithLogits", logits, target);
            return LossOps.Reduce(logits.Softplus() - target * logits, reduction);
        }
    }
}

namespace Hybrid
{
    using Hybrid.NN;

    /// <summary>The losses' checks, forward and backward.</summary>
    internal static class LossOps
    {
        internal static Tensor Reduce(Tensor loss, Reduction reduction) => reduction switch
        {
            Reduction.None => loss,
            Reduction.Mean => loss.Mean(),
            Reduction.Sum => loss.Sum(),
            _ => throw new ArgumentOutOfRangeException(nameof(reduction), reduction, "Reduction: None, Mean or Sum was expected"),
        };

        internal static void RequireLabels(string op, Shape logits, int axis, Tensor labels)
        {
            if (labels.DType is not (DType.Int64 or DType.Int32 or DType.UInt8))
                throw new DTypeException($"{op}: labels are {labels.DType.Name()}; int64, int32 or uint8 was expected");
            var expected = new Shape([.. logits.AsSpan()[..axis], .. logits.AsSpan()[(axis + 1)..]]);
            if (labels.Shape != expected)
                throw new ShapeException($"{op}: logits {logits} expect labels {expected}, got {labels.Shape}");
        }

        /// <summary>Of each sample the value of its class.</summary>
        internal static Tensor PickClass(string op, Tensor values, int axis, Tensor labels)
        {
            try
            {
                return values.Gather(axis, labels.Unsqueeze(axis)).Squeeze(axis);
            }
            catch (ArgumentOutOfRangeException e)
            {
                throw new ArgumentOutOfRangeException(
                    $"{op}: a label is no class, 0 to {values.Shape[axis] - 1} was expected ({e.Message})", e);
            }
        }

        /// <summary>Logits with the class axis last and all others as one: [samples, C].</summary>
        internal static Tensor ClassRows(Tensor logits, int axis)
        {
            if (logits.Dim == 2)
                return logits;
            var classes = logits.Shape[axis];
            return logits.Dim == 1
                ? logits.Unsqueeze(0)
                : logits.Flatten(2).Transpose(1, 2).Reshape(logits.Shape[0] * Shape.Product(logits.Shape.AsSpan()[2..]), classes);
        }

        internal static unsafe Tensor CrossEntropy(Tensor logits, Tensor labels, Reduction reduction, long ignoreIndex,
            double labelSmoothing)
        {
            var records = GradMode.Records(logits);
            var loss = Tensor.NewResult(reduction == Reduction.None ? labels.Shape : default, logits.DType, logits.Device);
            var grad = records ? Tensor.NewResult(logits.Shape, logits.DType, logits.Device) : null;
            fixed (HyTensor* px = logits, pt = labels, py = loss, pg = grad)
                Native.CrossEntropy(logits.Device.Handle, (HyReduction)reduction, ignoreIndex, labelSmoothing, px, pt, py, pg);
            if (records)
                loss.SetNode(new CrossEntropyNode(logits, labels, grad!, reduction, ignoreIndex, labelSmoothing));
            return loss;
        }

        internal static unsafe Tensor Mse(Tensor x, Tensor target, Reduction reduction)
        {
            var records = GradMode.Records(x, target);
            var loss = Tensor.NewResult(reduction == Reduction.None ? x.Shape : default, x.DType, x.Device);
            var grad = records ? Tensor.NewResult(x.Shape, x.DType, x.Device) : null;
            fixed (HyTensor* px = x, pt = target, py = loss, pg = grad)
                Native.Mse(x.Device.Handle, (HyReduction)reduction, px, pt, py, pg);
            if (records)
                loss.SetNode(new MseNode(x, target, grad!, reduction));
            return loss;
        }

        internal static Tensor BinaryCrossEntropy(Tensor p, Tensor target)
        {
            Tensor loss;
            using (NoGrad.Begin())
            {
                if (p.Lt(0).Any().Item<bool>() || p.Gt(1).Any().Item<bool>())
                    throw new ArgumentOutOfRangeException(null,
                        $"BinaryCrossEntropy: probabilities range from {p.Min().Item()} to {p.Max().Item()}; 0 to 1 was expected");
                loss = -(target * ClampedLog(p) + (1 - target) * ClampedLog(1 - p));
            }
            if (GradMode.Records(p, target))
                loss.SetNode(new BinaryCrossEntropyNode(p, target));
            return loss;
        }

        static Tensor ClampedLog(Tensor x) => x.Log().Maximum(-100);

        sealed class CrossEntropyNode : Node
        {
            readonly Reduction reduction;
            readonly long ignoreIndex;
            readonly double smoothing;
            readonly SavedTensor logits, labels, grad;

            public CrossEntropyNode(Tensor logits, Tensor labels, Tensor grad, Reduction reduction, long ignoreIndex, double smoothing)
                : base("CrossEntropy", [logits])
            {
                (this.reduction, this.ignoreIndex, this.smoothing) = (reduction, ignoreIndex, smoothing);
                (this.logits, this.labels, this.grad) = (Save(logits), Save(labels), Save(grad));
            }

            public override void Backward(Tensor g, Span<Tensor?> grads) => grads[0] = GradMode.IsEnabled
                ? Composed(g)
                : grad.Unpack() * (reduction == Reduction.None ? g.Unsqueeze(1) : g);

            /// <summary>softmax(logits) - target, a row for each sample that counts.</summary>
            Tensor Composed(Tensor g)
            {
                var (x, t) = (logits.Unpack(), labels.Unpack());
                var counted = t.Ne(ignoreIndex);
                var classes = x.Shape[1];
                var target = Tensor.Where(counted, t, 0).OneHot(classes).To(x.DType) * (1 - smoothing) + smoothing / classes;
                var share = reduction == Reduction.Mean ? Tensor.Where(counted, 1 / counted.Sum().To(x.DType), 0) : counted.To(x.DType);
                return (x.Softmax(1) - target) * (share * g).Unsqueeze(1);
            }
        }

        sealed class MseNode : Node
        {
            readonly Reduction reduction;
            readonly SavedTensor x, target, grad;

            public MseNode(Tensor x, Tensor target, Tensor grad, Reduction reduction) : base("MseLoss", [x, target])
            {
                this.reduction = reduction;
                (this.x, this.target, this.grad) = (Save(x), Save(target), Save(grad));
            }

            public override void Backward(Tensor g, Span<Tensor?> grads)
            {
                var dx = GradMode.IsEnabled ? Composed() * g : grad.Unpack() * g;
                grads[0] = NeedsGrad(0) ? dx : null;
                grads[1] = NeedsGrad(1) ? -dx : null;
            }

            Tensor Composed()
            {
                var difference = x.Unpack() - target.Unpack();
                return difference * (reduction == Reduction.Mean ? 2.0 / difference.NumElements : 2.0);
            }
        }

        sealed class BinaryCrossEntropyNode : Node
        {
            readonly SavedTensor p, target;

            public BinaryCrossEntropyNode(Tensor p, Tensor target) : base("BinaryCrossEntropy", [p, target]) =>
                (this.p, this.target) = (Save(p), Save(target));

            // The bound on the divisor is PyTorch's: at 0 and 1 the gradient stays finite.
            public override void Backward(Tensor g, Span<Tensor?> grads)
            {
                var (x, t) = (p.Unpack(), target.Unpack());
                if (NeedsGrad(0))
                    grads[0] = g * (x - t) / (x * (1 - x)).Maximum(1e-12);
                if (NeedsGrad(1))
                    grads[1] = g * (ClampedLog(1 - x) - ClampedLog(x));
            }
        }
    }
}
