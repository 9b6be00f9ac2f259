using Hybrid.NN;

namespace Hybrid.Tests;

public class LayerTests
{
    private static float[] Values(Tensor tensor) => tensor.Detach().Contiguous().ToArray<float>();

    private static readonly Tensor Signed = Tensor.From([-2f, -0.5f, 0, 0.5f, 2]);

    [Test]
    public void LinearIsXWTransposedPlusB()
    {
        var layer = new Linear(2, 3);
        layer.LoadStateDict(new Dictionary<string, Tensor> { ["weight"] = Tensor.From(new float[,] { { 1, 2 }, { 3, 4 }, { 5, 6 } }), ["bias"] = Tensor.From([10f, 20, 30]) });
        Assert.Multiple(() =>
        {
            Assert.That(Values(layer.Forward(Tensor.From(new float[,] { { 1, 1 }, { 2, 0 } }))), Is.EqualTo(new[] { 13f, 27, 41, 12, 26, 40 }));
            Assert.That(layer.Forward(Tensor.Ones(4, 5, 2)).Shape, Is.EqualTo(new Shape(4, 5, 3)));
            Assert.That(() => layer.Forward(Tensor.Ones(4, 3)), Throws.TypeOf<ShapeException>());
        });
    }

    [TestCase(DType.Float32, 7)]
    [TestCase(DType.Float64, 100)]
    public void LinearKeepsItsPreparedWeightUntilThatChanges(DType dtype, int rows)
    {
        var layer = new Linear(70, 37);
        layer.To(dtype);
        var x = Tensor.Randn([rows, 70], dtype);
        using var noGrad = NoGrad.Begin();
        Tensor Forward(out long allocations)
        {
            long before = Device.Cpu.Memory.Allocations;
            var y = layer.Forward(x);
            allocations = Device.Cpu.Memory.Allocations - before;
            return y;
        }
        static double[] Exactly(Tensor tensor) => tensor.To(DType.Float64).ToArray<double>();
        void AssertPreparedOnce()
        {
            var want = F.Linear(x, layer.Weight, layer.Bias);
            var first = Forward(out long preparing);
            var second = Forward(out long prepared);
            Assert.That(Exactly(first), Is.EqualTo(Exactly(want)));
            Assert.That(Exactly(second), Is.EqualTo(Exactly(want)));
            Assert.That(preparing, Is.GreaterThan(prepared));
        }
        AssertPreparedOnce();
        layer.Weight.Mul_(2);
        AssertPreparedOnce();
        layer.LoadStateDict(new Linear(70, 37).To(dtype).StateDict());
        AssertPreparedOnce();
    }

    [Test]
    public void ConvolutionKeepsItsSettings()
    {
        var x = Tensor.Randn(2, 4, 9, 8);
        var layer = new Conv2d(4, 6, kernel: (3, 2), stride: (2, 1), padding: (1, 0), dilation: (1, 2), groups: 2);
        Assert.Multiple(() =>
        {
            Assert.That(layer.Weight.Shape, Is.EqualTo(new Shape(6, 2, 3, 2)));
            Assert.That(Values(layer.Forward(x)), Is.EqualTo(Values(F.Conv2d(x, layer.Weight, layer.Bias, (2, 1), (1, 0), (1, 2), 2))));
            Assert.That(layer.Forward(x).Shape, Is.EqualTo(new Shape(2, 6, 5, 6)));
            Assert.That(new Conv2d(4, 6, 3, bias: false).Bias, Is.Null);
            Assert.That(() => layer.Forward(Tensor.Ones(1, 3, 9, 8)), Throws.TypeOf<ShapeException>());
        });
    }

    [Test]
    public void PoolingAndFlatten()
    {
        var x = Tensor.Arange(16).To(DType.Float32).Reshape(1, 1, 4, 4);
        Assert.Multiple(() =>
        {
            Assert.That(Values(new MaxPool2d(2).Forward(x)), Is.EqualTo(new[] { 5f, 7, 13, 15 }));
            Assert.That(Values(new AvgPool2d(2).Forward(x)), Is.EqualTo(new[] { 2.5f, 4.5f, 10.5f, 12.5f }));
            Assert.That(new MaxPool2d(3, stride: 1, padding: 1).Forward(x).Shape, Is.EqualTo(new Shape(1, 1, 4, 4)));
            Assert.That(Values(new AvgPool2d(2, stride: 4, padding: 1, countIncludePad: false).Forward(x))[0], Is.EqualTo(0f));
            Assert.That(new Flatten().Forward(Tensor.Ones(2, 3, 4)).Shape, Is.EqualTo(new Shape(2, 12)));
            Assert.That(new Flatten(0, 1).Forward(Tensor.Ones(2, 3, 4)).Shape, Is.EqualTo(new Shape(6, 4)));
        });
    }

