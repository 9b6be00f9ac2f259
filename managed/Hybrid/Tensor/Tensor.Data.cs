using System.Runtime.CompilerServices;
using Hybrid.Bindings;

namespace Hybrid;

// The way from a tensor to C#'s own data.
public unsafe partial class Tensor
{
    /// <summary>The only element, as a double. PyTorch's <c>item</c>.</summary>
    /// <exception cref="ShapeException">The tensor has no element, or several.</exception>
    public double Item() => Item<double>();

    /// <summary>The only element, cast as C# casts. PyTorch's <c>item</c>.</summary>
    /// <typeparam name="T">float, double, int, long, byte, bool, BFloat16, Half or sbyte</typeparam>
    /// <exception cref="ShapeException">The tensor has no element, or several.</exception>
    public T Item<T>() where T : unmanaged
    {
        if (NumElements != 1)
        {
            throw new ShapeException($"Item: one element is expected, a tensor of shape {Shape} has {NumElements}");
        }
        long bits = 0;
        fixed (HyTensor* p = this)
        {
            Native.Transfer(null, &bits, p->Device, p->Data, DType.Size());
        }
        return DType switch
        {
            DType.Float32 => Cast<T>(*(float*)&bits),
            DType.Float64 => Cast<T>(*(double*)&bits),
            DType.Int32 => Cast<T>(*(int*)&bits),
            DType.Int64 => Cast<T>(bits),
            DType.BFloat16 => Cast<T>((float)*(BFloat16*)&bits),
            DType.Float16 => Cast<T>((float)*(Half*)&bits),
            DType.Int8 => Cast<T>(*(sbyte*)&bits),
            _ => Cast<T>(*(byte*)&bits),
        };
    }

    /// <summary>A copy of the elements, in row-major order.</summary>
    /// <typeparam name="T">the C# type of the tensor's dtype</typeparam>
    /// <exception cref="DTypeException">Another type.</exception>
    public T[] ToArray<T>() where T : unmanaged
    {
        var array = new T[NumElements];
        CopyTo<T>(array);
        return array;
    }

    /// <summary>Copies the elements, in row-major order.</summary>
    /// <typeparam name="T">the C# type of the tensor's dtype</typeparam>
    /// <param name="destination">receives the elements; as long as the tensor, or longer</param>
    /// <exception cref="DTypeException">Another type.</exception>
    /// <exception cref="ArgumentException">The destination is too short.</exception>
    public void CopyTo<T>(Span<T> destination) where T : unmanaged
    {
        CheckElementType<T>(nameof(CopyTo));
        var elements = NumElements;
        if (destination.Length < elements)
        {
            throw new ArgumentException($"CopyTo: the destination holds {destination.Length} elements, the tensor has {elements} ({Shape})", nameof(destination));
        }
        using var mode = NoGrad.Begin();
        var source = Contiguous();
        fixed (T* to = destination)
        fixed (HyTensor* p = source)
        {
            Native.Transfer(null, to, p->Device, p->Data, elements * sizeof(T));
        }
        if (!ReferenceEquals(source, this))
        {
            source.Dispose();
        }
    }

    /// <summary>The elements themselves, without a copy. The span is valid as long as the tensor is: hold on to the tensor, and do not dispose it, while
    /// you use the span. Writing through it is not noticed as a write in place.</summary>
    /// <typeparam name="T">the C# type of the tensor's dtype</typeparam>
    /// <exception cref="DTypeException">Another type.</exception>
    /// <exception cref="InvalidOperationException">The tensor is not contiguous, does not live on the processor, or exceeds a span's length.</exception>
    public Span<T> AsSpan<T>() where T : unmanaged
    {
        CheckElementType<T>(nameof(AsSpan));
        if (!IsContiguous || Device.Kind != DeviceKind.Cpu || NumElements > int.MaxValue)
        {
            throw new InvalidOperationException(
                $"AsSpan: a contiguous tensor on the cpu of at most {int.MaxValue} elements is expected, this one has shape {Shape}, strides {Strides} on {Device}");
        }
        return new Span<T>(view.Data, (int)NumElements);
    }

    /// <summary>The only element.</summary>
    /// <param name="tensor">a tensor of one element</param>
    public static explicit operator float(Tensor tensor) => tensor.Item<float>();

    /// <summary>The only element.</summary>
    /// <param name="tensor">a tensor of one element</param>
    public static explicit operator double(Tensor tensor) => tensor.Item<double>();

    /// <summary>The only element, its fraction cut off.</summary>
    /// <param name="tensor">a tensor of one element</param>
    public static explicit operator int(Tensor tensor) => tensor.Item<int>();

    /// <summary>The only element, its fraction cut off.</summary>
    /// <param name="tensor">a tensor of one element</param>
    public static explicit operator long(Tensor tensor) => tensor.Item<long>();

    /// <summary>Whether the only element is not 0.</summary>
    /// <param name="tensor">a tensor of one element</param>
    public static explicit operator bool(Tensor tensor) => tensor.Item<bool>();

    /// <summary>The elements as PyTorch prints them: aligned, and abridged when there are many.</summary>
    public override string ToString() => IsDisposed ? $"tensor(disposed, shape={Shape})" : TensorFormatter.Format(this);

    void CheckElementType<T>(string operation) where T : unmanaged
    {
        if (DTypes.Of<T>() != DType)
        {
            throw new DTypeException($"{operation}: the elements are {DType.Name()}, asked for as {typeof(T).Name}; cast them first: To(DType.{DTypes.Of<T>()})");
        }
    }

    static T Cast<T>(double value) where T : unmanaged
    {
        if (typeof(T) == typeof(double))
        {
            return Unsafe.BitCast<double, T>(value);
        }
        if (typeof(T) == typeof(float))
        {
            return Unsafe.BitCast<float, T>((float)value);
        }
        if (typeof(T) == typeof(bool))
        {
            return Unsafe.BitCast<bool, T>(value != 0);
        }
        if (typeof(T) == typeof(BFloat16))
        {
            return Unsafe.BitCast<BFloat16, T>((BFloat16)(float)value);
        }
        if (typeof(T) == typeof(Half))
        {
            return Unsafe.BitCast<Half, T>((Half)(float)value);
        }
        return Cast<T>((long)value);
    }

    static T Cast<T>(long value) where T : unmanaged
    {
        if (typeof(T) == typeof(long))
        {
            return Unsafe.BitCast<long, T>(value);
        }
        if (typeof(T) == typeof(int))
        {
            return Unsafe.BitCast<int, T>((int)value);
        }
        if (typeof(T) == typeof(byte))
        {
            return Unsafe.BitCast<byte, T>((byte)value);
        }
        if (typeof(T) == typeof(sbyte))
        {
            return Unsafe.BitCast<sbyte, T>((sbyte)value);
        }
        return DTypes.Of<T>().IsFloating() || typeof(T) == typeof(bool)
            ? Cast<T>((double)value)
            : throw new DTypeException($"Item: a tensor holds {DTypes.ElementTypes}, not {typeof(T).Name}");
    }
}
