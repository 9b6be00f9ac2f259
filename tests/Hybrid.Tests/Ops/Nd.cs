namespace Hybrid.Tests.Ops;

/// <summary>A plain array of doubles with a shape: what the references compute on. It shares nothing with the library.</summary>
internal sealed record Nd(double[] Data, params long[] Shape)
{
    internal int Dim => Shape.Length;

    internal static long Count(ReadOnlySpan<long> shape)
    {
        var n = 1L;
        foreach (var extent in shape)
            n *= extent;
        return n;
    }

    internal static Nd Zeros(params long[] shape) => new(new double[Count(shape)], shape);

    /// <summary>Each element by a function of its place.</summary>
    internal static Nd Build(long[] shape, Func<long[], double> value)
    {
        var y = Zeros(shape);
        for (var i = 0; i < y.Data.Length; i++)
            y.Data[i] = value(y.Place(i));
        return y;
    }

    /// <summary>Uniform in [low, high).</summary>
    internal static Nd Random(int seed, long[] shape, double low = -2, double high = 2)
    {
        var random = new Random(seed);
        return Build(shape, _ => low + (high - low) * random.NextDouble());
    }

    /// <summary>Distinct values, at least 0.05 apart, in random order: no ties for a maximum, and none within a finite
    /// difference.</summary>
    internal static Nd Distinct(int seed, params long[] shape)
    {
        var random = new Random(seed);
        var values = Enumerable.Range(0, (int)Count(shape)).Select(i => 0.1 * (i - Count(shape) / 2.0) + 0.05 * random.NextDouble())
            .ToArray();
        random.Shuffle(values);
        return new Nd(values, shape);
    }

    internal double this[params long[] place] => Data[Offset(place)];

    internal long Offset(long[] place)
    {
        var offset = 0L;
        for (var i = 0; i < Shape.Length; i++)
            offset = offset * Shape[i] + place[i];
        return offset;
    }

    internal long[] Place(long offset)
    {
        var place = new long[Shape.Length];
        for (var i = Shape.Length - 1; i >= 0; i--)
            (offset, place[i]) = Math.DivRem(offset, Shape[i]);
        return place;
    }

    internal Nd Map(Func<double, double> f) => new(Array.ConvertAll(Data, x => f(x)), Shape);

    internal Nd Reshape(params long[] shape) => new(Data, shape);

    /// <summary>The axes in another order: axis i of the result is axis order[i] of this.</summary>
    internal Nd Permute(params int[] order)
    {
        var shape = Array.ConvertAll(order, axis => Shape[axis]);
        return Build(shape, place =>
        {
            var source = new long[order.Length];
            for (var i = 0; i < order.Length; i++)
                source[order[i]] = place[i];
            return this[source];
        });
    }

    /// <summary>The elements along an axis at a place of the other axes.</summary>
    internal double[] Line(int axis, long[] place)
    {
        var at = (long[])place.Clone();
        var line = new double[Shape[axis]];
        for (at[axis] = 0; at[axis] < line.Length; at[axis]++)
            line[at[axis]] = this[at];
        return line;
    }

    internal Tensor ToTensor(DType dtype = DType.Float64) => Tensor.From(Data, Shape).To(dtype);

    internal static Nd From(Tensor t) => new(t.To(DType.Float64).ToArray<double>(), t.Shape.AsSpan().ToArray());
}

/// <summary>Comparisons that say where and by how much.</summary>
internal static class Expect
{
    /// <summary>Equal shape; each element within the tolerance relative to the larger of 1 and its size; NaN and infinities
    /// alike.</summary>
    internal static void Close(Nd actual, Nd expected, double tolerance, string what)
    {
        Assert.That(actual.Shape, Is.EqualTo(expected.Shape), $"{what}: shape");
        for (var i = 0; i < expected.Data.Length; i++)
        {
            double a = actual.Data[i], e = expected.Data[i];
            var same = a.Equals(e) || a == e || (double.IsFinite(a) && Math.Abs(a - e) <= tolerance * Math.Max(1, Math.Abs(e)));
            if (!same)
                Assert.Fail($"{what}: element [{string.Join(", ", expected.Place(i))}] is {a:R}, expected {e:R} within {tolerance:g}");
        }
    }

    internal static void Close(Tensor actual, Nd expected, double tolerance, string what) =>
        Close(Nd.From(actual), expected, tolerance, what);
}
