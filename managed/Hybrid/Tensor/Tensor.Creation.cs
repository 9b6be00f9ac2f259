using Hybrid.Bindings;

namespace Hybrid;

public unsafe partial class Tensor
{
    static DType defaultDType = DType.Float32;

    /// <summary>The floating dtype of new tensors when none is named; float32 unless set. PyTorch's <c>set_default_dtype</c>.</summary>
    /// <exception cref="DTypeException">Set to a dtype that is not floating.</exception>
    public static DType DefaultDType
    {
        get => defaultDType;
        set => defaultDType = value.IsFloating() ? value : throw new DTypeException($"DefaultDType: a floating dtype is expected, given {value.Name()}");
    }

    /// <summary>A tensor whose elements are undefined until written. PyTorch's <c>empty</c>.</summary>
    /// <param name="shape">the extents</param>
    public static Tensor Empty(params ReadOnlySpan<long> shape) => Create(shape, null, null);

    /// <summary>A tensor whose elements are undefined until written. PyTorch's <c>empty</c>.</summary>
    /// <param name="shape">the extents</param>
    /// <param name="dtype">the dtype; <see cref="DefaultDType"/> when left out</param>
    /// <param name="device">the device; <see cref="Device.Default"/> when left out</param>
    /// <param name="requiresGrad">whether gradients flow to it</param>
    public static Tensor Empty(ReadOnlySpan<long> shape, DType? dtype = null, Device? device = null, bool requiresGrad = false) =>
        Leaf(Create(shape, dtype, device), requiresGrad);

    /// <summary>A tensor of zeros. PyTorch's <c>zeros</c>.</summary>
    /// <param name="shape">the extents</param>
    public static Tensor Zeros(params ReadOnlySpan<long> shape) => Full(shape, 0);

    /// <summary>A tensor of zeros. PyTorch's <c>zeros</c>.</summary>
    /// <inheritdoc cref="Empty(ReadOnlySpan{long}, DType?, Device?, bool)"/>
    public static Tensor Zeros(ReadOnlySpan<long> shape, DType? dtype = null, Device? device = null, bool requiresGrad = false) =>
        Full(shape, 0, dtype, device, requiresGrad);

    /// <summary>A tensor of ones. PyTorch's <c>ones</c>.</summary>
    /// <param name="shape">the extents</param>
    public static Tensor Ones(params ReadOnlySpan<long> shape) => Full(shape, 1);

    /// <summary>A tensor of ones. PyTorch's <c>ones</c>.</summary>
    /// <inheritdoc cref="Empty(ReadOnlySpan{long}, DType?, Device?, bool)"/>
    public static Tensor Ones(ReadOnlySpan<long> shape, DType? dtype = null, Device? device = null, bool requiresGrad = false) =>
        Full(shape, 1, dtype, device, requiresGrad);

    /// <summary>A tensor of one value. PyTorch's <c>full</c>.</summary>
    /// <param name="shape">the extents</param>
    /// <param name="value">the value, cast to the dtype</param>
    /// <param name="dtype">the dtype; <see cref="DefaultDType"/> when left out</param>
    /// <param name="device">the device; <see cref="Device.Default"/> when left out</param>
    /// <param name="requiresGrad">whether gradients flow to it</param>
    public static Tensor Full(ReadOnlySpan<long> shape, double value, DType? dtype = null, Device? device = null, bool requiresGrad = false)
    {
        var y = Create(shape, dtype, device);
        fixed (HyTensor* py = y)
        {
            Native.Fill(py->Device, value, py);
        }
        return Leaf(y, requiresGrad);
    }

    /// <summary>A tensor without axes: a single number. PyTorch's <c>scalar_tensor</c>.</summary>
    /// <param name="value">the number, cast to the dtype</param>
    /// <param name="dtype">the dtype; <see cref="DefaultDType"/> when left out</param>
    /// <param name="device">the device; <see cref="Device.Default"/> when left out</param>
    /// <param name="requiresGrad">whether gradients flow to it</param>
    public static Tensor Scalar(double value, DType? dtype = null, Device? device = null, bool requiresGrad = false) =>
        Full([], value, dtype, device, requiresGrad);

    /// <summary>A number as a tensor without axes, float64 so that no digit is lost; arithmetic with other tensors keeps their dtype.</summary>
    /// <param name="value">the number</param>
    public static implicit operator Tensor(double value) => Scalar(value, DType.Float64);

