using Hybrid.Examples;
using SkiaSharp;

namespace Hybrid.Cli.Pictures;

/// <summary>The first layer's filters, each a little picture: blue where it looks for light, red where it looks for dark.</summary>
static class FilterSheet
{
    const int Columns = 8, Cell = 96, Gap = 10, Header = 44;

    /// <param name="path">Where the picture goes.</param>
    /// <param name="filters">[K, 1, R, S].</param>
    public static string Write(string path, Tensor filters)
    {
        int count = (int)filters.Size(0), rows = (int)filters.Size(2), columns = (int)filters.Size(3);
        var values = filters.Detach().ToArray<float>();
        int across = Math.Min(Columns, count), down = (count + across - 1) / across;
        using var bitmap = new SKBitmap(Gap + across * (Cell + Gap), Header + down * (Cell + Gap));
        using var canvas = new SKCanvas(bitmap);
        canvas.Clear(SKColors.White);
        Picture.DrawText(canvas, $"{count} filters of the first layer: blue adds where the image is light, red subtracts", Gap, 28, 15);
        for (int k = 0; k < count; k++)
        {
            var filter = values.AsSpan(k * rows * columns, rows * columns);
            float scale = 0;
            foreach (float v in filter)
            {
                scale = Math.Max(scale, Math.Abs(v));
            }
            var place = SKRect.Create(Gap + k % across * (Cell + Gap), Header + k / across * (Cell + Gap), Cell, Cell);
            for (int i = 0; i < filter.Length; i++)
            {
                using var paint = new SKPaint { Color = Picture.Diverging(filter[i] / Math.Max(scale, 1e-12f)) };
                float w = place.Width / columns, h = place.Height / rows;
                canvas.DrawRect(place.Left + i % columns * w, place.Top + i / columns * h, w, h, paint);
            }
            using var frame = new SKPaint { Color = SKColors.Gray, IsStroke = true };
            canvas.DrawRect(place, frame);
        }
        return Picture.Write(path, bitmap);
    }
}
