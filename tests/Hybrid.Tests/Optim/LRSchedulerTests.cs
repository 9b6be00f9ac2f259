using Hybrid.Optim;

namespace Hybrid.Tests;

public class LRSchedulerTests
{
    private static SGD Optimizer(params double[] rates) =>
        new(rates.Select(rate => new ParamGroup([Tensor.Ones([1], requiresGrad: true)], rate)));

    private static double[] Rates(LRScheduler scheduler, SGD optimizer, int epochs) => [.. Enumerable.Range(0, epochs).Select(_ =>
    {
        var rate = optimizer.LearningRate;
        scheduler.Step();
        return rate;
    })];

    [Test]
    public void StepLRDropsEveryStepSizeEpochs()
    {
        var optimizer = Optimizer(0.8);
        Assert.That(Rates(new StepLR(optimizer, 2, gamma: 0.5), optimizer, 7), Is.EqualTo(new[] { 0.8, 0.8, 0.4, 0.4, 0.2, 0.2, 0.1 }).Within(1e-15));
    }

    [Test]
    public void CosineGoesDownAndUpAgain()
    {
        var optimizer = Optimizer(1.0);
        var half = Math.Sqrt(0.5) / 2;
        var expected = new[] { 1, 0.5 + half, 0.5, 0.5 - half, 0, 0.5 - half, 0.5, 0.5 + half, 1 };
        Assert.That(Rates(new CosineAnnealingLR(optimizer, 4), optimizer, 9), Is.EqualTo(expected).Within(1e-15));
    }

    [Test]
    public void CosineEndsAtEtaMinForEveryGroup()
    {
        var optimizer = Optimizer(1, 0.5);
        var scheduler = new CosineAnnealingLR(optimizer, 10, etaMin: 0.1);
        for (var i = 0; i < 5; i++)
        {
            scheduler.Step();
        }
        Assert.That(optimizer.ParamGroups.Select(g => g.LearningRate), Is.EqualTo(new[] { 0.55, 0.3 }).Within(1e-15));
        scheduler.LastEpoch = 10;
        Assert.That(optimizer.ParamGroups.Select(g => g.LearningRate), Is.EqualTo(new[] { 0.1, 0.1 }).Within(1e-15));
    }

    [Test]
    public void ResumesFromTheInitialRateThatTheStateKeeps()
    {
        var optimizer = Optimizer(1);
        var scheduler = new StepLR(optimizer, 1, 0.5);
        scheduler.Step();
        scheduler.Step();
        var other = Optimizer(7);
        other.LoadStateDict(optimizer.StateDict());
        Assert.That(other.LearningRate, Is.EqualTo(0.25));
        _ = new StepLR(other, 1, 0.5) { LastEpoch = 3 };
        Assert.That(other.LearningRate, Is.EqualTo(0.125));
    }

    [Test]
    public void ChecksItsArguments() => Assert.Multiple(() =>
    {
        Assert.That(() => new StepLR(Optimizer(1), 0), Throws.InstanceOf<ArgumentException>().With.Message.EqualTo("StepLR: stepSize is 0, expected 1 or more"));
        Assert.That(() => new StepLR(Optimizer(1), 1, -1), Throws.InstanceOf<ArgumentException>().With.Message.EqualTo("StepLR: gamma is -1, expected 0 or more"));
        Assert.That(() => new CosineAnnealingLR(Optimizer(1), 0), Throws.InstanceOf<ArgumentException>().With.Message.EqualTo("CosineAnnealingLR: tMax is 0, expected 1 or more"));
        Assert.That(() => new StepLR(Optimizer(1), 1).LastEpoch = -1, Throws.InstanceOf<ArgumentException>());
    });
}
