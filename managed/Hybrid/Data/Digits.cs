using System.Numerics;

namespace Hybrid.Data;

/// <summary>The embedded digits: 0 to 9 drawn by a program in 64 x 64 grey images, with variation like that of handwriting.</summary>
/// <remarks>They are synthetic: nobody wrote them. They serve to learn and to test without a download, and a network trained on them knows
/// nothing of real handwriting; for that, see <see cref="Mnist"/>. The same seed draws the same images.</remarks>
public static class Digits
{
    /// <summary>Rows and columns of an image.</summary>
    public const int Size = 64;

    const int SegmentsPerSpan = 6;

    /// <summary>Draws a data set in which each digit is as frequent as the others, within one.</summary>
    /// <param name="count">Number of images, 1 or more.</param>
    /// <param name="seed">Seed; sets of different seeds share no image.</param>
    /// <exception cref="ArgumentOutOfRangeException">Count is below 1, or so large that the images do not fit an array.</exception>
    public static ImageDataset Generate(int count, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Array.MaxLength / (Size * Size));
        var pixels = new byte[count * Size * Size];
        var labels = new byte[count];
        Parallel.For(0, count, i =>
        {
            labels[i] = (byte)(i % 10);
            Draw(labels[i], new SplitMix(seed, (ulong)i), pixels.AsSpan(i * Size * Size, Size * Size));
        });
        return new ImageDataset("synthetic digits", pixels, labels, Size, Size);
    }

    static void Draw(int digit, SplitMix random, Span<byte> pixels)
    {
        Span<float> ink = stackalloc float[Size * Size];
        ink.Clear();
        var variants = DigitGlyphs.Variants(digit);
        var hand = Hand.Random(ref random);
        float radius = random.Next(1.0f, 3.1f);
        foreach (var stroke in variants[random.Next(variants.Length)])
        {
            var points = new Vector2[stroke.Length];
            for (int i = 0; i < points.Length; i++)
            {
                points[i] = stroke[i] + new Vector2(random.NextNormal(0.018f), random.NextNormal(0.018f));
            }
            DrawStroke(points, hand, radius * random.Next(0.88f, 1.12f), ink);
        }
        float contrast = random.Next(0.65f, 1f), background = random.Next(0f, 0.12f), noise = random.Next(0.01f, 0.09f);
        for (int i = 0; i < pixels.Length; i++)
        {
            float value = background + (contrast - background) * ink[i] + random.NextNormal(noise);
            pixels[i] = (byte)(255 * Math.Clamp(value, 0, 1) + 0.5f);
        }
    }

    /// <summary>Draws the Catmull-Rom curve through the points, segment by segment.</summary>
    static void DrawStroke(ReadOnlySpan<Vector2> points, in Hand hand, float radius, Span<float> ink)
    {
        var from = hand.Place(points[0]);
        for (int i = 0; i + 1 < points.Length; i++)
        {
            var before = points[Math.Max(i - 1, 0)];
            var after = points[Math.Min(i + 2, points.Length - 1)];
            for (int j = 1; j <= SegmentsPerSpan; j++)
            {
                var to = hand.Place(CatmullRom(before, points[i], points[i + 1], after, j / (float)SegmentsPerSpan));
                DrawSegment(from, to, radius, ink);
                from = to;
            }
        }
    }

    static Vector2 CatmullRom(Vector2 p0, Vector2 p1, Vector2 p2, Vector2 p3, float t) =>
        0.5f * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * (t * t) + (3 * p1 - p0 - 3 * p2 + p3) * (t * t * t));

    /// <summary>Darkens each pixel by how near it is to the segment: full within the radius, fading over one pixel.</summary>
    static void DrawSegment(Vector2 a, Vector2 b, float radius, Span<float> ink)
    {
        float reach = radius + 1;
        int left = Math.Max(0, (int)(MathF.Min(a.X, b.X) - reach)), right = Math.Min(Size - 1, (int)(MathF.Max(a.X, b.X) + reach) + 1);
        int top = Math.Max(0, (int)(MathF.Min(a.Y, b.Y) - reach)), bottom = Math.Min(Size - 1, (int)(MathF.Max(a.Y, b.Y) + reach) + 1);
        var along = b - a;
        float scale = 1 / MathF.Max(along.LengthSquared(), 1e-6f);
        for (int y = top; y <= bottom; y++)
        {
            for (int x = left; x <= right; x++)
            {
                var pixel = new Vector2(x, y);
                float t = Math.Clamp(Vector2.Dot(pixel - a, along) * scale, 0, 1);
                float distance = Vector2.Distance(pixel, a + along * t);
                ref float value = ref ink[y * Size + x];
                value = MathF.Max(value, Math.Clamp(radius + 0.5f - distance, 0, 1));
            }
        }
    }

    /// <summary>How one image's writer holds the pen: an affine map of the unit square into the image, and a slow wobble on top of it.</summary>
    readonly record struct Hand(Matrix3x2 Map, Vector2 Wobble, Vector4 Frequency, Vector4 Phase)
    {
        public static Hand Random(ref SplitMix random)
        {
            float width = random.Next(0.62f, 1.05f) * 0.62f * Size, height = random.Next(0.78f, 1.05f) * 0.78f * Size;
            var map = Matrix3x2.CreateTranslation(-0.5f, -0.5f)
                * Matrix3x2.CreateScale(width, height)
                * new Matrix3x2(1, 0, random.NextNormal(0.13f), 1, 0, 0) // slant
                * Matrix3x2.CreateRotation(random.NextNormal(0.09f))
                * Matrix3x2.CreateTranslation(Size / 2f + random.Next(-5f, 5f), Size / 2f + random.Next(-5f, 5f));
            return new Hand(map,
                new Vector2(random.Next(0f, 1.6f), random.Next(0f, 1.6f)),
                new Vector4(random.Next(2f, 8f), random.Next(2f, 8f), random.Next(2f, 8f), random.Next(2f, 8f)),
                new Vector4(random.Next(0f, 6.3f), random.Next(0f, 6.3f), random.Next(0f, 6.3f), random.Next(0f, 6.3f)));
        }

        public Vector2 Place(Vector2 p) => Vector2.Transform(p, Map) + Wobble * new Vector2(
            MathF.Sin(Frequency.X * p.X + Phase.X) + MathF.Sin(Frequency.Y * p.Y + Phase.Y),
            MathF.Sin(Frequency.Z * p.X + Phase.Z) + MathF.Sin(Frequency.W * p.Y + Phase.W)) * 0.7f;
    }
}
