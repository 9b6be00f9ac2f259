namespace Hybrid.Examples;

/// <summary>One of the learner's chapters: a page of code that prints what it finds.</summary>
/// <param name="Name">As <c>hybrid example</c> takes it.</param>
/// <param name="Title">What it shows, in a few words.</param>
/// <param name="Source">The class that it is, which names its file.</param>
/// <param name="Run">Runs it: prints to the writer, and puts pictures into the directory, which it makes if it needs it.</param>
public sealed record Chapter(string Name, string Title, string Source, Action<TextWriter, string> Run);

/// <summary>The learner's chapters, in order of difficulty.</summary>
public static class Chapters
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<Chapter> All { get; } =
    [
        new("tensors", "numbers in rows and columns, and how to look at them another way", nameof(TensorsChapter), (console, _) => TensorsChapter.Run(console)),
        new("autograd", "derivatives that nobody has to work out", nameof(AutogradChapter), (console, _) => AutogradChapter.Run(console)),
        new("activations", "sigmoid, relu, tanh and softmax, with their derivatives and a picture", nameof(ActivationsChapter), (console, directory) => ActivationsChapter.Run(console, directory)),
        new("pooling", "making an image smaller by its maxima or its means", nameof(PoolingChapter), (console, _) => PoolingChapter.Run(console)),
        new("convolution", "sliding a kernel over an image; padding and stride", nameof(ConvolutionChapter), (console, _) => ConvolutionChapter.Run(console)),
        new("losses", "how wrong a guess is: squares and cross-entropy", nameof(LossesChapter), (console, _) => LossesChapter.Run(console)),
        new("linear-regression", "the first training loop: a straight line", nameof(LinearRegressionChapter), (console, _) => LinearRegressionChapter.Run(console)),
        new("classification-or-regression", "a class or a number: what changes in the network", nameof(ClassificationOrRegressionChapter), (console, _) => ClassificationOrRegressionChapter.Run(console)),
        new("cnn", "from 64 x 64 pixels to a digit", nameof(CnnChapter), (console, _) => CnnChapter.Run(console)),
    ];
}
