using Hybrid.NN;

namespace Hybrid.Tests;

/// <summary>What the graph may and may not do to the tensors that it was given.</summary>
public class HandoverTests
{
    sealed class GiveBack : Function
    {
        protected override Tensor Forward(Context context, ReadOnlySpan<Tensor> inputs) => inputs[1];

        protected override Tensor?[] Backward(Context context, Tensor gradient) => [null, gradient];
    }

    [Test]
    public void AFunctionThatGivesBackAnInputLeavesItOutOfTheGraph()
    {
        var constant = Tensor.Ones(2);
        var y = new GiveBack().Apply(Tensor.Ones([2], requiresGrad: true), constant);
        Assert.That(y.RequiresGrad, Is.True);
        Assert.That(constant.RequiresGrad, Is.False);
        Assert.That(constant.IsLeaf, Is.True);
    }

    sealed class Forgetful : Function
    {
        protected override Tensor Forward(Context context, ReadOnlySpan<Tensor> inputs) => inputs[0] * 2;

        protected override Tensor?[] Backward(Context context, Tensor gradient) => null!;
    }

    [Test]
    public void AFunctionThatGivesNoGradientsIsNamed() =>
        Assert.That(() => new Forgetful().Apply(Tensor.Ones([1], requiresGrad: true)).Backward(),
            Throws.InvalidOperationException.With.Message.Contains("Forgetful: Backward gave 0 gradients for 1"));

    [Test]
    public void GradNamesAMissingOperand() =>
        Assert.That(() => Autograd.Grad(Tensor.Ones([1], requiresGrad: true), null!), Throws.ArgumentNullException.With.Message.Contains("input"));

    [Test]
    public void ALeafThatWasFrozenSinceGetsNoGradient()
    {
        var x = Tensor.Ones([1], requiresGrad: true);
        var y = x * 2;
        x.RequiresGrad = false;
        y.Backward();
        Assert.That(x.Grad, Is.Null);
    }

    [Test]
    public void ATensorIsNotItsOwnGradient()
    {
        var x = Tensor.Ones([1], requiresGrad: true);
        Assert.That(() => x.Grad = x, Throws.ArgumentException.With.Message.Contains("its own gradient"));
        Assert.That(x.Grad, Is.Null);
    }

    [Test]
    public void ConvertingAModuleUnderALiveGraphIsNamedAsTheError()
    {
        var layer = new Linear(2, 1);
        var x = Tensor.Ones([1, 2], requiresGrad: true);
        var y = layer.Forward(x);
        layer.To(DType.Float64);
        Assert.That(() => y.Backward(), Throws.InvalidOperationException.With.Message.Contains("after Linear saved it"));
    }
}
