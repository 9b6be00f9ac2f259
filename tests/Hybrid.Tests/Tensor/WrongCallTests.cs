namespace Hybrid.Tests;

/// <summary>Calls that are nonsense: refused by name, before anything is written or allocated.</summary>
public class WrongCallTests
{
    [Test]
    public void ExpandRefusesMoreElementsThanCanBeCounted() =>
        Assert.That(() => Tensor.Ones(1).Expand(1L << 32, 1L << 32), Throws.TypeOf<ShapeException>().With.Message.Contains("4294967296"));

    [Test]
    public void AStepBeyondTheAxisTakesTheFirstElement()
    {
        var x = Tensor.From([1f, 2, 3], requiresGrad: true);
        var y = x[TensorIndex.Slice(step: long.MaxValue)];
        Assert.That(y.ToArray<float>(), Is.EqualTo([1f]));
        y.Backward(Tensor.Ones(1));
        Assert.That(x.Grad!.ToArray<float>(), Is.EqualTo([1f, 0, 0]));
    }

    [Test]
    public void ADefaultIndexTakesTheWholeAxis() =>
        Assert.That(Tensor.Arange(3)[default(TensorIndex)].ToArray<long>(), Is.EqualTo([0L, 1, 2]));

    [Test]
    public void ANullIndexIsRefused() =>
        Assert.That(() => Tensor.Arange(3)[(Tensor)null!], Throws.TypeOf<ArgumentNullException>());

    [Test]
    public void ShapesOfHostileLengthDoNotEndTheProcess()
    {
        Assert.That(() => (Shape)new int[50_000_000], Throws.TypeOf<ShapeException>().With.Message.Contains("50000000 axes"));
        Assert.That(() => Tensor.Ones(1)[Enumerable.Repeat(TensorIndex.NewAxis, 10_000_000).ToArray()], Throws.TypeOf<ShapeException>());
    }

    [Test]
    public void WhereNamesTheMissingOperand() =>
        Assert.That(() => Tensor.Where(null!, Tensor.Ones(1), 2), Throws.TypeOf<ArgumentNullException>().With.Message.Contains("condition"));

    [TestCase(7)]
    [TestCase(-4)]
    public void AssigningAtAPlaceOutsideChangesNothing(long outside)
    {
        var x = Tensor.Zeros(3);
        Assert.That(() => x[Tensor.From([0, outside])] = 1, Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("Index"));
        Assert.That(x.ToArray<float>(), Is.All.EqualTo(0f));
    }

    [Test]
    public void AssigningByATensorCopiesRows()
    {
        var x = Tensor.Zeros(3, 2);
        var version = x.Version;
        x[Tensor.From([-1L, 0])] = Tensor.From([1L, 2, 3, 4], [2, 2]);
        Assert.That(x.ToArray<float>(), Is.EqualTo([3f, 4, 0, 0, 1, 2]));
        Assert.That(x.Version, Is.GreaterThan(version));
        x[x > 2] = -1;
        Assert.That(x.ToArray<float>(), Is.EqualTo([-1f, -1, 0, 0, 1, 2]));
        x[x > 5] = 9;
        Assert.That(x.ToArray<float>(), Is.EqualTo([-1f, -1, 0, 0, 1, 2]));
    }

    [Test]
    public void AssigningATensorToItselfReadsBeforeItWrites()
    {
        var x = Tensor.Arange(3);
        x[Tensor.From([2L, 1, 0])] = x;
        Assert.That(x.ToArray<long>(), Is.EqualTo([2L, 1, 0]));
    }

    [Test]
    public void NumbersAreRoundedToTheDTypeTheyAreComparedWith()
    {
        Assert.That(Tensor.From([0.1f]).Eq(0.1).Item<bool>(), Is.True);
        Assert.That((Tensor.From([0.1f]) > 0.1).Item<bool>(), Is.False);
        Assert.That(Tensor.From([0.1]).Eq(0.1f).Item<bool>(), Is.False);
        Assert.That((Tensor.From([0, 1]) > 0.5).ToArray<bool>(), Is.EqualTo([false, true]));
    }

    [Test]
    public void QuotientsOfTinyNumbersHaveFiniteGradients()
    {
        var b = Tensor.From([1e-25f], requiresGrad: true);
        (Tensor.From([1e-25f]) / b).Backward();
        Assert.That(b.Grad!.Item(), Is.EqualTo(-1e25).Within(1e-4).Percent);
    }
}
