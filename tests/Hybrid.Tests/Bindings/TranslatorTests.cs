using Hybrid.BindingsGenerator;
using NUnit.Framework.Constraints;

namespace Hybrid.Tests;

/// <summary>The translation of ops.def's derivatives into tensor expressions.</summary>
public class TranslatorTests
{
    static readonly Operations Rows = new(
        [Row("exp"), Row("log1p"), Row("elu") with { Parameter = "alpha", Default = "1.0" }],
        [Binary("pow"), Binary("minimum")],
        []);

    static UnaryOperation Row(string name) => new(name, "", "FLOAT", null, null, $"hy_{name}(x)", "g", "INPUT", "0", "1");

    static BinaryOperation Binary(string name) => new(name, "", "ANY", $"hy_{name}(a, b)", "g", "g", "INPUTS", "0", "1", "0", "1");

    static ExactTypeConstraint Refusal => Throws.TypeOf<GeneratorException>();

    static string Translate(string formula)
    {
        var variables = new Dictionary<string, string> { ["g"] = "g", ["x"] = "x", ["y"] = "y" };
        return new TensorTranslator(Rows, variables, "p").Translate(CParser.Parse(formula));
    }

    [TestCase("g", "g")]
    [TestCase("-g", "-g")]
    [TestCase("-(-g)", "-(-g)")]
    [TestCase("-(g + x)", "-(g + x)")]
    [TestCase("g + x - y", "g + x - y")]
    [TestCase("g - (x - y)", "g - (x - y)")]
    [TestCase("g * (1 - y * y)", "g * (1 - y * y)")]
    [TestCase("g / (2 * y)", "g / (2 * y)")]
    [TestCase("g * x / y", "g * x / y")]
    [TestCase("g / (x / y)", "g / (x / y)")]
    [TestCase("((g))", "g")]
    public void ArithmeticKeepsItsGrouping(string c, string csharp) => Assert.That(Translate(c), Is.EqualTo(csharp));

    [TestCase("(T)0.5 * g", "0.5 * g")]
    [TestCase("(T)-0.5 * g", "-0.5 * g")]
    [TestCase("(T)1 / 2 * g", "1.0 / 2 * g")]
    [TestCase("1.5e-3f * g", "1.5e-3 * g")]
    [TestCase("2. * g", "2.0 * g")]
    [TestCase("(T)(1 + p) * g", "(double)(1 + p) * g")]
    [TestCase("(T)x * g", "x * g")]
    [TestCase("p * p * g", "p * p * g")]
    public void ConstantsAndTheParameterStayDoubles(string c, string csharp) => Assert.That(Translate(c), Is.EqualTo(csharp));

    [TestCase("0", "Tensor.ZerosLike(g)")]
    [TestCase("(T)0", "Tensor.ZerosLike(g)")]
    [TestCase("p + 1", "Tensor.FullLike(g, p + 1)")]
    public void ANumberAloneBecomesATensorLikeTheGradient(string c, string csharp) => Assert.That(Translate(c), Is.EqualTo(csharp));

    [TestCase("x > 0 ? g : 0", "Tensor.Where(x.Gt(0), g, 0)")]
    [TestCase("x >= 0 ? g : 0", "Tensor.Where(x.Ge(0), g, 0)")]
    [TestCase("x < 0 ? g : 0", "Tensor.Where(x.Lt(0), g, 0)")]
    [TestCase("x <= 0 ? g : 0", "Tensor.Where(x.Le(0), g, 0)")]
    [TestCase("x == y ? g : 0", "Tensor.Where(x.Eq(y), g, 0)")]
    [TestCase("x != y ? g : 0", "Tensor.Where(x.Ne(y), g, 0)")]
    [TestCase("0 < x ? g : 0", "Tensor.Where(x.Gt(0), g, 0)")]
    [TestCase("x + 1 > y * 2 ? g : 0", "Tensor.Where((x + 1).Gt(y * 2), g, 0)")]
    [TestCase("x > 0 ? g : x < 0 ? -g : 0", "Tensor.Where(x.Gt(0), g, Tensor.Where(x.Lt(0), -g, 0))")]
    [TestCase("x > 0 ? 1 : 2", "Tensor.Where(x.Gt(0), Tensor.FullLike(g, 1), 2)")]
    [TestCase("x ? g : 0", "Tensor.Where(x.Ne(0), g, 0)")]
    public void ComparisonsSelectElementwise(string c, string csharp) => Assert.That(Translate(c), Is.EqualTo(csharp));

    [TestCase("x > 0 && y < 1 ? g : 0", "Tensor.Where(x.Gt(0).LogicalAnd(y.Lt(1)), g, 0)")]
    [TestCase("x > 0 || y < 1 ? g : 0", "Tensor.Where(x.Gt(0).LogicalOr(y.Lt(1)), g, 0)")]
    [TestCase("x > 0 || y > 0 && y < 1 ? g : 0", "Tensor.Where(x.Gt(0).LogicalOr(y.Gt(0).LogicalAnd(y.Lt(1))), g, 0)")]
    [TestCase("!(x > 0) ? g : 0", "Tensor.Where(x.Gt(0).Eq(0), g, 0)")]
    [TestCase("(x > 0) * g", "x.Gt(0).To(g.DType) * g")]
    [TestCase("x > 0", "x.Gt(0).To(g.DType)")]
    public void ConditionsCombineAndCountAsNumbers(string c, string csharp) => Assert.That(Translate(c), Is.EqualTo(csharp));

