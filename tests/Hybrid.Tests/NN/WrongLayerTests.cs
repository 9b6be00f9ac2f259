using Hybrid.IO;
using Hybrid.NN;

namespace Hybrid.Tests;

/// <summary>Layers and losses that are asked for nonsense.</summary>
public class WrongLayerTests
{
    static readonly Tensor Image = Tensor.Zeros(1, 1, 4, 4);
    static readonly Tensor Weight = Tensor.Zeros(1, 1, 3, 3);

    static IEnumerable<TestCaseData> Windows()
    {
        yield return new TestCaseData(() => F.Conv2d(Image, Weight, padding: -1), "padding is -1x-1").SetName("Conv2d padding");
        yield return new TestCaseData(() => F.Conv2d(Image, Weight, dilation: -1_000_000_000), "dilation is").SetName("Conv2d dilation");
        yield return new TestCaseData(() => F.Conv2d(Image, Weight, stride: 0), "stride is 0x0").SetName("Conv2d stride");
        yield return new TestCaseData(() => F.MaxPool2d(Image, 0), "kernel is 0x0").SetName("MaxPool2d kernel");
        yield return new TestCaseData(() => F.MaxPool2d(Image, 2, dilation: -1_000_000_000), "dilation is").SetName("MaxPool2d dilation");
        yield return new TestCaseData(() => F.AvgPool2d(Image, 2, padding: -1), "padding is -1x-1").SetName("AvgPool2d padding");
    }

    [TestCaseSource(nameof(Windows))]
    public void WindowsOutOfRangeAreRefused(Func<Tensor> call, string message) =>
        Assert.That(() => call(), Throws.ArgumentException.With.Message.Contains(message));

    [Test]
    public void BatchNormChecksInEvaluationWhatItChecksInTraining()
    {
        Tensor mean = Tensor.Zeros(1), variance = Tensor.Ones(1);
        Assert.That(() => F.BatchNorm(Image, mean, variance, eps: -5), Throws.InstanceOf<ArgumentException>().With.Message.Contains("eps is -5"));
        Assert.That(() => F.BatchNorm(Image, mean.To(DType.Float64), variance), Throws.TypeOf<DTypeException>().With.Message.Contains("float64"));
        Assert.That(() => F.BatchNorm(Image.To(DType.Int64), mean, variance), Throws.TypeOf<DTypeException>().With.Message.Contains("int64"));
    }

    [Test]
    public void ARefusedBatchIsNotCounted()
    {
        var layer = new BatchNorm2d(1, momentum: null);
        Assert.That(() => layer.Forward(Tensor.Zeros(1, 2, 2, 2)), Throws.TypeOf<ShapeException>());
        Assert.That(layer.NumBatchesTracked!.Item<long>(), Is.EqualTo(0));
        layer.Forward(Tensor.Ones(1, 1, 2, 2));
        Assert.That(layer.NumBatchesTracked.Item<long>(), Is.EqualTo(1));
        Assert.That(layer.RunningMean!.Item(), Is.EqualTo(1), "the average of one batch is that batch");
    }

    [TestCase(2)]
    [TestCase(-0.1)]
    [TestCase(double.NaN)]
    public void LabelSmoothingIsAFraction(double smoothing)
    {
        var logits = Tensor.Zeros(2, 3);
        Assert.That(() => F.CrossEntropy(logits, Tensor.From([0L, 2]), labelSmoothing: smoothing), Throws.InstanceOf<ArgumentException>());
        Assert.That(() => F.CrossEntropy(logits, Tensor.Full([2, 3], 1.0 / 3), labelSmoothing: smoothing), Throws.InstanceOf<ArgumentException>());
    }

    [Test]
    public void MessagesNameTheFunctionThatWasCalled()
    {
        Assert.That(() => F.SumSquaresLoss(Tensor.Zeros(2, 3), Tensor.Zeros(2)), Throws.TypeOf<ShapeException>().With.Message.StartsWith("SumSquaresLoss"));
        var integers = Tensor.Zeros([1, 2], DType.Int64);
        Assert.That(() => F.Linear(integers, integers), Throws.TypeOf<DTypeException>().With.Message.StartsWith("Linear"));
    }

    [Test]
    public void AModuleBelowItselfCanBePrinted()
    {
        var knot = new Knot();
        knot.Child = knot;
        Assert.That(knot.ToString(), Is.EqualTo("Knot(\n  (child): Knot(…)\n)"));
    }

    [Test]
    public void ANullTensorIsNotWritten()
    {
        using var folder = new TemporaryFolder();
        var path = folder["x.safetensors"];
        Assert.That(() => Safetensors.Save(path, new Dictionary<string, Tensor> { ["a"] = null! }), Throws.ArgumentException.With.Message.Contains("'a' is null"));
        Assert.That(folder.Names, Is.Empty);
    }
}

public sealed partial class Knot : Module<Tensor, Tensor>
{
    public Module? Child { get; set; }

    public override Tensor Forward(Tensor x) => x;
}
