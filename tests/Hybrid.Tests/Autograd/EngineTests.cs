namespace Hybrid.Tests;

public class EngineTests
{
    static Tensor Leaf(params ReadOnlySpan<double> values) => Tensor.From(values, requiresGrad: true);

    static Tensor Sum(Tensor x) => x.SumToShape(default);

    [Test]
    [OfTheProcessor]
    public void TheDesignsExampleGives36()
    {
        var x = Tensor.From([2f], requiresGrad: true);
        var y = 3 * x.Pow(3);
        y.Backward();
        Assert.That($"{x.Grad}", Is.EqualTo("tensor([36])"));
    }

    [Test]
    public void GradientsOfGradientsToTheFourth()
    {
        var x = Leaf(2);
        var y = 3 * x.Pow(3);
        var values = new List<double>();
        for (var order = 0; order < 4; order++)
        {
            y = Autograd.Grad(y, x, createGraph: true);
            values.Add(y.Item());
        }
        Assert.That(values, Is.EqualTo(new[] { 36.0, 36, 18, 0 }).Within(1e-9));
        Assert.That(x.Grad, Is.Null);
    }

    [Test]
    public void GradientsAccumulate()
    {
        var x = Leaf(1, 2);
        Sum(x * x).Backward();
        Sum(3 * x).Backward();
        Assert.That(x.Grad!.ToArray<double>(), Is.EqualTo(new[] { 5.0, 7 }));
        Assert.That(x.Grad.RequiresGrad, Is.False);
        x.Grad = null;
        Sum(x + x + x).Backward();
        Assert.That(x.Grad!.ToArray<double>(), Is.EqualTo(new[] { 3.0, 3 }));
    }

    [Test]
    public void GradientsThatAreSharedAreNotWrittenTo()
    {
        var (a, b) = (Leaf(1, 2), Leaf(3, 4));
        var given = Tensor.From([1.0, 10]);
        (a + b).Backward(given, retainGraph: true);
        (a + b).Backward(given);
        Assert.That(a.Grad!.ToArray<double>(), Is.EqualTo(new[] { 2.0, 20 }));
        Assert.That(b.Grad!.ToArray<double>(), Is.EqualTo(new[] { 2.0, 20 }));
        Assert.That(given.ToArray<double>(), Is.EqualTo(new[] { 1.0, 10 }));
        a.Grad.Zero_();
        Assert.That(b.Grad.ToArray<double>(), Is.EqualTo(new[] { 2.0, 20 }));
    }

    [Test]
    public void ADiamondRunsEachNodeOnce()
    {
        var x = Leaf(3);
        var trunk = x * x;
        var left = trunk * 2;
        var right = trunk.Exp();
        (left + right + trunk).Backward();
        Assert.That(x.Grad!.Item(), Is.EqualTo(2 * 3 * (2 + Math.Exp(9) + 1)).Within(1e-6));
    }

    [Test]
    public void RetainedGraphsRunAgainAndFreedOnesDoNot()
    {
        var x = Leaf(3);
        var y = x * x;
        y.Backward(retainGraph: true);
        y.Backward();
        Assert.That(x.Grad!.Item(), Is.EqualTo(12));
        Assert.That(() => y.Backward(), Throws.InvalidOperationException.With.Message.Contains("retainGraph: true"));
    }

    [Test]
    public void CreateGraphAccumulatesDifferentiableGradients()
    {
        var x = Leaf(2);
        (x * x * x).Backward(createGraph: true);
        Assert.That(x.Grad!.RequiresGrad, Is.True);
        var first = x.Grad;
        x.Grad = null;
        first.Backward();
        Assert.That(x.Grad!.Item(), Is.EqualTo(12).Within(1e-12));
    }

    [Test]
    public void DifferentiableGradientsOfTwoLeavesDoNotShareMemory()
    {
        var (a, b) = (Leaf(1), Leaf(2));
        (a + b).Backward(createGraph: true);
        (3 * a).Backward();
        Assert.That((a.Grad!.Item(), b.Grad!.Item()), Is.EqualTo((4.0, 1.0)));
        var squared = Leaf(5);
        (squared * squared).Backward(createGraph: true);
        var attached = squared.Grad!;
        (3 * squared).Backward();
        Assert.That((attached.Item(), squared.Grad!.Item()), Is.EqualTo((10.0, 13.0)));
    }

