using Hybrid.Bindings;
using Hybrid.NN;

namespace Hybrid
{
    public partial class Tensor
    {
        /// <summary>The matrix product over the last two axes; leading axes broadcast. An operand of one axis is a row on the left and a
        /// column on the right, and that axis is absent from the result. See PyTorch's <c>matmul</c>.</summary>
        /// <param name="other">[..., K, N] or [K], the dtype of this tensor, [..., M, K] or [K]</param>
        /// <returns>[..., M, N]</returns>
        /// <exception cref="ShapeException">The inner extents differ, an operand has no axis, or leading axes do not broadcast.</exception>
        /// <exception cref="DTypeException">The operands are not floating, or not of one dtype.</exception>
        public Tensor MatMul(Tensor other)
        {
            ArgumentNullException.ThrowIfNull(other);
            if (Dim == 0 || other.Dim == 0)
                throw new ShapeException($"MatMul: each operand needs at least one axis (a {Shape}, b {other.Shape})");
            if (Shape[^1] != other.Shape[other.Dim == 1 ? ^1 : ^2])
                throw new ShapeException(
                    $"MatMul: a has {Shape[^1]} columns, b has {other.Shape[other.Dim == 1 ? ^1 : ^2]} rows (a {Shape}, b {other.Shape})");
            if (other.Dim == 1)
                return MatMul(other.Unsqueeze(1)).Squeeze(-1);
            if (Dim == 1)
                return Unsqueeze(0).MatMul(other).Squeeze(-2);
            var a = this;
            NN.Autocast.Lower(ref a, ref other);
            return Dim > 2 && other.Dim == 2
                ? MatMulOps.FromRows(MatMulOps.MatMul(MatMulOps.Rows(a), other), a)
                : MatMulOps.MatMul(a, other);
        }
    }

    /// <summary>The matrix products' forward and backward.</summary>
    internal static class MatMulOps
    {
        /// <summary>x [..., K] as rows [R, K].</summary>
        internal static Tensor Rows(Tensor x) => x.Dim == 2 ? x : x.Reshape(Shape.Product(x.Extents[..^1]), x.Extents[^1]);

        /// <summary>A result of these rows, [R, N], with x's leading axes: [..., N].</summary>
        internal static Tensor FromRows(Tensor y, Tensor x)
        {
            if (x.Dim == 2)
                return y;
            Span<long> shape = stackalloc long[x.Dim];
            x.Extents.CopyTo(shape);
            shape[^1] = y.Extents[1];
            return y.Reshape(shape);
        }

        internal static unsafe Tensor MatMul(Tensor a, Tensor b)
        {
            var y = Tensor.NewResult(ProductShape(a.Shape, b.Shape), a.DType, a.Device);
            fixed (HyTensor* pa = a, pb = b, py = y)
                Native.Matmul(a.Device.Handle, pa, pb, null, Constants.NoActivation, py);
            if (GradMode.Records(a, b))
                y.SetNode(new MatMulNode(a, b));
            return y;
        }

        internal static unsafe Tensor Linear(Tensor x, Tensor weight, Tensor? bias, Activation activation, Derived<Tensor>? kept)
        {
            var records = GradMode.Records(x, weight, bias);
            var prepared = kept is not null && !records && GainsPrepared(x, weight) ? Prepare(weight, kept) : null;
            var y = Tensor.NewResult(new Shape(x.Shape[0], weight.Shape[0]), x.DType, x.Device);
            fixed (HyTensor* px = x, pw = weight, pb = bias, py = y, pp = prepared)
            {
                var transposed = weight.TransposedView();
                if (pp is null)
                    Native.Matmul(px->Device, px, &transposed, pb, activation.Code(), py);
                else
                    Native.MatmulPrepared(px->Device, px, &transposed, pp, pb, activation.Code(), py);
            }
            if (records)
                y.SetNode(new LinearNode(x, weight, bias, activation, y));
            return y;
        }

        // One row streams the weight as it is, and many rows use what is packed for them often enough.
        static bool GainsPrepared(Tensor x, Tensor weight) =>
            x.Extents[0] is > 1 and < 256 && x.Device == weight.Device && weight.DType is DType.Float32 or DType.Float64
            && weight.NumElements * weight.DType.Size() <= PreparedKernels.MostBytes;

        /// <summary>weightᵀ as the device multiplies with it, made once for the same elements; null where the device gains nothing.</summary>
        static unsafe Tensor? Prepare(Tensor weight, Derived<Tensor> kept)
        {
            if (kept.Find([weight]) is { } known)
                return known;
            long elements;
            fixed (HyTensor* pw = weight)
            {
                var transposed = weight.TransposedView();
                Native.MatmulPrepare(pw->Device, &transposed, &elements, null);
                if (elements == 0)
                    return null;
                using var suspended = TensorScope.Suspend();
                var prepared = Tensor.NewResult(new Shape(elements), weight.DType, weight.Device);
                fixed (HyTensor* pp = prepared)
                    Native.MatmulPrepare(pw->Device, &transposed, &elements, pp);
                return kept.Keep([weight], prepared);
            }
        }