    [Test]
    public void ActivationsAreTheirFormulas() => Assert.Multiple(() =>
    {
        double[] x = [-2, -0.5, 0, 0.5, 2];
        void Check(Module<Tensor, Tensor> layer, Func<double, double> formula) =>
            Assert.That(Values(layer.Forward(Signed)), Is.EqualTo(x.Select(v => (float)formula(v))).Within(1e-6), layer.ToString());
        Check(new ReLU(), v => Math.Max(0, v));
        Check(new Sigmoid(), v => 1 / (1 + Math.Exp(-v)));
        Check(new Tanh(), Math.Tanh);
        Check(new Softmax(0), v => Math.Exp(v) / x.Sum(Math.Exp));
        // Φ(0.5) and Φ(2) from tables.
        double[] phi = [0.022750131948, 0.308537538726, 0.5, 0.691462461274, 0.977249868052];
        Check(new GELU(), v => v * phi[Array.IndexOf(x, v)]);
    });

    private static readonly Module<Tensor, Tensor>[] Activations = [new ReLU(), new Sigmoid(), new Tanh(), new GELU()];

    [Test]
    public void ConvolutionsOfOneAndThreeDimensionsUseTheirOptions()
    {
        var line = new Conv1d(4, 6, kernel: 3, stride: 2, padding: 1, dilation: 2, groups: 2);
        var volume = new Conv3d(2, 4, kernel: (2, 3, 1), stride: (1, 2, 1), padding: (1, 0, 2), dilation: (2, 1, 1), groups: 2, bias: false);
        var (x, z) = (Tensor.Randn(2, 4, 9), Tensor.Randn(1, 2, 4, 5, 3));
        Assert.Multiple(() =>
        {
            Assert.That(Values(line.Forward(x)), Is.EqualTo(Values(F.Conv1d(x, line.Weight, line.Bias, 2, 1, 2, 2))));
            Assert.That(Values(volume.Forward(z)), Is.EqualTo(Values(F.Conv3d(z, volume.Weight, null, (1, 2, 1), (1, 0, 2), (2, 1, 1), 2))));
            Assert.That(line.ToString(), Is.EqualTo("Conv1d(4, 6, kernel: 3, stride: 2, padding: 1, dilation: 2, groups: 2)"));
            Assert.That(volume.ToString(),
                Is.EqualTo("Conv3d(2, 4, kernel: 2x3x1, stride: 1x2x1, padding: 1x0x2, dilation: 2x1x1, groups: 2, bias: false)"));
            Assert.That(() => new Conv1d(3, 4, 3, groups: 2), Throws.ArgumentException);
            Assert.That(() => new Conv3d(1, 1, (1, 0, 1)), Throws.TypeOf<ArgumentOutOfRangeException>());
        });
    }

    [TestCaseSource(nameof(Activations))]
    public void SequentialFusesActivationsWithoutATrace(Module<Tensor, Tensor> activation)
    {
        Module<Tensor, Tensor>[] layers =
            [new Conv2d(2, 3, 3, padding: 1), activation, new MaxPool2d(3, stride: 2, padding: 1), new Flatten(), new Linear(27, 11), activation, new Linear(11, 2)];
        var model = new Sequential(layers);
        var x = Tensor.Randn(4, 2, 5, 5);

        (float[] Y, float[][] Gradients) Run(Func<Tensor, Tensor> forward)
        {
            model.ZeroGrad();
            var input = x.Clone();
            input.RequiresGrad = true;
            var y = forward(input);
            y.Square().Sum().Backward();
            return (Values(y), [Values(input.Grad!), .. model.Parameters().Select(p => Values(p.Grad!))]);
        }

        var fused = Run(model.Forward);
        var single = Run(t => layers.Aggregate(t, (value, layer) => layer.Forward(value)));
        Assert.Multiple(() =>
        {
            Assert.That(fused.Y, Is.EqualTo(single.Y));
            Assert.That(fused.Gradients, Is.EqualTo(single.Gradients));
            Assert.That(model.NamedParameters().Select(p => p.Name),
                Is.EqualTo(new[] { "0.weight", "0.bias", "4.weight", "4.bias", "6.weight", "6.bias" }));
        });
        using (NoGrad.Begin())
        {
            Assert.That(Values(model.Forward(x)), Is.EqualTo(fused.Y));
        }
    }

