using Hybrid.NN;

namespace Hybrid.Tests.Ops;

/// <summary>Losses.</summary>
internal static class LossSamples
{
    static readonly Reduction[] Reductions = [Reduction.None, Reduction.Mean, Reduction.Sum];
    static readonly long[] Labels = [2, 0, 3, 3, 1];

    internal static IEnumerable<Operation> All =>
        [.. Reductions.SelectMany(Reduced), .. CrossEntropies, .. NegativeLogLikelihoods, .. Squares];

    static Tensor LabelTensor(long[] labels, DType dtype = DType.Int64) => Tensor.From(labels).To(dtype);

    static bool[] Every(int count) => [.. Enumerable.Repeat(true, count)];

    static IEnumerable<Operation> Reduced(Reduction reduction)
    {
        yield return new($"CrossEntropy: {reduction}", OperationList.Random([5, 4]),
            t => F.CrossEntropy(t[0], LabelTensor(Labels), reduction),
            n => Reference.CrossEntropy(n[0], Reference.Targets(Labels, 4), Every(5), reduction));
        yield return new($"CrossEntropy: {reduction}, one ignored", OperationList.Random([5, 4]),
            t => F.CrossEntropy(t[0], LabelTensor([2, -100, 3, 3, 1]), reduction),
            n => Reference.CrossEntropy(n[0], Reference.Targets(Labels, 4), [true, false, true, true, true], reduction));
        yield return new($"CrossEntropy: {reduction}, class 3 ignored, smoothed", OperationList.Random([5, 4]),
            t => F.CrossEntropy(t[0], LabelTensor(Labels), reduction, ignoreIndex: 3, labelSmoothing: 0.2),
            n => Reference.CrossEntropy(n[0], Reference.Targets(Labels, 4, 0.2), [true, true, false, false, true], reduction));
        yield return new($"CrossEntropy: {reduction}, two more axes", OperationList.Random([2, 3, 2, 2]),
            t => F.CrossEntropy(t[0], LabelTensor([0, 1, 2, 0, 1, 2, 2, 1]).Reshape(2, 2, 2), reduction),
            n => InShape([2, 2, 2],
                Reference.CrossEntropy(n[0].Permute(0, 2, 3, 1).Reshape(8, 3), Reference.Targets([0, 1, 2, 0, 1, 2, 2, 1], 3), Every(8),
                reduction)));
        var probabilities = Reference.Along(Nd.Random(9, [5, 4]), 1, Reference.Softmax);
        yield return new($"CrossEntropy: {reduction}, probabilities", [Nd.Random(8, [5, 4]), probabilities],
            t => F.CrossEntropy(t[0], t[1], reduction, labelSmoothing: 0.1),
            n => Reference.CrossEntropy(n[0],
                [.. Enumerable.Range(0, 5).Select(i => Array.ConvertAll(n[1].Line(1, [i, 0]), p => 0.9 * p + 0.1 / 4))], Every(5),
                reduction));
        yield return new($"MseLoss: {reduction}", OperationList.Random([3, 5], [3, 5]), t => F.MseLoss(t[0], t[1], reduction),
            n => Reference.Reduce(Reference.Binary(n[0], n[1], (a, b) => (a - b) * (a - b)), reduction));
        yield return new($"BinaryCrossEntropy: {reduction}", [Nd.Random(1, [3, 5], 0.05, 0.95), Nd.Random(2, [3, 5], 0, 1)],
            t => F.BinaryCrossEntropy(t[0], t[1], reduction),
            n => Reference.Reduce(Reference.Binary(n[0], n[1], (p, y) => -(y * Math.Log(p) + (1 - y) * Math.Log(1 - p))), reduction));
        yield return new($"BinaryCrossEntropyWithLogits: {reduction}", [Nd.Random(1, [3, 5], -4, 4), Nd.Random(2, [3, 5], 0, 1)],
            t => F.BinaryCrossEntropyWithLogits(t[0], t[1], reduction),
            n => Reference.Reduce(Reference.Binary(n[0], n[1], (x, y) => Math.Log(1 + Math.Exp(x)) - x * y), reduction));
    }

    static Nd InShape(long[] shape, Nd losses) => losses.Dim == 0 ? losses : losses.Reshape(shape);

    static IEnumerable<Operation> CrossEntropies =>
    [
        new("CrossEntropy: one sample", OperationList.Random([4]), t => F.CrossEntropy(t[0], Tensor.Scalar(2, DType.Int64)),
            n => Reference.CrossEntropy(n[0].Reshape(1, 4), Reference.Targets([2], 4), Every(1), Reduction.Mean)),
        new("CrossEntropy: one class", OperationList.Random([3, 1]), t => F.CrossEntropy(t[0], LabelTensor([0, 0, 0])), _ => new Nd([0.0])),
        new("CrossEntropy: int32 labels", OperationList.Random([5, 4]), t => F.CrossEntropy(t[0], LabelTensor(Labels, DType.Int32)),
            n => Reference.CrossEntropy(n[0], Reference.Targets(Labels, 4), Every(5), Reduction.Mean)),
        new("CrossEntropy: uint8 labels", OperationList.Random([5, 4]), t => F.CrossEntropy(t[0], LabelTensor(Labels, DType.UInt8)),
            n => Reference.CrossEntropy(n[0], Reference.Targets(Labels, 4), Every(5), Reduction.Mean)),
        new("CrossEntropy: no sample, sum", OperationList.Random([0, 4]), t => F.CrossEntropy(t[0], LabelTensor([]), Reduction.Sum),
            _ => new Nd([0.0])),
        new("CrossEntropy: no sample, mean", OperationList.Random([0, 4]), t => F.CrossEntropy(t[0], LabelTensor([])),
            _ => new Nd([double.NaN])),
    ];

    static IEnumerable<Operation> NegativeLogLikelihoods
    {
        get
        {
            foreach (var reduction in Reductions)
                yield return new($"NllLoss: {reduction}", OperationList.Random([5, 4]),
                    t => F.NllLoss(t[0], LabelTensor([2, 0, -100, 3, 1]), reduction),
                    n =>
                    {
                        double[] losses = [-n[0][0, 2], -n[0][1, 0], 0, -n[0][3, 3], -n[0][4, 1]];
                        return reduction == Reduction.Mean ? new Nd([losses.Sum() / 4]) : Reference.Reduce(new Nd(losses, 5), reduction);
                    });
            yield return new("NllLoss: one sample", OperationList.Random([4]), t => F.NllLoss(t[0], Tensor.Scalar(2, DType.Int64)),
                n => new Nd([-n[0][2]]));
        }
    }

    static IEnumerable<Operation> Squares =>
    [
        new("SumSquaresLoss", OperationList.Random([3, 5], [3, 5]), t => F.SumSquaresLoss(t[0], t[1]),
            n => new Nd([Reference.Binary(n[0], n[1], (a, b) => (a - b) * (a - b) / 2).Data.Sum()])),
        new("MseLoss: one number", OperationList.Random([], []), t => F.MseLoss(t[0], t[1]),
            n => Reference.Binary(n[0], n[1], (a, b) => (a - b) * (a - b))),
        new("MseLoss: nothing, mean", OperationList.Random([0], [0]), t => F.MseLoss(t[0], t[1]), _ => new Nd([double.NaN])),
        new("MseLoss: nothing, sum", OperationList.Random([0], [0]), t => F.MseLoss(t[0], t[1], Reduction.Sum), _ => new Nd([0.0])),
    ];
}
