namespace Hybrid;

/// <summary>The type of a tensor's elements.</summary>
public enum DType
{
    /// <summary>IEEE 754 single precision, 4 bytes: <c>float</c>.</summary>
    Float32 = 0,

    /// <summary>IEEE 754 double precision, 8 bytes: <c>double</c>.</summary>
    Float64 = 1,

    /// <summary>Signed 32-bit integer: <c>int</c>; arithmetic wraps.</summary>
    Int32 = 2,

    /// <summary>Signed 64-bit integer: <c>long</c>; arithmetic wraps.</summary>
    Int64 = 3,

    /// <summary>Unsigned 8-bit integer: <c>byte</c>; arithmetic wraps.</summary>
    UInt8 = 4,

    /// <summary>One byte, 0 or 1: <c>bool</c>.</summary>
    Bool = 5,

    /// <summary>The upper half of a float32, 2 bytes: <see cref="Hybrid.BFloat16"/>; computed with as float32, and rounded when stored.</summary>
    BFloat16 = 6,

    /// <summary>IEEE 754 half precision, 2 bytes: <see cref="Half"/>; computed with as float32, and rounded when stored.</summary>
    Float16 = 7,

    /// <summary>Signed 8-bit integer: <c>sbyte</c>; for quantised weights: stored, moved and cast, not calculated with.</summary>
    Int8 = 8,
}

/// <summary>Questions about a <see cref="DType"/>, and the rules that choose one.</summary>
public static class DTypes
{
    /// <summary>Bytes an element takes.</summary>
    /// <param name="dtype">the element type</param>
    public static int Size(this DType dtype) => dtype switch
    {
        DType.Float64 or DType.Int64 => 8,
        DType.Float32 or DType.Int32 => 4,
        DType.BFloat16 or DType.Float16 => 2,
        _ => 1,
    };

    /// <summary>Whether the elements are float32, float64, bfloat16 or float16: the types that carry gradients.</summary>
    /// <param name="dtype">the element type</param>
    public static bool IsFloating(this DType dtype) => dtype <= DType.Float64 || dtype is DType.BFloat16 or DType.Float16;

    /// <summary>The name as it is printed: <c>float32</c>, <c>int64</c>, …</summary>
    /// <param name="dtype">the element type</param>
    public static string Name(this DType dtype) => dtype switch
    {
        DType.Float32 => "float32",
        DType.Float64 => "float64",
        DType.Int32 => "int32",
        DType.Int64 => "int64",
        DType.UInt8 => "uint8",
        DType.Bool => "bool",
        DType.BFloat16 => "bfloat16",
        DType.Float16 => "float16",
        DType.Int8 => "int8",
        _ => $"dtype {(int)dtype}",
    };

    /// <summary>The C# types that tensors hold, for messages.</summary>
    internal const string ElementTypes = "float, double, int, long, byte, bool, BFloat16, Half or sbyte";

    /// <summary>The dtype that holds a C# type.</summary>
    /// <typeparam name="T">float, double, int, long, byte, bool, BFloat16, Half or sbyte</typeparam>
    /// <exception cref="DTypeException">Another type.</exception>
    public static DType Of<T>() where T : unmanaged
    {
        if (typeof(T) == typeof(float))
        {
            return DType.Float32;
        }
        if (typeof(T) == typeof(double))
        {
            return DType.Float64;
        }
        if (typeof(T) == typeof(int))
        {
            return DType.Int32;
        }
        if (typeof(T) == typeof(long))
        {
            return DType.Int64;
        }
        if (typeof(T) == typeof(byte))
        {
            return DType.UInt8;
        }
        if (typeof(T) == typeof(bool))
        {
            return DType.Bool;
        }
        if (typeof(T) == typeof(BFloat16))
        {
            return DType.BFloat16;
        }
        if (typeof(T) == typeof(Half))
        {
            return DType.Float16;
        }
        if (typeof(T) == typeof(sbyte))
        {
            return DType.Int8;
        }
        throw new DTypeException($"A tensor holds {ElementTypes}, not {typeof(T).Name}");
    }

    /// <summary>The dtype that arithmetic between two tensors gives, as in PyTorch: the wider of the two, where every floating type is wider than
    /// every integer and bool is the narrowest. A tensor without axes only decides when it is of a higher category (bool, integer, floating).</summary>
    /// <param name="a">one operand</param>
    /// <param name="b">the other</param>
    public static DType Promote(Tensor a, Tensor b)
    {
        var (left, right) = (a.DType, b.DType);
        if (left == right)
        {
            return left;
        }
        var (scalarA, scalarB) = (a.NumDims == 0, b.NumDims == 0);
        if (scalarA && !scalarB && Category(left) <= Category(right))
        {
            return right;
        }
        if (scalarB && !scalarA && Category(right) <= Category(left))
        {
            return left;
        }
        return Promote(left, right);
    }

    /// <summary>The wider of two dtypes; see <see cref="Promote(Tensor, Tensor)"/>. Where neither holds the other, the narrowest that holds both:
    /// float32 for bfloat16 and float16, int32 for uint8 and int8.</summary>
    /// <param name="a">one dtype</param>
    /// <param name="b">the other</param>
    public static DType Promote(DType a, DType b) => (a, b) switch
    {
        (DType.BFloat16, DType.Float16) or (DType.Float16, DType.BFloat16) => DType.Float32,
        (DType.UInt8, DType.Int8) or (DType.Int8, DType.UInt8) => DType.Int32,
        _ => Rank(a) >= Rank(b) ? a : b,
    };

    /// <summary>The dtype that arithmetic between a tensor and a C# number gives: the tensor's own, save that a broken number makes an integer
    /// tensor floating, and a whole one makes a bool tensor int64.</summary>
    internal static DType PromoteScalar(DType dtype, double scalar)
    {
        if (dtype.IsFloating())
        {
            return dtype;
        }
        if (scalar != Math.Floor(scalar) || double.IsInfinity(scalar))
        {
            return Tensor.DefaultDType;
        }
        return dtype == DType.Bool ? DType.Int64 : dtype;
    }

    static int Category(DType dtype) => dtype.IsFloating() ? 2 : dtype == DType.Bool ? 0 : 1;

    static int Rank(DType dtype) => dtype switch
    {
        DType.Bool => 0,
        DType.UInt8 or DType.Int8 => 1,
        DType.Int32 => 2,
        DType.Int64 => 3,
        DType.BFloat16 or DType.Float16 => 4,
        DType.Float32 => 5,
        _ => 6,
    };
}
