namespace Hybrid.Tests.Ops;

/// <summary>What the structured operations should compute: naive loops over doubles, from the definitions.</summary>
internal static class Reference
{
    /// <summary>Each line along some axes through f, which gives one number.</summary>
    internal static Nd Reduce(Nd x, int[] dims, bool keepDim, Func<double[], double> f)
    {
        var kept = x.Shape.Select((extent, i) => dims.Contains(i) ? 1 : extent).ToArray();
        var values = new List<double>[Nd.Count(kept)];
        for (var i = 0; i < values.Length; i++)
            values[i] = [];
        var places = Nd.Zeros(kept);
        for (var i = 0; i < x.Data.Length; i++)
        {
            var place = x.Place(i);
            foreach (var axis in dims)
                place[axis] = 0;
            values[places.Offset(place)].Add(x.Data[i]);
        }
        var y = Array.ConvertAll(values, line => f([.. line]));
        return new Nd(y, keepDim ? kept : [.. x.Shape.Where((_, i) => !dims.Contains(i))]);
    }

    internal static double Variance(double[] x, bool unbiased) =>
        x.Sum(v => (v - x.Average()) * (v - x.Average())) / (x.Length - (unbiased ? 1 : 0));

    internal static int ArgMax(double[] x)
    {
        var best = 0;
        for (var i = 1; i < x.Length; i++)
            if (!double.IsNaN(x[best]) && (x[i] > x[best] || double.IsNaN(x[i])))
                best = i;
        return best;
    }

    /// <summary>Each line along an axis through f, which gives a line.</summary>
    internal static Nd Along(Nd x, int axis, Func<double[], double[]> f) => Nd.Build(x.Shape, place => f(x.Line(axis, place))[place[axis]]);

    internal static double[] Softmax(double[] x)
    {
        var max = x.Max();
        var sum = x.Sum(v => Math.Exp(v - max));
        return Array.ConvertAll(x, v => Math.Exp(v - max) / sum);
    }

    internal static double LogSumExp(double[] x)
    {
        var max = x.Max();
        return double.IsInfinity(max) ? max : max + Math.Log(x.Sum(v => Math.Exp(v - max)));
    }

    internal static long[] BroadcastShape(long[] a, long[] b)
    {
        var y = new long[Math.Max(a.Length, b.Length)];
        for (var i = 1; i <= y.Length; i++)
        {
            var (m, n) = (i <= a.Length ? a[^i] : 1, i <= b.Length ? b[^i] : 1);
            y[^i] = m == 1 ? n : n == 1 || n == m ? m : throw new ArgumentException("the shapes do not broadcast");
        }
        return y;
    }

    /// <summary>The place in x that broadcasting reads for a place of the result.</summary>
    internal static long[] BroadcastPlace(Nd x, long[] place) =>
        [.. x.Shape.Select((extent, i) => extent == 1 ? 0 : place[place.Length - x.Dim + i])];

    internal static Nd Binary(Nd a, Nd b, Func<double, double, double> f) =>
        Nd.Build(BroadcastShape(a.Shape, b.Shape), place => f(a[BroadcastPlace(a, place)], b[BroadcastPlace(b, place)]));

    internal static Nd MatMul(Nd a, Nd b)
    {
        if (a.Dim == 1)
            return Drop(MatMul(a.Reshape([1, .. a.Shape]), b), b.Dim == 1 ? 1 : 2);
        if (b.Dim == 1)
            return Drop(MatMul(a, b.Reshape([.. b.Shape, 1])), 1);
        long[] shape = [.. BroadcastShape(a.Shape[..^2], b.Shape[..^2]), a.Shape[^2], b.Shape[^1]];
        return Nd.Build(shape, place =>
        {
            var sum = 0.0;
            for (var k = 0L; k < a.Shape[^1]; k++)
                sum += a[[.. Batch(a, place), place[^2], k]] * b[[.. Batch(b, place), k, place[^1]]];
            return sum;
        });

        static long[] Batch(Nd x, long[] place) => BroadcastPlace(new Nd([], [.. x.Shape[..^2]]), place[..^2]);
        static Nd Drop(Nd x, int fromEnd) => x.Dim < fromEnd ? x.Reshape() : x.Reshape([.. x.Shape.Where((_, i) => i != x.Dim - fromEnd)]);
    }

