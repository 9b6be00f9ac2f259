using Hybrid.NN;

namespace Hybrid.Tests.Ops;

/// <summary>A wrong call: the right exception, one sentence that names the operation, and nothing changed.</summary>
[TestFixture]
internal sealed class WrongInputTests
{
    /// <summary>A wrong call of an operation on tensors that must come out as they went in.</summary>
    internal sealed record Mistake(string Operation, string What, Type Exception, Func<Tensor>[] Inputs, Action<Tensor[]> Call)
    {
        public override string ToString() => $"{Operation}: {What}";
    }

    static Func<Tensor> X(params long[] shape) => () => Nd.Random(1, shape).ToTensor(DType.Float32);

    static Func<Tensor> Double(params long[] shape) => () => Nd.Random(1, shape).ToTensor();

    static Func<Tensor> Integers(params long[] values) => () => Tensor.From(values);

    static Mistake Shape(string operation, string what, Func<Tensor>[] inputs, Action<Tensor[]> call) =>
        new(operation, what, typeof(ShapeException), inputs, call);

    static Mistake DTypes(string operation, string what, Func<Tensor>[] inputs, Action<Tensor[]> call) =>
        new(operation, what, typeof(DTypeException), inputs, call);

    static Mistake Range(string operation, string what, Func<Tensor>[] inputs, Action<Tensor[]> call) =>
        new(operation, what, typeof(ArgumentOutOfRangeException), inputs, call);

    static Mistake Argument(string operation, string what, Func<Tensor>[] inputs, Action<Tensor[]> call) =>
        new(operation, what, typeof(ArgumentException), inputs, call);

