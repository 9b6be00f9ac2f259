using Hybrid.Data;
using Hybrid.Examples.Models;
using Hybrid.NN;
using Hybrid.Optim;

namespace Hybrid.Tests;

/// <summary>Models with 8-bit weights beside what they were.</summary>
public class QuantizationTests
{
    static Sequential SmallNet() => new(new Conv2d(3, 9, kernel: 3, stride: 2, padding: 1), new ReLU(), new Conv2d(9, 6, kernel: 1, bias: false),
        new Flatten(), new Linear(6 * 25, 7), new Tanh(), new Linear(7, 4));

    static float[] Outputs(Module<Tensor, Tensor> model, Tensor x)
    {
        using var noGrad = NoGrad.Begin();
        return model.Forward(x).ToArray<float>();
    }

    // An activation is off by up to half a step, 1/255 of its sample's range, and weights by less; with weights of variance 1 / (3 · terms) the
    // error of a sum has a standard deviation of some 0.2 steps.
    [TestCase(1)]
    [TestCase(5)]
    public void LayersStayNearTheirFloatResults(int batch)
    {
        Generator.ManualSeed(3);
        var linear = new Linear(300, 40);
        var conv = new Conv2d(8, 20, kernel: (3, 2), stride: (1, 2), padding: 2, dilation: (2, 1));
        var (rows, images) = (Tensor.Randn(batch, 2, 300), Tensor.Randn(batch, 8, 17, 19));
        foreach (var (layer, x) in new (Module<Tensor, Tensor>, Tensor)[] { (linear, rows), (conv, images) })
        {
            var step = (x.Max().Item() - x.Min().Item()) / 255;
            var expected = Outputs(layer, x);
            Assert.That(Outputs(layer.Quantize(convolutions: true), x), Is.EqualTo(expected).Within(1.5 * step));
        }
    }

    [Test]
    public void WeightsBecomeInt8AndNothingRequiresAGradient()
    {
        var model = SmallNet().Quantize(convolutions: true);
        var state = model.StateDict();
        Assert.Multiple(() =>
        {
            Assert.That(state["0.weight"].DType, Is.EqualTo(DType.Int8));
            Assert.That(state["0.weight"].Shape, Is.EqualTo(new Shape(9, 3, 3, 3)));
            Assert.That(state["0.weight_scale"].Shape, Is.EqualTo(new Shape(9)));
            Assert.That(state["4.bias"].DType, Is.EqualTo(DType.Float32));
            Assert.That(model.Parameters().Any(static p => p.RequiresGrad), Is.False);
            Assert.That(model.Training, Is.False);
        });
    }

    [Test]
    public void ConvolutionsAreQuantizedOnRequest()
    {
        var state = SmallNet().Quantize().StateDict();
        Assert.That((state["0.weight"].DType, state["4.weight"].DType), Is.EqualTo((DType.Float32, DType.Int8)));
    }

    [Test]
    public void ActivationsBehindALayerAreItsOwn()
    {
        Generator.ManualSeed(4);
        var model = SmallNet().Quantize(convolutions: true);
        var x = Tensor.Randn(2, 3, 9, 9);
        var step = x;
        foreach (var layer in model)
        {
            step = layer.Forward(step);
        }
        Assert.That(Outputs(model, x), Is.EqualTo(step.ToArray<float>()));
    }

    [Test]
    public void ASampleDoesNotDependOnItsBatch()
    {
        Generator.ManualSeed(5);
        var model = SmallNet().Quantize(convolutions: true);
        var x = Tensor.Randn(4, 3, 9, 9);
        Assert.That(Outputs(model, x[2..3]), Is.EqualTo(Outputs(model, x)[8..12]));
    }

    [Test]
    public void SurvivesItsFile()
    {
        using var folder = new TemporaryFolder();
        var x = Tensor.Randn(2, 3, 9, 9);
        var model = SmallNet().Quantize(convolutions: true);
        model.Save(folder["int8.safetensors"]);
        var loaded = SmallNet().Quantize(convolutions: true);
        Assert.That(Outputs(loaded, x), Is.Not.EqualTo(Outputs(model, x))); // and packs the weights that loading replaces
        loaded.Load(folder["int8.safetensors"]);
        Assert.That(Outputs(loaded, x), Is.EqualTo(Outputs(model, x)));
        Assert.That(() => SmallNet().Load(folder["int8.safetensors"]), Throws.TypeOf<InvalidDataException>().With.Message.Contains("weight_scale"));
    }

    [Test]
    public void QuantizingTwiceIsQuantizingOnce()
    {
        var x = Tensor.Randn(2, 3, 9, 9);
        var model = SmallNet().Quantize(convolutions: true);
        var once = Outputs(model, x);
        Assert.That(Outputs(model.Quantize(convolutions: true), x), Is.EqualTo(once));
    }

    [Test]
    public void WhatCannotBeQuantizedStaysOrSaysSo()
    {
        var grouped = new Conv2d(4, 4, kernel: 3, groups: 2).Quantize(convolutions: true);
        var layer = new Linear(3, 2).Quantize(convolutions: true);
        Assert.Multiple(() =>
        {
            Assert.That(grouped.Weight.DType, Is.EqualTo(DType.Float32));
            Assert.That(() => new Linear(3, 2).To(DType.BFloat16).Quantize(convolutions: true), Throws.TypeOf<DTypeException>().With.Message.Contains("expected float32"));
            Assert.That(() => layer.Forward(Tensor.Ones([1, 3], DType.Float64)), Throws.TypeOf<DTypeException>().With.Message.Contains("expected float32"));
            Assert.That(() => layer.Forward(Tensor.Ones(1, 4)), Throws.TypeOf<ShapeException>());
            Assert.That(() => layer.Forward(Tensor.Ones([1, 3], requiresGrad: true)), Throws.InvalidOperationException.With.Message.Contains("int8"));
            Assert.That(() => new Conv2d(3, 2, kernel: 3).Quantize(convolutions: true).Forward(Tensor.Ones(1, 2, 5, 5)), Throws.TypeOf<ShapeException>());
        });
    }

    [Test]
    public void DigitsAreReadAsWell()
    {
        Generator.ManualSeed(6);
        var model = DigitModel.Create("lenet", Digits.Size, Digits.Size);
        var optimizer = new Adam(model.Parameters(), learningRate: 2e-3);
        foreach (var (images, labels) in new DataLoader(Digits.Generate(8000, seed: 1), batchSize: 64, shuffle: true))
        {
            using var scope = TensorScope.Begin();
            optimizer.ZeroGrad();
            F.CrossEntropy(model.Forward(images), labels).Backward();
            optimizer.Step();
        }
        var test = Digits.Generate(2000, seed: 2);
        var before = Accuracy(model.Eval(), test);
        var after = Accuracy(model.Quantize(convolutions: true), test);
        TestContext.Out.WriteLine($"float {before}, int8 {after}");
        Assert.That(before, Is.GreaterThan(0.8));
        Assert.That(after, Is.EqualTo(before).Within(0.005));
    }

    static double Accuracy(DigitModel model, Dataset test)
    {
        using var noGrad = NoGrad.Begin();
        var right = 0.0;
        foreach (var (images, labels) in new DataLoader(test, batchSize: 250))
        {
            using var scope = TensorScope.Begin();
            right += model.Forward(images).ArgMax(1).Eq(labels).Sum().Item();
        }
        return right / test.Count;
    }
}
