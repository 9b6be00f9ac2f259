using Hybrid.Bindings;

namespace Hybrid;

/// <summary>Elementwise operations: the forward call, the result's dtype and shape, and the nodes. What distinguishes one operation from another is
/// in ops.def, from which the other half of this class is generated.</summary>
internal static unsafe partial class ElementwiseOps
{
    // Reading a static member runs the initialisers of all of them, so operations that are not recorded read none: it is a good part of what
    // the first operation of a process would cost.
    static readonly string[] UnaryNames = Enum.GetNames<HyUnaryOp>();
    static readonly string[] BinaryNames = Enum.GetNames<HyBinaryOp>();
    static readonly string[] CompareNames = Enum.GetNames<HyCompareOp>();

    /// <summary>op(x), where <paramref name="p"/> is the operation's parameter, if it has one.</summary>
    internal static Tensor Unary(HyUnaryOp op, Tensor x, double p = 0)
    {
        var y = Tensor.NewResult(x.Extents, x.DType, x.Device);
        fixed (HyTensor* px = x, py = y)
        {
            Native.Unary(px->Device, op, p, px, py);
        }
        if (GradMode.Records(x))
        {
            y.SetNode(new UnaryNode(op, p, x, y));
        }
        return y;
    }

    /// <summary>The gradient of op(x) = y for the gradient g of y; recorded in turn where recording is on.</summary>
    internal static Tensor UnaryBackward(HyUnaryOp op, double p, Tensor? x, Tensor? y, Tensor g)
    {
        if (GradMode.IsEnabled)
        {
            return UnaryDerivative(op, g, x, y, p);
        }
        var dx = Tensor.NewResult(g.Extents, g.DType, g.Device);
        fixed (HyTensor* px = x, py = y, pg = g, pd = dx)
        {
            Native.UnaryBackward(pg->Device, op, p, px, py, pg, pd);
        }
        return dx;
    }

    /// <summary>op(a, b), broadcasting; dtypes are promoted by <see cref="DTypes.Promote(Tensor, Tensor)"/>.</summary>
    internal static Tensor Binary(HyBinaryOp op, Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        var dtype = DTypes.Promote(a, b);
        if (!dtype.IsFloating())
        {
            if (dtype == DType.Bool && LogicalTwin(op) is { } logical)
            {
                return Compare(logical, a, b);
            }
            dtype = ComputeDType(op, dtype);
        }
        var x = a.To(dtype);
        var y = b.To(dtype);
        var result = x.Extents.SequenceEqual(y.Extents) ? Tensor.NewResult(x.Extents, dtype, x.Device) : Broadcast(BinaryNames[(int)op], x, y, dtype);
        fixed (HyTensor* px = x, py = y, pr = result)
        {
            Native.Binary(px->Device, op, px, py, pr);
        }
        if (GradMode.Records(x, y))
        {
            result.SetNode(new BinaryNode(op, x, y, result));
        }
        DisposeCast(x, a);
        DisposeCast(y, b);
        return result;
    }

    /// <summary>op(x, s), or op(s, x).</summary>
    internal static Tensor BinaryScalar(HyBinaryOp op, Tensor x, double s, bool scalarFirst)
    {
        ArgumentNullException.ThrowIfNull(x);
        var dtype = DTypes.PromoteScalar(x.DType, s);
        if (!dtype.IsFloating())
        {
            dtype = ComputeDType(op, dtype);
        }
        var input = x.To(dtype);
        var y = Tensor.NewResult(input.Extents, dtype, input.Device);
        fixed (HyTensor* px = input, py = y)
        {
            Native.BinaryScalar(px->Device, op, px, s, scalarFirst ? 1 : 0, py);
        }
        if (GradMode.Records(input))
        {
            y.SetNode(new BinaryScalarNode(op, input, s, scalarFirst));
        }
        DisposeCast(input, x);
        return y;
    }

