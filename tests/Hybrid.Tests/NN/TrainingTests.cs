using Hybrid.NN;
using Hybrid.Optim;

namespace Hybrid.Tests;

public class TrainingTests
{
    [Test]
    public void AnMlpLearnsXor()
    {
        Generator.ManualSeed(0);
        var x = Tensor.From(new float[,] { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 } });
        var t = Tensor.From(new float[,] { { 0 }, { 1 }, { 1 }, { 0 } });
        var model = new Sequential(new Linear(2, 8), new Tanh(), new Linear(8, 1));
        var optimizer = new Adam(model.Parameters(), learningRate: 0.05);
        for (var step = 0; step < 300; step++)
        {
            using var scope = TensorScope.Begin();
            optimizer.ZeroGrad();
            F.BinaryCrossEntropyWithLogits(model.Forward(x), t).Backward();
            optimizer.Step();
        }
        Assert.That(model.Forward(x).Sigmoid().Detach().ToArray<float>(), Is.EqualTo(new[] { 0f, 1, 1, 0 }).Within(0.05));
    }

    [TestCase("SGD")]
    [TestCase("AdamW")]
    public void LeNetLearnsRandomImagesByHeartAndSurvivesItsFile(string kind)
    {
        Generator.ManualSeed(1);
        var images = Tensor.Randn(32, 1, 28, 28);
        var labels = Tensor.RandInt(0, 10, [32]);
        var model = new LeNet();
        Optimizer optimizer = kind == "SGD" ? new SGD(model.Parameters(), 0.03, momentum: 0.9, nesterov: true) : new AdamW(model.Parameters(), 5e-3);
        var schedule = new CosineAnnealingLR(optimizer, 40);
        double first = 0, last = 0;
        for (var step = 0; step < 40; step++)
        {
            using var scope = TensorScope.Begin();
            optimizer.ZeroGrad();
            var loss = F.CrossEntropy(model.Forward(images), labels);
            loss.Backward();
            optimizer.Step();
            schedule.Step();
            last = loss.Item();
            first = step == 0 ? last : first;
        }
        var logits = model.Eval().Forward(images);
        using var folder = new TemporaryFolder();
        model.Save(folder["lenet.safetensors"]);
        var loaded = new LeNet();
        loaded.Load(folder["lenet.safetensors"]);
        Assert.Multiple(() =>
        {
            Assert.That(first, Is.EqualTo(Math.Log(10)).Within(0.3));
            Assert.That(last, Is.LessThan(0.1));
            Assert.That(logits.ArgMax(1).ToArray<long>(), Is.EqualTo(labels.ToArray<long>()));
            Assert.That(loaded.Eval().Forward(images).Detach().ToArray<float>(), Is.EqualTo(logits.Detach().ToArray<float>()));
        });
    }

    [Test]
    public void FrozenParametersStay()
    {
        var model = new Sequential(new Linear(2, 2), new Linear(2, 1));
        var frozen = ((Linear)model[0]).Weight;
        frozen.RequiresGrad = false;
        var before = frozen.ToArray<float>();
        var optimizer = new SGD(model.Parameters(), 0.1, momentum: 0.9, weightDecay: 0.1);
        model.Forward(Tensor.Ones(3, 2)).Sum().Backward();
        optimizer.Step();
        Assert.Multiple(() =>
        {
            Assert.That(frozen.Grad, Is.Null);
            Assert.That(frozen.ToArray<float>(), Is.EqualTo(before));
        });
    }
}
