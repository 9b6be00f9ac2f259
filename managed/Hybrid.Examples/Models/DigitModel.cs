using System.Globalization;
using Hybrid.IO;
using Hybrid.NN;

namespace Hybrid.Examples.Models;

/// <summary>A network that reads one digit from a grey image: [N, 1, Height, Width] with values from 0 to 1, to [N, 10] logits.</summary>
public abstract partial class DigitModel : Module<Tensor, Tensor>
{
    const int SmallestExtent = 16, LargestExtent = 512;

    /// <summary>What <see cref="Create"/> can make.</summary>
    public static IReadOnlyList<string> Names { get; } = ["cnn", "lenet", "mlp"];

    private protected DigitModel(string name, int height, int width)
    {
        Name = name;
        Height = height;
        Width = width;
    }

    /// <summary>One of <see cref="Names"/>.</summary>
    public string Name { get; }

    /// <summary>Rows of the images that it reads.</summary>
    public int Height { get; }

    /// <summary>Columns of the images that it reads.</summary>
    public int Width { get; }

    /// <summary>The first layer's filters, [K, 1, R, S]; null when it has none.</summary>
    public virtual Tensor? FirstFilters => null;

    /// <summary>Number of trained values.</summary>
    public long ParameterCount
    {
        get
        {
            long count = 0;
            foreach (var parameter in Parameters())
            {
                count += parameter.NumElements;
            }
            return count;
        }
    }

    /// <summary>Makes an untrained network.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="height">Rows of the images, 16 to 512.</param>
    /// <param name="width">Columns of the images, 16 to 512.</param>
    /// <exception cref="ArgumentException">There is no such network, or none for such images.</exception>
    public static DigitModel Create(string name, int height, int width)
    {
        if (height is < SmallestExtent or > LargestExtent || width is < SmallestExtent or > LargestExtent)
        {
            throw new ArgumentException($"DigitModel: images of {height} x {width} were given, 16 x 16 to 512 x 512 expected");
        }
        return name switch
        {
            "cnn" => new Cnn(height, width),
            "lenet" => new LeNet(height, width),
            "mlp" => new Mlp(height, width),
            _ => throw new ArgumentException($"DigitModel: there is no network '{name}', only {string.Join(", ", Names)}"),
        };
    }

    /// <summary>Writes the weights, and what it takes to make the network again, as a safetensors file.</summary>
    public void SaveWithShape(string path) => Save(path, new Dictionary<string, string>
    {
        ["model"] = Name,
        ["height"] = Height.ToString(CultureInfo.InvariantCulture),
        ["width"] = Width.ToString(CultureInfo.InvariantCulture),
    });

    /// <summary>Reads a network that <see cref="SaveWithShape"/> wrote.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or no digit network.</exception>
    public static DigitModel FromFile(string path)
    {
        if (Directory.Exists(path))
        {
            throw new InvalidDataException($"{path} is a directory: expected a model file");
        }
        var tensors = Safetensors.Load(path, out var metadata);
        if (!metadata.TryGetValue("model", out string? name) || !Names.Contains(name)
            || !TryReadExtent(metadata, "height", out int height) || !TryReadExtent(metadata, "width", out int width))
        {
            throw new InvalidDataException($"{path} does not say which digit network it holds: expected model, height and width in its metadata");
        }
        var model = Create(name, height, width);
        model.LoadStateDict(tensors);
        model.Eval();
        return model;
    }

    static bool TryReadExtent(IReadOnlyDictionary<string, string> metadata, string key, out int extent)
    {
        extent = 0;
        return metadata.TryGetValue(key, out string? text)
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out extent)
            && extent is >= SmallestExtent and <= LargestExtent;
    }
}
