namespace Hybrid.Data;

/// <summary>Labelled grey images, kept as bytes and handed out as floats from 0 (black) to 1 (white).</summary>
public class ImageDataset : TensorDataset
{
    /// <summary>Makes a data set of images.</summary>
    /// <param name="name">What a person would call it.</param>
    /// <param name="pixels">The images one after another, row by row, one byte a pixel.</param>
    /// <param name="labels">One class an image.</param>
    /// <param name="height">Rows of an image.</param>
    /// <param name="width">Columns of an image.</param>
    /// <exception cref="ShapeException">There are not exactly height · width bytes for each label.</exception>
    public ImageDataset(string name, byte[] pixels, byte[] labels, int height, int width)
        : base(Images(pixels, labels.Length, height, width), Labels(labels))
    {
        Name = name;
        Height = height;
        Width = width;
    }

    /// <summary>What a person would call it.</summary>
    public string Name { get; }

    /// <summary>Rows of an image.</summary>
    public int Height { get; }

    /// <summary>Columns of an image.</summary>
    public int Width { get; }

    /// <inheritdoc/>
    /// <returns>Images [n, 1, height, width] as float32 from 0 to 1, and labels [n] as int64.</returns>
    public override (Tensor Inputs, Tensor Targets) Batch(ReadOnlySpan<int> indices)
    {
        var (bytes, labels) = base.Batch(indices);
        using (bytes)
        {
            var images = bytes.To(DType.Float32);
            images.Mul_(1.0 / 255);
            return (images, labels);
        }
    }

    static Tensor Images(byte[] pixels, int count, int height, int width)
    {
        if (pixels.LongLength != (long)count * height * width)
        {
            throw new ShapeException($"ImageDataset: expected {count} images of {height} x {width} bytes, got {pixels.LongLength} bytes");
        }
        return Tensor.From<byte>(pixels, [count, 1, height, width]);
    }

    static Tensor Labels(byte[] labels)
    {
        using var bytes = Tensor.From<byte>(labels);
        return bytes.To(DType.Int64);
    }
}