    [TestCase(true, true)]
    [TestCase(true, false)]
    [TestCase(false, true)]
    public void BatchNormBecomesPartOfTheConvolutionInEvaluation(bool bias, bool affine)
    {
        var norm = new BatchNorm2d(3, affine: affine);
        Module<Tensor, Tensor>[] layers = [new Conv2d(2, 3, 3, padding: 1, bias: bias), norm, new ReLU()];
        var model = new Sequential(layers).To(DType.Float64);
        var x = Tensor.Randn([4, 2, 5, 5], DType.Float64);
        model.Forward(x); // moves the running estimates away from 0 and 1
        model.Eval();
        using var noGrad = NoGrad.Begin();

        void AgreesWithTheLayersOneByOne(string when)
        {
            var single = layers.Aggregate(x, (value, layer) => layer.Forward(value)).ToArray<double>();
            Assert.That(model.Forward(x).ToArray<double>(), Is.EqualTo(single).Within(1e-12), when);
        }

        AgreesWithTheLayersOneByOne("at first");
        var folded = norm.Fold((Conv2d)layers[0]);
        model.Forward(x);
        Assert.That(norm.Fold((Conv2d)layers[0]), Is.SameAs(folded), "nothing changed");
        foreach (var parameter in model.Parameters())
        {
            parameter.Mul_(1.5);
            AgreesWithTheLayersOneByOne("after a parameter changed");
        }
        norm.RunningMean!.Add_(1);
        AgreesWithTheLayersOneByOne("after the running mean changed");
        norm.RunningVar!.Mul_(2);
        AgreesWithTheLayersOneByOne("after the running variance changed");
        model.To(DType.Float32).To(DType.Float64);
        AgreesWithTheLayersOneByOne("after the parameters moved");
        model.Train();
        AgreesWithTheLayersOneByOne("in training");
    }

    [Test]
    public void DropoutDropsInTrainingOnlyAndBySeed()
    {
        var x = Tensor.Ones(10_000);
        var layer = new Dropout(0.25, new Generator(3));
        var y = Values(layer.Forward(x));
        var dropped = y.Count(v => v == 0);
        Assert.Multiple(() =>
        {
            // Six standard deviations of 43.
            Assert.That(dropped, Is.InRange(2240, 2760));
            Assert.That(y.Where(v => v != 0), Is.All.EqualTo(4f / 3).Within(1e-6));
            Assert.That(Values(layer.Forward(x)), Is.Not.EqualTo(y));
            Assert.That(Values(new Dropout(0.25, new Generator(3)).Forward(x)), Is.EqualTo(y));
            Assert.That(Values(layer.Eval().Forward(x)), Is.All.EqualTo(1));
            Assert.That(Values(new Dropout(1).Forward(x)), Is.All.EqualTo(0));
        });
        Generator.ManualSeed(4);
        y = Values(new Dropout().Forward(x));
        Generator.ManualSeed(4);
        Assert.That(Values(new Dropout().Forward(x)), Is.EqualTo(y));
    }

    /// <summary>What BatchNorm2d should do, from its definition in double precision.</summary>
    private sealed class BatchNormReference(int channels, double eps, double? momentum)
    {
        public readonly double[] Mean = new double[channels];
        public readonly double[] Var = [.. Enumerable.Repeat(1.0, channels)];
        private int batches;

        public double[] Train(float[] x, int n, int plane)
        {
            batches++;
            var share = momentum ?? 1.0 / batches;
            return Normalise(x, n, plane, c =>
            {
                var values = Enumerable.Range(0, n).SelectMany(i => x.Skip((i * channels + c) * plane).Take(plane)).Select(v => (double)v).ToArray();
                var mean = values.Average();
                var variance = values.Average(v => (v - mean) * (v - mean));
                Mean[c] += share * (mean - Mean[c]);
                Var[c] += share * (variance * values.Length / (values.Length - 1) - Var[c]);
                return (mean, variance);
            });
        }

        public double[] Evaluate(float[] x, int n, int plane) => Normalise(x, n, plane, c => (Mean[c], Var[c]));

        private double[] Normalise(float[] x, int n, int plane, Func<int, (double Mean, double Var)> statistics)
        {
            var y = new double[x.Length];
            for (var c = 0; c < channels; c++)
            {
                var (mean, variance) = statistics(c);
                for (var i = 0; i < n; i++)
                {
                    for (var k = 0; k < plane; k++)
                    {
                        var at = (i * channels + c) * plane + k;
                        y[at] = (x[at] - mean) / Math.Sqrt(variance + eps);
                    }
                }
            }
            return y;
        }
    }

