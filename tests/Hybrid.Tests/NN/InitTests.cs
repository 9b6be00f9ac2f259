using Hybrid.NN;

namespace Hybrid.Tests;

public class InitTests
{
    private static (double Mean, double Std, double Min, double Max) Moments(Tensor tensor)
    {
        var values = tensor.Detach().ToArray<float>().Select(v => (double)v).ToArray();
        var mean = values.Average();
        return (mean, Math.Sqrt(values.Average(v => (v - mean) * (v - mean))), values.Min(), values.Max());
    }

    // 40,000 numbers: the standard error of mean and standard deviation is about 0.5 % of the standard deviation, so 3 % is six of them.
    private static void IsUniform(Tensor tensor, double bound)
    {
        var (mean, std, min, max) = Moments(tensor);
        Assert.Multiple(() =>
        {
            Assert.That(mean, Is.EqualTo(0).Within(0.03 * bound));
            Assert.That(std, Is.EqualTo(bound / Math.Sqrt(3)).Within(3).Percent);
            Assert.That(min, Is.InRange(-bound, -0.99 * bound));
            Assert.That(max, Is.InRange(0.99 * bound, bound));
        });
    }

    private static void IsNormal(Tensor tensor, double std)
    {
        var moments = Moments(tensor);
        Assert.Multiple(() =>
        {
            Assert.That(moments.Mean, Is.EqualTo(0).Within(0.03 * std));
            Assert.That(moments.Std, Is.EqualTo(std).Within(3).Percent);
            Assert.That(moments.Max, Is.GreaterThan(3 * std));
        });
    }

    [SetUp]
    public void Seed() => Generator.ManualSeed(5);

    [Test]
    public void LayersStartAsPyTorchsDo()
    {
        IsUniform(new Linear(100, 400).Weight, 0.1);
        IsUniform(new Linear(25, 40_000).Bias!, 0.2);
        IsUniform(new Conv2d(16, 250, kernel: (2, 5)).Weight, 1 / Math.Sqrt(160));
        // Each group sees 4 of 16 channels.
        IsUniform(new Conv2d(16, 1000, kernel: (2, 5), groups: 4).Weight, 1 / Math.Sqrt(40));
        IsUniform(new Conv2d(4, 40_000, kernel: 1).Bias!, 0.5);
    }

    [Test]
    public void KaimingAndXavierFollowTheirFans()
    {
        var w = Tensor.Empty(400, 25, 2, 2);
        IsUniform(Init.KaimingUniform_(w), Math.Sqrt(6.0 / 100));
        IsUniform(Init.KaimingUniform_(w, mode: FanMode.FanOut, nonlinearity: Nonlinearity.Relu), Math.Sqrt(6.0 / 1600));
        IsNormal(Init.KaimingNormal_(w, nonlinearity: Nonlinearity.Tanh), 5.0 / 3 / 10);
        IsUniform(Init.XavierUniform_(w), Math.Sqrt(6.0 / 1700));
        IsNormal(Init.XavierNormal_(w, gain: 2), 2 * Math.Sqrt(2.0 / 1700));
        IsNormal(Init.Normal_(w, std: 3), 3);
        IsUniform(Init.Uniform_(w, -2, 2), 2);
        Assert.That(Init.Constant_(w, 4).ToArray<float>(), Is.All.EqualTo(4));
    }

    [Test]
    public void GainsArePyTorchs() => Assert.Multiple(() =>
    {
        Assert.That(Init.Gain(Nonlinearity.Linear), Is.EqualTo(1));
        Assert.That(Init.Gain(Nonlinearity.Sigmoid), Is.EqualTo(1));
        Assert.That(Init.Gain(Nonlinearity.Tanh), Is.EqualTo(5.0 / 3));
        Assert.That(Init.Gain(Nonlinearity.Relu), Is.EqualTo(Math.Sqrt(2)));
        Assert.That(Init.Gain(Nonlinearity.LeakyRelu, 0.2), Is.EqualTo(1.3867504905630728).Within(1e-15));
        Assert.That(Init.Gain(Nonlinearity.Selu), Is.EqualTo(0.75));
    });

    [Test]
    public void TheSameSeedGivesTheSameModel()
    {
        Generator.ManualSeed(9);
        var first = new LeNet().StateDict().Values.Select(t => t.ToArray<float>()).ToList();
        var other = new LeNet().StateDict().Values.Select(t => t.ToArray<float>()).ToList();
        Generator.ManualSeed(9);
        var again = new LeNet().StateDict().Values.Select(t => t.ToArray<float>()).ToList();
        Assert.Multiple(() =>
        {
            Assert.That(again, Is.EqualTo(first));
            Assert.That(other, Is.Not.EqualTo(first));
        });
    }

    [Test]
    public void InitialisingIsNotRecordedAndTakesAGenerator()
    {
        var weight = new Linear(3, 3).Weight;
        Init.Normal_(weight, generator: new Generator(1));
        var first = weight.Detach().ToArray<float>();
        Init.Normal_(weight, generator: new Generator(1));
        Assert.Multiple(() =>
        {
            Assert.That(weight.IsLeaf);
            Assert.That(weight.Detach().ToArray<float>(), Is.EqualTo(first));
            Assert.That(() => Init.XavierUniform_(Tensor.Empty(3)), Throws.TypeOf<ShapeException>().With.Message.EqualTo("XavierUniform_: the tensor is [3], expected a weight [outputs, inputs, …]"));
        });
    }
}
