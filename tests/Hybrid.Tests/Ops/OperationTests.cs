using System.Reflection;

namespace Hybrid.Tests.Ops;

/// <summary>What must hold for every operation, over the one list of them.</summary>
[TestFixture]
internal sealed class OperationTests
{
    TensorScope scope = null!;

    [SetUp]
    public void Begin() => scope = TensorScope.Begin();

    [TearDown]
    public void End() => scope.Dispose();

    [Test]
    public void EveryRowHasAReference()
    {
        var missing = ElementwiseOps.UnaryOps.Select(row => row.Op.ToString()).Except(ElementwiseReference.Unary.Keys)
            .Select(name => ("Unary", name))
            .Concat(ElementwiseOps.BinaryOps.Select(row => row.Op.ToString()).Except(ElementwiseReference.Binary.Keys)
                .Select(name => ("Binary", name)))
            .Concat(ElementwiseOps.CompareOps.Select(row => row.Op.ToString()).Except(ElementwiseReference.Compare.Keys)
                .Select(name => ("Compare", name)))
            .Select(p => $"ops.def has a row for {p.name} without a reference: "
                + $"add [\"{p.name}\"] to ElementwiseReference.{p.Item1}, in double precision and without a look at the row's formula");
        Assert.That(string.Join("\n", missing), Is.Empty);
    }

    [Test]
    public void EveryFunctionHasASample()
    {
        // Dropout draws random numbers: DropoutTests has it. The others are one-line aliases of Tensor's methods.
        string[] elsewhere = ["Dropout", "Relu", "LeakyRelu", "Elu", "Gelu", "Silu", "Softplus", "Sigmoid", "Tanh", "Softmax",
            "LogSoftmax", "OneHot"];
        var sampled = OperationList.All.Select(operation => operation.Name.Split(':')[0]).ToHashSet();
        var missing = typeof(NN.F).GetMethods(BindingFlags.Public | BindingFlags.Static).Select(method => method.Name).Distinct()
            .Except(elsewhere).Except(sampled)
            .Select(name => $"F.{name} has no sample: add one, with its reference, to a list in tests/Hybrid.Tests/Ops/*Samples.cs");
        Assert.That(string.Join("\n", missing), Is.Empty);
    }

    [TestCaseSource(typeof(OperationList), nameof(OperationList.All))]
    public void Float64MatchesTheReference(Operation operation) =>
        Expect.Close(operation.Apply(Tensors(operation, DType.Float64)), operation.Expected(operation.Inputs), operation.Tolerance64,
            operation.Name);

    [TestCaseSource(typeof(OperationList), nameof(OperationList.All))]
    public void Float32MatchesTheReference(Operation operation)
    {
        Nd[] inputs = [.. operation.Inputs.Select(x => x.Map(v => (float)v))];
        Expect.Close(operation.Apply([.. inputs.Select(x => x.ToTensor(DType.Float32))]), operation.Expected(inputs),
            operation.Tolerance32, operation.Name);
    }

    [TestCaseSource(typeof(OperationList), nameof(OperationList.Differentiable))]
    public void Gradient(Operation operation) => GradientChecks.First(operation.Name, operation.Apply, operation.Inputs);

    [TestCaseSource(typeof(OperationList), nameof(OperationList.Differentiable))]
    public void GradientOfTheGradient(Operation operation) => GradientChecks.Second(operation.Name, operation.Apply, operation.Inputs);

    [TestCaseSource(typeof(OperationList), nameof(OperationList.All))]
    public void AnyStridesGiveTheSame(Operation operation)
    {
        var expected = Nd.From(operation.Apply(Tensors(operation, DType.Float64)));
        foreach (var (how, laidOut) in Layouts)
            Expect.Close(operation.Apply([.. operation.Inputs.Select(laidOut)]), expected, 1e-12, $"{operation.Name}, {how}");
    }

    [TestCaseSource(typeof(OperationList), nameof(OperationList.Differentiable))]
    public void AnyStridesGiveTheSameGradient(Operation operation)
    {
        var v = GradientChecks.Cotangent(operation.Apply, operation.Inputs);
        var expected = GradientChecks.Gradients(operation.Apply, operation.Inputs, v, createGraph: false);
        foreach (var (how, laidOut) in Layouts)
        {
            Tensor[] leaves = [.. operation.Inputs.Select(x => laidOut(x).Detach().RequiresGrad_())];
            var y = operation.Apply(leaves);
            if (!y.RequiresGrad)
                continue;
            var gradients = Autograd.Grad([y], leaves, [laidOut(v)], allowUnused: true);
            for (var i = 0; i < leaves.Length; i++)
                if (gradients[i] is { } g)
                    Expect.Close(g, expected[i], 1e-12, $"{operation.Name}, {how}: gradient of input {i}");
        }
    }

    [TestCaseSource(typeof(OperationList), nameof(OperationList.All))]
    public void ExpandedInputsGiveTheSame(Operation operation)
    {
        Nd[] constant = [.. operation.Inputs.Select(x => Nd.Build(x.Shape, place => x[FirstSlice(place)]))];
        Tensor[] expanded = [.. operation.Inputs.Select(Expanded)];
        Expect.Close(operation.Apply(expanded), Nd.From(operation.Apply([.. constant.Select(x => x.ToTensor())])), 1e-12, operation.Name);
    }

    [TestCaseSource(typeof(OperationList), nameof(OperationList.All))]
    public void InputsStayAsTheyWere(Operation operation)
    {
        var inputs = Tensors(operation, DType.Float64);
        operation.Apply(inputs);
        for (var i = 0; i < inputs.Length; i++)
        {
            Expect.Close(inputs[i], operation.Inputs[i], 0, operation.Name);
            Assert.That(inputs[i].Version, Is.Zero, operation.Name);
        }
    }

    static Tensor[] Tensors(Operation operation, DType dtype) => [.. operation.Inputs.Select(x => x.ToTensor(dtype))];

    static (string, Func<Nd, Tensor>)[] Layouts => [("transposed", Transposed), ("sliced", Sliced)];

    /// <summary>The same elements with the axes in reverse order in memory.</summary>
    static Tensor Transposed(Nd x)
    {
        int[] reverse = [.. Enumerable.Range(0, x.Dim).Reverse()];
        return x.Permute(reverse).ToTensor().Permute(reverse);
    }

    /// <summary>The same elements inside a larger tensor of NaNs.</summary>
    static Tensor Sliced(Nd x)
    {
        var y = Nd.Build([.. x.Shape.Select(extent => extent + 3)],
            place => place.Select((p, i) => p >= 1 && p <= x.Shape[i]).All(inside => inside)
                ? x[[.. place.Select(p => p - 1)]]
                : double.NaN).ToTensor();
        for (var axis = 0; axis < x.Dim; axis++)
            y = y.Narrow(axis, 1, x.Shape[axis]);
        return y;
    }

    static long[] FirstSlice(long[] place) => place.Length == 0 ? place : [0, .. place[1..]];

    static Tensor Expanded(Nd x) => x.Dim == 0 || x.Shape[0] == 0
        ? x.ToTensor()
        : Nd.Build([1, .. x.Shape[1..]], place => x[place]).ToTensor().Expand(x.Shape);
}
