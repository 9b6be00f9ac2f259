namespace Hybrid.Examples;

/// <summary>Activation functions bend what linear layers leave straight; their derivatives carry the error back.</summary>
public static class ActivationsChapter
{
    static readonly (string Name, string Derivative, Func<Tensor, Tensor> Function)[] Functions =
    [
        ("sigmoid", "y (1 - y)", x => x.Sigmoid()),
        ("relu", "1 above 0, else 0", x => x.Relu()),
        ("tanh", "1 - y²", x => x.Tanh()),
    ];

    /// <summary>Runs the chapter: prints values and derivatives, and draws activations.png into the directory.</summary>
    /// <returns>For each function its values and derivatives at -2, -1, 0, 1, 2.</returns>
    public static IReadOnlyDictionary<string, (float[] Values, float[] Derivatives)> Run(TextWriter console, string directory)
    {
        var results = new Dictionary<string, (float[], float[])>();
        foreach (var (name, derivative, function) in Functions)
        {
            var x = Tensor.Arange(-2, 3, dtype: DType.Float32);
            x.RequiresGrad = true;
            var y = function(x);
            y.Sum().Backward(); // the sum's gradient with respect to x[i] is y[i]'s derivative
            console.WriteLine($"{name}: {y.Detach()}");
            console.WriteLine($"  derivative, {derivative}: {x.Grad}");
            results[name] = (y.ToArray<float>(), x.Grad!.ToArray<float>());
        }

        // Softmax turns scores into probabilities: each depends on all, so its derivative is a table, diag(y) - y yᵀ.
        var scores = Tensor.From([1f, 2f, 3f], requiresGrad: true);
        var probabilities = scores.Softmax(0);
        console.WriteLine($"softmax of [1, 2, 3]: {probabilities.Detach()}, which add up to {probabilities.Detach().Sum()}");
        console.WriteLine("  derivative, row i holds that of probability i:");
        for (int i = 0; i < 3; i++)
        {
            var row = Autograd.Grad(probabilities[i], scores, retainGraph: true);
            console.WriteLine($"  {row}");
        }

        console.WriteLine($"Wrote {Draw(directory)}");
        return results;
    }

    static string Draw(string directory)
    {
        Directory.CreateDirectory(directory);
        var values = Picture.NewPlot("Activations", "x", "y");
        var derivatives = Picture.NewPlot("Their derivatives", "x", "dy/dx");
        foreach (var (name, _, function) in Functions)
        {
            var x = Tensor.Linspace(-4, 4, 401);
            x.RequiresGrad = true;
            var y = function(x);
            y.Sum().Backward();
            Add(values, name, x, y);
            Add(derivatives, name, x, x.Grad!);
        }
        values.Axes.SetLimitsY(-1.2, 2.2);
        return Picture.WritePlots(Path.Combine(directory, "activations.png"), 1100, 460, values, derivatives);
    }

    static void Add(ScottPlot.Plot plot, string name, Tensor x, Tensor y)
    {
        var line = plot.Add.ScatterLine(x.ToArray<float>(), y.ToArray<float>());
        line.LineWidth = 2;
        line.LegendText = name;
        plot.ShowLegend(ScottPlot.Alignment.UpperLeft);
    }
}
