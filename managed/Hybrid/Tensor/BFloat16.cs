namespace Hybrid;

/// <summary>The upper half of a <c>float</c>: its range, and 8 digits of precision. An element of <see cref="DType.BFloat16"/>; calculate with
/// <c>float</c>.</summary>
public readonly struct BFloat16 : IEquatable<BFloat16>
{
    readonly ushort bits;

    BFloat16(ushort bits) => this.bits = bits;

    /// <summary>Rounds to the nearest, and to even between two; NaN stays NaN.</summary>
    /// <param name="value">the number</param>
    public static explicit operator BFloat16(float value)
    {
        var single = BitConverter.SingleToUInt32Bits(value);
        return new((ushort)(float.IsNaN(value) ? single >> 16 | 0x40 : (single + 0x7FFF + (single >> 16 & 1)) >> 16));
    }

    /// <summary>The same number.</summary>
    /// <param name="value">the number</param>
    public static implicit operator float(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value.bits << 16);

    /// <summary>Equal as numbers: 0 and -0 are, and NaN is equal to itself, as <see cref="float.Equals(float)"/> has it.</summary>
    /// <param name="other">the other number</param>
    public bool Equals(BFloat16 other) => ((float)this).Equals(other);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BFloat16 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => ((float)this).GetHashCode();

    /// <summary>The number as <c>float</c> writes it.</summary>
    public override string ToString() => ((float)this).ToString();

    /// <summary>Whether two are equal as numbers.</summary>
    /// <param name="left">one number</param>
    /// <param name="right">the other</param>
    public static bool operator ==(BFloat16 left, BFloat16 right) => (float)left == right;

    /// <summary>Whether two are different numbers.</summary>
    /// <param name="left">one number</param>
    /// <param name="right">the other</param>
    public static bool operator !=(BFloat16 left, BFloat16 right) => !(left == right);
}
