using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text;

namespace Hybrid;

/// <summary>The extents of a tensor's axes: a small value of up to <see cref="MaxDims"/> numbers that allocates nothing.
/// PyTorch's <c>torch.Size</c>.</summary>
/// <example><code>Tensor.Zeros(10).Reshape(5, -1).Shape   // [5, 2]</code></example>
public readonly struct Shape : IEquatable<Shape>
{
    /// <summary>The number of axes that a tensor may have.</summary>
    public const int MaxDims = 8;

    [InlineArray(MaxDims)]
    struct Extents
    {
        long first;
    }

    readonly Extents extents;
    readonly int count;

    /// <summary>A shape with these extents.</summary>
    /// <param name="extents">the extents, outermost axis first; each 0 or more</param>
    /// <exception cref="ShapeException">More than <see cref="MaxDims"/> axes, or an extent below 0.</exception>
    public Shape(params ReadOnlySpan<long> extents)
    {
        if (extents.Length > MaxDims)
        {
            throw new ShapeException($"Shape: {extents.Length} axes given, at most {MaxDims} are possible");
        }
        foreach (var extent in extents)
        {
            if (extent < 0)
            {
                throw new ShapeException($"Shape: an extent is {extent}, expected 0 or more ({Format(extents)})");
            }
        }
        count = extents.Length;
        extents.CopyTo(this.extents);
    }

    /// <summary>The number of axes.</summary>
    public int Count => count;

    /// <summary>The number of elements: the product of the extents; 1 without axes.</summary>
    /// <exception cref="ShapeException">The product exceeds 2⁶³.</exception>
    public long NumElements => Product(AsSpan());

    /// <summary>The extent of an axis.</summary>
    /// <param name="dim">the axis; -1 is the last</param>
    /// <exception cref="ArgumentOutOfRangeException">No such axis.</exception>
    public long this[int dim] => extents[CheckDim(dim, count, nameof(Shape))];

    /// <summary>The extent of an axis, counted from the end with <c>^</c>.</summary>
    /// <param name="dim">the axis</param>
    /// <exception cref="ArgumentOutOfRangeException">No such axis.</exception>
    public long this[Index dim] => this[dim.IsFromEnd ? dim.GetOffset(count) is var d && d >= 0 ? d : -count - 1 : dim.Value];

    /// <summary>The extents as a span that lives as long as this value.</summary>
    [UnscopedRef]
    public ReadOnlySpan<long> AsSpan() => ((ReadOnlySpan<long>)extents)[..count];

    /// <summary>The extents as a new array.</summary>
    public long[] ToArray() => AsSpan().ToArray();

    /// <summary>Walks the extents, outermost first.</summary>
    [UnscopedRef]
    public ReadOnlySpan<long>.Enumerator GetEnumerator() => AsSpan().GetEnumerator();

    /// <summary>A shape from its extents.</summary>
    /// <param name="extents">the extents</param>
    public static implicit operator Shape(long[] extents) => new(extents);

    /// <summary>A shape from its extents.</summary>
    /// <param name="extents">the extents</param>
    public static implicit operator Shape(int[] extents)
    {
        ArgumentNullException.ThrowIfNull(extents);
        var wide = new long[extents.Length];
        for (var i = 0; i < extents.Length; i++)
        {
            wide[i] = extents[i];
        }
        return new Shape(wide);
    }

    /// <summary>A shape from its extents.</summary>
    /// <param name="extents">the extents</param>
    public static implicit operator Shape(ReadOnlySpan<long> extents) => new(extents);

    /// <summary>The extents as a span, so that a shape can be given wherever extents are: <c>Tensor.Zeros(x.Shape)</c>.</summary>
    /// <param name="shape">the shape</param>
    public static implicit operator ReadOnlySpan<long>(in Shape shape) => shape.AsSpan();

    /// <summary>Whether both have the same extents.</summary>
    public static bool operator ==(in Shape a, in Shape b) => a.AsSpan().SequenceEqual(b.AsSpan());

    /// <summary>Whether an extent differs.</summary>
    public static bool operator !=(in Shape a, in Shape b) => !(a == b);

    /// <inheritdoc/>
    public bool Equals(Shape other) => this == other;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && this == other;

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var extent in AsSpan())
        {
            hash.Add(extent);
        }
        return hash.ToHashCode();
    }

    /// <summary>The extents in brackets: <c>[5, 2]</c>.</summary>
    public override string ToString() => Format(AsSpan());

    /// <summary>The shape that two shapes broadcast to: aligned at the last axis, an extent of 1 stretches to the other's.</summary>
    /// <param name="a">one shape</param>
    /// <param name="b">the other</param>
    /// <param name="operation">the operation's name for the error</param>
    /// <exception cref="ShapeException">Two extents differ and neither is 1.</exception>
    public static Shape Broadcast(in Shape a, in Shape b, string operation = "Broadcast")
    {
        if (!TryBroadcast(a.AsSpan(), b.AsSpan(), out var shape))
        {
            throw new ShapeException($"{operation}: shapes {a} and {b} do not broadcast: aligned at the last axis, extents must be equal or 1");
        }
        return shape;
    }

    internal static bool TryBroadcast(ReadOnlySpan<long> a, ReadOnlySpan<long> b, out Shape shape)
    {
        var dims = Math.Max(a.Length, b.Length);
        Span<long> extents = stackalloc long[MaxDims];
        for (var i = 1; i <= dims; i++)
        {
            var x = i <= a.Length ? a[^i] : 1;
            var y = i <= b.Length ? b[^i] : 1;
            if (x != y && x != 1 && y != 1)
            {
                shape = default;
                return false;
            }
            extents[dims - i] = x == 1 ? y : x;
        }
        shape = new Shape(extents[..dims]);
        return true;
    }

    /// <summary>The axis that a possibly negative number names.</summary>
    internal static int CheckDim(int dim, int dims, string operation)
    {
        var axis = dim < 0 ? dim + dims : dim;
        if ((uint)axis >= (uint)dims)
        {
            throw new ArgumentOutOfRangeException(null, dims == 0
                ? $"{operation}: axis {dim} of a tensor without axes"
                : $"{operation}: axis is {dim}, expected {-dims} to {dims - 1}");
        }
        return axis;
    }

    internal static long Product(ReadOnlySpan<long> extents)
    {
        var product = 1L;
        foreach (var extent in extents)
        {
            if (extent == 0)
            {
                return 0;
            }
            if (Math.BigMul(product, extent, out product) != 0 || product < 0)
            {
                throw new ShapeException($"Shape: {Format(extents)} has more elements than can be counted");
            }
        }
        return product;
    }

    internal static string Format(ReadOnlySpan<long> extents)
    {
        var text = new StringBuilder("[");
        for (var i = 0; i < extents.Length; i++)
        {
            text.Append(i == 0 ? "" : ", ").Append(extents[i]);
        }
        return text.Append(']').ToString();
    }
}