    [TestCase("p > 0 ? g : 0", "p > 0 ? g : Tensor.ZerosLike(g)")]
    [TestCase("(p > 0 ? 2 : 3) * g", "(p > 0 ? 2 : 3) * g")]
    [TestCase("p > 0 && p < 1 ? g : x", "p > 0 && p < 1 ? g : x")]
    [TestCase("!p ? g : x", "!(p != 0) ? g : x")]
    [TestCase("p > 0 ? 1 : p < 0 ? 2 : 3", "Tensor.FullLike(g, p > 0 ? 1 : p < 0 ? 2 : 3)")]
    public void AConditionOnTheParameterIsDecidedOnce(string c, string csharp) => Assert.That(Translate(c), Is.EqualTo(csharp));

    [TestCase("g * hy_exp(x)", "g * x.Exp()")]
    [TestCase("hy_exp(-x * x)", "(-x * x).Exp()")]
    [TestCase("hy_exp(hy_log1p(x))", "x.Log1p().Exp()")]
    [TestCase("hy_pow(x, y)", "x.Pow(y)")]
    [TestCase("hy_pow(x, y - 1)", "x.Pow(y - 1)")]
    [TestCase("hy_minimum(x, (T)0)", "x.Minimum(0.0)")]
    [TestCase("hy_pow(2, x)", "ElementwiseOps.BinaryScalar(HyBinaryOp.Pow, x, 2, true)")]
    [TestCase("g * hy_exp(p)", "g * Tensor.FullLike(g, p).Exp()")]
    public void CallsBecomeMethods(string c, string csharp) => Assert.That(Translate(c), Is.EqualTo(csharp));

    [TestCase("g *", "'g *' ends too early")]
    [TestCase("g * (x", "'g * (x' ends too early")]
    [TestCase("g % x", "'g % x' cannot be read at '%'")]
    [TestCase("x > 0 ? g", "'x > 0 ? g' ends too early")]
    [TestCase("g x", "'g x' cannot be read at 'x'")]
    [TestCase("(float)g", "cannot be read at 'g'")]
    [TestCase("g * q", "the variable q is not among g, x, y, p")]
    [TestCase("p > 0 && x > 0 ? g : 0", "cannot be joined by &&")]
    public void WhatCannotBeReadIsAnError(string c, string message) =>
        Assert.That(() => Translate(c), Refusal.With.Message.Contains(message));

    [TestCase("g * hy_tan(x)")]
    [TestCase("g * tan(x)")]
    [TestCase("g * hy_elu(x)")]
    [TestCase("g * hy_exp(x, x)")]
    [TestCase("g * hy_pow(x)")]
    public void ACallOfNoRowNamesTheRowAndWhatIsAllowed(string derivative)
    {
        var row = Row("gudermann") with { Derivative = derivative };
        Assert.That(() => ElementwiseWriter.Derivative(Rows, row), Refusal.With.Message.Contains("gudermann")
            .And.Message.Contains("hy_exp(x), hy_log1p(x), hy_pow(a, b), hy_minimum(a, b)"));
    }

    [TestCase("NONE", "g * x")]
    [TestCase("INPUT", "g * y")]
    [TestCase("OUTPUT", "g * x")]
    [TestCase("INPUT", "g * p")]
    public void ADerivativeReadsOnlyWhatItsRowSays(string reads, string derivative)
    {
        var row = Row("exp") with { Reads = reads, Derivative = derivative };
        Assert.That(() => ElementwiseWriter.Derivative(Rows, row),
            Refusal.With.Message.StartsWith("the derivative of exp in ops.def: the variable"));
    }

    [TestCase("INPUT", "g * x", "g * x!")]
    [TestCase("OUTPUT", "g * y", "g * y!")]
    [TestCase("BOTH", "g * x * y", "g * x! * y!")]
    public void WhatARowReadsIsNotNull(string reads, string derivative, string csharp) =>
        Assert.That(ElementwiseWriter.Derivative(Rows, Row("exp") with { Reads = reads, Derivative = derivative }), Is.EqualTo(csharp));

    [Test]
    public void AnUnknownKeywordOfARowIsAnError()
    {
        var unary = new Operations([Row("exp") with { Reads = "NOTHING" }], [], []);
        Assert.That(() => ElementwiseWriter.Write(unary),
            Refusal.With.Message.EqualTo("exp in ops.def reads NOTHING; expected NONE, INPUT, OUTPUT or BOTH"));
        var dtypes = new Operations([Row("exp") with { Dtypes = "SOME" }], [], []);
        Assert.That(() => ElementwiseWriter.Write(dtypes),
            Refusal.With.Message.EqualTo("exp in ops.def has the dtypes SOME; expected FLOAT or ANY"));
    }
}
