using Hybrid.Data;

namespace Hybrid.Tests.Data;

public class DigitsTests
{
    [Test]
    public void TheSameSeedDrawsTheSameImages()
    {
        var a = Digits.Generate(40, seed: 5).Inputs.ToArray<byte>();
        Assert.That(Digits.Generate(40, seed: 5).Inputs.ToArray<byte>(), Is.EqualTo(a));
        Assert.That(Digits.Generate(40, seed: 6).Inputs.ToArray<byte>(), Is.Not.EqualTo(a));
        // An image depends on its own number only, not on how many there are.
        Assert.That(Digits.Generate(20, seed: 5).Inputs.ToArray<byte>(), Is.EqualTo(a[..(20 * 64 * 64)]));
    }

    [Test]
    public void EveryDigitIsThereEquallyOften()
    {
        var digits = Digits.Generate(100, seed: 1);
        Assert.That(digits.Inputs.Shape.ToString(), Is.EqualTo("[100, 1, 64, 64]"));
        Assert.That(digits.Targets.ToArray<long>().GroupBy(label => label).Select(group => group.Count()), Is.All.EqualTo(10).And.Exactly(10).Items);
    }

    [Test]
    public void NoTwoImagesOfADigitAreAlikeAndAllHaveInk()
    {
        var (images, _) = Digits.Generate(200, seed: 3).Batch([.. Enumerable.Range(0, 20).Select(i => 10 * i + 8)]);
        var pixels = images.ToArray<float>().Chunk(64 * 64).ToArray();
        Assert.That(pixels.Select(p => string.Join(',', p)).Distinct().Count(), Is.EqualTo(pixels.Length));
        // Between 1 % and 40 % of an image is bright.
        Assert.That(pixels.Select(p => p.Count(v => v > 0.5f) / 4096.0), Is.All.InRange(0.01, 0.4));
    }

    [Test]
    public void RefusesACountThatIsNone([Values(0, -1, int.MaxValue)] int count) =>
        Assert.That(() => Digits.Generate(count, seed: 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
}
