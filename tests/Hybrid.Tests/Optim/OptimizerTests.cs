using Hybrid.IO;
using Hybrid.NN;
using Hybrid.Optim;

namespace Hybrid.Tests;

public class OptimizerTests
{
    private static readonly double[] Start = [.. Enumerable.Range(0, 37).Select(i => Math.Sin(i + 1) * 2)];

    // Gradients of a made-up, uneven loss: they depend on the weights, so that an error of one step shows in all later ones.
    private static double[] Gradient(double[] w, int step) => [.. w.Select((x, i) => (x - i % 3) * (1 + i % 5) * 0.3 + Math.Cos(step + i))];

    private static void Compare(Func<Tensor, Optimizer> make, Action<double[], double[]> reference, DType dtype, double tolerance, double[]? start = null)
    {
        var expected = (double[])(start ?? Start).Clone();
        var w = Tensor.From(expected).To(dtype).RequiresGrad_();
        var optimizer = make(w);
        for (var step = 0; step < 15; step++)
        {
            // The float32 run sees the gradients of its own weights, as training does.
            w.Grad = Tensor.From(Gradient(w.Detach().To(DType.Float64).ToArray<double>(), step)).To(dtype);
            optimizer.Step();
            reference(expected, Gradient(expected, step));
            var actual = w.Detach().To(DType.Float64).ToArray<double>();
            Assert.That(actual, Is.EqualTo(expected).Within(tolerance), $"step {step}");
        }
    }

    [Test]
    public void SgdFollowsTheReference([Values(0, 0.9)] double momentum, [Values(0, 0.3)] double dampening, [Values(0, 0.05)] double decay, [Values(DType.Float32, DType.Float64)] DType dtype)
    {
        var reference = new ReferenceOptimizers.Sgd(Start.Length, 0.05, momentum, dampening, decay);
        Compare(w => new SGD([w], 0.05, momentum, dampening, decay), reference.Step, dtype, dtype == DType.Float32 ? 2e-5 : 1e-13);
    }

    [Test]
    public void NesterovFollowsTheReference([Values(0.5, 0.9)] double momentum, [Values(0, 0.05)] double decay, [Values(DType.Float32, DType.Float64)] DType dtype)
    {
        var reference = new ReferenceOptimizers.Sgd(Start.Length, 0.05, momentum, dampening: 0, decay, nesterov: true);
        Compare(w => new SGD([w], 0.05, momentum, weightDecay: decay, nesterov: true), reference.Step, dtype, dtype == DType.Float32 ? 2e-5 : 1e-13);
    }

    [Test]
    public void AdamFollowsTheReference(
        [Values] bool decoupled, [Values(0, 0.1)] double decay, [Values(0, 0.9)] double beta1, [Values(0.99, 0.999)] double beta2, [Values(DType.Float32, DType.Float64)] DType dtype)
    {
        var reference = new ReferenceOptimizers.Adam(Start.Length, 0.05, beta1, beta2, 1e-8, decay, decoupled);
        Compare(
            w => decoupled ? new AdamW([w], 0.05, beta1, beta2, 1e-8, decay) : new Adam([w], 0.05, beta1, beta2, 1e-8, decay),
            reference.Step, dtype, dtype == DType.Float32 ? 5e-5 : 1e-12);
    }

    [Test]
    public void DefaultsArePyTorchs()
    {
        var reference = new ReferenceOptimizers.Adam(Start.Length, 1e-3, 0.9, 0.999, 1e-8, 1e-2, decoupled: true);
        Compare(w => new AdamW([w]), reference.Step, DType.Float64, 1e-13);
        reference = new ReferenceOptimizers.Adam(Start.Length, 1e-3, 0.9, 0.999, 1e-8, 0, decoupled: false);
        Compare(w => new Adam([w]), reference.Step, DType.Float64, 1e-13);
        Compare(w => new SGD([w]), new ReferenceOptimizers.Sgd(Start.Length, 1e-3).Step, DType.Float64, 1e-13);
    }

    private static double[] AfterSteps(Func<Tensor, Optimizer> make, double start, params double[] gradients)
    {
        var w = Tensor.From([start]).RequiresGrad_();
        var optimizer = make(w);
        return [.. gradients.Select(g =>
        {
            w.Grad = Tensor.From([g]);
            optimizer.Step();
            return w.Item();
        })];
    }

