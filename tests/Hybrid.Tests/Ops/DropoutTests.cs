using Hybrid.NN;

namespace Hybrid.Tests.Ops;

[TestFixture]
internal sealed class DropoutTests
{
    [TestCase(0.2)]
    [TestCase(0.5)]
    [TestCase(0.9)]
    public void DropsItsShareAndScalesTheRest(double p)
    {
        const int n = 100_000;
        var y = F.Dropout(Tensor.Ones([n], DType.Float64), p, generator: new Generator(1)).ToArray<double>();
        Assert.That(y.Distinct().Order(), Is.EqualTo(new[] { 0, 1 / (1 - p) }).Within(1e-12));
        // Six standard deviations of a binomial share.
        Assert.That(y.Count(v => v == 0) / (double)n, Is.EqualTo(p).Within(6 * Math.Sqrt(p * (1 - p) / n)));
    }

    [Test]
    public void TheSeedDecides()
    {
        var x = Tensor.Ones(64);
        Assert.That(F.Dropout(x, generator: new Generator(3)).ToArray<float>(),
            Is.EqualTo(F.Dropout(x, generator: new Generator(3)).ToArray<float>()));
        Assert.That(F.Dropout(x, generator: new Generator(3)).ToArray<float>(),
            Is.Not.EqualTo(F.Dropout(x, generator: new Generator(4)).ToArray<float>()));
    }

    [Test]
    public void TheGradientIsTheMask()
    {
        var x = Nd.Random(1, [50], 1, 2).ToTensor().RequiresGrad_();
        var y = F.Dropout(x, 0.4, generator: new Generator(5));
        y.Sum().Backward();
        Expect.Close(x.Grad! * x.Detach(), Nd.From(y), 1e-12, "gradient times input");
    }

    [Test]
    public void NothingAndEverything()
    {
        var x = Nd.Random(1, [20]);
        Expect.Close(F.Dropout(x.ToTensor(), 0), x, 0, "p = 0");
        Expect.Close(F.Dropout(x.ToTensor(), 0.9, training: false), x, 0, "evaluation");
        Expect.Close(F.Dropout(x.ToTensor(), 1), x.Map(_ => 0), 0, "p = 1");
        Assert.That(F.Dropout(Tensor.Zeros(0)).Shape, Is.EqualTo(new Shape(0)));
    }
}
