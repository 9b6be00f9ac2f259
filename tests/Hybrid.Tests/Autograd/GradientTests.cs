namespace Hybrid.Tests;

/// <summary>Views, copies and broadcasting against finite differences, to the second order.</summary>
public class GradientTests
{
    static Tensor Input(params ReadOnlySpan<long> shape) => Tensor.Rand(shape, DType.Float64, generator: new Generator(7)) + 0.5;

    static readonly TestCaseData[] Functions =
    [
        Case("reshape", x => x.Reshape(-1, 2).Square()),
        Case("reshape of a transpose", x => x.Transpose(0, 2).Reshape(4, 6).Square()),
        Case("permute", x => x.Permute(2, 0, 1).Square()),
        Case("squeeze and unsqueeze", x => x.Unsqueeze(1).Square().Squeeze(1)),
        Case("flatten", x => x.Flatten(1).Square()),
        Case("expand", x => x.Unsqueeze(1).Expand(2, 3, 3, 4).Square()),
        Case("sum to shape", x => x.SumToShape(new Shape(3, 1)).Square()),
        Case("narrow", x => x.Narrow(2, 1, 2).Square()),
        Case("select", x => x.Select(1, -1).Square()),
        Case("index", x => x[1, ..2, TensorIndex.Slice(step: 2)].Square()),
        Case("index of a transpose", x => x.Transpose(1, 2)[TensorIndex.Ellipsis, 1..].Square()),
        Case("index by a tensor", x => x[Tensor.From([1L, 0, 1])].Square()),
        Case("index by a mask", x => x[x > 1].Square()),
        Case("clone", x => x.T3().Clone().Square()),
        Case("contiguous", x => x.T3().Contiguous().Square()),
        Case("cast", x => x.To(DType.Float64).Square()),
        Case("where", x => Tensor.Where(x > 1, x.Square(), x.Exp())),
        Case("where, broadcast", x => Tensor.Where(x > 1, x[0, 0] * 2, x[.., ..1, ..1].Square())),
        Case("add, broadcast", x => (x[0] + x[.., ..1, ..]) * x[.., .., ..1]),
        Case("mul, broadcast", x => x * x[0, 0] * x[0, 0, 0]),
        Case("div, broadcast", x => x[0] / x),
        Case("pow", x => x.Pow(x[0])),
        Case("pow by a number", x => x.Pow(3) + x.Pow(-0.5)),
        Case("number to the power", x => Tensor.Scalar(2, DType.Float64).Pow(x)),
        Case("number divided", x => 2 / x + x / 2 + (1 - x) * 3),
        Case("split", x => x.Split(1)[0] * x.Split(1)[1]),
        Case("a tensor with itself", x => x * x + x / x - x),
    ];

    static TestCaseData Case(string name, Func<Tensor, Tensor> f) => new TestCaseData(f).SetArgDisplayNames(name);

    [TestCaseSource(nameof(Functions))]
    public void AgreesWithDifferences(Func<Tensor, Tensor> f) => GradCheck.Run(inputs => f(inputs[0]), [Input(2, 3, 4)], secondOrder: true);

    [TestCaseSource(nameof(Functions))]
    public void AgreesWithDifferencesForAStridedInput(Func<Tensor, Tensor> f) =>
        GradCheck.Run(inputs => f(inputs[0]), [Input(4, 3, 2).Transpose(0, 2)], secondOrder: true);

    [Test]
    public void GradCheckNoticesAWrongGradient()
    {
        var x = Input(3);
        Assert.That(() => GradCheck.Run(inputs => inputs[0] * inputs[0].Detach(), [x]), Throws.InvalidOperationException.With.Message.Contains("element 0 of input 0"));
        Assert.That(() => GradCheck.Run(inputs => inputs[0], [Tensor.Ones(3)]), Throws.TypeOf<DTypeException>());
    }
}

static class TransposedInput
{
    internal static Tensor T3(this Tensor x) => x.Transpose(0, 2);
}