    /// <summary>start, start + step, … up to but without end. PyTorch's <c>arange</c>.</summary>
    /// <param name="start">the first element</param>
    /// <param name="end">the bound; not reached</param>
    /// <param name="step">the distance; not 0, and towards the end</param>
    /// <param name="dtype">the dtype; when left out int64 for whole numbers, otherwise <see cref="DefaultDType"/></param>
    /// <param name="device">the device; <see cref="Device.Default"/> when left out</param>
    /// <returns>[ceil((end - start) / step)]</returns>
    /// <exception cref="ArgumentException">The step is 0 or leads away from the end.</exception>
    public static Tensor Arange(double start, double end, double step = 1, DType? dtype = null, Device? device = null)
    {
        var count = Math.Ceiling((end - start) / step);
        if (step == 0 || !double.IsFinite(count) || count < 0)
        {
            throw new ArgumentException($"Arange: steps of {step} do not lead from {start} to {end}");
        }
        var whole = start == Math.Floor(start) && end == Math.Floor(end) && step == Math.Floor(step);
        return Sequence(start, step, (long)count, dtype ?? (whole ? DType.Int64 : DefaultDType), device);
    }

    /// <summary>0, 1, … up to but without end; see the other overload.</summary>
    /// <param name="end">the bound; not reached</param>
    public static Tensor Arange(double end) => Arange(0, end);

    /// <summary>So many numbers from start to end, both included, at equal distances. PyTorch's <c>linspace</c>.</summary>
    /// <param name="start">the first element</param>
    /// <param name="end">the last element</param>
    /// <param name="steps">the number of elements, 0 or more</param>
    /// <param name="dtype">the dtype; <see cref="DefaultDType"/> when left out</param>
    /// <param name="device">the device; <see cref="Device.Default"/> when left out</param>
    /// <returns>[steps]</returns>
    /// <exception cref="ArgumentOutOfRangeException">steps is negative.</exception>
    public static Tensor Linspace(double start, double end, long steps, DType? dtype = null, Device? device = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(steps);
        var y = Sequence(start, steps > 1 ? (end - start) / (steps - 1) : 0, steps, dtype ?? DefaultDType, device);
        if (steps > 1)
        {
            // The last element is the end itself, not what rounding makes of it.
            using var last = y.Narrow(0, -1, 1);
            last.Overwrite(end);
        }
        return y;
    }

    /// <summary>The identity matrix: ones on the diagonal, zeros elsewhere. PyTorch's <c>eye</c>.</summary>
    /// <param name="n">the number of rows</param>
    /// <param name="m">the number of columns; as many as rows when left out</param>
    /// <param name="dtype">the dtype; <see cref="DefaultDType"/> when left out</param>
    /// <param name="device">the device; <see cref="Device.Default"/> when left out</param>
    /// <returns>[n, m]</returns>
    public static Tensor Eye(long n, long? m = null, DType? dtype = null, Device? device = null)
    {
        var y = Zeros([n, m ?? n], dtype, device);
        using var diagonal = y.NewView([Math.Min(n, m ?? n)], [(m ?? n) + 1]);
        diagonal.Overwrite(1);
        return y;
    }

    /// <summary>Uniform random numbers from 0 up to but without 1. PyTorch's <c>rand</c>.</summary>
    /// <param name="shape">the extents</param>
    public static Tensor Rand(params ReadOnlySpan<long> shape) => Rand(shape, dtype: null);

    /// <summary>Uniform random numbers from 0 up to but without 1. PyTorch's <c>rand</c>.</summary>
    /// <param name="shape">the extents</param>
    /// <param name="dtype">the floating dtype; <see cref="DefaultDType"/> when left out</param>
    /// <param name="device">the device; <see cref="Device.Default"/> when left out</param>
    /// <param name="requiresGrad">whether gradients flow to it</param>
    /// <param name="generator">the source; <see cref="Generator.Default"/> when left out</param>
    public static Tensor Rand(ReadOnlySpan<long> shape, DType? dtype = null, Device? device = null, bool requiresGrad = false, Generator? generator = null) =>
        Leaf(Create(shape, dtype, device).Uniform_(0, 1, generator), requiresGrad);

    /// <summary>Normally distributed random numbers with mean 0 and variance 1. PyTorch's <c>randn</c>.</summary>
    /// <param name="shape">the extents</param>
    public static Tensor Randn(params ReadOnlySpan<long> shape) => Randn(shape, dtype: null);

