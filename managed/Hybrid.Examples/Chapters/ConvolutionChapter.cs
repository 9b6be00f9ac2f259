using Hybrid.NN;

namespace Hybrid.Examples;

/// <summary>A convolution slides a small kernel over an image and adds up what lies under it.</summary>
public static class ConvolutionChapter
{
    /// <summary>Runs the chapter and returns the plain convolution, [1, 1, 3, 3], and the shapes with padding and stride.</summary>
    public static (Tensor Plain, Shape Padded, Shape Strided) Run(TextWriter console)
    {
        // A 5 x 5 image that is dark on the left and light on the right, and a kernel that answers to such an edge.
        var image = Tensor.From([
            0f, 0, 1, 1, 1,
            0, 0, 1, 1, 1,
            0, 0, 1, 1, 1,
            0, 0, 1, 1, 1,
            0, 0, 1, 1, 1], [1, 1, 5, 5]);
        var kernel = Tensor.From([
            -1f, 0, 1,
            -1, 0, 1,
            -1, 0, 1], [1, 1, 3, 3]);

        // Without padding the kernel fits in 5 - 3 + 1 = 3 places along each axis.
        var plain = F.Conv2d(image, kernel);
        console.WriteLine($"no padding: {plain.Shape}\n{plain[0, 0]}");

        // A border of one zero all around keeps the size: (5 + 2·1 - 3) / 1 + 1 = 5.
        var padded = F.Conv2d(image, kernel, padding: 1);
        console.WriteLine($"padding 1: {padded.Shape}\n{padded[0, 0]}");

        // A stride of two takes every second place: (5 + 2·1 - 3) / 2 + 1 = 3.
        var strided = F.Conv2d(image, kernel, stride: 2, padding: 1);
        console.WriteLine($"padding 1, stride 2: {strided.Shape}\n{strided[0, 0]}");

        // As a layer it has weights of its own to learn: 8 kernels of 1 x 3 x 3, and 8 biases.
        var layer = new Conv2d(1, 8, kernel: 3, padding: 1);
        console.WriteLine($"Conv2d(1, 8, 3): weight {layer.Weight.Shape}, output {layer.Forward(image).Shape}");
        return (plain, padded.Shape, strided.Shape);
    }
}
