using Hybrid.Bindings;

namespace Hybrid;

public unsafe partial class Tensor
{
    /// <summary>The sum, elementwise and broadcasting; see <see cref="Add(Tensor)"/>.</summary>
    public static Tensor operator +(Tensor a, Tensor b) => ElementwiseOps.Binary(HyBinaryOp.Add, a, b);

    /// <summary>The sum with a number.</summary>
    public static Tensor operator +(Tensor a, double b) => ElementwiseOps.BinaryScalar(HyBinaryOp.Add, a, b, false);

    /// <summary>The sum with a number.</summary>
    public static Tensor operator +(double a, Tensor b) => ElementwiseOps.BinaryScalar(HyBinaryOp.Add, b, a, true);

    /// <summary>The difference, elementwise and broadcasting; see <see cref="Sub(Tensor)"/>.</summary>
    public static Tensor operator -(Tensor a, Tensor b) => ElementwiseOps.Binary(HyBinaryOp.Sub, a, b);

    /// <summary>The difference with a number.</summary>
    public static Tensor operator -(Tensor a, double b) => ElementwiseOps.BinaryScalar(HyBinaryOp.Sub, a, b, false);

    /// <summary>The difference from a number.</summary>
    public static Tensor operator -(double a, Tensor b) => ElementwiseOps.BinaryScalar(HyBinaryOp.Sub, b, a, true);

    /// <summary>The product, elementwise and broadcasting; see <see cref="Mul(Tensor)"/>.</summary>
    public static Tensor operator *(Tensor a, Tensor b) => ElementwiseOps.Binary(HyBinaryOp.Mul, a, b);

    /// <summary>The product with a number.</summary>
    public static Tensor operator *(Tensor a, double b) => ElementwiseOps.BinaryScalar(HyBinaryOp.Mul, a, b, false);

    /// <summary>The product with a number.</summary>
    public static Tensor operator *(double a, Tensor b) => ElementwiseOps.BinaryScalar(HyBinaryOp.Mul, b, a, true);

    /// <summary>The quotient, elementwise and broadcasting; of integers it is floating. See <see cref="Div(Tensor)"/>.</summary>
    public static Tensor operator /(Tensor a, Tensor b) => ElementwiseOps.Binary(HyBinaryOp.Div, a, b);

    /// <summary>The quotient by a number.</summary>
    public static Tensor operator /(Tensor a, double b) => ElementwiseOps.BinaryScalar(HyBinaryOp.Div, a, b, false);

    /// <summary>The quotient of a number.</summary>
    public static Tensor operator /(double a, Tensor b) => ElementwiseOps.BinaryScalar(HyBinaryOp.Div, b, a, true);

    /// <summary>The negative, elementwise; see <see cref="Neg"/>.</summary>
    public static Tensor operator -(Tensor x) => ElementwiseOps.Unary(HyUnaryOp.Neg, x);

    /// <summary>Whether a is below b, elementwise, as bool.</summary>
    public static Tensor operator <(Tensor a, Tensor b) => ElementwiseOps.Compare(HyCompareOp.Lt, a, b);

    /// <summary>Whether a is above b, elementwise, as bool.</summary>
    public static Tensor operator >(Tensor a, Tensor b) => ElementwiseOps.Compare(HyCompareOp.Gt, a, b);

    /// <summary>Whether a is at most b, elementwise, as bool.</summary>
    public static Tensor operator <=(Tensor a, Tensor b) => ElementwiseOps.Compare(HyCompareOp.Le, a, b);

    /// <summary>Whether a is at least b, elementwise, as bool.</summary>
    public static Tensor operator >=(Tensor a, Tensor b) => ElementwiseOps.Compare(HyCompareOp.Ge, a, b);

    /// <summary>Whether a is below a number, elementwise, as bool.</summary>
    public static Tensor operator <(Tensor a, double b) => ElementwiseOps.CompareScalar(HyCompareOp.Lt, a, b);

