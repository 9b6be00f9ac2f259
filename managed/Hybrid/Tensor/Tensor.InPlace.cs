using Hybrid.Bindings;

namespace Hybrid;

// Writes in place. They are not recorded: a tensor that needs a gradient can only be written where recording is off.
public unsafe partial class Tensor
{
    /// <summary>Adds a tensor, which broadcasts to this one. PyTorch's <c>add_</c>.</summary>
    /// <param name="other">what to add</param>
    /// <returns>this tensor</returns>
    /// <exception cref="InvalidOperationException">One of the two needs a gradient and recording is on.</exception>
    public Tensor Add_(Tensor other) => ElementwiseOps.BinaryInPlace(HyBinaryOp.Add, this, other);

    /// <summary>Adds a number. PyTorch's <c>add_</c>.</summary>
    /// <param name="other">what to add</param>
    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Add_(double other) => ElementwiseOps.BinaryScalarInPlace(HyBinaryOp.Add, this, other);

    /// <summary>Subtracts a tensor, which broadcasts to this one. PyTorch's <c>sub_</c>.</summary>
    /// <param name="other">what to subtract</param>
    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Sub_(Tensor other) => ElementwiseOps.BinaryInPlace(HyBinaryOp.Sub, this, other);

    /// <summary>Subtracts a number. PyTorch's <c>sub_</c>.</summary>
    /// <param name="other">what to subtract</param>
    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Sub_(double other) => ElementwiseOps.BinaryScalarInPlace(HyBinaryOp.Sub, this, other);

    /// <summary>Multiplies by a tensor, which broadcasts to this one. PyTorch's <c>mul_</c>.</summary>
    /// <param name="other">the factor</param>
    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Mul_(Tensor other) => ElementwiseOps.BinaryInPlace(HyBinaryOp.Mul, this, other);

    /// <summary>Multiplies by a number. PyTorch's <c>mul_</c>.</summary>
    /// <param name="other">the factor</param>
    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Mul_(double other) => ElementwiseOps.BinaryScalarInPlace(HyBinaryOp.Mul, this, other);

    /// <summary>Divides by a tensor, which broadcasts to this one; floating only. PyTorch's <c>div_</c>.</summary>
    /// <param name="other">the divisor</param>
    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Div_(Tensor other) => ElementwiseOps.BinaryInPlace(HyBinaryOp.Div, this, other);

    /// <summary>Divides by a number; floating only. PyTorch's <c>div_</c>.</summary>
    /// <param name="other">the divisor</param>
    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Div_(double other) => ElementwiseOps.BinaryScalarInPlace(HyBinaryOp.Div, this, other);

    /// <summary>Sets every element. PyTorch's <c>fill_</c>.</summary>
    /// <param name="value">the value, cast to the dtype</param>
    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Fill_(double value)
    {
        CheckInPlace(nameof(Fill_));
        Overwrite(value);
        LiveStorage.Written(nameof(Fill_));
        return this;
    }

    /// <summary>Sets every element to 0. PyTorch's <c>zero_</c>.</summary>
    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Zero_() => Fill_(0);

    /// <summary>Copies another tensor's elements, cast to this one's dtype; it broadcasts, and may live on another device. PyTorch's <c>copy_</c>.</summary>
    /// <param name="source">the tensor to copy</param>
    /// <exception cref="ShapeException">Its shape does not broadcast to this tensor's.</exception>
    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Copy_(Tensor source)
    {
        ArgumentNullException.ThrowIfNull(source);
        CheckInPlace(nameof(Copy_), source);
        if (!Shape.TryBroadcast(Extents, source.Extents, out var shape) || !shape.AsSpan().SequenceEqual(Extents))
        {
            throw new ShapeException($"Copy_: a tensor of shape {source.Shape} does not broadcast to {Shape}");
        }
        using var mode = NoGrad.Begin();
        var local = source.To(Device);
        // A source in the same memory would be read after parts of it were written.
        if (ReferenceEquals(local.LiveStorage, LiveStorage))
        {
            local = local.Clone();
        }
        fixed (HyTensor* px = local, py = this)
        {
            Native.Copy(py->Device, px, py);
        }
        LiveStorage.Written(nameof(Copy_));
        if (!ReferenceEquals(local, source))
        {
            local.Dispose();
        }
        return this;
    }

    /// <summary>Draws uniform random numbers from low up to but without high. PyTorch's <c>uniform_</c>.</summary>
    /// <param name="low">the smallest value</param>
    /// <param name="high">the bound</param>
    /// <param name="generator">the source; <see cref="Generator.Default"/> when left out</param>
    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Uniform_(double low = 0, double high = 1, Generator? generator = null)
    {
        CheckInPlace(nameof(Uniform_));
        var (seed, offset) = (generator ?? Generator.Default).Draw(NumElements);
        fixed (HyTensor* py = this)
        {
            Native.RandomUniform(py->Device, seed, offset, low, high, py);
        }
        LiveStorage.Written(nameof(Uniform_));
        return this;
    }

    /// <summary>Draws normally distributed random numbers. PyTorch's <c>normal_</c>.</summary>
    /// <param name="mean">the mean</param>
    /// <param name="std">the standard deviation, 0 or more</param>
    /// <param name="generator">the source; <see cref="Generator.Default"/> when left out</param>
    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Normal_(double mean = 0, double std = 1, Generator? generator = null)
    {
        CheckInPlace(nameof(Normal_));
        var (seed, offset) = (generator ?? Generator.Default).Draw(NumElements);
        fixed (HyTensor* py = this)
        {
            Native.RandomNormal(py->Device, seed, offset, mean, std, py);
        }
        LiveStorage.Written(nameof(Normal_));
        return this;
    }

    /// <summary>Draws 1 with a probability, otherwise 0. PyTorch's <c>bernoulli_</c>.</summary>
    /// <param name="p">the probability of 1</param>
    /// <param name="generator">the source; <see cref="Generator.Default"/> when left out</param>
    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Bernoulli_(double p = 0.5, Generator? generator = null)
    {
        CheckInPlace(nameof(Bernoulli_));
        var (seed, offset) = (generator ?? Generator.Default).Draw(NumElements);
        fixed (HyTensor* py = this)
        {
            Native.RandomBernoulli(py->Device, seed, offset, p, py);
        }
        LiveStorage.Written(nameof(Bernoulli_));
        return this;
    }

    /// <summary>Refuses a write that the graph would have to know of, and one to elements that an expanded view shows several times.</summary>
    internal void CheckInPlace(string operation, Tensor? operand = null)
    {
        if (GradMode.IsEnabled && (RequiresGrad || operand is { RequiresGrad: true }))
        {
            throw new InvalidOperationException(
                $"{operation}: writes in place are only supported for tensors that need no gradient; put this one into using (NoGrad.Begin()), or use the operation that gives a new tensor");
        }
        for (var i = 0; i < view.Ndim; i++)
        {
            if (view.Strides[i] == 0 && view.Shape[i] > 1)
            {
                throw new InvalidOperationException($"{operation}: a tensor expanded to {Shape} shows the same elements several times and cannot be written; Clone() it");
            }
        }
    }
}
