using Hybrid.Bindings;
using Hybrid.NN;

namespace Hybrid.Optim;

/// <summary>
/// Stochastic gradient descent: θ ← θ − η g, with momentum b ← μ b + (1 − dampening) g and θ ← θ − η b, or by Nesterov θ ← θ − η (g + μ b),
/// where g includes weightDecay · θ. See PyTorch's <c>optim.SGD</c> (which, unlike Sutskever et al., 2013, keeps η out of b).
/// </summary>
public sealed class SGD : Optimizer
{
    private static readonly string[] Buffer = ["momentum_buffer"];

    private readonly double momentum;
    private readonly double dampening;
    private readonly bool nesterov;

    /// <summary>Gradient descent on parameters.</summary>
    /// <param name="parameters">Leaf tensors; <c>model.Parameters()</c>.</param>
    /// <param name="learningRate">The step size η, 0 or more.</param>
    /// <param name="momentum">The momentum μ, 0 or more.</param>
    /// <param name="dampening">What is taken from the gradient's share in the momentum.</param>
    /// <param name="weightDecay">The L2 penalty, 0 or more.</param>
    /// <param name="nesterov">Whether to look ahead; needs momentum, and no dampening.</param>
    /// <exception cref="ArgumentException">There is no parameter, one is no floating leaf, or Nesterov's conditions do not
    /// hold.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public SGD(IEnumerable<Tensor> parameters, double learningRate = 1e-3, double momentum = 0, double dampening = 0, double weightDecay = 0,
        bool nesterov = false)
        : this([new ParamGroup(parameters)], learningRate, momentum, dampening, weightDecay, nesterov)
    {
    }

    /// <summary>Gradient descent on groups of parameters, each with its own learning rate and weight decay where it has one.</summary>
    /// <inheritdoc cref="SGD(IEnumerable{Tensor}, double, double, double, double, bool)"/>
    public SGD(IEnumerable<ParamGroup> groups, double learningRate = 1e-3, double momentum = 0, double dampening = 0, double weightDecay = 0,
        bool nesterov = false)
        : base(groups, learningRate, weightDecay)
    {
        Require.NotNegative(nameof(SGD), nameof(momentum), momentum);
        Require.Finite(nameof(SGD), nameof(dampening), dampening);
        if (nesterov && (momentum == 0 || dampening != 0))
        {
            throw new ArgumentException($"SGD: nesterov needs a momentum above 0 and no dampening, they are {momentum} and {dampening}");
        }
        (this.momentum, this.dampening, this.nesterov) = (momentum, dampening, nesterov);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<string> StateNames => momentum == 0 ? [] : Buffer;

    /// <inheritdoc/>
    protected override unsafe void Update(
        ReadOnlySpan<Tensor> parameters, ReadOnlySpan<Tensor> gradients, ParamGroup group, ReadOnlySpan<OptimizerState> states, long step)
    {
        var settings = new HySgdParams
        {
            LearningRate = group.LearningRate,
            Momentum = momentum,
            Dampening = dampening,
            WeightDecay = group.WeightDecay,
            Nesterov = nesterov ? 1 : 0,
            FirstStep = step == 1 ? 1 : 0,
            Schedule = ScheduleAddress,
        };
        var n = parameters.Length;
        fixed (HyTensor* views = Views(parameters, gradients, states))
        {
            Native.SgdStep(parameters[0].Device.Handle, &settings, n, views, views + n, momentum == 0 ? null : views + 2 * n);
        }
    }
}