    [Test]
    public void NothingIsRecordedUnderNoGrad()
    {
        var x = Leaf(2);
        using (NoGrad.Begin())
        {
            Assert.That((x * x).RequiresGrad, Is.False);
            using (GradMode.Enable())
            {
                Assert.That((x * x).RequiresGrad, Is.True);
            }
            Assert.That(GradMode.IsEnabled, Is.False);
        }
        Assert.That(GradMode.IsEnabled, Is.True);
        Assert.That((x * x).GradFn, Is.EqualTo("Mul"));
    }

    [Test]
    public void DetachedTensorsAreConstants()
    {
        var x = Leaf(3);
        (x * x.Detach()).Backward();
        Assert.That(x.Grad!.Item(), Is.EqualTo(3));
        Assert.That(x.Detach().RequiresGrad, Is.False);
    }

    [Test]
    public void DeepChainsDoNotOverflowTheStack()
    {
        var x = Leaf(1);
        var y = x;
        for (var i = 0; i < 100_000; i++)
        {
            y += 1e-5;
            y = i % 10 == 0 ? y.Reshape(1) : y;
        }
        y.Backward();
        Assert.That(x.Grad!.Item(), Is.EqualTo(1));
        Assert.That(Autograd.Grad(y * y, x).Item(), Is.EqualTo(2 * y.Item()).Within(1e-9));
    }

    [Test]
    public void DeepGraphsAreDroppedWithoutBeingWalked()
    {
        var y = Leaf(1);
        for (var i = 0; i < 100_000; i++)
        {
            y = y.Sin();
        }
        Assert.That(y.RequiresGrad, Is.True);
        y = Leaf(0);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.That(y.Item(), Is.Zero);
    }

    [Test]
    public void AWriteInBetweenNamesBothOperations()
    {
        var x = Leaf(1, 2);
        var factor = Tensor.From([3.0, 4]);
        var y = Sum(x * factor);
        factor[0..1].Add_(1);
        Assert.That(() => y.Backward(), Throws.InvalidOperationException.With.Message.Contains("Add_").And.Message.Contains("Mul"));
        var z = x.Exp();
        using (NoGrad.Begin())
        {
            z.Fill_(0);
        }
        Assert.That(() => Sum(z).Backward(), Throws.InvalidOperationException.With.Message.Contains("Fill_").And.Message.Contains("Exp"));
    }

    [Test]
    public void AWriteToWhatIsNotSavedIsFine()
    {
        var x = Leaf(1, 2);
        var term = Tensor.From([3.0, 4]);
        var y = Sum(x + term);
        term.Zero_();
        y.Backward();
        Assert.That(x.Grad!.ToArray<double>(), Is.All.EqualTo(1.0));
    }

    [Test]
    public void WritesInPlaceToWhatNeedsAGradientAreRefused()
    {
        var x = Leaf(1, 2);
        Assert.That(() => x.Add_(1), Throws.InvalidOperationException.With.Message.Contains("NoGrad"));
        Assert.That(() => x[0..1].Fill_(1), Throws.InvalidOperationException);
        Assert.That(() => x[0] = 5, Throws.InvalidOperationException);
        Assert.That(() => Tensor.Zeros([2], DType.Float64).Copy_(x), Throws.InvalidOperationException);
        using (NoGrad.Begin())
        {
            x.Add_(1);
            x[0] = 7;
        }
        Assert.That(x.ToArray<double>(), Is.EqualTo(new[] { 7.0, 3 }));
        Assert.That(x.IsLeaf, Is.True);
    }

    [Test]
    public void WrongCallsAreNamed()
    {
        var x = Leaf(1, 2);
        Assert.That(() => (x * 2).Backward(), Throws.InvalidOperationException.With.Message.Contains("2 elements"));
        Assert.That(() => (x * 2).Backward(Tensor.Ones([3], DType.Float64)), Throws.TypeOf<ShapeException>().With.Message.Contains("[3]"));
        Assert.That(() => (x * 2).Backward(Tensor.Ones(2)), Throws.TypeOf<DTypeException>());
        Assert.That(() => x + null!, Throws.ArgumentNullException);
        Assert.That(() => (Tensor)null! * x, Throws.ArgumentNullException);
        Assert.That(() => Tensor.Ones(1).Backward(), Throws.InvalidOperationException.With.Message.Contains("does not require a gradient"));
        Assert.That(() => Autograd.Grad(Sum(x), Leaf(1)), Throws.InvalidOperationException.With.Message.Contains("allowUnused"));
        Assert.That(Autograd.Grad([Sum(x)], [Leaf(1)], allowUnused: true)[0], Is.Null);
        Assert.That(() => (x * 2).RequiresGrad = false, Throws.InvalidOperationException.With.Message.Contains("Detach"));
        Assert.That(() => x.Grad = Tensor.Ones(3), Throws.TypeOf<ShapeException>());
    }