    /// <summary>Whether a is above a number, elementwise, as bool.</summary>
    public static Tensor operator >(Tensor a, double b) => ElementwiseOps.CompareScalar(HyCompareOp.Gt, a, b);

    /// <summary>Whether a is at most a number, elementwise, as bool.</summary>
    public static Tensor operator <=(Tensor a, double b) => ElementwiseOps.CompareScalar(HyCompareOp.Le, a, b);

    /// <summary>Whether a is at least a number, elementwise, as bool.</summary>
    public static Tensor operator >=(Tensor a, double b) => ElementwiseOps.CompareScalar(HyCompareOp.Ge, a, b);

    /// <summary>Whether a number is below b, elementwise, as bool.</summary>
    public static Tensor operator <(double a, Tensor b) => b > a;

    /// <summary>Whether a number is above b, elementwise, as bool.</summary>
    public static Tensor operator >(double a, Tensor b) => b < a;

    /// <summary>Whether a number is at most b, elementwise, as bool.</summary>
    public static Tensor operator <=(double a, Tensor b) => b >= a;

    /// <summary>Whether a number is at least b, elementwise, as bool.</summary>
    public static Tensor operator >=(double a, Tensor b) => b <= a;

    /// <summary>a where the condition holds, otherwise b; all three broadcast, and the dtypes of a and b are promoted. PyTorch's <c>where</c>.</summary>
    /// <param name="condition">bool</param>
    /// <param name="a">taken where the condition holds</param>
    /// <param name="b">taken elsewhere</param>
    /// <exception cref="DTypeException">The condition is not bool.</exception>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Tensor Where(Tensor condition, Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(condition);
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (condition.DType != DType.Bool)
        {
            throw new DTypeException($"Where: the condition is {condition.DType.Name()}, expected bool");
        }
        var dtype = DTypes.Promote(a, b);
        var x = a.To(dtype);
        var y = b.To(dtype);
        var shape = Shape.Broadcast(condition.Shape, Shape.Broadcast(x.Shape, y.Shape, nameof(Where)), nameof(Where));
        var result = NewResult(shape, dtype, condition.Device);
        fixed (HyTensor* pc = condition, px = x, py = y, pr = result)
        {
            Native.Where(pc->Device, pc, px, py, pr);
        }
        if (dtype.IsFloating() && GradMode.Records(x, y))
        {
            result.SetNode(new WhereNode(condition, x, y));
        }
        return result;
    }

    /// <summary>a where the condition holds, otherwise a number; see <see cref="Where(Tensor, Tensor, Tensor)"/>.</summary>
    /// <param name="condition">bool</param>
    /// <param name="a">taken where the condition holds</param>
    /// <param name="b">taken elsewhere</param>
    public static Tensor Where(Tensor condition, Tensor a, double b) => Where(condition, a, NumberLike(a, b));

    /// <summary>A number where the condition holds, otherwise b; see <see cref="Where(Tensor, Tensor, Tensor)"/>.</summary>
    /// <param name="condition">bool</param>
    /// <param name="a">taken where the condition holds</param>
    /// <param name="b">taken elsewhere</param>
    public static Tensor Where(Tensor condition, double a, Tensor b) => Where(condition, NumberLike(b, a), b);

    static Tensor NumberLike(Tensor other, double number) => Scalar(number, DTypes.PromoteScalar(other.DType, number), other.Device);

    sealed class WhereNode : Node
    {
        readonly SavedTensor condition;
        readonly Shape a;
        readonly Shape b;

        internal WhereNode(Tensor condition, Tensor a, Tensor b) : base(nameof(Where), [a, b])
        {
            this.condition = Save(condition);
            this.a = a.Shape;
            this.b = b.Shape;
        }

        /// <inheritdoc/>
        public override void Backward(Tensor g, Span<Tensor?> grads)
        {
            var chosen = condition.Unpack();
            if (NeedsGrad(0))
            {
                grads[0] = Where(chosen, g, 0).SumToShape(a);
            }
            if (NeedsGrad(1))
            {
                grads[1] = Where(chosen, 0, g).SumToShape(b);
            }
        }
    }
}
