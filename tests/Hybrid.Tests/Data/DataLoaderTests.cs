using Hybrid.Data;

namespace Hybrid.Tests.Data;

public class DataLoaderTests
{
    static TensorDataset Numbers(int count)
    {
        var numbers = Tensor.Arange(count).To(DType.Float32);
        return new(numbers, numbers * 10);
    }

    static List<float[]> Epoch(DataLoader loader) => [.. loader.Select(batch => batch.Inputs.ToArray<float>())];

    [Test]
    public void GoesThroughEverySampleOnce([Values(0, 1, 3)] int prefetch, [Values] bool shuffle)
    {
        var loader = new DataLoader(Numbers(10), batchSize: 4, shuffle, seed: 3, prefetch: prefetch);
        Assert.That(loader.Count, Is.EqualTo(3));
        var batches = Epoch(loader);
        Assert.That(batches.Select(b => b.Length), Is.EqualTo(new[] { 4, 4, 2 }));
        Assert.That(batches.SelectMany(b => b), Is.EquivalentTo(Enumerable.Range(0, 10)));
        Assert.That(batches.SelectMany(b => b), shuffle ? Is.Not.Ordered : Is.Ordered);
    }

    [Test]
    public void KeepsInputsAndTargetsTogether()
    {
        foreach (var (inputs, targets) in new DataLoader(Numbers(50), batchSize: 7, shuffle: true, seed: 1))
        {
            Assert.That(targets.ToArray<float>(), Is.EqualTo(inputs.ToArray<float>().Select(x => 10 * x)));
        }
    }

    [Test]
    public void OrdersDifferByEpochAndAgreeBySeed()
    {
        var a = new DataLoader(Numbers(30), 30, shuffle: true, seed: 9);
        var b = new DataLoader(Numbers(30), 30, shuffle: true, seed: 9, prefetch: 0);
        var (a1, a2, b1, b2) = (Epoch(a)[0], Epoch(a)[0], Epoch(b)[0], Epoch(b)[0]);
        Assert.That(b1, Is.EqualTo(a1));
        Assert.That(b2, Is.EqualTo(a2));
        Assert.That(a2, Is.Not.EqualTo(a1));
    }

    [Test]
    public void DropsASmallerLastBatchWhenAsked() =>
        Assert.That(Epoch(new DataLoader(Numbers(10), 4, dropLast: true)).Select(b => b.Length), Is.EqualTo(new[] { 4, 4 }));

    [Test]
    public void AnEmptyDataSetHasNoBatches() => Assert.That(Epoch(new DataLoader(Numbers(0), 4)), Is.Empty);

    sealed class Broken : Dataset
    {
        public override int Count => 100;

        public override (Tensor Input, Tensor Target) this[int index] =>
            index < 8 ? (Tensor.Zeros(2), Tensor.Zeros(1)) : throw new InvalidOperationException("sample 8 is broken");
    }

    [Test]
    public void AFailureInTheBackgroundReachesTheCaller()
    {
        int batches = 0;
        Assert.That(() =>
        {
            foreach (var _ in new DataLoader(new Broken(), batchSize: 4))
            {
                batches++;
            }
        }, Throws.InvalidOperationException.With.Message.EqualTo("sample 8 is broken"));
        Assert.That(batches, Is.EqualTo(2));
    }

    [Test]
    public void StoppingHalfWayEndsTheReader()
    {
        foreach (var (inputs, _) in new DataLoader(Numbers(1000), batchSize: 1))
        {
            Assert.That(inputs.ToArray<float>(), Is.EqualTo(new[] { 0f }));
            break; // hangs here if the reader does not end
        }
    }

    [Test]
    public void BatchesAreFreedWithTheCallersScope()
    {
        var kept = new List<Tensor>();
        using (TensorScope.Begin())
        {
            foreach (var (inputs, _) in new DataLoader(Numbers(8), batchSize: 4))
            {
                kept.Add(inputs);
            }
        }
        Assert.That(kept.Select(t => t.IsDisposed), Is.All.True);
    }

    [Test]
    public void RefusesImpossibleSettings()
    {
        Assert.That(() => new DataLoader(Numbers(3), batchSize: 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new DataLoader(Numbers(3), 1, prefetch: -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new TensorDataset(Tensor.Zeros(3, 2), Tensor.Zeros(4)), Throws.InstanceOf<ShapeException>().With.Message.Contains("[3, 2] and [4]"));
    }
}
