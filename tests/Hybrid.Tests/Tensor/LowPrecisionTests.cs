using Hybrid.NN;
using Hybrid.Optim;

namespace Hybrid.Tests;

/// <summary>bfloat16, float16 and int8 as elements.</summary>
public class LowPrecisionTests
{
    static readonly DType[] Halves = [DType.BFloat16, DType.Float16];

    [Test]
    public void PromotesAsPyTorchDoes() => Assert.Multiple(() =>
    {
        Assert.That(DTypes.Promote(DType.BFloat16, DType.Float16), Is.EqualTo(DType.Float32));
        Assert.That(DTypes.Promote(DType.UInt8, DType.Int8), Is.EqualTo(DType.Int32));
        Assert.That(DTypes.Promote(DType.Bool, DType.Int8), Is.EqualTo(DType.Int8));
        foreach (var half in Halves)
        {
            Assert.That(DTypes.Promote(half, half), Is.EqualTo(half));
            Assert.That(DTypes.Promote(half, DType.Float32), Is.EqualTo(DType.Float32));
            Assert.That(DTypes.Promote(DType.Float64, half), Is.EqualTo(DType.Float64));
            Assert.That(DTypes.Promote(half, DType.Int64), Is.EqualTo(half));
            Assert.That(DTypes.Promote(DType.Bool, half), Is.EqualTo(half));
            Assert.That((Tensor.Ones([2], half) * 0.5).DType, Is.EqualTo(half));
            Assert.That((Tensor.Ones([2], half) * Tensor.Scalar(2)).DType, Is.EqualTo(half));
            Assert.That((Tensor.Ones([2], half) + Tensor.Arange(2)).DType, Is.EqualTo(half));
        }
    });

    [Test]
    public void GoesToAndFromArrays() => Assert.Multiple(() =>
    {
        Assert.That(Tensor.From([(Half)1.5f, (Half)(-2)]).ToArray<Half>(), Is.EqualTo(new[] { (Half)1.5f, (Half)(-2) }));
        Assert.That(Tensor.From([(BFloat16)1.5f, (BFloat16)(-2)]).ToArray<BFloat16>(), Is.EqualTo(new[] { (BFloat16)1.5f, (BFloat16)(-2) }));
        Assert.That(Tensor.From([(sbyte)-128, (sbyte)127]).To(DType.Int32).ToArray<int>(), Is.EqualTo(new[] { -128, 127 }));
        Assert.That(Tensor.From([-300f, 3.9f, 1000f, float.NaN]).To(DType.Int8).ToArray<sbyte>(), Is.EqualTo(new sbyte[] { -128, 3, 127, 0 }));
        Assert.That(Tensor.Scalar(2.5, DType.BFloat16).Item(), Is.EqualTo(2.5));
        Assert.That(Tensor.Scalar(2.5, DType.Float16).Item<Half>(), Is.EqualTo((Half)2.5f));
        Assert.That(Tensor.Scalar(-7, DType.Int8).Item<sbyte>(), Is.EqualTo(-7));
        Assert.That(() => Tensor.Ones([2], DType.BFloat16).ToArray<float>(), Throws.TypeOf<DTypeException>().With.Message.Contains("To(DType.Float32)"));
    });

    [Test]
    public void RoundsToTheNearestAndToEven() => Assert.Multiple(() =>
    {
        float[] values = [1 + 1 / 256f, 1 + 3 / 256f, 1 + 1 / 2048f, 65519, 65520, 1e-8f, float.NaN, float.NegativeInfinity];
        foreach (var value in values)
        {
            Assert.That(Tensor.Scalar(value).To(DType.Float16).Item<Half>(), Is.EqualTo((Half)value));
            Assert.That(Tensor.Scalar(value).To(DType.BFloat16).Item<BFloat16>(), Is.EqualTo((BFloat16)value));
        }
        Assert.That((float)(BFloat16)(1 + 1 / 256f), Is.EqualTo(1));
        Assert.That((float)(BFloat16)(1 + 3 / 256f), Is.EqualTo(1 + 1 / 64f));
        Assert.That((BFloat16)0f == (BFloat16)(-0f), Is.True);
    });

