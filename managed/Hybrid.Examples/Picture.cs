using Hybrid.IO;
using ScottPlot;
using SkiaSharp;

namespace Hybrid.Examples;

/// <summary>What the pictures of this project share: a font, a few colours, and how they reach the disk.</summary>
public static class Picture
{
    static readonly SKTypeface Typeface = SKTypeface.FromFamilyName("DejaVu Sans") ?? SKTypeface.Default;

    /// <summary>The first colour of a plot.</summary>
    public static Color Blue { get; } = Color.FromHex("#1f6fb4");

    /// <summary>The second colour of a plot.</summary>
    public static Color Orange { get; } = Color.FromHex("#e07b20");

    /// <summary>A plot with a title and named axes.</summary>
    public static Plot NewPlot(string title, string x, string y)
    {
        var plot = new Plot();
        plot.Font.Set("DejaVu Sans");
        plot.Title(title);
        plot.XLabel(x);
        plot.YLabel(y);
        return plot;
    }

    /// <summary>Writes plots side by side as one PNG.</summary>
    /// <returns>The path.</returns>
    public static string WritePlots(string path, int width, int height, params ReadOnlySpan<Plot> plots)
    {
        using var sheet = new SKBitmap(width, height);
        using var canvas = new SKCanvas(sheet);
        canvas.Clear(SKColors.White);
        int each = width / plots.Length;
        for (int i = 0; i < plots.Length; i++)
        {
            using var bitmap = SKBitmap.Decode(plots[i].GetImage(each, height).GetImageBytes(ImageFormat.Png));
            canvas.DrawBitmap(bitmap, i * each, 0);
        }
        return Write(path, sheet);
    }

    /// <summary>Writes a bitmap as PNG: whole, or not at all.</summary>
    /// <returns>The path.</returns>
    public static string Write(string path, SKBitmap bitmap)
    {
        AtomicFile.Write(path, stream => bitmap.Encode(stream, SKEncodedImageFormat.Png, 100));
        return path;
    }

    /// <summary>Draws text with its baseline at y.</summary>
    public static void DrawText(SKCanvas canvas, string text, float x, float y, float size, SKColor? colour = null)
    {
        using var font = new SKFont(Typeface, size);
        using var paint = new SKPaint { Color = colour ?? SKColors.Black, IsAntialias = true };
        canvas.DrawText(text, x, y, font, paint);
    }

    /// <summary>Red at -1, white at 0, blue at 1.</summary>
    public static SKColor Diverging(float value)
    {
        float t = Math.Clamp(Math.Abs(value), 0, 1);
        var (r, g, b) = value < 0 ? (178, 24, 43) : (33, 102, 172);
        return new SKColor((byte)(255 + (r - 255) * t), (byte)(255 + (g - 255) * t), (byte)(255 + (b - 255) * t));
    }
}
