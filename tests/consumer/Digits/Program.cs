using System.Globalization;
using Hybrid;
using Hybrid.Data;
using Hybrid.NN;
using Hybrid.Optim;

// train FILE: one pass over the training images, then saves the model. check FILE: loads it, and reads the test images.
// Both print the share of test images that were read rightly, and each parameter with its sum.
string? data = Environment.GetEnvironmentVariable("HYBRID_DATA") is { } folder ? Path.Combine(folder, "mnist") : null;
var test = data is null ? Digits.Generate(1_000, seed: 2) : Mnist.Load(data, train: false);

Generator.ManualSeed(1);
var model = new LeNet(test.Height, test.Width);
switch (args)
{
    case ["train", var file]:
        Train(model, data is null ? Digits.Generate(6_000, seed: 1) : Mnist.Load(data, train: true));
        model.Save(file);
        break;
    case ["check", var file]:
        model.Load(file);
        break;
    default:
        Console.Error.WriteLine("usage: Digits train|check FILE");
        return 2;
}
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"accuracy {Accuracy(model, test):F4}"));
foreach (var (name, parameter) in model.NamedParameters())
{
    using var sum = parameter.To(DType.Float64).Sum();
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name} {parameter.Shape} {sum.Item<double>():R}"));
}
return 0;

static void Train(LeNet model, ImageDataset images)
{
    var optimizer = new Adam(model.Parameters(), learningRate: 2e-3);
    foreach (var (x, labels) in new DataLoader(images, batchSize: 64, shuffle: true, seed: 1))
    {
        using var scope = TensorScope.Begin();
        optimizer.ZeroGrad();
        F.CrossEntropy(model.Forward(x), labels).Backward();
        optimizer.Step();
    }
}

static double Accuracy(LeNet model, ImageDataset images)
{
    using var mode = NoGrad.Begin();
    long right = 0;
    foreach (var (x, labels) in new DataLoader(images, batchSize: 250))
    {
        using var scope = TensorScope.Begin();
        right += model.Forward(x).ArgMax(1).Eq(labels).To(DType.Int64).Sum().Item<long>();
    }
    return (double)right / images.Count;
}

/// <summary>LeNet-5 for grey images of any size.</summary>
partial class LeNet(int height, int width) : Module<Tensor, Tensor>
{
    readonly Conv2d conv1 = new(1, 6, kernel: 5, padding: 2);
    readonly Conv2d conv2 = new(6, 16, kernel: 5);
    readonly Linear fc1 = new(16 * ((height / 2 - 4) / 2) * ((width / 2 - 4) / 2), 120);
    readonly Linear fc2 = new(120, 84);
    readonly Linear fc3 = new(84, 10);

    public override Tensor Forward(Tensor x)
    {
        x = F.MaxPool2d(conv1.Forward(x).Relu(), 2);
        x = F.MaxPool2d(conv2.Forward(x).Relu(), 2);
        x = fc1.Forward(x.Flatten(1)).Relu();
        return fc3.Forward(fc2.Forward(x).Relu());
    }
}
