using System.Diagnostics;
using Hybrid.Bindings;

namespace Hybrid.Cli.Tuning;

/// <summary>One pass of a convolution, to be computed in each way that serves it.</summary>
sealed unsafe class ConvTrial : IDisposable
{
    /// <summary>A sample runs this long: the clock and a task of the thread pool are then small beside it.</summary>
    const double SampleSeconds = 0.002;

    /// <summary>A way that takes this many times the best one's time is not measured further.</summary>
    const double Hopeless = 4;

    readonly HyConvPass pass;
    readonly Tensor x, w, y;
    readonly HyConv2dParams parameters;

    public ConvTrial(ConvShape shape, HyConvPass pass)
    {
        this.pass = pass;
        x = Tensor.Randn(shape.Images, shape.Channels, shape.Input.Height, shape.Input.Width);
        w = Tensor.Randn(shape.Filters, shape.Channels / shape.Groups, shape.Kernel.Height, shape.Kernel.Width);
        y = NN.F.Conv2d(x, w, null, shape.Stride, shape.Padding, shape.Dilation, shape.Groups); // refuses what is no convolution
        parameters = new HyConv2dParams { Groups = shape.Groups };
        fixed (HyConv2dParams* p = &parameters)
        {
            (p->Stride[0], p->Stride[1]) = (shape.Stride.Height, shape.Stride.Width);
            (p->Padding[0], p->Padding[1]) = (shape.Padding.Height, shape.Padding.Width);
            (p->Dilation[0], p->Dilation[1]) = (shape.Dilation.Height, shape.Dilation.Width);
        }
    }

    /// <summary>The ways that serve, and the one that is taken now.</summary>
    public (IReadOnlyList<HyConvWay> Serving, HyConvWay Chosen) Ways()
    {
        long serving;
        int chosen;
        fixed (HyConv2dParams* p = &parameters)
        fixed (HyTensor* px = x, pw = w, py = y)
        {
            Native.Conv2dWays(px->Device, pass, p, px, pw, py, &serving, &chosen);
        }
        var ways = new List<HyConvWay>();
        foreach (var way in Enum.GetValues<HyConvWay>())
        {
            if ((serving >> (int)way & 1) != 0)
            {
                ways.Add(way);
            }
        }
        return (ways, (HyConvWay)chosen);
    }

    /// <summary>Names the way in the device's table; <see cref="HyConvWay.Chosen"/> leaves the choice to the rules.</summary>
    public void Name(HyConvWay way)
    {
        fixed (HyConv2dParams* p = &parameters)
        fixed (HyTensor* px = x, pw = w, py = y)
        {
            Native.TuningSet(px->Device, pass, p, px, pw, py, way);
        }
    }

    /// <summary>Seconds that each way takes, a number a round; the ways take turns, so that what disturbs the machine disturbs all. What is hopeless
    /// has one number.</summary>
    public Dictionary<HyConvWay, double[]> Measure(IEnumerable<HyConvWay> ways, int rounds)
    {
        var first = ways.ToDictionary(way => way, way => Enumerable.Range(0, 3).Min(_ => Sample(way, 1)));
        double best = first.Values.Min();
        var times = first.ToDictionary(e => e.Key, e => e.Value > Hopeless * best ? [e.Value] : new double[rounds]);
        for (int round = 0; round < rounds; round++)
        {
            foreach (var (way, samples) in times.Where(e => first[e.Key] <= Hopeless * best))
            {
                samples[round] = Sample(way, (int)Math.Clamp(SampleSeconds / first[way], 1, 1000));
            }
        }
        return times;
    }

    double Sample(HyConvWay way, int calls)
    {
        var p = parameters;
        p.Way = (int)way;
        long start = Stopwatch.GetTimestamp();
        fixed (HyTensor* px = x, pw = w, py = y)
        {
            for (int i = 0; i < calls; i++)
            {
                switch (pass)
                {
                    case HyConvPass.Forward:
                        Native.Conv2d(px->Device, &p, px, pw, null, py);
                        break;
                    case HyConvPass.InputGrad:
                        Native.Conv2dInputGrad(px->Device, &p, py, pw, px);
                        break;
                    default:
                        Native.Conv2dWeightGrad(px->Device, &p, px, py, pw, null);
                        break;
                }
            }
        }
        return Stopwatch.GetElapsedTime(start).TotalSeconds / calls;
    }

    public void Dispose()
    {
        x.Dispose();
        w.Dispose();
        y.Dispose();
    }
}
