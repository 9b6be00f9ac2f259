using Hybrid.NN;

namespace Hybrid.Examples.Models;

/// <summary>A multilayer perceptron: three linear layers, no idea of neighbouring pixels.</summary>
public sealed partial class Mlp : DigitModel
{
    readonly Linear fc1;
    readonly Linear fc2 = new(256, 128);
    readonly Linear fc3 = new(128, 10);

    /// <summary>Makes an untrained network.</summary>
    /// <param name="height">Rows of the images.</param>
    /// <param name="width">Columns of the images.</param>
    public Mlp(int height, int width) : base("mlp", height, width) => fc1 = new Linear(height * width, 256);

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x)
    {
        x = fc1.Forward(x.Flatten(1)).Relu();
        return fc3.Forward(fc2.Forward(x).Relu());
    }
}
