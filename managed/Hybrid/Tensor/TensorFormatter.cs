using System.Globalization;
using System.Text;

namespace Hybrid;

/// <summary>Writes tensors as PyTorch prints them: four decimals, scientific where the range calls for it, columns aligned, the middle left out where
/// there is much. Whole floating numbers are written without a point.</summary>
internal sealed class TensorFormatter
{
    const int Threshold = 1000;
    const int EdgeItems = 3;
    const int LineWidth = 80;
    const string Prefix = "tensor(";

    readonly Tensor tensor;
    readonly bool summarize;
    readonly string floatFormat = "";
    readonly int width;

    TensorFormatter(Tensor tensor)
    {
        this.tensor = tensor;
        summarize = tensor.NumElements > Threshold;
        var shown = new List<long>();
        Collect(0, 0, shown);
        if (tensor.DType.IsFloating())
        {
            floatFormat = ChooseFormat(shown);
        }
        foreach (var offset in shown)
        {
            width = Math.Max(width, Number(offset).Length);
        }
    }

    internal static string Format(Tensor tensor)
    {
        using var mode = NoGrad.Begin();
        var text = new StringBuilder(Prefix);
        if (tensor.NumElements == 0)
        {
            text.Append("[]");
        }
        else
        {
            using var scope = TensorScope.Begin();
            var local = tensor.Detach().To(Device.Cpu);
            new TensorFormatter(local).Write(text, 0, 0, Prefix.Length);
        }
        return text.Append(Suffix(tensor)).Append(')').ToString();
    }

    static string Suffix(Tensor tensor)
    {
        var suffix = new StringBuilder();
        if (tensor.NumElements > Threshold || (tensor.NumElements == 0 && tensor.NumDims != 1))
        {
            suffix.Append(", shape=").Append(tensor.Shape);
        }
        if (tensor.DType != DType.Float32 && tensor.DType != DType.Bool)
        {
            suffix.Append(", dtype=").Append(tensor.DType.Name());
        }
        if (tensor.Device.Kind != DeviceKind.Cpu)
        {
            suffix.Append(", device=").Append(tensor.Device);
        }
        if (tensor.GradFn is { } made)
        {
            suffix.Append(", gradFn=<").Append(made).Append('>');
        }
        else if (tensor.RequiresGrad)
        {
            suffix.Append(", requiresGrad=true");
        }
        return suffix.ToString();
    }

    /// <summary>The places in memory of the elements that are written.</summary>
    void Collect(int axis, long offset, List<long> shown)
    {
        if (axis == tensor.NumDims)
        {
            shown.Add(offset);
            return;
        }
        var (extent, stride) = (tensor.Extents[axis], tensor.StrideSpan[axis]);
        for (var i = 0L; i < extent; i++)
        {
            if (Skips(extent, i))
            {
                i = extent - EdgeItems;
            }
            Collect(axis + 1, offset + i * stride, shown);
        }
    }

    void Write(StringBuilder text, int axis, long offset, int indent)
    {
        if (axis == tensor.NumDims)
        {
            text.Append(Number(offset).PadLeft(width));
            return;
        }
        text.Append('[');
        var last = axis == tensor.NumDims - 1;
        var perLine = Math.Max(1, (LineWidth - indent - 1) / (width + 2));
        // Matrices are a blank line apart, as in PyTorch.
        var lines = last ? 1 : tensor.NumDims - 1 - axis;
        var (extent, stride) = (tensor.Extents[axis], tensor.StrideSpan[axis]);
        var written = 0;
        for (var i = 0L; i < extent; i++, written++)
        {
            var skips = Skips(extent, i);
            if (written > 0)
            {
                text.Append(',');
                Separate(text, last && written % perLine != 0 ? 0 : lines, indent + 1);
            }
            if (skips)
            {
                text.Append("...");
                i = extent - EdgeItems - 1;
                continue;
            }
            Write(text, axis + 1, offset + i * stride, indent + 1);
        }
        text.Append(']');
    }

    static void Separate(StringBuilder text, int lines, int indent)
    {
        if (lines == 0)
        {
            text.Append(' ');
            return;
        }
        text.Append('\n', lines).Append(' ', indent);
    }

    /// <summary>Whether the middle of an axis begins at a place and is left out.</summary>
    bool Skips(long extent, long place) => summarize && extent > 2 * EdgeItems && place == EdgeItems;

    string ChooseFormat(List<long> shown)
    {
        var (whole, smallest, largest) = (true, double.PositiveInfinity, 0.0);
        foreach (var offset in shown)
        {
            var value = tensor.ElementAt(offset);
            if (double.IsFinite(value) && value != 0)
            {
                whole &= value == Math.Floor(value);
                smallest = Math.Min(smallest, Math.Abs(value));
                largest = Math.Max(largest, Math.Abs(value));
            }
        }
        // The bounds are PyTorch's.
        var scientific = largest > 1e8 || (!whole && (largest / smallest > 1000 || smallest < 1e-4));
        return scientific ? "0.0000e+00" : whole ? "0" : "0.0000";
    }

    string Number(long offset)
    {
        if (tensor.DType == DType.Int64)
        {
            return tensor.Int64At(offset).ToString(CultureInfo.InvariantCulture);
        }
        var value = tensor.ElementAt(offset);
        return tensor.DType == DType.Bool ? value != 0 ? "True" : "False"
            : double.IsNaN(value) ? "nan"
            : double.IsInfinity(value) ? value > 0 ? "inf" : "-inf"
            : value.ToString(floatFormat, CultureInfo.InvariantCulture);
    }
}
