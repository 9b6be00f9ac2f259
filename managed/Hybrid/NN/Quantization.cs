namespace Hybrid.NN;

/// <summary>Inference with 8-bit weights.</summary>
public static class Quantization
{
    /// <summary>
    /// Makes a trained model one for inference with 8-bit weights: the weight of every <see cref="Linear"/> becomes int8 in place, a quarter of its
    /// memory, with a float32 scale for each output in <c>weight_scale</c>. Activations stay float32 between layers and are quantised on the way
    /// in, each sample with a scale and a zero point of its own. The model is set to evaluation, and none of its parameters requires a gradient
    /// any more. See PyTorch's <c>torch.ao.quantization.quantize_dynamic</c>.
    /// </summary>
    /// <remarks>Such a model is saved and loaded like any other; to load one, quantise a new model first:
    /// <c>new LeNet().Quantize().Load("lenet-int8.safetensors")</c>. On processors with AVX2, large linear layers are about twice as fast as in
    /// float32, and convolutions slower: they are quantised on request, for the memory.</remarks>
    /// <typeparam name="T">The module's type.</typeparam>
    /// <param name="module">The model; its linear and convolution layers are float32.</param>
    /// <param name="convolutions">Whether to quantise every <see cref="Conv2d"/> without groups, too.</param>
    /// <returns>The module.</returns>
    /// <exception cref="DTypeException">A weight is of another floating dtype.</exception>
    public static T Quantize<T>(this T module, bool convolutions = false) where T : Module
    {
        ArgumentNullException.ThrowIfNull(module);
        foreach (var (_, child) in module.NamedModules())
        {
            (child as Linear)?.QuantizeWeight();
            if (convolutions)
            {
                (child as Conv2d)?.QuantizeWeight();
            }
        }
        foreach (var parameter in module.Parameters())
        {
            parameter.RequiresGrad = false;
        }
        return module.Eval();
    }
}