    [Test]
    [OfTheProcessor]
    public void Prints() => Assert.Multiple(() =>
    {
        Assert.That(Tensor.From([1f, 2.5f]).To(DType.BFloat16).ToString(), Is.EqualTo("tensor([1.0000, 2.5000], dtype=bfloat16)"));
        Assert.That(Tensor.From([1f, -2]).To(DType.Float16).ToString(), Is.EqualTo("tensor([ 1, -2], dtype=float16)"));
        Assert.That(Tensor.From([(sbyte)-7]).ToString(), Is.EqualTo("tensor([-7], dtype=int8)"));
    });

    [TestCaseSource(nameof(Halves))]
    public void CalculatesInFloatAndRoundsOnce(DType half)
    {
        using var scope = TensorScope.Begin();
        var a = Tensor.Randn([33, 70]).To(half);
        var b = Tensor.Randn([70, 19]).To(half);
        var exact = a.To(DType.Float32).MatMul(b.To(DType.Float32)).To(half).To(DType.Float32);
        var product = a.MatMul(b).To(DType.Float32);
        if (half == DType.BFloat16 && a.Device.Isa == "avx512-bf16")
        {
            // The instruction adds in another order, so that a sum between two numbers may round to its other neighbour.
            Assert.That(((product - exact).Abs() - (exact.Abs() / 128)).Max().Item(), Is.LessThanOrEqualTo(0));
        }
        else
        {
            Assert.That(product.ToArray<float>(), Is.EqualTo(exact.ToArray<float>()));
        }
        var sum = a.To(DType.Float32).Sum().To(half);
        Assert.That(a.Sum().Item(), Is.EqualTo(sum.Item()));
    }

    [TestCaseSource(nameof(Halves))]
    public void GradientsHaveTheirTensorsDType(DType half)
    {
        using var scope = TensorScope.Begin();
        var values = Tensor.Randn([4, 3, 8, 8]);
        var layer = new Conv2d(3, 5, kernel: 3, padding: 1);
        var (expectedInput, expectedWeight) = Gradients(layer, values);
        var (input, weight) = Gradients(layer.To(half), values.To(half));
        Assert.That((input.DType, weight.DType), Is.EqualTo((half, half)));
        var bound = half == DType.BFloat16 ? 0.05 : 0.01;
        Assert.That((input.To(DType.Float32) - expectedInput).Abs().Max().Item(), Is.LessThan(bound * expectedInput.Abs().Max().Item()));
        Assert.That((weight.To(DType.Float32) - expectedWeight).Abs().Max().Item(), Is.LessThan(bound * expectedWeight.Abs().Max().Item()));
    }

    static (Tensor Input, Tensor Weight) Gradients(Conv2d layer, Tensor values)
    {
        var x = values.Detach();
        x.RequiresGrad = true;
        layer.Weight.Grad = null;
        layer.Forward(x).Tanh().Square().Mean().Backward();
        return (x.Grad!, layer.Weight.Grad!);
    }

    [TestCaseSource(nameof(Halves))]
    public void Trains(DType half)
    {
        using var scope = TensorScope.Begin();
        var generator = new Generator(7);
        var x = Tensor.Randn([64, 5], generator: generator).To(half);
        var truth = Tensor.Randn([5, 1], generator: generator).To(half);
        var y = x.MatMul(truth);
        var layer = new Linear(5, 1).To(half);
        var optimizer = new Adam(layer.Parameters(), learningRate: 0.05);
        var first = 0.0;
        var last = 0.0;
        for (var step = 0; step < 150; step++)
        {
            optimizer.ZeroGrad();
            var loss = F.MseLoss(layer.Forward(x), y);
            loss.Backward();
            optimizer.Step();
            last = loss.Item();
            first = step == 0 ? last : first;
        }
        Assert.That(last, Is.LessThan(first / 50));
    }

    [Test]
    public void Int8IsNotCalculatedWith()
    {
        var x = Tensor.Ones([3], DType.Int8);
        Assert.Multiple(() =>
        {
            Assert.That(() => x + x, Throws.TypeOf<DTypeException>().With.Message.Contains("int8"));
            Assert.That(() => x.Sum(), Throws.TypeOf<DTypeException>().With.Message.Contains("int8"));
            Assert.That(() => x.Relu(), Throws.TypeOf<DTypeException>().With.Message.Contains("int8"));
            Assert.That((x + Tensor.Ones([3])).ToArray<float>(), Is.EqualTo(new[] { 2f, 2, 2 }));
            Assert.That(x.IndexSelect(0, Tensor.From([2L, 0])).ToArray<sbyte>(), Is.EqualTo(new sbyte[] { 1, 1 }));
        });
    }
}