    [Test]
    public void FirstStepsByHand() => Assert.Multiple(() =>
    {
        Assert.That(AfterSteps(w => new SGD([w], 0.1), 1, 2, 2), Is.EqualTo(new[] { 0.8, 0.6 }).Within(1e-15));
        // b: 2, then 0.5 · 2 + 2 = 3.
        Assert.That(AfterSteps(w => new SGD([w], 0.1, momentum: 0.5), 1, 2, 2), Is.EqualTo(new[] { 0.8, 0.5 }).Within(1e-15));
        // g + 0.5 b: 2 + 1 = 3, then 2 + 0.5 · 3 = 3.5.
        Assert.That(AfterSteps(w => new SGD([w], 0.1, momentum: 0.5, nesterov: true), 1, 2, 2), Is.EqualTo(new[] { 0.7, 0.35 }).Within(1e-15));
        // The first buffer is the whole gradient, dampening or not: 2, then 0.5 · 2 + 0.75 · 2 = 2.5.
        Assert.That(AfterSteps(w => new SGD([w], 0.1, momentum: 0.5, dampening: 0.25), 1, 2, 2), Is.EqualTo(new[] { 0.8, 0.55 }).Within(1e-15));
        // 2 + 0.5 · 1 = 2.5.
        Assert.That(AfterSteps(w => new SGD([w], 0.1, weightDecay: 0.5), 1, 2), Is.EqualTo(new[] { 0.75 }).Within(1e-15));
        // Adam's first step is the learning rate in the gradient's direction, whatever the gradient's size.
        Assert.That(AfterSteps(w => new Adam([w], 0.1), 1, 1000), Is.EqualTo(new[] { 0.9 }).Within(1e-9));
        Assert.That(AfterSteps(w => new Adam([w], 0.1), 1, -0.001), Is.EqualTo(new[] { 1.1 }).Within(1e-5));
        // 1 - 0.1 · 0.5 · 1 = 0.95, then the step of 0.1.
        Assert.That(AfterSteps(w => new AdamW([w], 0.1, weightDecay: 0.5), 1, 3), Is.EqualTo(new[] { 0.85 }).Within(1e-9));
    });

    [Test]
    public void StepsTransposedParametersAndGradients()
    {
        var w = Tensor.Arange(6).To(DType.Float32).Reshape(2, 3).T.RequiresGrad_();
        w.Grad = Tensor.Arange(6).To(DType.Float32).Reshape(3, 2);
        new SGD([w], 1).Step();
        Assert.That(w.Detach().Contiguous().ToArray<float>(), Is.EqualTo(new[] { 0f, 2, -1, 1, -2, 0 }));
    }

    [Test]
    public void LeavesParametersWithoutAGradientAloneAndCountsTheirStepsApart()
    {
        var (a, b) = (Tensor.Ones([1], requiresGrad: true), Tensor.Ones([1], requiresGrad: true));
        var optimizer = new Adam([a, b], 0.1);
        a.Grad = Tensor.Ones(1);
        optimizer.Step();
        Assert.That(b.Item(), Is.EqualTo(1));
        b.Grad = Tensor.Ones(1);
        optimizer.Step();
        Assert.Multiple(() =>
        {
            Assert.That(b.Item(), Is.EqualTo(0.9).Within(1e-6), "the first step of b has the bias correction of step 1");
            Assert.That(optimizer.StateDict()["state.0.step"].Item(), Is.EqualTo(2));
            Assert.That(optimizer.StateDict()["state.1.step"].Item(), Is.EqualTo(1));
        });
    }

    // Parameters are updated together where they have taken as many steps; momentum and bias correction show when they are not kept apart.
    [Test]
    public void ParametersThatJoinLaterTakeTheirOwnSteps([Values] bool adam)
    {
        Optimizer Make(params Tensor[] w) => adam ? new Adam(w, 0.05) : new SGD(w, 0.05, momentum: 0.9);
        Tensor[] Weights() => [.. Enumerable.Range(1, 4).Select(n => Tensor.Full([n], (double)n, DType.Float64).RequiresGrad_())];
        var (together, apart) = (Weights(), Weights());
        var optimizer = Make(together);
        var optimizers = apart.Select(w => Make(w)).ToArray();
        for (var step = 0; step < 6; step++)
        {
            for (var i = 0; i < 4; i++)
            {
                // The third joins at step 2, and the second is left out at step 4.
                var grad = (i == 2 && step < 2) || (i == 1 && step == 4) ? null : Tensor.Full([i + 1], 0.3 * step - i, DType.Float64);
                (together[i].Grad, apart[i].Grad) = (grad, grad);
                optimizers[i].Step();
            }
            optimizer.Step();
            for (var i = 0; i < 4; i++)
            {
                Assert.That(together[i].ToArray<double>(), Is.EqualTo(apart[i].ToArray<double>()), $"parameter {i}, step {step}");
            }
        }
    }