    static IEnumerable<Mistake> Mistakes =>
    [
        .. ElementwiseOps.UnaryOps.Where(row => row.IsFloating).Select(row => DTypes(row.Op.ToString(), "integers", [Integers(1, 2)],
            t => ElementwiseOps.Unary(row.Op, t[0], row.Default))),
        .. ElementwiseOps.BinaryOps.Select(row =>
            Shape(row.Op.ToString(), "shapes", [X(2, 3), X(4)], t => ElementwiseOps.Binary(row.Op, t[0], t[1]))),
        .. ElementwiseOps.CompareOps.Select(row =>
            Shape(row.Op.ToString(), "shapes", [X(2, 3), X(3, 2)], t => ElementwiseOps.Compare(row.Op, t[0], t[1]))),
        DTypes("Var", "integers", [Integers(1, 2)], t => t[0].Var()),
        DTypes("Std", "integers", [Integers(1, 2)], t => t[0].Std(0)),
        DTypes("Norm", "integers", [Integers(1, 2)], t => t[0].Norm()),
        DTypes("LogSumExp", "integers", [Integers(1, 2)], t => t[0].LogSumExp(0)),
        DTypes("NllLoss", "integers", [() => Tensor.From(new long[6]).Reshape(2, 3), Integers(0, 1)], t => F.NllLoss(t[0], t[1])),
        DTypes("CrossEntropy", "probabilities of another dtype", [X(2, 3), Double(2, 3)], t => F.CrossEntropy(t[0], t[1])),
        DTypes("BinaryCrossEntropy", "two dtypes", [() => Tensor.Full([2], 0.5), Double(2)], t => F.BinaryCrossEntropy(t[0], t[1])),
        DTypes("BinaryCrossEntropyWithLogits", "integers", [Integers(0, 1), Integers(0, 1)],
            t => F.BinaryCrossEntropyWithLogits(t[0], t[1])),
        Range("Sum", "no such axis", [X(2, 3)], t => t[0].Sum(2)),
        Range("Mean", "no such axis from the end", [X(2, 3)], t => t[0].Mean(-3)),
        Argument("Sum", "an axis twice", [X(2, 3)], t => t[0].Sum([1, -1])),
        DTypes("Mean", "integers", [Integers(1, 2)], t => t[0].Mean()),
        Shape("Max", "nothing", [X(0)], t => t[0].Max()),
        Shape("ArgMax", "an empty axis", [X(2, 0)], t => t[0].ArgMax(1)),
        DTypes("Softmax", "integers", [Integers(1, 2)], t => t[0].Softmax(0)),
        Range("LogSoftmax", "no such axis", [X(2, 3)], t => t[0].LogSoftmax(2)),
        Shape("MatMul", "inner extents", [X(2, 3), X(4, 5)], t => t[0].MatMul(t[1])),
        Shape("MatMul", "a number", [X(), X(4, 5)], t => t[0].MatMul(t[1])),
        Shape("MatMul", "leading axes", [X(2, 3, 4), X(3, 4, 5)], t => t[0].MatMul(t[1])),
        DTypes("MatMul", "two dtypes", [X(2, 3), Double(3, 2)], t => t[0].MatMul(t[1])),
        DTypes("MatMul", "integers", [Integers(1, 2), Integers(1, 2)], t => t[0].MatMul(t[1])),
        Shape("Linear", "input extent", [X(2, 3), X(4, 5)], t => F.Linear(t[0], t[1])),
        Shape("Linear", "bias", [X(2, 3), X(4, 3), X(3)], t => F.Linear(t[0], t[1], t[2])),
        DTypes("Linear", "two dtypes", [X(2, 3), Double(4, 3)], t => F.Linear(t[0], t[1])),
        Shape("Conv2d", "channels", [X(8, 3, 28, 28), X(32, 1, 3, 3)], t => F.Conv2d(t[0], t[1])),
        Shape("Conv2d", "kernel too large", [X(1, 1, 2, 2), X(1, 1, 3, 3)], t => F.Conv2d(t[0], t[1])),
        Shape("Conv2d", "axes", [X(2, 2), X(1, 1, 3, 3)], t => F.Conv2d(t[0], t[1])),
        Shape("Conv2d", "bias", [X(1, 1, 4, 4), X(2, 1, 3, 3), X(3)], t => F.Conv2d(t[0], t[1], t[2])),
        DTypes("Conv2d", "two dtypes", [X(1, 1, 4, 4), Double(1, 1, 3, 3)], t => F.Conv2d(t[0], t[1])),
        Argument("Conv2d", "no stride", [X(1, 1, 4, 4), X(1, 1, 3, 3)], t => F.Conv2d(t[0], t[1], stride: 0)),
        Argument("Conv2d", "negative padding", [X(1, 1, 9, 9), X(1, 1, 3, 3)], t => F.Conv2d(t[0], t[1], padding: -1)),
        Shape("Conv1d", "axes", [X(2, 2, 2, 2), X(1, 1, 3)], t => F.Conv1d(t[0], t[1])),
        Shape("Conv3d", "axes", [X(2, 2), X(1, 1, 3, 3, 3)], t => F.Conv3d(t[0], t[1])),
        Shape("Conv3d", "kernel too deep", [X(1, 1, 2, 4, 4), X(1, 1, 3, 3, 3)], t => F.Conv3d(t[0], t[1])),
        Argument("Conv3d", "no stride", [X(1, 1, 4, 4, 4), X(1, 1, 3, 3, 3)], t => F.Conv3d(t[0], t[1], stride: 0)),
        Argument("Conv2d", "no group", [X(1, 1, 4, 4), X(1, 1, 3, 3)], t => F.Conv2d(t[0], t[1], groups: 0)),
        Shape("MaxPool2d", "window too large", [X(1, 1, 2, 2)], t => F.MaxPool2d(t[0], 3)),
        Argument("MaxPool2d", "padding above half the window", [X(1, 1, 4, 4)], t => F.MaxPool2d(t[0], 2, padding: 2)),
        DTypes("MaxPool2d", "integers", [() => Tensor.From(new long[16]).Reshape(1, 1, 4, 4)], t => F.MaxPool2d(t[0], 2)),
        Shape("AvgPool2d", "axes", [X(4, 4)], t => F.AvgPool2d(t[0], 2)),
        Shape("BatchNorm", "axes", [X(3)], t => F.BatchNorm(t[0], null, null)),
        Shape("BatchNorm", "weight", [X(2, 3), X(2), X(3), X(3)], t => F.BatchNorm(t[0], t[2], t[3], t[1], training: true)),
        Shape("BatchNorm", "one value a channel", [X(1, 3), X(3), X(3)], t => F.BatchNorm(t[0], t[1], t[2], training: true)),
        DTypes("BatchNorm", "two dtypes", [X(2, 3), Double(3), Double(3)], t => F.BatchNorm(t[0], t[1], t[2], training: true)),
        Range("CrossEntropy", "a label that is no class", [X(2, 3), Integers(0, 3)], t => F.CrossEntropy(t[0], t[1])),
        Range("CrossEntropy", "a negative label", [X(2, 3), Integers(-1, 0)], t => F.CrossEntropy(t[0], t[1])),
        Shape("CrossEntropy", "labels for another batch", [X(2, 3), Integers(0, 1, 2)], t => F.CrossEntropy(t[0], t[1])),
        DTypes("CrossEntropy", "bool labels", [X(2, 3), () => Tensor.From(new[] { true, false })], t => F.CrossEntropy(t[0], t[1])),
        DTypes("CrossEntropy", "integer logits", [() => Tensor.From(new long[6]).Reshape(2, 3), Integers(0, 1)],
            t => F.CrossEntropy(t[0], t[1])),
        Shape("CrossEntropy", "probabilities in another shape", [X(2, 3), X(2, 4)], t => F.CrossEntropy(t[0], t[1])),
        Argument("CrossEntropy", "smoothing above 1", [X(2, 3), Integers(0, 1)], t => F.CrossEntropy(t[0], t[1], labelSmoothing: 1.5)),
        Shape("NllLoss", "labels for another batch", [X(2, 3), Integers(0, 1, 2)], t => F.NllLoss(t[0], t[1])),
        Range("NllLoss", "a label that is no class", [X(2, 3), Integers(0, 3)], t => F.NllLoss(t[0], t[1])),
        Shape("MseLoss", "shapes", [X(2, 3), X(3, 2)], t => F.MseLoss(t[0], t[1])),
        DTypes("MseLoss", "two dtypes", [X(2), Double(2)], t => F.MseLoss(t[0], t[1])),
        Shape("BinaryCrossEntropy", "shapes", [X(2), X(3)], t => F.BinaryCrossEntropy(t[0], t[1])),
        Range("BinaryCrossEntropy", "no probabilities", [() => Tensor.From([0.5, 1.5]), () => Tensor.From([0.0, 1.0])],
            t => F.BinaryCrossEntropy(t[0], t[1])),
        Shape("BinaryCrossEntropyWithLogits", "shapes", [X(2), X(3)], t => F.BinaryCrossEntropyWithLogits(t[0], t[1])),
        Range("Gather", "an index beyond", [X(2, 3), () => Tensor.From([0L, 3L]).Reshape(2, 1)], t => t[0].Gather(1, t[1])),
        Shape("Gather", "axes", [X(2, 3), Integers(0, 1)], t => t[0].Gather(1, t[1])),
        DTypes("Gather", "floating index", [X(2), Double(2)], t => t[0].Gather(0, t[1])),
        Range("ScatterAdd", "an index beyond", [X(3), Integers(0, 3), X(2)], t => t[0].ScatterAdd(0, t[1], t[2])),
        Shape("ScatterAdd", "source below index", [X(3), Integers(0, 1), X(1)], t => t[0].ScatterAdd(0, t[1], t[2])),
        Range("IndexSelect", "a negative index", [X(3), Integers(0, -1)], t => t[0].IndexSelect(0, t[1])),
        Shape("IndexSelect", "an index of two axes", [X(3), () => Tensor.From(new long[4]).Reshape(2, 2)], t => t[0].IndexSelect(0, t[1])),
        Range("IndexAdd", "an index beyond", [X(3), Integers(0, 5), X(2)], t => t[0].IndexAdd(0, t[1], t[2])),
        Shape("IndexAdd", "source", [X(3, 2), Integers(0, 1), X(2, 3)], t => t[0].IndexAdd(0, t[1], t[2])),
        Range("OneHot", "a class beyond", [Integers(0, 3)], t => t[0].OneHot(3)),
        Range("OneHot", "a negative class", [Integers(0, -1)], t => t[0].OneHot(3)),
        DTypes("OneHot", "floating", [X(2)], t => t[0].OneHot(3)),
        Argument("OneHot", "classes of nothing", [Integers()], t => t[0].OneHot()),
        Argument("Cat", "no tensor", [], t => Tensor.Cat(t)),
        Shape("Cat", "extents", [X(2, 3), X(2, 4)], t => Tensor.Cat(t, 0)),
        Shape("Cat", "numbers", [X(), X()], t => Tensor.Cat(t, 0)),
        DTypes("Cat", "two dtypes", [X(2), Double(2)], t => Tensor.Cat(t)),
        Range("Cat", "no such axis", [X(2), X(2)], t => Tensor.Cat(t, 1)),
        Argument("Stack", "no tensor", [], t => Tensor.Stack(t)),
        Shape("Stack", "shapes", [X(2), X(3)], t => Tensor.Stack(t)),
        Range("Stack", "no such axis", [X(2), X(2)], t => Tensor.Stack(t, 2)),
        Range("Dropout", "no probability", [X(2)], t => F.Dropout(t[0], 1.5)),
        DTypes("Dropout", "integers", [Integers(1)], t => F.Dropout(t[0], 0.5)),
    ];

