using Hybrid.NN;

namespace Hybrid.Examples.Models;

/// <summary>LeNet-5 (LeCun et al., "Gradient-based learning applied to document recognition", 1998) with ReLU and max pooling, as it is taught today.</summary>
public sealed partial class LeNet : DigitModel
{
    readonly Conv2d conv1 = new(1, 6, kernel: 5, padding: 2);
    readonly Conv2d conv2 = new(6, 16, kernel: 5);
    readonly Linear fc1;
    readonly Linear fc2 = new(120, 84);
    readonly Linear fc3 = new(84, 10);

    /// <summary>Makes an untrained network.</summary>
    /// <param name="height">Rows of the images.</param>
    /// <param name="width">Columns of the images.</param>
    public LeNet(int height, int width) : base("lenet", height, width)
        => fc1 = new Linear(16 * ((height / 2 - 4) / 2) * ((width / 2 - 4) / 2), 120);

    /// <inheritdoc/>
    public override Tensor FirstFilters => conv1.Weight;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x)
    {
        x = F.MaxPool2d(conv1.Forward(x).Relu(), 2);
        x = F.MaxPool2d(conv2.Forward(x).Relu(), 2);
        x = fc1.Forward(x.Flatten(1)).Relu();
        return fc3.Forward(fc2.Forward(x).Relu());
    }
}