    /// <summary>Normally distributed random numbers with mean 0 and variance 1. PyTorch's <c>randn</c>.</summary>
    /// <inheritdoc cref="Rand(ReadOnlySpan{long}, DType?, Device?, bool, Generator?)"/>
    public static Tensor Randn(ReadOnlySpan<long> shape, DType? dtype = null, Device? device = null, bool requiresGrad = false, Generator? generator = null) =>
        Leaf(Create(shape, dtype, device).Normal_(0, 1, generator), requiresGrad);

    /// <summary>Uniform random integers from low up to but without high. PyTorch's <c>randint</c>.</summary>
    /// <param name="low">the smallest value</param>
    /// <param name="high">the bound; not reached</param>
    /// <param name="shape">the extents</param>
    /// <param name="dtype">any dtype but bool that holds the values</param>
    /// <param name="device">the device; <see cref="Device.Default"/> when left out</param>
    /// <param name="generator">the source; <see cref="Generator.Default"/> when left out</param>
    /// <exception cref="ArgumentException">low is not below high, or the dtype cannot hold them.</exception>
    public static Tensor RandInt(long low, long high, ReadOnlySpan<long> shape, DType dtype = DType.Int64, Device? device = null, Generator? generator = null)
    {
        var y = Create(shape, dtype, device);
        var (seed, offset) = (generator ?? Generator.Default).Draw(y.NumElements);
        fixed (HyTensor* py = y)
        {
            Native.RandomIntegers(py->Device, seed, offset, low, high, py);
        }
        return y;
    }

    /// <summary>The numbers from 0 to n - 1 in random order. PyTorch's <c>randperm</c>.</summary>
    /// <param name="n">how many</param>
    /// <param name="device">the device; <see cref="Device.Default"/> when left out</param>
    /// <param name="generator">the source; <see cref="Generator.Default"/> when left out</param>
    /// <returns>int64, [n]</returns>
    public static Tensor RandPerm(long n, Device? device = null, Generator? generator = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(n);
        var order = Sequence(0, 1, n, DType.Int64, Device.Cpu);
        using var draws = Rand([n], DType.Float64, Device.Cpu, generator: generator);
        var numbers = order.AsSpan<long>();
        var random = draws.AsSpan<double>();
        // Fisher and Yates: each place, from the last, swaps with one not above it.
        for (var i = numbers.Length - 1; i > 0; i--)
        {
            var j = (int)(random[i] * (i + 1));
            (numbers[i], numbers[j]) = (numbers[j], numbers[i]);
        }
        return order.To(device ?? Device.Default);
    }

    /// <summary>Undefined elements in the shape, dtype and device of another tensor. PyTorch's <c>empty_like</c>.</summary>
    /// <param name="other">the tensor whose shape, dtype and device are wanted</param>
    /// <param name="dtype">another dtype</param>
    public static Tensor EmptyLike(Tensor other, DType? dtype = null) => NewResult(other.Extents, dtype ?? other.DType, other.Device);

    /// <summary>Zeros in the shape, dtype and device of another tensor. PyTorch's <c>zeros_like</c>.</summary>
    /// <param name="other">the tensor whose shape, dtype and device are wanted</param>
    /// <param name="dtype">another dtype</param>
    public static Tensor ZerosLike(Tensor other, DType? dtype = null) => FullLike(other, 0, dtype);

    /// <summary>Ones in the shape, dtype and device of another tensor. PyTorch's <c>ones_like</c>.</summary>
    /// <param name="other">the tensor whose shape, dtype and device are wanted</param>
    /// <param name="dtype">another dtype</param>
    public static Tensor OnesLike(Tensor other, DType? dtype = null) => FullLike(other, 1, dtype);

    /// <summary>One value in the shape, dtype and device of another tensor. PyTorch's <c>full_like</c>.</summary>
    /// <param name="other">the tensor whose shape, dtype and device are wanted</param>
    /// <param name="value">the value, cast to the dtype</param>
    /// <param name="dtype">another dtype</param>
    public static Tensor FullLike(Tensor other, double value, DType? dtype = null) => Full(other.Extents, value, dtype ?? other.DType, other.Device);

    /// <summary>Uniform random numbers in the shape, dtype and device of another tensor; see <see cref="Rand(ReadOnlySpan{long})"/>. PyTorch's <c>rand_like</c>.</summary>
    /// <param name="other">the tensor whose shape, dtype and device are wanted</param>
    /// <param name="generator">the source; <see cref="Generator.Default"/> when left out</param>
    public static Tensor RandLike(Tensor other, Generator? generator = null) => Rand(other.Extents, other.DType, other.Device, generator: generator);