    /// <summary>op(a, b) as bool, broadcasting.</summary>
    internal static Tensor Compare(HyCompareOp op, Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        using var mode = NoGrad.Begin();
        var dtype = DTypes.Promote(a, b);
        var x = a.To(dtype);
        var y = b.To(dtype);
        var result = x.Extents.SequenceEqual(y.Extents) ? Tensor.NewResult(x.Extents, DType.Bool, x.Device) : Broadcast(CompareNames[(int)op], x, y, DType.Bool);
        fixed (HyTensor* px = x, py = y, pr = result)
        {
            Native.Compare(px->Device, op, px, py, pr);
        }
        DisposeCast(x, a);
        DisposeCast(y, b);
        return result;
    }

    /// <summary>op(x, s) as bool.</summary>
    internal static Tensor CompareScalar(HyCompareOp op, Tensor x, double s)
    {
        var result = Tensor.NewResult(x.Extents, DType.Bool, x.Device);
        fixed (HyTensor* px = x, pr = result)
        {
            Native.CompareScalar(px->Device, op, px, s, pr);
        }
        return result;
    }

    /// <summary>a op= b: writes the result over a, which keeps its dtype and shape.</summary>
    internal static Tensor BinaryInPlace(HyBinaryOp op, Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(b);
        var name = BinaryNames[(int)op] + "_";
        a.CheckInPlace(name, b);
        if (DTypes.Promote(a, b) is var wide && wide != a.DType && wide.IsFloating() && !a.DType.IsFloating())
        {
            throw new DTypeException($"{name}: the result is {wide.Name()}, which a tensor of {a.DType.Name()} cannot hold");
        }
        if (!Shape.TryBroadcast(a.Extents, b.Extents, out var shape) || shape != a.Shape)
        {
            throw new ShapeException($"{name}: a tensor of shape {b.Shape} does not broadcast to the shape {a.Shape} that is written");
        }
        var y = b.To(a.DType);
        // An operand that overlaps the result without being the very same view would be read after parts of it were written.
        if (!ReferenceEquals(y, a) && ReferenceEquals(y.LiveStorage, a.LiveStorage))
        {
            y = y.Clone();
        }
        fixed (HyTensor* pa = a, py = y)
        {
            Native.Binary(pa->Device, op, pa, py, pa);
        }
        a.LiveStorage.Written(name);
        DisposeCast(y, b);
        return a;
    }

    /// <summary>a op= s.</summary>
    internal static Tensor BinaryScalarInPlace(HyBinaryOp op, Tensor a, double s)
    {
        var name = BinaryNames[(int)op] + "_";
        a.CheckInPlace(name);
        if (DTypes.PromoteScalar(a.DType, s) is var wide && wide.IsFloating() && !a.DType.IsFloating())
        {
            throw new DTypeException($"{name}: the result with {s} is {wide.Name()}, which a tensor of {a.DType.Name()} cannot hold");
        }
        fixed (HyTensor* pa = a)
        {
            Native.BinaryScalar(pa->Device, op, pa, s, 0, pa);
        }
        a.LiveStorage.Written(name);
        return a;
    }

    /// <summary>Division and powers of integers are computed in the default floating dtype; arithmetic on bool as int64.</summary>
    static DType ComputeDType(HyBinaryOp op, DType dtype) =>
        BinaryOps[(int)op].IsFloating ? Tensor.DefaultDType : dtype == DType.Bool ? DType.Int64 : dtype;

    /// <summary>What stands for an operation between two bool tensors: as in PyTorch, their sum is "or", their product "and".</summary>
    static HyCompareOp? LogicalTwin(HyBinaryOp op) => op switch
    {
        HyBinaryOp.Add or HyBinaryOp.Maximum => HyCompareOp.LogicalOr,
        HyBinaryOp.Mul or HyBinaryOp.Minimum => HyCompareOp.LogicalAnd,
        _ => null,
    };

    static Tensor Broadcast(string name, Tensor a, Tensor b, DType dtype) =>
        Tensor.NewResult(Shape.Broadcast(a.Shape, b.Shape, name), dtype, a.Device);

    static void DisposeCast(Tensor used, Tensor given)
    {
        if (!ReferenceEquals(used, given))
        {
            used.Dispose();
        }
    }

    sealed class UnaryNode : Node
    {
        readonly HyUnaryOp op;
        readonly double p;
        readonly SavedTensor? x;
        readonly SavedTensor? y;