    [TestCase(0.1, 1e-5)]
    [TestCase(null, 1e-3)]
    public void BatchNormFollowsItsDefinition(double? momentum, double eps)
    {
        var layer = new BatchNorm2d(3, eps, momentum);
        var reference = new BatchNormReference(3, eps, momentum);
        for (var batch = 0; batch < 4; batch++)
        {
            var x = Tensor.Randn(4, 3, 2, 5) * (batch + 1) + batch;
            Assert.That(Values(layer.Forward(x)), Is.EqualTo(reference.Train(Values(x), 4, 10)).Within(1e-5));
        }
        var test = Tensor.Randn(2, 3, 2, 5);
        Assert.Multiple(() =>
        {
            Assert.That(Values(layer.RunningMean!), Is.EqualTo(reference.Mean).Within(1e-5));
            Assert.That(Values(layer.RunningVar!), Is.EqualTo(reference.Var).Within(1e-4));
            Assert.That(layer.NumBatchesTracked!.Item(), Is.EqualTo(4));
            Assert.That(Values(layer.Eval().Forward(test)), Is.EqualTo(reference.Evaluate(Values(test), 2, 10)).Within(1e-4));
            Assert.That(layer.NumBatchesTracked!.Item(), Is.EqualTo(4), "evaluation counts no batch");
        });
    }

    [Test]
    public void BatchNormWithoutStatisticsOrAffine()
    {
        var layer = new BatchNorm2d(2, affine: false, trackRunningStats: false).Eval();
        var x = Tensor.Randn(3, 2, 4, 4) * 3 + 7;
        Assert.Multiple(() =>
        {
            Assert.That(layer.StateDict(), Is.Empty);
            Assert.That(Values(layer.Forward(x)), Is.EqualTo(new BatchNormReference(2, 1e-5, 0.1).Train(Values(x), 3, 16)).Within(1e-5));
            Assert.That(() => new BatchNorm2d(2).Forward(Tensor.Ones(3, 2)), Throws.TypeOf<ShapeException>().With.Message.EqualTo("BatchNorm2d: input is [3, 2], expected [N, C, H, W]"));
            Assert.That(() => new BatchNorm2d(2).Forward(Tensor.Ones(3, 4, 2, 2)), Throws.TypeOf<ShapeException>());
        });
    }

    [Test]
    public void LossesAreTheirFunctions()
    {
        var (x, t) = (Tensor.From([0.2f, 0.7f]), Tensor.From([0f, 1]));
        Assert.Multiple(() =>
        {
            Assert.That(new MSELoss().Forward(x, t).Item(), Is.EqualTo((0.04 + 0.09) / 2).Within(1e-7));
            Assert.That(new MSELoss(Reduction.Sum).Forward(x, t).Item(), Is.EqualTo(0.13).Within(1e-7));
            Assert.That(new SumSquaresLoss().Forward(x, t).Item(), Is.EqualTo(0.065).Within(1e-7));
            Assert.That(new BCELoss().Forward(x, t).Item(), Is.EqualTo(-(Math.Log(0.8) + Math.Log(0.7)) / 2).Within(1e-6));
            Assert.That(new BCEWithLogitsLoss().Forward(x, t).Item(), Is.EqualTo((Math.Log(1 + Math.Exp(0.2)) + Math.Log(1 + Math.Exp(-0.7))) / 2).Within(1e-6));
            Assert.That(new CrossEntropyLoss().Forward(x.Reshape(1, 2), Tensor.From([1L])).Item(), Is.EqualTo(Math.Log(1 + Math.Exp(-0.5))).Within(1e-6));
        });
    }

    [Test]
    public void LayersCheckTheirArguments() => Assert.Multiple(() =>
    {
        Assert.That(() => new Linear(0, 1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.EqualTo("Linear: inFeatures is 0, expected 1 or more"));
        Assert.That(() => new Conv2d(1, 1, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.EqualTo("Conv2d: kernel is 0x0, expected 1 or more each way"));
        Assert.That(() => new Conv2d(1, 1, 3, padding: -1), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.EqualTo("Conv2d: padding is -1x-1, expected 0 or more each way"));
        Assert.That(() => new Conv2d(3, 4, 3, groups: 2), Throws.ArgumentException.With.Message.EqualTo("Conv2d: 2 groups do not divide 3 input and 4 output channels"));
        Assert.That(() => new Dropout(1.5), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.EqualTo("Dropout: p is 1.5, expected 0 to 1"));
        Assert.That(() => new BatchNorm2d(1, momentum: double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
    });
}
