using Hybrid.NN;

namespace Hybrid.Examples.Models;

/// <summary>A convolutional network: 3 x 3 convolutions that each double the channels while pooling halves the image, up to 64 channels, then two
/// linear layers with dropout between. Images of 48 rows or more get three convolutions, smaller ones two.</summary>
public sealed partial class Cnn : DigitModel
{
    const int LastChannels = 64, Hidden = 128, Classes = 10;

    readonly ModuleList<Conv2d> convolutions = new();
    readonly Linear hidden;
    readonly Dropout dropout = new(0.25);
    readonly Linear output;

    /// <summary>Makes an untrained network.</summary>
    /// <param name="height">Rows of the images.</param>
    /// <param name="width">Columns of the images.</param>
    public Cnn(int height, int width) : base("cnn", height, width)
    {
        int depth = height >= 48 ? 3 : 2, channels = 1;
        for (int i = depth - 1; i >= 0; i--)
        {
            convolutions.Add(new Conv2d(channels, LastChannels >> i, kernel: 3, padding: 1));
            channels = LastChannels >> i;
        }
        hidden = new Linear(LastChannels * (height >> depth) * (width >> depth), Hidden);
        output = new Linear(Hidden, Classes);
    }

    /// <inheritdoc/>
    public override Tensor FirstFilters => convolutions[0].Weight;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x)
    {
        foreach (var convolution in convolutions)
        {
            x = F.MaxPool2d(convolution.Forward(x).Relu(), 2);
        }
        x = hidden.Forward(x.Flatten(1)).Relu();
        return output.Forward(dropout.Forward(x));
    }
}
