namespace Hybrid.Data;

/// <summary>The MNIST database of handwritten digits (LeCun, Cortes and Burges): 60,000 images to train on and 10,000 to test with, 28 x 28.</summary>
public static class Mnist
{
    /// <summary>Loads one half of the set from its IDX files, plain or gzipped.</summary>
    /// <param name="directory">Where <c>train-images-idx3-ubyte</c>, <c>train-labels-idx1-ubyte</c>, <c>t10k-images-idx3-ubyte</c> and
    /// <c>t10k-labels-idx1-ubyte</c> are, each with or without <c>.gz</c>.</param>
    /// <param name="train">The training images, or the test images.</param>
    /// <exception cref="FileNotFoundException">A file is missing; the message names what was looked for.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, the images and labels do not match, or a label is no digit.</exception>
    public static ImageDataset Load(string directory, bool train)
    {
        string half = train ? "train" : "t10k";
        var (shape, pixels) = Idx.Read(Find(directory, $"{half}-images-idx3-ubyte"), dims: 3);
        var (_, labels) = Idx.Read(Find(directory, $"{half}-labels-idx1-ubyte"), dims: 1);
        if (shape[0] != labels.Length)
        {
            throw new InvalidDataException($"Mnist: {directory} has {shape[0]} {half} images but {labels.Length} labels");
        }
        if (shape[0] == 0 || shape[1] == 0 || shape[2] == 0)
        {
            throw new InvalidDataException($"Mnist: the {half} images of {directory} are empty: {shape[0]} of {shape[1]} x {shape[2]}");
        }
        int bad = labels.AsSpan().IndexOfAnyExceptInRange((byte)0, (byte)9);
        if (bad >= 0)
        {
            throw new InvalidDataException($"Mnist: the {half} labels of {directory} hold {labels[bad]} at {bad}, expected 0 to 9");
        }
        return new ImageDataset("MNIST", pixels, labels, shape[1], shape[2]);
    }

    static string Find(string directory, string name)
    {
        if (!Directory.Exists(directory))
        {
            throw new FileNotFoundException($"Mnist: there is no directory {directory}", directory);
        }
        string plain = Path.Combine(directory, name), zipped = plain + ".gz";
        return File.Exists(plain) ? plain
            : File.Exists(zipped) ? zipped
            : throw new FileNotFoundException($"Mnist: {directory} holds neither {name} nor {name}.gz", plain);
    }
}