    /// <summary>Normally distributed random numbers in the shape, dtype and device of another tensor; see <see cref="Randn(ReadOnlySpan{long})"/>. PyTorch's <c>randn_like</c>.</summary>
    /// <param name="other">the tensor whose shape, dtype and device are wanted</param>
    /// <param name="generator">the source; <see cref="Generator.Default"/> when left out</param>
    public static Tensor RandnLike(Tensor other, Generator? generator = null) => Randn(other.Extents, other.DType, other.Device, generator: generator);

    /// <summary>A tensor of one axis with a copy of the data. PyTorch's <c>tensor</c>.</summary>
    /// <typeparam name="T">float, double, int, long, byte, bool, BFloat16, Half or sbyte</typeparam>
    /// <param name="data">the elements</param>
    /// <param name="dtype">the dtype; <typeparamref name="T"/>'s when left out</param>
    /// <param name="device">the device; <see cref="Device.Default"/> when left out</param>
    /// <param name="requiresGrad">whether gradients flow to it</param>
    public static Tensor From<T>(ReadOnlySpan<T> data, DType? dtype = null, Device? device = null, bool requiresGrad = false) where T : unmanaged =>
        From(data, [data.Length], dtype, device, requiresGrad);

    /// <summary>A tensor with a copy of the data, which is in row-major order. PyTorch's <c>tensor</c>.</summary>
    /// <typeparam name="T">float, double, int, long, byte, bool, BFloat16, Half or sbyte</typeparam>
    /// <param name="data">the elements</param>
    /// <param name="shape">the extents</param>
    /// <param name="dtype">the dtype; <typeparamref name="T"/>'s when left out</param>
    /// <param name="device">the device; <see cref="Device.Default"/> when left out</param>
    /// <param name="requiresGrad">whether gradients flow to it</param>
    /// <exception cref="ShapeException">The shape has another number of elements than the data.</exception>
    public static Tensor From<T>(ReadOnlySpan<T> data, ReadOnlySpan<long> shape, DType? dtype = null, Device? device = null, bool requiresGrad = false)
        where T : unmanaged
    {
        var y = Create(shape, DTypes.Of<T>(), device);
        if (y.NumElements != data.Length)
        {
            throw new ShapeException($"From: {data.Length} elements given for the shape {Shape.Format(shape)}, which has {y.NumElements}");
        }
        fixed (T* from = data)
        fixed (HyTensor* py = y)
        {
            Native.Transfer(py->Device, py->Data, null, from, (long)data.Length * sizeof(T));
        }
        if (dtype is not { } wanted || wanted == y.DType)
        {
            return Leaf(y, requiresGrad);
        }
        var cast = y.To(wanted);
        y.Dispose();
        return Leaf(cast, requiresGrad);
    }

    /// <summary>A matrix with a copy of the data. PyTorch's <c>tensor</c>.</summary>
    /// <typeparam name="T">float, double, int, long, byte, bool, BFloat16, Half or sbyte</typeparam>
    /// <param name="data">the rows</param>
    /// <param name="dtype">the dtype; <typeparamref name="T"/>'s when left out</param>
    /// <param name="device">the device; <see cref="Device.Default"/> when left out</param>
    /// <param name="requiresGrad">whether gradients flow to it</param>
    public static Tensor From<T>(T[,] data, DType? dtype = null, Device? device = null, bool requiresGrad = false) where T : unmanaged
    {
        fixed (T* first = data)
        {
            return From(new ReadOnlySpan<T>(first, data.Length), [data.GetLength(0), data.GetLength(1)], dtype, device, requiresGrad);
        }
    }

    static Tensor Create(ReadOnlySpan<long> shape, DType? dtype, Device? device)
    {
        foreach (var extent in shape)
        {
            if (extent < 0)
            {
                throw new ShapeException($"Shape: an extent is {extent}, expected 0 or more ({Shape.Format(shape)})");
            }
        }
        CheckDims("Shape", shape.Length);
        return NewResult(shape, dtype ?? DefaultDType, device ?? Device.Default);
    }

    static Tensor Leaf(Tensor tensor, bool requiresGrad)
    {
        if (requiresGrad)
        {
            tensor.RequiresGrad = true;
        }
        return tensor;
    }

    static Tensor Sequence(double start, double step, long count, DType dtype, Device? device)
    {
        var y = Create([count], dtype, device);
        fixed (HyTensor* py = y)
        {
            Native.Arange(py->Device, start, step, py);
        }
        return y;
    }

    /// <summary>Fills a tensor that nobody else has seen yet.</summary>
    void Overwrite(double value)
    {
        fixed (HyTensor* p = this)
        {
            Native.Fill(p->Device, value, p);
        }
    }
}
