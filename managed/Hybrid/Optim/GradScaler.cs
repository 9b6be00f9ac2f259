using Hybrid.NN;

namespace Hybrid.Optim;

/// <summary>Loss scaling for float16 (Micikevicius et al., 2018): the loss is multiplied by a large factor, so that small gradients do not become 0, and the
/// gradients are divided by it before the optimiser sees them. A step whose gradients are not finite is left out, and the factor lowered. See
/// PyTorch's <c>torch.amp.GradScaler</c>.</summary>
/// <example><code>
/// using (Autocast.Begin(DType.Float16))
/// {
///     loss = F.CrossEntropy(model.Forward(images), labels);
/// }
/// optimizer.ZeroGrad();
/// scaler.Scale(loss).Backward();
/// scaler.Step(optimizer);
/// scaler.Update();
/// </code></example>
/// <remarks><see cref="Step"/> reads from the device, so a step with a scaler can't be captured into a graph; bfloat16 needs none.</remarks>
public sealed class GradScaler
{
    private readonly double growthFactor, backoffFactor;
    private readonly int growthInterval;
    private readonly Dictionary<Optimizer, bool> finite = new(ReferenceEqualityComparer.Instance); // of those whose gradients were divided

    /// <summary>A scaler.</summary>
    /// <param name="initScale">The first factor, above 0.</param>
    /// <param name="growthFactor">What the factor is multiplied with after <paramref name="growthInterval"/> finite steps, above 1.</param>
    /// <param name="backoffFactor">What it is multiplied with after a step that is not finite, between 0 and 1.</param>
    /// <param name="growthInterval">How many finite steps in a row raise it, 1 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public GradScaler(double initScale = 65536, double growthFactor = 2, double backoffFactor = 0.5, int growthInterval = 2000)
    {
        Check(nameof(initScale), initScale, initScale > 0, "above 0");
        Check(nameof(growthFactor), growthFactor, growthFactor > 1, "above 1");
        Check(nameof(backoffFactor), backoffFactor, backoffFactor is > 0 and < 1, "between 0 and 1");
        Check(nameof(growthInterval), growthInterval, growthInterval >= 1, "1 or more");
        (LossScale, this.growthFactor, this.backoffFactor, this.growthInterval) = (initScale, growthFactor, backoffFactor, growthInterval);
    }

    /// <summary>The factor. Set it, with <see cref="GrowthTracker"/>, to go on where an earlier training left off.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Set to 0 or below, or to no finite number.</exception>
    public double LossScale
    {
        get;
        set
        {
            Check(nameof(LossScale), value, value > 0, "above 0");
            field = value;
        }
    }

    /// <summary>How many finite steps there were since the factor last changed.</summary>
    public int GrowthTracker { get; set; }

    /// <summary>The loss times the factor.</summary>
    /// <param name="loss">Any shape, floating.</param>
    public Tensor Scale(Tensor loss)
    {
        ArgumentNullException.ThrowIfNull(loss);
        return loss * LossScale;
    }

    /// <summary>Divides the gradients of an optimiser's parameters by the factor, to clip them say, which <see cref="Step"/> otherwise does.</summary>
    /// <param name="optimizer">The optimiser.</param>
    /// <exception cref="InvalidOperationException">That was done since the last <see cref="Update"/>.</exception>
    public void Unscale_(Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        if (finite.ContainsKey(optimizer))
        {
            throw new InvalidOperationException("Unscale_: the optimiser's gradients were divided already, expected Update first");
        }
        using var noGrad = NoGrad.Begin();
        using var scope = TensorScope.Begin();
        var sums = new Dictionary<Device, Tensor>();
        foreach (var gradient in optimizer.ParamGroups.SelectMany(static g => g.Parameters).Select(static p => p.Grad).OfType<Tensor>())
        {
            gradient.Mul_(1 / LossScale);
            var zero = (gradient * 0).Sum().To(DType.Float32); // NaN where an element is infinite or NaN
            sums[gradient.Device] = sums.TryGetValue(gradient.Device, out var sum) ? sum + zero : zero;
        }
        finite[optimizer] = sums.Values.All(static sum => sum.Item<float>() == 0);
    }

    /// <summary>Has an optimiser take its step if all its gradients are finite.</summary>
    /// <param name="optimizer">The optimiser.</param>
    /// <returns>Whether it took it.</returns>
    public bool Step(Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        if (!finite.ContainsKey(optimizer))
        {
            Unscale_(optimizer);
        }
        if (!finite[optimizer])
        {
            return false;
        }
        optimizer.Step();
        return true;
    }

    /// <summary>Adapts the factor to the steps since the last call: lower if one was left out, higher after enough that were not.</summary>
    /// <exception cref="InvalidOperationException">There was no step.</exception>
    public void Update()
    {
        if (finite.Count == 0)
        {
            throw new InvalidOperationException("Update: no optimiser took a step, expected Step first");
        }
        if (!finite.Values.All(static all => all))
        {
            (LossScale, GrowthTracker) = (LossScale * backoffFactor, 0);
        }
        else if (++GrowthTracker >= growthInterval)
        {
            (LossScale, GrowthTracker) = (Math.Min(LossScale * growthFactor, double.MaxValue), 0);
        }
        finite.Clear();
    }

    private static void Check(string name, double value, bool right, string expected)
    {
        if (!right || !double.IsFinite(value))
        {
            throw new ArgumentOutOfRangeException(null, $"GradScaler: {name} is {value}, expected {expected}");
        }
    }
}
