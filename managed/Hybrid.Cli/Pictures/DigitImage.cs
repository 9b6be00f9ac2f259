using SkiaSharp;

namespace Hybrid.Cli.Pictures;

/// <summary>Reads a picture of a digit as a network wants it.</summary>
static class DigitImage
{
    const long MostPixels = 100_000_000;
    const float RedLuma = 0.299f, GreenLuma = 0.587f, BlueLuma = 0.114f; // ITU-R BT.601

    /// <summary>Reads a PNG, JPEG or any other picture that Skia knows.</summary>
    /// <returns>[1, 1, height, width] from 0 to 1, light ink on a dark ground, the whole picture fitted in with its proportions kept; and whether it
    /// was inverted for that.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is no picture, or is damaged, or has more than 100 million pixels.</exception>
    public static (Tensor Image, bool Inverted) Read(string path, int height, int width)
    {
        using var picture = Decode(path);
        using var fitted = Fit(picture, height, width);
        float ground = Ground(picture, fitted);
        var values = new float[height * width];
        float edge = 0;
        int edges = 0;
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                var pixel = fitted.GetPixel(x, y);
                float value = (pixel.Red * pixel.Alpha / 255f + ground * (255 - pixel.Alpha) / 255f) / 255f;
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
            throw new FileNotFoundException(Directory.Exists(path) ? $"{path} is a directory: expected a picture" : $"there is no picture {path}", path);
        }
        using var data = SKData.CreateCopy(File.ReadAllBytes(path));
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
        return Upright(picture, codec.EncodedOrigin);
    }

    // Cameras store a picture as their sensor lay, and note (in EXIF's terms) which way up it was.
    static SKBitmap Upright(SKBitmap picture, SKEncodedOrigin origin)
    {
        float w = picture.Width, h = picture.Height;
        SKMatrix? turn = origin switch
        {
            SKEncodedOrigin.TopRight => new SKMatrix(-1, 0, w, 0, 1, 0, 0, 0, 1),
            SKEncodedOrigin.BottomRight => new SKMatrix(-1, 0, w, 0, -1, h, 0, 0, 1),
            SKEncodedOrigin.BottomLeft => new SKMatrix(1, 0, 0, 0, -1, h, 0, 0, 1),
            SKEncodedOrigin.LeftTop => new SKMatrix(0, 1, 0, 1, 0, 0, 0, 0, 1),
            SKEncodedOrigin.RightTop => new SKMatrix(0, -1, h, 1, 0, 0, 0, 0, 1),
            SKEncodedOrigin.RightBottom => new SKMatrix(0, -1, h, -1, 0, w, 0, 0, 1),
            SKEncodedOrigin.LeftBottom => new SKMatrix(0, 1, 0, -1, 0, w, 0, 0, 1),
            _ => null,
        };
        if (turn is not { } matrix)
        {
            return picture;
        }
        var size = matrix.MapRect(SKRect.Create(w, h));
        var upright = new SKBitmap((int)size.Width, (int)size.Height, picture.ColorType, picture.AlphaType);
        using var canvas = new SKCanvas(upright);
        canvas.SetMatrix(matrix);
        canvas.DrawBitmap(picture, 0, 0);
        picture.Dispose();
        return upright;
    }

    // What shows through where a picture has no pixels or transparent ones, from 0 to 255: more of the colour of its corner or, where
    // that is transparent too, the opposite of its ink.
    static float Ground(SKBitmap picture, SKBitmap fitted)
    {
        var corner = picture.GetPixel(0, 0);
        if (corner.Alpha > 0)
        {
            return RedLuma * corner.Red + GreenLuma * corner.Green + BlueLuma * corner.Blue;
        }
        float ink = 0, alpha = 0;
        foreach (var pixel in fitted.Pixels)
        {
            ink += pixel.Red * pixel.Alpha;
            alpha += pixel.Alpha;
        }
        return ink > 127.5f * alpha ? 0 : 255;
    }

    // The picture in grey, with transparent bars beside it where its proportions are others.
    static SKBitmap Fit(SKBitmap picture, int height, int width)
    {
        var fitted = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Premul);
        float scale = Math.Min((float)width / picture.Width, (float)height / picture.Height);
        float w = picture.Width * scale, h = picture.Height * scale;
        using var canvas = new SKCanvas(fitted);
        using var image = SKImage.FromBitmap(picture);
        using var grey = SKColorFilter.CreateColorMatrix(
        [
            RedLuma, GreenLuma, BlueLuma, 0, 0,
            RedLuma, GreenLuma, BlueLuma, 0, 0,
            RedLuma, GreenLuma, BlueLuma, 0, 0,
            0, 0, 0, 1, 0,
        ]);
        using var paint = new SKPaint { ColorFilter = grey };
        canvas.Clear(SKColors.Transparent);
        var place = SKRect.Create((width - w) / 2, (height - h) / 2, w, h);
        canvas.DrawImage(image, place, new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear), paint);
        return fitted;
    }
}
