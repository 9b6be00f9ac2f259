using System.Diagnostics;
using Hybrid.Data;
using Hybrid.NN;
using Hybrid.Optim;
using TorchSharp;
using PeerF = TorchSharp.torch.nn.functional;

namespace Hybrid.Benchmarks.Workloads;

/// <summary>LeNet-5 on the whole of MNIST for three epochs, each side with its own way of reading batches; HYBRID_DATA says where the files are.</summary>
static class Mnist
{
    const int Epochs = 3, BatchSize = 64;
    const double LearningRate = 0.01, Momentum = 0.9;

    /// <summary>The time of each side's training, and its accuracy on the test images.</summary>
    public static IEnumerable<Measurement> Measure(string directory, bool peer)
    {
        var (train, test) = (Data.Mnist.Load(directory, train: true), Data.Mnist.Load(directory, train: false));
        var (time, accuracy) = Hybrid(train, test);
        var (peerTime, peerAccuracy) = peer ? Peer(train, test) : default;
        yield return Measurement.Of("train lenet5 mnist 3 epochs", "us", [time], peer ? [peerTime] : []) with { Target = 3 };
        yield return Measurement.Of("train lenet5 mnist test errors", "%", [100 * (1 - accuracy)], peer ? [100 * (1 - peerAccuracy)] : []);
    }

    static (double Microseconds, double Accuracy) Hybrid(ImageDataset train, ImageDataset test)
    {
        var net = Training.LeNet5();
        var optimizer = new SGD(net.Parameters(), LearningRate, Momentum);
        var loader = new DataLoader(train, BatchSize, shuffle: true);
        var watch = Stopwatch.StartNew();
        for (int epoch = 0; epoch < Epochs; epoch++)
        {
            foreach (var (images, labels) in loader)
            {
                using var scope = TensorScope.Begin();
                optimizer.ZeroGrad();
                F.CrossEntropy(net.Forward(images), labels).Backward();
                optimizer.Step();
                images.Dispose();
                labels.Dispose();
            }
        }
        double time = watch.Elapsed.TotalMicroseconds;
        long right = 0;
        using var noGrad = NoGrad.Begin();
        foreach (var (images, labels) in new DataLoader(test, 1000))
        {
            using var scope = TensorScope.Begin();
            right += net.Forward(images).ArgMax(1).Eq(labels).Sum().Item<long>();
        }
        return (time, (double)right / test.Count);
    }

    static (double Microseconds, double Accuracy) Peer(ImageDataset train, ImageDataset test)
    {
        var (images, labels) = PeerTensors(train);
        var (testImages, testLabels) = PeerTensors(test);
        var net = Training.PeerLeNet5();
        var optimizer = torch.optim.SGD(net.parameters(), LearningRate, momentum: Momentum);
        var watch = Stopwatch.StartNew();
        for (int epoch = 0; epoch < Epochs; epoch++)
        {
            using var order = torch.randperm(train.Count);
            for (long start = 0; start < train.Count; start += BatchSize)
            {
                using var scope = torch.NewDisposeScope();
                var batch = order[torch.TensorIndex.Slice(start, Math.Min(start + BatchSize, train.Count))];
                optimizer.zero_grad();
                PeerF.cross_entropy(net.forward(images.index_select(0, batch)), labels.index_select(0, batch)).backward();
                optimizer.step();
            }
        }
        double time = watch.Elapsed.TotalMicroseconds;
        using var noGrad = torch.no_grad();
        long right = net.forward(testImages).argmax(1).eq(testLabels).sum().item<long>();
        return (time, (double)right / test.Count);
    }

    // The whole set as floats, outside the time: what a TorchSharp user with memory to spare would do.
    static (torch.Tensor Images, torch.Tensor Labels) PeerTensors(ImageDataset set)
    {
        var images = torch.tensor(set.Inputs.ToArray<byte>(), set.Count, 1, set.Height, set.Width).to(torch.ScalarType.Float32) / 255;
        return (images, torch.tensor(set.Targets.ToArray<long>()));
    }
}