    [Test]
    public void GroupsHaveTheirOwnLearningRateAndDecay()
    {
        var (a, b) = (Tensor.Ones([1], requiresGrad: true), Tensor.Ones([1], requiresGrad: true));
        (a.Grad, b.Grad) = (Tensor.Ones(1), Tensor.Ones(1));
        var optimizer = new SGD([new ParamGroup([a]), new ParamGroup([b], learningRate: 0.5, weightDecay: 1)], learningRate: 0.1);
        optimizer.Step();
        Assert.Multiple(() =>
        {
            Assert.That(a.Item(), Is.EqualTo(0.9).Within(1e-6));
            Assert.That(b.Item(), Is.EqualTo(0).Within(1e-6));
            Assert.That(optimizer.LearningRate, Is.EqualTo(0.1));
        });
        optimizer.LearningRate = 0.25;
        Assert.That(optimizer.ParamGroups.Select(g => g.LearningRate), Is.EqualTo(new[] { 0.25, 0.25 }));
    }

    [Test]
    public void ZeroGradDropsOrZeroes()
    {
        var w = Tensor.Ones([2], requiresGrad: true);
        var optimizer = new SGD([w], 0.1);
        w.Grad = Tensor.Ones(2);
        optimizer.ZeroGrad(setToNone: false);
        Assert.That(w.Grad!.ToArray<float>(), Is.EqualTo(new[] { 0f, 0f }));
        optimizer.ZeroGrad();
        Assert.That(w.Grad, Is.Null);
    }

    [Test]
    public void AStepBetweenForwardAndBackwardIsAnError()
    {
        var w = Tensor.Ones([2], requiresGrad: true);
        var optimizer = new SGD([w], 0.1);
        var loss = (w * w).Sum();
        w.Grad = Tensor.Ones(2);
        var before = w.Version;
        optimizer.Step();
        Assert.Multiple(() =>
        {
            Assert.That(w.Version, Is.GreaterThan(before));
            Assert.That(() => loss.Backward(), Throws.InvalidOperationException.With.Message.Contains("SGD"));
        });
    }

    [Test]
    public void StateOutlivesTheScopeOfItsStep()
    {
        var w = Tensor.From([1.0]).RequiresGrad_();
        var optimizer = new SGD([w], 0.1, momentum: 0.5);
        foreach (var expected in new[] { 0.8, 0.5, 0.15 })
        {
            using var scope = TensorScope.Begin();
            optimizer.ZeroGrad();
            (w * 2).Sum().Backward();
            optimizer.Step();
            Assert.That(w.Item(), Is.EqualTo(expected).Within(1e-15));
        }
    }

    private static readonly TestCaseData[] Kinds =
    [
        new TestCaseData((Func<Tensor[], Optimizer>)(p => new SGD(p, 0.05, momentum: 0.9))) { TestName = "ResumesFromAFile(SGD)" },
        new TestCaseData((Func<Tensor[], Optimizer>)(p => new Adam(p, 0.05))) { TestName = "ResumesFromAFile(Adam)" },
    ];

    [TestCaseSource(nameof(Kinds))]
    public void ResumesFromAFile(Func<Tensor[], Optimizer> make)
    {
        static Tensor[] Parameters() => [Tensor.From(Start).RequiresGrad_(), Tensor.Ones([2, 2], requiresGrad: true), Tensor.Ones([1], requiresGrad: true)];
        static void Step(Tensor[] p, Optimizer optimizer, int step)
        {
            p[0].Grad = Tensor.From(Gradient(p[0].ToArray<double>(), step));
            p[1].Grad = Tensor.Full([2, 2], step + 1);
            optimizer.Step();
        }
        using var folder = new TemporaryFolder();
        var straight = Parameters();
        var optimizer = make(straight);
        for (var step = 0; step < 5; step++)
        {
            Step(straight, optimizer, step);
        }
        optimizer.LearningRate = 0.02;
        Safetensors.Save(folder["optimizer"], optimizer.StateDict());
        var resumed = straight.Select(p => p.Detach().Clone().RequiresGrad_()).ToArray();
        var other = make(resumed);
        other.LoadStateDict(Safetensors.Load(folder["optimizer"]));
        for (var step = 5; step < 8; step++)
        {
            Step(straight, optimizer, step);
            Step(resumed, other, step);
        }
        Assert.Multiple(() =>
        {
            Assert.That(other.LearningRate, Is.EqualTo(0.02));
            Assert.That(resumed[0].ToArray<double>(), Is.EqualTo(straight[0].ToArray<double>()));
            Assert.That(resumed[1].ToArray<float>(), Is.EqualTo(straight[1].ToArray<float>()));
        });
    }

