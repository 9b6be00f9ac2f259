using SkiaSharp;

namespace Hybrid.Cli.Pictures;

/// <summary>Reads a picture of a digit as a network wants it.</summary>
static class DigitImage
{
    const long MostPixels = 100_000_000;

    /// <summary>Reads a PNG, JPEG or any other picture that Skia knows.</summary>
    /// <returns>[1, 1, height, width] from 0 to 1, light ink on a dark ground, the whole picture fitted in with its proportions kept; and whether it
    /// was inverted for that.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is no picture, or is damaged, or has more than 100 million pixels.</exception>
    public static (Tensor Image, bool Inverted) Read(string path, int height, int width)
    {
        using var picture = Decode(path);
        using var fitted = Fit(picture, height, width);
        var values = new float[height * width];
        float edge = 0;
        int edges = 0;
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                float value = fitted.GetPixel(x, y).Red / 255f;
                values[y * width + x] = value;
                if (y == 0 || x == 0 || y == height - 1 || x == width - 1)
                {
                    edge += value;
                    edges++;
                }
            }
        }
        bool inverted = edge / edges > 0.5f;
        if (inverted)
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = 1 - values[i];
            }
        }
        return (Tensor.From<float>(values, [1, 1, height, width]), inverted);
    }

    static SKBitmap Decode(string path)
    {
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"there is no picture {path}", path);
        }
        using var data = SKData.Create(path) ?? throw new InvalidDataException($"{path} cannot be read");
        using var codec = SKCodec.Create(data) ?? throw new InvalidDataException($"{path} is no picture that can be read: expected PNG or JPEG");
        if ((long)codec.Info.Width * codec.Info.Height > MostPixels)
        {
            throw new InvalidDataException($"{path} has {codec.Info.Width} x {codec.Info.Height} pixels: expected at most 100 million");
        }
        var picture = new SKBitmap(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Premul);
        var result = codec.GetPixels(picture.Info, picture.GetPixels());
        if (result != SKCodecResult.Success)
        {
            picture.Dispose();
            throw new InvalidDataException($"{path} is damaged: its pixels cannot be decoded ({result})");
        }
        return picture;
    }

    // Bars beside a picture of other proportions take the colour of its corner, so that they look like more of its ground.
    static SKBitmap Fit(SKBitmap picture, int height, int width)
    {
        var fitted = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        float scale = Math.Min((float)width / picture.Width, (float)height / picture.Height);
        float w = picture.Width * scale, h = picture.Height * scale;
        using var canvas = new SKCanvas(fitted);
        using var image = SKImage.FromBitmap(picture);
        using var grey = SKColorFilter.CreateColorMatrix(
        [
            0.299f, 0.587f, 0.114f, 0, 0, // Rec. 601 luma
            0.299f, 0.587f, 0.114f, 0, 0,
            0.299f, 0.587f, 0.114f, 0, 0,
            0, 0, 0, 1, 0,
        ]);
        using var paint = new SKPaint { ColorFilter = grey };
        var corner = picture.GetPixel(0, 0);
        byte ground = corner.Alpha == 0 ? (byte)255 : (byte)(0.299f * corner.Red + 0.587f * corner.Green + 0.114f * corner.Blue);
        canvas.Clear(new SKColor(ground, ground, ground));
        var place = SKRect.Create((width - w) / 2, (height - h) / 2, w, h);
        canvas.DrawImage(image, place, new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear), paint);
        return fitted;
    }
}