    [TestCaseSource(nameof(Mistakes))]
    public void OneSentenceAndNothingChanged(object mistake)
    {
        var (operation, _, expected, inputs, call) = (Mistake)mistake;
        Tensor[] tensors = [.. inputs.Select(make => make())];
        Nd[] before = [.. tensors.Select(Nd.From)];
        int[] versions = [.. tensors.Select(t => t.Version)];
        var exception = Assert.Catch(() => call(tensors))!;
        Assert.That(exception, Is.TypeOf(expected), exception.Message);
        Assert.That(exception.Message, Does.Match(@"^\w+: \S"), "starts with the operation");
        Assert.That(exception.Message, Does.Contain(operation).And.Not.Contain("\n").And.Not.Contain("(Parameter"));
        Assert.That(exception.Message.Length, Is.LessThan(250));
        for (var i = 0; i < tensors.Length; i++)
        {
            Expect.Close(tensors[i], before[i], 0, $"{operation} changed input {i}");
            Assert.That(tensors[i].Version, Is.EqualTo(versions[i]), $"{operation} changed input {i}");
        }
    }

    [Test]
    public void NullIsAnArgumentNullException()
    {
        Assert.Throws<ArgumentNullException>(() => Tensor.Zeros(2).MatMul(null!));
        Assert.Throws<ArgumentNullException>(() => F.Conv2d(null!, Tensor.Zeros(1, 1, 1, 1)));
        Assert.Throws<ArgumentNullException>(() => F.CrossEntropy(Tensor.Zeros(1, 2), null!));
        Assert.Throws<ArgumentNullException>(() => Tensor.Zeros(2).Gather(0, null!));
    }

    [Test]
    public void WritingToWhatWasSavedIsAnErrorThatNamesBoth()
    {
        var x = Tensor.Ones(2, 3).RequiresGrad_();
        var w = Tensor.Ones(3, 2);
        var y = x.MatMul(w).Sum();
        w.Add_(1);
        Assert.That(() => y.Backward(), Throws.InvalidOperationException.With.Message.Contain("Add_").And.Message.Contain("MatMul"));
    }
}