        /// <summary>aᵀ · b of two matrices.</summary>
        static unsafe Tensor TransposedMatMul(Tensor a, Tensor b)
        {
            if (GradMode.Records(a, b))
                return MatMul(a.T, b);
            var y = Tensor.NewResult(new Shape(a.Extents[1], b.Extents[1]), a.DType, a.Device);
            fixed (HyTensor* pa = a, pb = b, py = y)
            {
                var transposed = a.TransposedView();
                Native.Matmul(pa->Device, &transposed, pb, null, Constants.NoActivation, py);
            }
            return y;
        }

        static Shape ProductShape(in Shape a, in Shape b)
        {
            if (a.Count == 2 && b.Count == 2)
                return new Shape(a[0], b[1]);
            var batch = Shape.Broadcast(new Shape(a.AsSpan()[..^2]), new Shape(b.AsSpan()[..^2]), "MatMul");
            return new Shape([.. batch.AsSpan(), a[^2], b[^1]]);
        }

        sealed class MatMulNode : Node
        {
            readonly Shape shapeA, shapeB;
            readonly SavedTensor? a, b;

            public MatMulNode(Tensor a, Tensor b) : base("MatMul", [a, b])
            {
                (shapeA, shapeB) = (a.Shape, b.Shape);
                this.a = NeedsGrad(1) ? Save(a) : null;
                this.b = NeedsGrad(0) ? Save(b) : null;
            }

            public override void Backward(Tensor g, Span<Tensor?> grads)
            {
                if (NeedsGrad(0))
                    grads[0] = MatMul(g, b!.Unpack().Transpose(-1, -2)).SumToShape(shapeA);
                if (NeedsGrad(1))
                    grads[1] = MatMul(a!.Unpack().Transpose(-1, -2), g).SumToShape(shapeB);
            }
        }

        sealed class LinearNode : Node
        {
            readonly Activation activation;
            readonly SavedTensor? x, weight, y;

            public LinearNode(Tensor x, Tensor weight, Tensor? bias, Activation activation, Tensor y) : base("Linear", [x, weight, bias])
            {
                this.activation = activation;
                this.x = NeedsGrad(1) ? Save(x) : null;
                this.weight = NeedsGrad(0) ? Save(weight) : null;
                this.y = activation == Activation.None ? null : Save(y);
            }

            public override void Backward(Tensor g, Span<Tensor?> grads)
            {
                g = activation.Backward(y?.Unpack(), g);
                if (NeedsGrad(0))
                    grads[0] = MatMul(g, weight!.Unpack());
                if (NeedsGrad(1))
                    grads[1] = TransposedMatMul(g, x!.Unpack());
                if (NeedsGrad(2))
                    grads[2] = g.Sum(0);
            }
        }
    }
}

namespace Hybrid.NN
{
    public static partial class F
    {
        /// <summary>y = activation(x · weightᵀ + bias). See PyTorch's <c>linear</c>.</summary>
        /// <param name="x">[..., I], floating</param>
        /// <param name="weight">[O, I]</param>
        /// <param name="bias">[O]; none by default</param>
        /// <param name="activation">what is applied to the result; none by default</param>
        /// <returns>[..., O]</returns>
        /// <exception cref="ShapeException">The extents do not match.</exception>
        /// <exception cref="DTypeException">The operands are not floating, or not of one dtype.</exception>
        public static Tensor Linear(Tensor x, Tensor weight, Tensor? bias = null, Activation activation = Activation.None) =>
            KeepingLinear(x, weight, bias, activation, null);

        /// <summary>The same, with the place where a layer keeps its prepared weight.</summary>
        internal static Tensor KeepingLinear(Tensor x, Tensor weight, Tensor? bias, Activation activation, Derived<Tensor>? prepared)
        {
            ArgumentNullException.ThrowIfNull(x);
            ArgumentNullException.ThrowIfNull(weight);
            Autocast.Lower(ref x, ref weight, ref bias);
            if (weight.Dim != 2 || x.Dim == 0 || x.Shape[^1] != weight.Shape[1])
                throw new ShapeException(
                    $"Linear: input {x.Shape} was given with weight {weight.Shape}; an input [..., I] and a weight [O, I] were expected");
            if (bias is not null && (bias.Dim != 1 || bias.Shape[0] != weight.Shape[0]))
                throw new ShapeException($"Linear: bias is {bias.Shape}, weight {weight.Shape} expects [{weight.Shape[0]}]");
            if (x.DType != weight.DType || (bias is not null && bias.DType != weight.DType))
                throw new DTypeException(
                    $"Linear: input is {x.DType.Name()}, weight {weight.DType.Name()}, bias {bias?.DType.Name() ?? "absent"}; "
                    + "one dtype was expected");
            Checks.Floating("Linear", x);
            if (activation.NeedsInput() && GradMode.Records(x, weight, bias))
                return activation.Apply(Linear(x, weight, bias));
            return MatMulOps.FromRows(MatMulOps.Linear(MatMulOps.Rows(x), weight, bias, activation, prepared), x);
        }
    }
}
