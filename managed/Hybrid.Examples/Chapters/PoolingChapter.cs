using Hybrid.NN;

namespace Hybrid.Examples;

/// <summary>Pooling keeps one number of each window: its maximum, or its mean.</summary>
public static class PoolingChapter
{
    /// <summary>Runs the chapter and returns the two pooled images, each [1, 1, 2, 2].</summary>
    public static (Tensor Max, Tensor Average) Run(TextWriter console)
    {
        // Images are [batch, channels, height, width].
        var image = Tensor.From([
            1f, 3, 2, 1,
            4, 6, 5, 0,
            7, 2, 9, 8,
            0, 1, 3, 4], [1, 1, 4, 4]);
        console.WriteLine($"an image of 4 x 4:\n{image[0, 0]}");

        var max = F.MaxPool2d(image, kernel: 2);
        var average = F.AvgPool2d(image, kernel: 2);
        console.WriteLine($"the maximum of each 2 x 2 window:\n{max[0, 0]}");
        console.WriteLine($"the mean of each 2 x 2 window:\n{average[0, 0]}");

        // Backwards, the maximum's gradient goes to the pixel that won; the mean's is shared by all four.
        image.RequiresGrad = true;
        F.MaxPool2d(image, 2).Sum().Backward();
        console.WriteLine($"the gradient of the maxima's sum:\n{image.Grad![0, 0]}");
        return (max, average);
    }
}
