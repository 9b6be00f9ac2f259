namespace Hybrid;

/// <summary>Gradients as values, without touching <see cref="Tensor.Grad"/>. PyTorch's <c>torch.autograd</c>.</summary>
public static class Autograd
{
    /// <summary>The gradients of the sum of the outputs, each weighted by its gradient, with respect to the inputs. PyTorch's <c>autograd.grad</c>.</summary>
    /// <param name="outputs">tensors computed from the inputs</param>
    /// <param name="inputs">tensors that require a gradient: leaves, or results on the way</param>
    /// <param name="gradOutputs">a gradient for each output; null, or left out, where the output has a single element</param>
    /// <param name="retainGraph">keep the graph, so that it can be walked again; left out: as <paramref name="createGraph"/></param>
    /// <param name="createGraph">record the computation of the gradients, so that they can be differentiated in turn</param>
    /// <param name="allowUnused">give null for an input that the outputs do not depend on, instead of an exception</param>
    /// <returns>for each input its gradient, shaped like it</returns>
    /// <exception cref="InvalidOperationException">An input does not require a gradient, or was not used; and see <see cref="Tensor.Backward"/>.</exception>
    public static Tensor?[] Grad(ReadOnlySpan<Tensor> outputs, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor?> gradOutputs = default,
        bool? retainGraph = null, bool createGraph = false, bool allowUnused = false)
    {
        if (gradOutputs.Length != 0 && gradOutputs.Length != outputs.Length)
        {
            throw new ArgumentException($"Grad: {gradOutputs.Length} gradients given for {outputs.Length} outputs", nameof(gradOutputs));
        }
        for (var i = 0; i < inputs.Length; i++)
        {
            if (!inputs[i].RequiresGrad)
            {
                throw new InvalidOperationException($"Grad: input {i} of shape {inputs[i].Shape} does not require a gradient");
            }
        }
        var gradients = Engine.Grad(outputs, inputs, gradOutputs, retainGraph ?? createGraph, createGraph);
        for (var i = 0; i < inputs.Length && !allowUnused; i++)
        {
            if (gradients[i] is null)
            {
                throw new InvalidOperationException(
                    $"Grad: the outputs do not depend on input {i} of shape {inputs[i].Shape}; allowUnused: true gives null for it");
            }
        }
        return gradients;
    }

    /// <summary>The gradient of one output with respect to one input; see the overload for several.</summary>
    /// <param name="output">a tensor computed from the input</param>
    /// <param name="input">a tensor that requires a gradient</param>
    /// <param name="gradOutput">gradient of the output; may be left out where it has a single element</param>
    /// <param name="retainGraph">keep the graph, so that it can be walked again; left out: as <paramref name="createGraph"/></param>
    /// <param name="createGraph">record the computation of the gradient, so that it can be differentiated in turn</param>
    /// <exception cref="InvalidOperationException">The output does not depend on the input; and see <see cref="Tensor.Backward"/>.</exception>
    /// <example><code>
    /// var x = Tensor.From([2f], requiresGrad: true);
    /// var slope = Autograd.Grad(3 * x.Pow(3), x, createGraph: true);   // 9x² = 36
    /// var curvature = Autograd.Grad(slope, x);                         // 18x = 36
    /// </code></example>
    public static Tensor Grad(Tensor output, Tensor input, Tensor? gradOutput = null, bool? retainGraph = null, bool createGraph = false) =>
        Grad(
            [output ?? throw new ArgumentNullException(nameof(output))],
            [input ?? throw new ArgumentNullException(nameof(input))],
            [gradOutput], retainGraph, createGraph)[0]!;
}