        internal UnaryNode(HyUnaryOp op, double p, Tensor x, Tensor y) : base(UnaryNames[(int)op], [x])
        {
            this.op = op;
            this.p = p;
            var reads = UnaryOps[(int)op].Reads;
            this.x = reads is Reads.Input or Reads.Both ? Save(x) : null;
            this.y = reads is Reads.Output or Reads.Both ? Save(y) : null;
        }

        /// <inheritdoc/>
        public override void Backward(Tensor g, Span<Tensor?> grads)
        {
            grads[0] = UnaryBackward(op, p, x?.Unpack(), y?.Unpack(), g);
        }
    }

    sealed class BinaryNode : Node
    {
        readonly HyBinaryOp op;
        readonly SavedTensor? a;
        readonly SavedTensor? b;
        readonly Shape[]? shapes;   // of the inputs, where one was broadcast

        internal BinaryNode(HyBinaryOp op, Tensor a, Tensor b, Tensor y) : base(BinaryNames[(int)op], [a, b])
        {
            this.op = op;
            if (BinaryOps[(int)op].ReadsInputs)
            {
                this.a = Save(a);
                this.b = Save(b);
            }
            if (!a.Extents.SequenceEqual(y.Extents) || !b.Extents.SequenceEqual(y.Extents))
            {
                shapes = [a.Shape, b.Shape];
            }
        }

        /// <inheritdoc/>
        public override void Backward(Tensor g, Span<Tensor?> grads)
        {
            var left = a?.Unpack();
            var right = b?.Unpack();
            for (var operand = 0; operand < 2; operand++)
            {
                if (NeedsGrad(operand))
                {
                    var d = Derivative(operand, g, left, right);
                    grads[operand] = shapes is null ? d : d.SumToShape(shapes[operand]);
                }
            }
        }

        Tensor Derivative(int operand, Tensor g, Tensor? left, Tensor? right)
        {
            if (op == HyBinaryOp.Add || (op == HyBinaryOp.Sub && operand == 0))
            {
                return g;
            }
            if (GradMode.IsEnabled)
            {
                return BinaryDerivative(op, operand, g, left, right);
            }
            var d = Tensor.NewResult(g.Extents, g.DType, g.Device);
            fixed (HyTensor* pa = left, pb = right, pg = g, pd = d)
            {
                Native.BinaryBackward(pg->Device, op, operand, pa, pb, pg, pd);
            }
            return d;
        }
    }

    sealed class BinaryScalarNode : Node
    {
        readonly HyBinaryOp op;
        readonly double s;
        readonly bool scalarFirst;
        readonly DType dtype;
        readonly SavedTensor? x;

        internal BinaryScalarNode(HyBinaryOp op, Tensor x, double s, bool scalarFirst) : base(BinaryNames[(int)op], [x])
        {
            this.op = op;
            this.s = s;
            this.scalarFirst = scalarFirst;
            dtype = x.DType;
            // The product with a number reads the number alone; so does the quotient by one.
            if (BinaryOps[(int)op].ReadsInputs && op != HyBinaryOp.Mul && (op != HyBinaryOp.Div || scalarFirst))
            {
                this.x = Save(x);
            }
        }

        /// <inheritdoc/>
        public override void Backward(Tensor g, Span<Tensor?> grads)
        {
            var input = x?.Unpack();
            grads[0] = op switch
            {
                HyBinaryOp.Add => g,
                HyBinaryOp.Sub => scalarFirst ? -g : g,
                HyBinaryOp.Mul => g * s,
                HyBinaryOp.Div when !scalarFirst => g / s,
                _ => Derivative(g, input!),
            };
        }

        Tensor Derivative(Tensor g, Tensor input)
        {
            if (GradMode.IsEnabled)
            {
                var scalar = Tensor.Scalar(s, dtype, g.Device);
                return scalarFirst ? BinaryDerivative(op, 1, g, scalar, input) : BinaryDerivative(op, 0, g, input, scalar);
            }
            var d = Tensor.NewResult(g.Extents, g.DType, g.Device);
            fixed (HyTensor* px = input, pg = g, pd = d)
            {
                Native.BinaryScalarBackward(pg->Device, op, px, s, scalarFirst ? 1 : 0, pg, pd);
            }
            return d;
        }
    }
}
