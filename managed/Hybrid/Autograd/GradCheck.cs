namespace Hybrid;

/// <summary>Compares the gradients that <see cref="Tensor.Backward"/> computes with finite differences. PyTorch's <c>gradcheck</c>.</summary>
public static class GradCheck
{
    /// <summary>Checks the gradient of a function at a point, and on request the gradient of its gradient.</summary>
    /// <param name="f">the function, of the inputs; it must compute the same each time</param>
    /// <param name="inputs">the point; float64. Those that require a gradient are checked, all of them when none does.</param>
    /// <param name="secondOrder">check the gradient of the gradient too</param>
    /// <param name="eps">half the distance of the points that a difference is taken between</param>
    /// <param name="atol">the difference that is allowed for a derivative of 0</param>
    /// <param name="rtol">the difference that is allowed besides, relative to the derivative</param>
    /// <exception cref="DTypeException">An input is not float64: finite differences would not be exact enough.</exception>
    /// <exception cref="InvalidOperationException">A derivative differs: the message names the input, the element and both values.</exception>
    public static void Run(Func<Tensor[], Tensor> f, Tensor[] inputs, bool secondOrder = false, double eps = 1e-6, double atol = 1e-5, double rtol = 1e-4)
    {
        var points = Points(inputs);
        using (var scope = TensorScope.Begin())
        {
            var y = f(points);
            var weights = Weights(y);
            Compare(x => Sum(f(x) * weights).Item(), points, Gradients(f, points, weights, createGraph: false), eps, atol, rtol, "GradCheck");
        }
        if (secondOrder)
        {
            CheckSecondOrder(f, points, eps, atol, rtol);
        }
    }

    static void CheckSecondOrder(Func<Tensor[], Tensor> f, Tensor[] points, double eps, double atol, double rtol)
    {
        using var scope = TensorScope.Begin();
        var weights = Weights(f(points));
        // One number that every second derivative enters: the gradients, each weighted, summed.
        Tensor Total(Tensor[] x)
        {
            var total = Tensor.Scalar(0, DType.Float64);
            foreach (var gradient in Gradients(f, x, weights, createGraph: true))
            {
                if (gradient is not null)
                {
                    total += Sum(gradient * Weights(gradient));
                }
            }
            return total;
        }

        var sum = Total(points);
        var analytic = sum.RequiresGrad
            ? Autograd.Grad([sum], points.Where(x => x.RequiresGrad).ToArray(), allowUnused: true)
            : new Tensor?[points.Count(x => x.RequiresGrad)];
        Compare(x => Total(x).Item(), points, analytic, eps, atol, rtol, "GradCheck of the gradient");
    }

    static Tensor[] Points(Tensor[] inputs)
    {
        var all = !inputs.Any(x => x.RequiresGrad);
        var points = new Tensor[inputs.Length];
        for (var i = 0; i < inputs.Length; i++)
        {
            var wanted = inputs[i].DType.IsFloating() && (all || inputs[i].RequiresGrad);
            if (wanted && inputs[i].DType != DType.Float64)
            {
                throw new DTypeException($"GradCheck: input {i} is {inputs[i].DType.Name()}, expected float64");
            }
            // A leaf of its own over the same strides, so that the function sees the layout it was given.
            points[i] = inputs[i].Detach().RequiresGrad_(wanted);
        }
        return points;
    }

    /// <summary>Fixed weights without symmetry, so that errors of opposite sign do not cancel.</summary>
    static Tensor Weights(Tensor like)
    {
        using var mode = NoGrad.Begin();
        return Tensor.Linspace(0.4, 1.3, like.NumElements, DType.Float64).Reshape(like.Shape);
    }

    static Tensor Sum(Tensor x) => x.SumToShape(default);

    static Tensor?[] Gradients(Func<Tensor[], Tensor> f, Tensor[] points, Tensor weights, bool createGraph) =>
        Autograd.Grad([f(points)], points.Where(x => x.RequiresGrad).ToArray(), [weights], createGraph: createGraph, allowUnused: true);

    static void Compare(Func<Tensor[], double> f, Tensor[] points, Tensor?[] gradients, double eps, double atol, double rtol, string what)
    {
        for (int i = 0, g = 0; i < points.Length; i++)
        {
            if (!points[i].RequiresGrad)
            {
                continue;
            }
            var analytic = gradients[g++]?.ToArray<double>() ?? new double[points[i].NumElements];
            for (var j = 0; j < analytic.Length; j++)
            {
                var numeric = Difference(f, points, i, j, eps);
                if (!(Math.Abs(numeric - analytic[j]) <= atol + rtol * Math.Abs(numeric)))
                {
                    throw new InvalidOperationException($"{what}: for element {j} of input {i} of shape {points[i].Shape} the derivative is {analytic[j]:R}, by differences {numeric:R}");
                }
            }
        }
    }

    static double Difference(Func<Tensor[], double> f, Tensor[] points, int input, int element, double eps)
    {
        using var scope = TensorScope.Begin();
        return (At(+eps) - At(-eps)) / (2 * eps);

        double At(double shift)
        {
            var moved = (Tensor[])points.Clone();
            var values = points[input].ToArray<double>();
            values[element] += shift;
            moved[input] = Tensor.From(values, points[input].Shape, requiresGrad: true);
            return f(moved);
        }
    }
}
