namespace Hybrid.Tests.Ops;

/// <summary>Reductions and softmax.</summary>
internal static class ReduceSamples
{
    static readonly long[] Cube = [3, 4, 5];

    internal static IEnumerable<Operation> All =>
    [
        .. Folds("Sum", line => line.Sum(), x => x.Sum(), (x, d, k) => x.Sum(d, k), (x, d, k) => x.Sum(d, k), nothing: true),
        .. Folds("Mean", line => line.Average(), x => x.Mean(), (x, d, k) => x.Mean(d, k), (x, d, k) => x.Mean(d, k)),
        .. Folds("AMax", line => line.Max(), x => x.Max(), (x, d, k) => x.AMax([d], k), (x, d, k) => x.AMax(d, k)),
        .. Folds("AMin", line => line.Min(), x => x.Min(), (x, d, k) => x.AMin([d], k), (x, d, k) => x.AMin(d, k)),
        .. Folds("Prod", Product, x => x.Prod(), (x, d, k) => x.Prod(d, k), null, nothing: true).Select(Near1),
        new("Prod: signs", [Nd.Distinct(5, 3, 4)], t => t[0].Prod(1), n => Reference.Reduce(n[0], [1], false, Product)),
        .. Folds("Var", line => Reference.Variance(line, true), x => x.Var(), (x, d, k) => x.Var(d, keepDim: k),
            (x, d, k) => x.Var(d, keepDim: k), one: false),
        .. Folds("Var: biased", line => Reference.Variance(line, false), x => x.Var(false), (x, d, k) => x.Var(d, false, k), null,
            one: false),
        .. Folds("Std", line => Math.Sqrt(Reference.Variance(line, true)), x => x.Std(), (x, d, k) => x.Std(d, keepDim: k), null,
            one: false),
        .. Folds("Norm", line => Math.Sqrt(line.Sum(v => v * v)), x => x.Norm(), (x, d, k) => x.Norm(d, k), null),
        Fold("Max(dim): values", Cube, [1], false, line => line.Max(), x => x.Max(1).Values),
        Fold("Min(dim): values", Cube, [2], true, line => line.Min(), x => x.Min(2, keepDim: true).Values),
        Fold("LogSumExp", Cube, [1], false, Reference.LogSumExp, x => x.LogSumExp(1)),
        Fold("LogSumExp: last axis kept", [7], [0], true, Reference.LogSumExp, x => x.LogSumExp(-1, keepDim: true)),
        Fold("LogSumExp: over nothing", [3, 0], [1], false, _ => double.NegativeInfinity, x => x.LogSumExp(1)),
        Fold("ArgMax", Cube, [1], false, line => Reference.ArgMax(line), x => x.ArgMax(1)) with { Differentiable = false },
        Fold("ArgMax: kept", Cube, [0], true, line => Reference.ArgMax(line), x => x.ArgMax(0, keepDim: true)) with
            { Differentiable = false },
        Fold("ArgMax: all", Cube, [0, 1, 2], false, line => Reference.ArgMax(line), x => x.ArgMax()) with { Differentiable = false },
        Fold("ArgMin", [65], [0], false, line => Reference.ArgMax(Array.ConvertAll(line, v => -v)), x => x.ArgMin(0)) with
            { Differentiable = false },
        Fold("ArgMin: all", Cube, [0, 1, 2], false, line => Reference.ArgMax(Array.ConvertAll(line, v => -v)), x => x.ArgMin()) with
            { Differentiable = false },
        Fold("All", Cube, [1], false, line => line.All(v => v > -1) ? 1 : 0, x => x.Gt(-1).All(1)) with { Differentiable = false },
        Fold("All: over nothing", [2, 0], [1], false, _ => 1, x => x.All(1)) with { Differentiable = false },
        Fold("Any", Cube, [2], true, line => line.Any(v => v > 2) ? 1 : 0, x => x.Gt(2).Any(2, keepDim: true)) with
            { Differentiable = false },
        Fold("Any: over nothing", [2, 0], [0, 1], false, _ => 0, x => x.Any()) with { Differentiable = false },
        new("Prod: zeros", [new Nd([2, 0, 3, 0, 0, 4, 5, 6, 7, 0, 0, 0], 4, 3)], t => t[0].Prod(1),
            n => Reference.Reduce(n[0], [1], false, Product)),
        .. Softmaxes("Softmax", Reference.Softmax, (x, dim) => x.Softmax(dim)),
        .. Softmaxes("LogSoftmax", line => Array.ConvertAll(line, v => v - Reference.LogSumExp(line)), (x, dim) => x.LogSoftmax(dim)),
    ];

    static double Product(double[] line) => line.Aggregate(1.0, (a, b) => a * b);

    // A product of many factors near 1 stays in range.
    static Operation Near1(Operation operation) => operation with { Inputs = [operation.Inputs[0].Map(x => 1 + x / 10)] };

    delegate Tensor OverSeveral(Tensor x, ReadOnlySpan<int> dims, bool keepDim);

    static IEnumerable<Operation> Folds(string name, Func<double[], double> f, Func<Tensor, Tensor> all,
                                        Func<Tensor, int, bool, Tensor> along, OverSeveral? several, bool nothing = false, bool one = true)
    {
        string Of(string what) => name.Contains(':') ? $"{name}, {what}" : $"{name}: {what}";
        yield return Fold(Of("all"), Cube, [0, 1, 2], false, f, all);
        yield return Fold(Of("first axis"), Cube, [0], false, f, x => along(x, 0, false));
        yield return Fold(Of("middle axis, kept"), Cube, [1], true, f, x => along(x, -2, true));
        yield return Fold(Of("last axis"), [5, 67], [1], false, f, x => along(x, -1, false));
        yield return Fold(Of("33 elements"), [33], [0], false, f, x => along(x, 0, false));
        yield return Fold(Of("no other element"), [0, 3], [1], false, f, x => along(x, 1, false));
        if (one)
        {
            yield return Fold(Of("no axis"), [], [], false, f, all);
            yield return Fold(Of("one element"), [1, 1], [0, 1], false, f, all);
        }
        if (nothing)
            yield return Fold(Of("over nothing"), [3, 0], [1], false, f, x => along(x, 1, false));
        if (several is not null)
        {
            yield return Fold(Of("outer axes"), Cube, [0, 2], false, f, x => several(x, [0, 2], false));
            yield return Fold(Of("inner axes, kept"), Cube, [1, 2], true, f, x => several(x, [-1, 1], true));
        }
    }

    static Operation Fold(string name, long[] shape, int[] dims, bool keepDim, Func<double[], double> f, Func<Tensor, Tensor> apply) =>
        new(name, [Nd.Distinct(5, shape)], t => apply(t[0]), n => Reference.Reduce(n[0], dims, keepDim, f)) { Tolerance64 = 1e-11 };

    static IEnumerable<Operation> Softmaxes(string name, Func<double[], double[]> f, Func<Tensor, int, Tensor> apply)
    {
        foreach (var (shape, axis) in new (long[], int)[]
            { ([4, 7], 1), ([4, 7], 0), ([2, 5, 3], 1), ([33], 0), ([1, 1], 1), ([0, 3], 1), ([3, 0], 1) })
            yield return new($"{name}: axis {axis} of [{string.Join(", ", shape)}]", [Nd.Random(3, shape)],
                t => apply(t[0], axis - shape.Length),
                n => Reference.Along(n[0], axis, f));
        yield return new($"{name}: no axis", [Nd.Random(3, [])], t => apply(t[0], 0), n => new Nd(f(n[0].Data)));
    }
}