    [Test]
    public void RefusesAStateThatDoesNotFitAndChangesNothing()
    {
        var w = Tensor.Ones([2], requiresGrad: true);
        w.Grad = Tensor.Ones(2);
        var optimizer = new Adam([w], 0.1);
        optimizer.Step();
        var bad = optimizer.StateDict();
        bad.Remove("state.0.exp_avg");
        bad["state.0.exp_avg_sq"] = Tensor.Ones(3);
        bad["state.7.step"] = Tensor.Scalar(1, DType.Int64);
        bad["param_groups.0.lr"] = Tensor.Scalar(-1.0);
        Assert.That(() => optimizer.LoadStateDict(bad), Throws.ArgumentException.With.Message.Contains("Adam: the state does not fit: ")
            .And.Message.Contains("state.0.exp_avg is missing")
            .And.Message.Contains("state.0.exp_avg_sq has shape [3], expected [2]")
            .And.Message.Contains("state.7.step is unexpected")
            .And.Message.Contains("param_groups.0.lr is"));
        Assert.Multiple(() =>
        {
            Assert.That(optimizer.LearningRate, Is.EqualTo(0.1));
            Assert.That(optimizer.StateDict()["state.0.exp_avg_sq"].ToArray<float>(), Is.EqualTo(new[] { 0.001f, 0.001f }).Within(1e-9));
        });
    }

    [Test]
    public void ChecksItsArguments()
    {
        var w = Tensor.Ones([2], requiresGrad: true);
        Assert.Multiple(() =>
        {
            Assert.That(() => new SGD([w], -0.1), Throws.InstanceOf<ArgumentException>().With.Message.EqualTo("SGD: learningRate is -0.1, expected 0 or more"));
            Assert.That(() => new SGD([w], double.NaN), Throws.InstanceOf<ArgumentException>());
            Assert.That(() => new SGD([w], 0.1, momentum: -1), Throws.InstanceOf<ArgumentException>().With.Message.EqualTo("SGD: momentum is -1, expected 0 or more"));
            Assert.That(() => new SGD([w], 0.1, weightDecay: -1), Throws.InstanceOf<ArgumentException>().With.Message.EqualTo("SGD: weightDecay is -1, expected 0 or more"));
            Assert.That(() => new SGD([w], 0.1, nesterov: true), Throws.ArgumentException.With.Message.EqualTo("SGD: nesterov needs a momentum above 0 and no dampening, they are 0 and 0"));
            Assert.That(() => new AdamW([w], beta1: 1), Throws.InstanceOf<ArgumentException>().With.Message.EqualTo("AdamW: beta1 is 1, expected 0 to below 1"));
            Assert.That(() => new Adam([w], beta2: -0.1), Throws.InstanceOf<ArgumentException>().With.Message.EqualTo("Adam: beta2 is -0.1, expected 0 to below 1"));
            Assert.That(() => new Adam([w], eps: -1), Throws.InstanceOf<ArgumentException>().With.Message.EqualTo("Adam: eps is -1, expected 0 or more"));
            Assert.That(() => new SGD(Array.Empty<Tensor>()), Throws.ArgumentException.With.Message.EqualTo("SGD: there is no parameter to optimise, expected at least one"));
            Assert.That(() => new SGD([w, w]), Throws.ArgumentException.With.Message.EqualTo("SGD: a parameter of shape [2] is given twice, expected each parameter in one group, once"));
            Assert.That(() => new SGD([w * 2]), Throws.ArgumentException.With.Message.Contains("expected a leaf"));
            Assert.That(() => new SGD([Tensor.Zeros([2], DType.Int64)]), Throws.ArgumentException.With.Message.EqualTo("ParamGroup: a tensor of shape [2] is int64, expected a floating dtype"));
            Assert.That(() => new ParamGroup([w], learningRate: -1), Throws.InstanceOf<ArgumentException>().With.Message.EqualTo("ParamGroup: learningRate is -1, expected 0 or more"));
            Assert.That(() => new SGD([w]).LearningRate = -1, Throws.InstanceOf<ArgumentException>());
            Assert.That(w.Detach().ToArray<float>(), Is.EqualTo(new[] { 1f, 1f }));
        });
    }
}
