namespace Hybrid.Examples;

/// <summary>Write the formula; the library finds its derivative.</summary>
public static class AutogradChapter
{
    /// <summary>Runs the chapter and returns the derivative of 3x³ at 2.</summary>
    public static double Run(TextWriter console)
    {
        // y = 3x³ has the derivative 9x², which is 36 at 2.
        var x = Tensor.From([2f], requiresGrad: true);
        var y = 3 * x.Pow(3);
        y.Backward();
        console.WriteLine($"x = {x}");
        console.WriteLine($"y = 3x³ = {y}");
        console.WriteLine($"dy/dx = 9x² = {x.Grad}");
        double gradient = x.Grad!.Item();

        // Gradients add up until they are reset.
        (3 * x.Pow(3)).Backward();
        console.WriteLine($"after a second Backward: {x.Grad}");
        x.Grad = null;

        // The derivative is a tensor that can be differentiated in turn: 18x is 36 at 2, too.
        var first = Autograd.Grad(3 * x.Pow(3), x, createGraph: true);
        var second = Autograd.Grad(first, x);
        console.WriteLine($"d²y/dx² = 18x = {second}");

        // Where no gradient is wanted, nothing is recorded.
        using (NoGrad.Begin())
        {
            console.WriteLine($"under NoGrad, y.RequiresGrad is {(3 * x).RequiresGrad}");
        }
        return gradient;
    }
}
