namespace Hybrid;

/// <summary>A height and a width: the size, stride, padding or dilation of a two-dimensional window. An int converts to both
/// alike.</summary>
/// <param name="Height">along the last axis but one</param>
/// <param name="Width">along the last axis</param>
public readonly record struct Size2(int Height, int Width)
{
    /// <summary>The same height and width.</summary>
    public static implicit operator Size2(int size) => new(size, size);

    /// <summary>A (height, width) pair.</summary>
    public static implicit operator Size2((int Height, int Width) size) => new(size.Height, size.Width);

    /// <summary>Height and width, as "3x5".</summary>
    public override string ToString() => $"{Height}x{Width}";
}

/// <summary>A depth, a height and a width: the size, stride, padding or dilation of a three-dimensional window. An int converts to all
/// three alike.</summary>
/// <param name="Depth">along the last axis but two</param>
/// <param name="Height">along the last axis but one</param>
/// <param name="Width">along the last axis</param>
public readonly record struct Size3(int Depth, int Height, int Width)
{
    /// <summary>The same depth, height and width.</summary>
    public static implicit operator Size3(int size) => new(size, size, size);

    /// <summary>A (depth, height, width) triple.</summary>
    public static implicit operator Size3((int Depth, int Height, int Width) size) => new(size.Depth, size.Height, size.Width);

    /// <summary>Depth, height and width, as "3x5x5".</summary>
    public override string ToString() => $"{Depth}x{Height}x{Width}";
}

/// <summary>Where a sliding window goes: what convolution and pooling share.</summary>
/// <param name="Kernel">its elements</param>
/// <param name="Stride">how far it moves</param>
/// <param name="Padding">what is added on each side</param>
/// <param name="Dilation">the distance between its elements</param>
internal readonly record struct Window(Size2 Kernel, Size2 Stride, Size2 Padding, Size2 Dilation)
{
    /// <summary>The output's height and width for an input [..., H, W].</summary>
    internal (long Height, long Width) Output(string op, Shape input)
    {
        AtLeast(op, "kernel", Kernel, 1);
        AtLeast(op, "stride", Stride, 1);
        AtLeast(op, "padding", Padding, 0);
        AtLeast(op, "dilation", Dilation, 1);
        var height = Extent(input[^2], Kernel.Height, Stride.Height, Padding.Height, Dilation.Height);
        var width = Extent(input[^1], Kernel.Width, Stride.Width, Padding.Width, Dilation.Width);
        return height >= 1 && width >= 1
            ? (height, width)
            : throw new ShapeException(
                $"{op}: kernel {Kernel} with dilation {Dilation} does not fit into input {input} with padding {Padding}");
    }

    static void AtLeast(string op, string name, Size2 value, int least)
    {
        if (value.Height < least || value.Width < least)
            throw new ArgumentException($"{op}: {name} is {value}; at least {least} was expected");
    }

    static long Extent(long input, int kernel, int stride, int padding, int dilation)
    {
        var room = input + 2L * padding - (long)dilation * (kernel - 1) - 1;
        return room < 0 ? 0 : room / stride + 1;
    }
}