    internal static Nd Linear(Nd x, Nd w, Nd? b) =>
        Nd.Build([.. x.Shape[..^1], w.Shape[0]], place =>
        {
            var sum = b is null ? 0 : b[place[^1]];
            for (var k = 0L; k < w.Shape[1]; k++)
                sum += x[[.. place[..^1], k]] * w[place[^1], k];
            return sum;
        });

    internal static long Windows(long extent, long kernel, long stride, long padding, long dilation) =>
        (extent + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;

    internal static Nd Conv2d(Nd x, Nd w, Nd? b, (int H, int W) stride, (int H, int W) padding, (int H, int W) dilation, int groups)
    {
        long perGroupOut = w.Shape[0] / groups, perGroupIn = w.Shape[1];
        long[] shape = [x.Shape[0], w.Shape[0], Windows(x.Shape[2], w.Shape[2], stride.H, padding.H, dilation.H),
            Windows(x.Shape[3], w.Shape[3], stride.W, padding.W, dilation.W)];
        return Nd.Build(shape, place =>
        {
            var sum = b is null ? 0 : b[place[1]];
            for (var c = 0L; c < perGroupIn; c++)
                for (var r = 0L; r < w.Shape[2]; r++)
                    for (var s = 0L; s < w.Shape[3]; s++)
                    {
                        var (i, j) = (place[2] * stride.H + r * dilation.H - padding.H, place[3] * stride.W + s * dilation.W - padding.W);
                        if (i >= 0 && i < x.Shape[2] && j >= 0 && j < x.Shape[3])
                            sum += x[place[0], place[1] / perGroupOut * perGroupIn + c, i, j] * w[place[1], c, r, s];
                    }
            return sum;
        });
    }

    internal static Nd Conv3d(Nd x, Nd w, Nd? b, (int D, int H, int W) stride, (int D, int H, int W) padding, (int D, int H, int W) dilation, int groups)
    {
        long perGroupOut = w.Shape[0] / groups, perGroupIn = w.Shape[1];
        long[] shape = [x.Shape[0], w.Shape[0], Windows(x.Shape[2], w.Shape[2], stride.D, padding.D, dilation.D),
            Windows(x.Shape[3], w.Shape[3], stride.H, padding.H, dilation.H), Windows(x.Shape[4], w.Shape[4], stride.W, padding.W, dilation.W)];
        return Nd.Build(shape, place =>
        {
            var sum = b is null ? 0 : b[place[1]];
            for (var c = 0L; c < perGroupIn; c++)
                for (var q = 0L; q < w.Shape[2]; q++)
                    for (var r = 0L; r < w.Shape[3]; r++)
                        for (var s = 0L; s < w.Shape[4]; s++)
                        {
                            var h = place[2] * stride.D + q * dilation.D - padding.D;
                            var (i, j) = (place[3] * stride.H + r * dilation.H - padding.H, place[4] * stride.W + s * dilation.W - padding.W);
                            if (h >= 0 && h < x.Shape[2] && i >= 0 && i < x.Shape[3] && j >= 0 && j < x.Shape[4])
                                sum += x[place[0], place[1] / perGroupOut * perGroupIn + c, h, i, j] * w[place[1], c, q, r, s];
                        }
            return sum;
        });
    }

    /// <summary>Each window of x through f, which gets the elements inside the plane and the number of all.</summary>
    internal static Nd Pool(Nd x, (int H, int W) kernel, (int H, int W) stride, (int H, int W) padding, (int H, int W) dilation,
        Func<List<double>, int, double> f)
    {
        long[] shape = [x.Shape[0], x.Shape[1], Windows(x.Shape[2], kernel.H, stride.H, padding.H, dilation.H),
            Windows(x.Shape[3], kernel.W, stride.W, padding.W, dilation.W)];
        return Nd.Build(shape, place =>
        {
            var window = new List<double>();
            for (var r = 0; r < kernel.H; r++)
                for (var s = 0; s < kernel.W; s++)
                {
                    var (i, j) = (place[2] * stride.H + r * dilation.H - padding.H, place[3] * stride.W + s * dilation.W - padding.W);
                    if (i >= 0 && i < x.Shape[2] && j >= 0 && j < x.Shape[3])
                        window.Add(x[place[0], place[1], i, j]);
                }
            return f(window, kernel.H * kernel.W);
        });
    }

    internal static Nd BatchNorm(Nd x, Nd? weight, Nd? bias, double eps)
    {
        int[] dims = [.. Enumerable.Range(0, x.Dim).Where(i => i != 1)];
        var mean = Reduce(x, dims, false, line => line.Average());
        var variance = Reduce(x, dims, false, line => Variance(line, false));
        return Normalize(x, mean, variance, weight, bias, eps);
    }

    internal static Nd Normalize(Nd x, Nd mean, Nd variance, Nd? weight, Nd? bias, double eps) => Nd.Build(x.Shape, place =>
        (x[place] - mean[place[1]]) / Math.Sqrt(variance[place[1]] + eps) * (weight?[place[1]] ?? 1) + (bias?[place[1]] ?? 0));

    /// <summary>Cross-entropy against target rows of probabilities; `counted` says which samples count.</summary>
    internal static Nd CrossEntropy(Nd logits, double[][] targets, bool[] counted, NN.Reduction reduction)
    {
        var losses = new double[targets.Length];
        for (var n = 0; n < targets.Length; n++)
        {
            var p = Softmax(logits.Line(1, [n, 0]));
            losses[n] = counted[n] ? -p.Select((value, c) => targets[n][c] == 0 ? 0 : targets[n][c] * Math.Log(value)).Sum() : 0;
        }
        return reduction switch
        {
            NN.Reduction.None => new Nd(losses, losses.Length),
            NN.Reduction.Sum => new Nd([losses.Sum()]),
            _ => new Nd([losses.Sum() / counted.Count(c => c)]),
        };
    }

    internal static double[][] Targets(long[] labels, int classes, double smoothing = 0) =>
        [.. labels.Select(label => Enumerable.Range(0, classes).Select(c => (c == label ? 1 - smoothing : 0) + smoothing / classes)
            .ToArray())];

    internal static Nd Reduce(Nd losses, NN.Reduction reduction) => reduction switch
    {
        NN.Reduction.None => losses,
        NN.Reduction.Sum => new Nd([losses.Data.Sum()]),
        _ => new Nd([losses.Data.Average()]),
    };

    internal static Nd Gather(Nd x, int axis, Nd index) => Nd.Build(index.Shape, place =>
    {
        var at = (long[])place.Clone();
        at[axis] = (long)index[place];
        return x[at];
    });

    internal static Nd ScatterAdd(Nd x, int axis, Nd index, Nd source)
    {
        var y = new Nd((double[])x.Data.Clone(), x.Shape);
        for (var i = 0; i < index.Data.Length; i++)
        {
            var place = index.Place(i);
            var value = source[place];
            place[axis] = (long)index.Data[i];
            y.Data[y.Offset(place)] += value;
        }
        return y;
    }

    internal static Nd IndexSelect(Nd x, int axis, long[] index) =>
        Nd.Build([.. x.Shape.Select((extent, i) => i == axis ? index.Length : extent)], place =>
        {
            place[axis] = index[place[axis]];
            return x[place];
        });

    internal static Nd IndexAdd(Nd x, int axis, long[] index, Nd source)
    {
        var y = new Nd((double[])x.Data.Clone(), x.Shape);
        for (var i = 0; i < source.Data.Length; i++)
        {
            var place = source.Place(i);
            place[axis] = index[place[axis]];
            y.Data[y.Offset(place)] += source.Data[i];
        }
        return y;
    }

    internal static Nd Cat(Nd[] parts, int axis) =>
        Nd.Build([.. parts[0].Shape.Select((extent, i) => i == axis ? parts.Sum(p => p.Shape[axis]) : extent)], place =>
        {
            var part = 0;
            for (; place[axis] >= parts[part].Shape[axis]; part++)
                place[axis] -= parts[part].Shape[axis];
            return parts[part][place];
        });
}
