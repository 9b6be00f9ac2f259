using Hybrid.Examples;

namespace Hybrid.Tests.Examples;

/// <summary>Each of the learner's chapters, held to what it claims.</summary>
public class ChapterTests
{
    readonly StringWriter console = new();
    readonly TemporaryFolder folder = new();

    [OneTimeTearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void Tensors()
    {
        var (flat, table) = TensorsChapter.Run(console);
        Assert.That(table.Shape.ToString(), Is.EqualTo("[5, 2]"));
        Assert.That(flat.ToArray<float>(), Is.EqualTo(new float[] { 0, 7, 0, 0, 0, 0, 0, 0, 0, 0 }));
    }

    [Test]
    public void AutogradFinds36()
    {
        Assert.That(AutogradChapter.Run(console), Is.EqualTo(36));
        Assert.That(console.ToString(), Does.Contain("9x² = tensor([36])").And.Contain("18x = tensor([36])"));
    }

    [Test]
    public void Activations()
    {
        var results = ActivationsChapter.Run(console, folder.FullName);
        double[] x = [-2, -1, 0, 1, 2];
        double Sigmoid(double v) => 1 / (1 + Math.Exp(-v));
        Check("sigmoid", Sigmoid, v => Sigmoid(v) * (1 - Sigmoid(v)));
        Check("relu", v => Math.Max(v, 0), v => v > 0 ? 1 : 0);
        Check("tanh", Math.Tanh, v => 1 - Math.Tanh(v) * Math.Tanh(v));
        byte[] picture = File.ReadAllBytes(folder["activations.png"]);
        Assert.That(picture[..4], Is.EqualTo(new byte[] { 0x89, 0x50, 0x4e, 0x47 }));

        void Check(string name, Func<double, double> value, Func<double, double> derivative)
        {
            Assert.That(results[name].Values, Is.EqualTo(x.Select(value)).Within(1e-6), name);
            Assert.That(results[name].Derivatives, Is.EqualTo(x.Select(derivative)).Within(1e-6), name);
        }
    }

    [Test]
    public void Pooling()
    {
        var (max, average) = PoolingChapter.Run(console);
        Assert.That(max.ToArray<float>(), Is.EqualTo(new float[] { 6, 5, 7, 9 }));
        Assert.That(average.ToArray<float>(), Is.EqualTo(new[] { 3.5f, 2, 2.5f, 6 }));
    }

    [Test]
    public void Convolution()
    {
        var (plain, padded, strided) = ConvolutionChapter.Run(console);
        Assert.That(plain.ToArray<float>(), Is.EqualTo(new float[] { 3, 3, 0, 3, 3, 0, 3, 3, 0 }));
        Assert.That((padded.ToString(), strided.ToString()), Is.EqualTo(("[1, 1, 5, 5]", "[1, 1, 3, 3]")));
    }

    [Test]
    public void Losses()
    {
        var (sumSquares, mse, crossEntropy, gradient, difference) = LossesChapter.Run(console);
        Assert.That(sumSquares, Is.EqualTo((0.01 + 0.09 + 0.04) / 2).Within(1e-6));
        Assert.That(mse, Is.EqualTo(0.14 / 3).Within(1e-6));
        Assert.That(crossEntropy, Is.EqualTo(-Math.Log(Math.Exp(2) / (Math.Exp(1) + Math.Exp(2) + Math.Exp(0.5)))).Within(1e-6));
        Assert.That(gradient, Is.EqualTo(difference).Within(1e-6));
    }

    [Test]
    public void LinearRegressionFindsTheLine()
    {
        var (slope, intercept) = LinearRegressionChapter.Run(console);
        Assert.That(slope, Is.EqualTo(2).Within(0.1));
        Assert.That(intercept, Is.EqualTo(1).Within(0.05));
    }

    [Test]
    public void ClassificationAndRegressionBothLearn()
    {
        var (accuracy, error) = ClassificationOrRegressionChapter.Run(console);
        Assert.That(accuracy, Is.GreaterThan(0.95));
        Assert.That(error, Is.LessThan(0.05));
    }

    [Test]
    public void CnnReadsDigits() => Assert.That(CnnChapter.Run(console), Is.GreaterThan(0.9));

    [Test]
    public void EveryChapterHasATest()
    {
        var tests = typeof(ChapterTests).GetMethods().Where(m => m.IsDefined(typeof(TestAttribute), false)).Select(m => m.Name.ToLowerInvariant()).ToList();
        foreach (var chapter in Chapters.All)
        {
            Assert.That(typeof(Chapter).Assembly.GetType($"Hybrid.Examples.{chapter.Source}"), Is.Not.Null, chapter.Source);
            string name = chapter.Name.Split('-')[0];
            Assert.That(tests.Any(test => test.StartsWith(name)), Is.True, $"no test begins with {name}");
        }
    }
}
