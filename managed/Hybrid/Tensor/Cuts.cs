using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Hybrid;

/// <summary>For each axis of a tensor the part that a slice takes: where it begins, its extent and its step.</summary>
internal struct Cuts
{
    [InlineArray(Shape.MaxDims)]
    struct Numbers
    {
        long first;
    }

    Numbers starts;
    Numbers lengths;
    Numbers steps;

    /// <summary>The whole of every axis.</summary>
    internal Cuts(ReadOnlySpan<long> extents)
    {
        extents.CopyTo(lengths);
        ((Span<long>)steps).Fill(1);
    }

    [UnscopedRef]
    internal readonly ReadOnlySpan<long> Lengths => lengths;

    [UnscopedRef]
    internal readonly ReadOnlySpan<long> Steps => steps;

    internal void Set(int axis, long start, long length, long step) => (starts[axis], lengths[axis], steps[axis]) = (start, length, step);

    /// <summary>The distance of the first element taken from the tensor's first.</summary>
    internal readonly long Offset(ReadOnlySpan<long> strides)
    {
        var offset = 0L;
        for (var i = 0; i < strides.Length; i++)
        {
            offset += starts[i] * strides[i];
        }
        return offset;
    }
}
