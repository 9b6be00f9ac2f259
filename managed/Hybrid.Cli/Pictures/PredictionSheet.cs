using Hybrid.Cli.Training;
using Hybrid.Data;
using Hybrid.Examples;
using Hybrid.Examples.Models;
using Hybrid.NN;
using SkiaSharp;

namespace Hybrid.Cli.Pictures;

/// <summary>Some test images with the probabilities that the network gives each digit: some of those that it got wrong, then the first it got right.</summary>
static class PredictionSheet
{
    const int Columns = 4, Rows = 4, MostWrong = 8, Image = 112, Bars = 150, Gap = 16, Header = 44, Caption = 22;

    public static string Write(string path, DigitModel model, ImageDataset test, TestFigures figures)
    {
        var truths = test.Targets.ToArray<long>();
        int[] shown = Choose(truths, figures.Predicted);
        using var noGrad = NoGrad.Begin();
        using var scope = TensorScope.Begin();
        model.Eval();
        var (images, _) = test.Batch(shown);
        var probabilities = F.Softmax(model.Forward(images), -1).ToArray<float>();
        var pixels = images.ToArray<float>();

        int cellWidth = Image + Bars + Gap, cellHeight = Image + Caption + Gap;
        using var bitmap = new SKBitmap(Gap + Columns * cellWidth, Header + (shown.Length + Columns - 1) / Columns * cellHeight);
        using var canvas = new SKCanvas(bitmap);
        canvas.Clear(SKColors.White);
        int wrong = shown.Count(i => truths[i] != figures.Predicted[i]);
        Picture.DrawText(canvas, $"{test.Name}: {wrong} that were misread (red), {shown.Length - wrong} that were read rightly; probability of each digit", Gap, 28, 16);
        for (int i = 0; i < shown.Length; i++)
        {
            float x = Gap + i % Columns * cellWidth, y = Header + i / Columns * cellHeight;
            DrawImage(canvas, pixels.AsSpan(i * test.Height * test.Width, test.Height * test.Width), test.Height, test.Width, x, y);
            DrawBars(canvas, probabilities.AsSpan(i * 10, 10), (int)truths[shown[i]], x + Image + 8, y);
            bool right = truths[shown[i]] == figures.Predicted[shown[i]];
            Picture.DrawText(canvas, right ? $"{truths[shown[i]]}" : $"{truths[shown[i]]}, read as {figures.Predicted[shown[i]]}", x, y + Image + 16, 14,
                right ? SKColors.Black : SKColors.Firebrick);
        }
        return Picture.Write(path, bitmap);
    }

    static int[] Choose(long[] truths, int[] predicted)
    {
        var indices = Enumerable.Range(0, truths.Length).ToArray();
        var wrong = indices.Where(i => truths[i] != predicted[i]).Take(MostWrong).ToArray();
        return [.. wrong, .. indices.Where(i => truths[i] == predicted[i]).Take(Rows * Columns - wrong.Length)];
    }

    static void DrawImage(SKCanvas canvas, ReadOnlySpan<float> pixels, int height, int width, float x, float y)
    {
        using var bitmap = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        for (int i = 0; i < pixels.Length; i++)
        {
            byte grey = (byte)(255 * Math.Clamp(pixels[i], 0, 1));
            bitmap.SetPixel(i % width, i / width, new SKColor(grey, grey, grey));
        }
        using var image = SKImage.FromBitmap(bitmap);
        canvas.DrawImage(image, SKRect.Create(x, y, Image, Image), new SKSamplingOptions(SKFilterMode.Nearest));
    }

    static void DrawBars(SKCanvas canvas, ReadOnlySpan<float> probabilities, int truth, float x, float y)
    {
        const float step = Image / 10f, longest = Bars - 70;
        for (int digit = 0; digit < probabilities.Length; digit++)
        {
            using var paint = new SKPaint { Color = digit == truth ? SKColors.SeaGreen : SKColors.SteelBlue };
            Picture.DrawText(canvas, $"{digit}", x, y + (digit + 0.85f) * step, 11);
            canvas.DrawRect(x + 12, y + (digit + 0.15f) * step, Math.Max(1, probabilities[digit] * longest), 0.7f * step, paint);
            if (probabilities[digit] >= 0.005f)
            {
                Picture.DrawText(canvas, $"{100 * probabilities[digit]:F0} %", x + 16 + probabilities[digit] * longest, y + (digit + 0.85f) * step, 11);
            }
        }
    }
}