    [Test]
    public void GradReachesResultsOnTheWay()
    {
        var x = Leaf(2);
        var middle = x * x;
        var y = middle * middle * x;
        var grads = Autograd.Grad([y], [middle, x]);
        Assert.That(grads[0]!.Item(), Is.EqualTo(2 * 4 * 2));
        Assert.That(grads[1]!.Item(), Is.EqualTo(5 * 16));
        Assert.That(x.Grad, Is.Null);
    }

    [Test]
    public void GradOfSeveralOutputsAdds()
    {
        var x = Leaf(2);
        var grads = Autograd.Grad([x * 3, x * x], [x, x], [Tensor.From([10.0]), null]);
        Assert.That(grads[0]!.Item(), Is.EqualTo(34));
        grads[0]!.Dispose();
        Assert.That(grads[1]!.Item(), Is.EqualTo(34));
    }

    [Test]
    [OfTheProcessor]
    public void GradientsDoNotFlowThroughIntegers()
    {
        var x = Leaf(1.5);
        Assert.That(x.To(DType.Int32).RequiresGrad, Is.False);
        Assert.That((x > 1).RequiresGrad, Is.False);
        (x.To(DType.Float32) * 2).Backward();
        Assert.That(x.Grad!.ToString(), Is.EqualTo("tensor([2], dtype=float64)"));
    }

    [Test]
    public void DisposedHandlesDoNotBreakTheirGraph()
    {
        var x = Leaf(2);
        Tensor y;
        using (var a = x * x)
        using (var b = a.Exp())
        {
            y = a * b;
        }
        var first = Autograd.Grad(y, x, createGraph: true);
        var second = Autograd.Grad(first, x);
        // y = x² exp(x²): y' = 2x(1 + x²) exp(x²), y'' = (2 + 10x² + 4x⁴) exp(x²)
        Assert.That(first.Item(), Is.EqualTo(4 * 5 * Math.Exp(4)).Within(1e-9));
        Assert.That(second.Item(), Is.EqualTo((2 + 40 + 64) * Math.Exp(4)).Within(1e-8));
    }

    sealed class Cube : Function
    {
        public int Calls { get; private set; }

        protected override Tensor Forward(Context context, ReadOnlySpan<Tensor> inputs)
        {
            context.Save(inputs[0]);
            return inputs[0] * inputs[0] * inputs[0];
        }

        protected override Tensor?[] Backward(Context context, Tensor gradient)
        {
            Calls++;
            return [3 * gradient * context.Saved(0) * context.Saved(0)];
        }
    }

    sealed class Wrong(Func<Tensor, Tensor?[]> backward) : Function
    {
        protected override Tensor Forward(Context context, ReadOnlySpan<Tensor> inputs) => inputs[0];

        protected override Tensor?[] Backward(Context context, Tensor gradient) => backward(gradient);
    }

    [Test]
    public void CustomFunctionsHaveTheirOwnGradient()
    {
        var cube = new Cube();
        var x = Leaf(2, 3);
        Sum(cube.Apply(x)).Backward();
        Assert.That(x.Grad!.ToArray<double>(), Is.EqualTo(new[] { 12.0, 27 }));
        Assert.That(cube.Calls, Is.EqualTo(1));
        Assert.That(cube.Apply(x).GradFn, Is.EqualTo("Cube"));
        GradCheck.Run(inputs => cube.Apply(inputs[0]), [Leaf(0.5, -2)], secondOrder: true);
    }

    [Test]
    public void CustomGradientsAreChecked()
    {
        var x = Leaf(2, 3);
        Assert.That(() => Sum(new Wrong(g => [g[0..1]]).Apply(x)).Backward(), Throws.TypeOf<ShapeException>().With.Message.Contains("Wrong"));
        Assert.That(() => Sum(new Wrong(g => [g, g]).Apply(x)).Backward(), Throws.InvalidOperationException);
        Sum(new Wrong(_ => [null]).Apply(x)).Backward();
        Assert.That(x.Grad, Is.Null);
    }

    [Test]
    public void AConstantThatACustomGradientKeepsIsNotTakenAway()
    {
        var constant = Tensor.From([1.0, 2]);
        var x = Leaf(2, 3);
        var f = new Wrong(_ => [constant]);
        Sum(f.Apply(x)).Backward();
        Sum(f.Apply(x)).Backward();
        Assert.That(constant.ToArray<double>(), Is.EqualTo(new[] { 1.0, 2 }));
        Assert.That(x.Grad!.ToArray<double>(), Is.EqualTo(new[] { 2.0, 4 }));
    }
}
