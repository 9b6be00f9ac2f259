using Hybrid.Data;
using Hybrid.Examples.Models;
using Hybrid.NN;
using Hybrid.Optim;

namespace Hybrid.Examples;

/// <summary>A convolutional network from 64 x 64 pixels to a digit from 0 to 9, on a small set of synthetic digits.</summary>
public static class CnnChapter
{
    /// <summary>Runs the chapter and returns the share of new images that it reads rightly.</summary>
    public static double Run(TextWriter console)
    {
        Generator.ManualSeed(1);
        var train = Digits.Generate(2_000, seed: 11);
        var test = Digits.Generate(500, seed: 12);

        // Follow the shape of a batch through the network.
        var model = DigitModel.Create("cnn", Digits.Size, Digits.Size);
        var (images, _) = train.Batch([0, 1, 2, 3]);
        console.WriteLine($"four images {images.Shape} become logits {model.Forward(images).Shape}; {model.ParameterCount:N0} parameters");

        var optimizer = new Adam(model.Parameters(), learningRate: 1e-3);
        var loader = new DataLoader(train, batchSize: 32, shuffle: true, seed: 1);
        for (int epoch = 1; epoch <= 3; epoch++)
        {
            double sum = 0;
            foreach (var (x, labels) in loader)
            {
                using var scope = TensorScope.Begin();
                optimizer.ZeroGrad();
                var loss = F.CrossEntropy(model.Forward(x), labels);
                loss.Backward();
                optimizer.Step();
                sum += loss.Item();
            }
            console.WriteLine($"epoch {epoch}  loss {sum / loader.Count:F4}");
        }

        model.Eval();
        using var noGrad = NoGrad.Begin();
        long right = 0;
        foreach (var (x, labels) in new DataLoader(test, batchSize: 100))
        {
            using var scope = TensorScope.Begin();
            right += model.Forward(x).ArgMax(1).Eq(labels).Sum().Item<long>();
        }
        console.WriteLine($"{right} of {test.Count} new images read rightly");
        var (image, label) = test[7];
        var probabilities = F.Softmax(model.Forward(image.Unsqueeze(0)), -1);
        console.WriteLine($"image 7 shows a {label.Item<long>()}; read as {probabilities.ArgMax(1).Item<long>()} with probability {probabilities.Max().Item():F3}");
        return (double)right / test.Count;
    }
}
