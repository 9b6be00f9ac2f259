namespace Hybrid.Tests.Ops;

/// <summary>Gradients against central differences in float64, first and second order, along random directions' every element.</summary>
internal static class GradientChecks
{
    const double Step = 1e-5;

    /// <summary>d(v · f(x))/dx by autograd against the change of v · f(x) as each element of x moves.</summary>
    internal static void First(string what, Func<Tensor[], Tensor> f, Nd[] inputs)
    {
        var v = Cotangent(f, inputs);
        var analytic = Gradients(f, inputs, v, createGraph: false);
        var composed = Gradients(f, inputs, v, createGraph: true);
        for (var i = 0; i < inputs.Length; i++)
        {
            Expect.Close(composed[i], analytic[i], 1e-9, $"{what}: gradient of input {i} with createGraph against without");
            Expect.Close(analytic[i], Numeric(inputs, i, x => Dot(Nd.From(f(Tensors(x))), v)), 1e-6, $"{what}: gradient of input {i}");
        }
    }

    /// <summary>The same for the gradient itself as a function of x and v: d(w · dx)/d(x, v).</summary>
    internal static void Second(string what, Func<Tensor[], Tensor> f, Nd[] inputs)
    {
        var v = Cotangent(f, inputs);
        Nd[] all = [.. inputs, v];
        var w = inputs.Select((x, i) => Nd.Random(31 + i, x.Shape)).ToArray();
        var leaves = Leaves(all);
        var first = FirstOrder(f, leaves);
        var outputs = first.Where(g => g is { RequiresGrad: true }).Select(g => g!).ToArray();
        var cotangents = first.Select((g, i) => (g, i)).Where(p => p.g is { RequiresGrad: true }).Select(p => (Tensor?)w[p.i].ToTensor())
            .ToArray();
        var second = outputs.Length == 0 ? new Tensor?[all.Length] : Autograd.Grad(outputs, leaves, cotangents, allowUnused: true);
        for (var i = 0; i < all.Length; i++)
        {
            var analytic = second[i] is { } s ? Nd.From(s) : Nd.Zeros(all[i].Shape);
            var numeric = Numeric(all, i, x =>
            {
                var gradients = Gradients(f, x[..^1], x[^1], createGraph: false);
                return gradients.Select((g, k) => Dot(g, w[k])).Sum();
            });
            Expect.Close(analytic, numeric, 1e-5, $"{what}: gradient of the gradient, {(i < inputs.Length ? $"input {i}" : "cotangent")}");
        }
    }

    internal static Nd[] Gradients(Func<Tensor[], Tensor> f, Nd[] inputs, Nd v, bool createGraph)
    {
        var leaves = Leaves(inputs);
        var y = f(leaves);
        if (!y.RequiresGrad)
            return [.. inputs.Select(x => Nd.Zeros(x.Shape))];
        var gradients = Autograd.Grad([y], leaves, [v.ToTensor()], createGraph: createGraph, allowUnused: true);
        return [.. gradients.Select((g, i) => g is null ? Nd.Zeros(inputs[i].Shape) : Nd.From(g))];
    }

    internal static Nd Cotangent(Func<Tensor[], Tensor> f, Nd[] inputs) => Nd.Random(23, f(Tensors(inputs)).Shape.ToArray());

    static Tensor?[] FirstOrder(Func<Tensor[], Tensor> f, Tensor[] leaves)
    {
        var y = f(leaves[..^1]);
        return y.RequiresGrad
            ? Autograd.Grad([y], leaves[..^1], [leaves[^1]], createGraph: true, allowUnused: true)
            : new Tensor?[leaves.Length - 1];
    }

    static Tensor[] Tensors(Nd[] inputs) => [.. inputs.Select(x => x.ToTensor())];

    static Tensor[] Leaves(Nd[] inputs) => [.. inputs.Select(x => x.ToTensor().RequiresGrad_())];

    static double Dot(Nd a, Nd b) => a.Data.Zip(b.Data, (x, y) => x * y).Sum();

    static Nd Numeric(Nd[] inputs, int which, Func<Nd[], double> f) => Nd.Build(inputs[which].Shape, place =>
    {
        return (Moved(Step) - Moved(-Step)) / (2 * Step);

        double Moved(double by)
        {
            var moved = (double[])inputs[which].Data.Clone();
            moved[inputs[which].Offset(place)] += by;
            Nd[] all = [.. inputs];
            all[which] = new Nd(moved, inputs[which].Shape);
            return f(all);
        }
    });
}
