namespace Hybrid;

/// <summary>What stands between the brackets of <c>t[…]</c> for one axis: a number, a range, or one of the static members here. A default value
/// takes the whole axis.</summary>
/// <example><code>
/// t[0]                             // the first slice, without the axis
/// t[^1], t[-1]                     // the last one
/// t[1..3, ..]                      // rows 1 and 2
/// t[TensorIndex.Ellipsis, 0]       // 0 along the last axis
/// t[TensorIndex.Slice(step: 2)]    // every other one
/// t[t > 0]                         // the elements where a bool tensor of the same shape holds
/// </code></example>
public readonly struct TensorIndex
{
    enum Form
    {
        Slice,
        At,
        NewAxis,
        Ellipsis,
        Tensor,
    }

    readonly Form form;
    readonly long start;
    readonly long stop;
    readonly long step;
    readonly Tensor? tensor;

    TensorIndex(Form form, long start = 0, long stop = 0, long step = 1, Tensor? tensor = null) =>
        (this.form, this.start, this.stop, this.step, this.tensor) = (form, start, stop, step, tensor);

    /// <summary>As many whole axes as are left.</summary>
    public static TensorIndex Ellipsis => new(Form.Ellipsis);

    /// <summary>A new axis of extent 1. PyTorch's <c>None</c>.</summary>
    public static TensorIndex NewAxis => new(Form.NewAxis);

    /// <summary>A part of an axis, as Python slices: negative places count from the end, places beyond the ends mean the ends.</summary>
    /// <param name="start">the first place; the beginning when left out</param>
    /// <param name="stop">the place to stop before; the end when left out</param>
    /// <param name="step">the distance of the places, 1 or more</param>
    public static TensorIndex Slice(long? start = null, long? stop = null, long step = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        return new(Form.Slice, start ?? 0, stop ?? long.MaxValue, step);
    }

    /// <summary>One place, without the axis; negative counts from the end.</summary>
    /// <param name="index">the place</param>
    public static implicit operator TensorIndex(int index) => new(Form.At, index);

    /// <summary>One place, without the axis; negative counts from the end.</summary>
    /// <param name="index">the place</param>
    public static implicit operator TensorIndex(long index) => new(Form.At, index);

    /// <summary>One place, without the axis.</summary>
    /// <param name="index">the place</param>
    public static implicit operator TensorIndex(Index index) => new(Form.At, Place(index));

    /// <summary>A part of an axis; places beyond the end mean the end, as in PyTorch.</summary>
    /// <param name="range">the part</param>
    public static implicit operator TensorIndex(Range range) =>
        new(Form.Slice, Place(range.Start), range.End.Equals(System.Index.End) ? long.MaxValue : Place(range.End));

    /// <summary>The places where a bool tensor of the leading axes' shape holds, or those that an int64 tensor names.</summary>
    /// <param name="tensor">bool or int64</param>
    /// <exception cref="ArgumentNullException">There is no tensor.</exception>
    public static implicit operator TensorIndex(Tensor tensor) => new(Form.Tensor, tensor: tensor ?? throw new ArgumentNullException(nameof(tensor)));

    internal bool IsNewAxis => form == Form.NewAxis;

    internal bool IsEllipsis => form == Form.Ellipsis;

    /// <summary>Whether the axis is dropped.</summary>
    internal bool IsPlace => form == Form.At;

    internal Tensor? Tensor => tensor;

    /// <summary>The place, when it is one.</summary>
    internal long At => start;

    /// <summary>Start, extent and step of the part of an axis that is taken.</summary>
    internal (long Start, long Length, long Step) Resolve(long extent)
    {
        if (step == 0)
        {
            return (0, extent, 1);
        }
        // No step need be larger than the axis: so nothing below overflows.
        var stride = Math.Min(step, Math.Max(extent, 1));
        var first = Math.Clamp(start < 0 ? start + extent : start, 0, extent);
        var last = Math.Clamp(stop < 0 ? stop + extent : stop, first, extent);
        return (first, (last - first + stride - 1) / stride, stride);
    }

    // ^1 is -1; ^0, the end, is no negative number, but as a start it is beyond every place.
    static long Place(Index index) => !index.IsFromEnd ? index.Value : index.Value == 0 ? long.MaxValue : -index.Value;
}
