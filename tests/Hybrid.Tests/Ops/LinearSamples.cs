using Hybrid.NN;

namespace Hybrid.Tests.Ops;

/// <summary>Products, convolution, pooling, normalisation: what is made of sums of products.</summary>
internal static class LinearSamples
{
    internal static IEnumerable<Operation> All => [.. Products, .. Convolutions, .. Poolings, .. Norms];

    static IEnumerable<Operation> Products
    {
        get
        {
            (long[] A, long[] B)[] shapes =
            [
                ([3, 4], [4, 5]), ([1, 1], [1, 1]), ([17, 9], [9, 33]), ([4], [4]), ([4], [4, 3]), ([2, 4], [4]), ([2, 3, 4], [4, 5]),
                    ([2, 3, 4], [2, 4, 5]),
                ([2, 1, 3, 4], [5, 4, 2]), ([3, 4], [2, 4, 5]), ([2, 3, 4], [4]), ([4], [2, 4, 3]), ([0, 4], [4, 3]), ([3, 0], [0, 2]),
                    ([0, 2, 3], [0, 3, 2]),
            ];
            foreach (var (a, b) in shapes)
                yield return new($"MatMul: [{string.Join(", ", a)}] by [{string.Join(", ", b)}]", OperationList.Random(a, b),
                    t => t[0].MatMul(t[1]),
                    n => Reference.MatMul(n[0], n[1]));
            yield return new("Linear", OperationList.Random([5, 4], [3, 4], [3]), t => F.Linear(t[0], t[1], t[2]),
                n => Reference.Linear(n[0], n[1], n[2]));
            yield return new("Linear: no bias", OperationList.Random([5, 4], [3, 4]), t => F.Linear(t[0], t[1]),
                n => Reference.Linear(n[0], n[1], null));
            yield return new("Linear: one sample", OperationList.Random([4], [3, 4], [3]), t => F.Linear(t[0], t[1], t[2]),
                n => Reference.Linear(n[0], n[1], n[2]));
            yield return new("Linear: three axes", OperationList.Random([2, 3, 4], [1, 4], [1]), t => F.Linear(t[0], t[1], t[2]),
                n => Reference.Linear(n[0], n[1], n[2]));
            foreach (var (activation, reference) in ActivationReferences)
                yield return new($"Linear: {activation}", OperationList.Random([5, 4], [3, 4], [3]),
                    t => F.Linear(t[0], t[1], t[2], activation), n => Reference.Linear(n[0], n[1], n[2]).Map(reference));
            yield return new("Linear: no sample", OperationList.Random([0, 4], [3, 4], [3]), t => F.Linear(t[0], t[1], t[2]),
                n => Reference.Linear(n[0], n[1], n[2]));
        }
    }

    /// <summary>Smooth ones, one whose gradient is made of its output and one whose gradient needs its input.</summary>
    static (Activation, Func<double, double>)[] ActivationReferences =>
        [(Activation.Tanh, Math.Tanh), (Activation.Sigmoid, x => 1 / (1 + Math.Exp(-x))), (Activation.Silu, x => x / (1 + Math.Exp(-x)))];

    static IEnumerable<Operation> Convolutions =>
    [
        .. ActivationReferences.Select(a => new Operation($"Conv2d: {a.Item1}", OperationList.Random([2, 3, 5, 6], [4, 3, 3, 3], [4]),
            t => F.Conv2d(t[0], t[1], t[2], activation: a.Item1),
            n => Reference.Conv2d(n[0], n[1], n[2], (1, 1), (0, 0), (1, 1), 1).Map(a.Item2))),
        Conv("plain", [2, 3, 5, 6], [4, 3, 3, 3]),
        Conv("one by one", [2, 3, 4, 4], [5, 3, 1, 1]),
        Conv("padding", [1, 2, 5, 5], [3, 2, 3, 3], padding: (1, 1)),
        Conv("stride", [2, 2, 7, 8], [3, 2, 3, 2], stride: (2, 3)),
        Conv("dilation", [1, 2, 7, 7], [2, 2, 3, 2], dilation: (2, 3)),
        Conv("stride, padding and dilation", [2, 1, 8, 9], [2, 1, 3, 3], (2, 1), (2, 1), (2, 2)),
        Conv("stride that leaves a rest", [1, 1, 6, 6], [1, 1, 3, 3], stride: (2, 2)),
        Conv("groups", [2, 4, 5, 4], [6, 2, 2, 3], groups: 2),
        Conv("depthwise", [1, 3, 5, 5], [3, 1, 3, 3], padding: (1, 1), groups: 3),
        Conv("kernel as large as the input", [2, 2, 3, 4], [3, 2, 3, 4]),
        Conv("one element", [1, 1, 1, 1], [1, 1, 1, 1]),
        Conv("no sample", [0, 2, 4, 4], [3, 2, 3, 3]),
        Conv("no bias", [1, 2, 4, 4], [3, 2, 2, 2], bias: false),
        new("Conv2d: one sample without batch axis", OperationList.Random([2, 4, 5], [3, 2, 3, 3], [3]), t => F.Conv2d(t[0], t[1], t[2]),
            n => Drop(Reference.Conv2d(n[0].Reshape(1, 2, 4, 5), n[1], n[2], (1, 1), (0, 0), (1, 1), 1))),
        Line("plain", [2, 3, 7], [4, 3, 3]),
        Line("stride, padding and dilation", [2, 2, 9], [3, 2, 3], 2, 2, 2),
        Line("depthwise", [1, 3, 5], [3, 1, 2], groups: 3),
        new("Conv1d: one sample without batch axis", OperationList.Random([2, 5], [3, 2, 3], [3]), t => F.Conv1d(t[0], t[1], t[2]),
            n => Reference.Conv2d(n[0].Reshape(1, 2, 1, 5), n[1].Reshape(3, 2, 1, 3), n[2], (1, 1), (0, 0), (1, 1), 1).Reshape(3, 3)),
        Volume("plain", [2, 2, 4, 5, 3], [3, 2, 2, 3, 2]),
        Volume("stride, padding and dilation", [1, 2, 6, 5, 5], [2, 2, 2, 3, 3], (2, 1, 2), (1, 2, 1), (3, 1, 2)),
        Volume("stride that leaves a rest", [1, 1, 5, 4, 4], [2, 1, 2, 2, 2], (2, 2, 2)),
        Volume("groups", [2, 4, 3, 3, 3], [6, 2, 2, 2, 2], groups: 2),
        new("Conv3d: one sample without batch axis", OperationList.Random([2, 3, 3, 4], [3, 2, 2, 2, 2], [3]), t => F.Conv3d(t[0], t[1], t[2]),
            n => Drop(Reference.Conv3d(n[0].Reshape(1, 2, 3, 3, 4), n[1], n[2], (1, 1, 1), (0, 0, 0), (1, 1, 1), 1))),
    ];

    static Operation Line(string what, long[] x, long[] w, int stride = 1, int padding = 0, int dilation = 1, int groups = 1) =>
        new($"Conv1d: {what}", OperationList.Random(x, w, [w[0]]), t => F.Conv1d(t[0], t[1], t[2], stride, padding, dilation, groups), n =>
        {
            var y = Reference.Conv2d(n[0].Reshape(x[0], x[1], 1, x[2]), n[1].Reshape(w[0], w[1], 1, w[2]), n[2], (1, stride), (0, padding), (1, dilation),
                groups);
            return y.Reshape(y.Shape[0], y.Shape[1], y.Shape[3]);
        });

    static Operation Volume(string what, long[] x, long[] w, (int D, int H, int W)? stride = null, (int D, int H, int W) padding = default,
        (int D, int H, int W)? dilation = null, int groups = 1) =>
        new($"Conv3d: {what}", OperationList.Random(x, w, [w[0]]),
            t => F.Conv3d(t[0], t[1], t[2], stride ?? (1, 1, 1), padding, dilation ?? (1, 1, 1), groups),
            n => Reference.Conv3d(n[0], n[1], n[2], stride ?? (1, 1, 1), padding, dilation ?? (1, 1, 1), groups));

    static Operation Conv(string what, long[] x, long[] w, (int H, int W)? stride = null, (int H, int W) padding = default,
        (int H, int W)? dilation = null,
                          int groups = 1, bool bias = true) =>
        new($"Conv2d: {what}", bias ? OperationList.Random(x, w, [w[0]]) : OperationList.Random(x, w),
            t => F.Conv2d(t[0], t[1], t.ElementAtOrDefault(2), stride ?? (1, 1), padding, dilation ?? (1, 1), groups),
            n => Reference.Conv2d(n[0], n[1], n.ElementAtOrDefault(2), stride ?? (1, 1), padding, dilation ?? (1, 1), groups));

    static Nd Drop(Nd x) => x.Reshape(x.Shape[1..]);

    static IEnumerable<Operation> Poolings =>
    [
        Max("plain", [2, 3, 6, 4], (2, 2)),
        Max("overlapping", [1, 2, 7, 5], (3, 2), (1, 2)),
        Max("padding", [1, 2, 5, 5], (3, 3), (2, 2), (1, 1)),
        Max("dilation", [1, 1, 7, 7], (2, 3), (1, 1), (0, 0), (3, 2)),
        Max("one element", [1, 1, 1, 1], (1, 1)),
        Max("no sample", [0, 2, 4, 4], (2, 2)),
        Average("plain", [2, 3, 6, 4], (2, 2)),
        Average("overlapping", [1, 2, 7, 5], (3, 2), (1, 2)),
        Average("padding", [1, 2, 5, 5], (3, 3), (2, 2), (1, 1)),
        Average("padding not counted", [1, 2, 5, 5], (3, 3), (2, 2), (1, 1), countIncludePad: false),
        Average("one element", [1, 1, 1, 1], (1, 1)),
        Average("no sample", [0, 2, 4, 4], (2, 2)),
        new("MaxPool2d: one sample without batch axis", [Nd.Distinct(4, 2, 4, 4)], t => F.MaxPool2d(t[0], 2),
            n => Drop(Reference.Pool(n[0].Reshape(1, 2, 4, 4), (2, 2), (2, 2), (0, 0), (1, 1), (window, _) => window.Max()))),
        new("AvgPool2d: one sample without batch axis", [Nd.Distinct(4, 2, 4, 4)], t => F.AvgPool2d(t[0], 2),
            n => Drop(Reference.Pool(n[0].Reshape(1, 2, 4, 4), (2, 2), (2, 2), (0, 0), (1, 1), (window, _) => window.Average()))),
    ];

    static Operation Max(string what, long[] x, (int H, int W) kernel, (int H, int W)? stride = null, (int H, int W) padding = default,
        (int H, int W)? dilation = null) =>
        new($"MaxPool2d: {what}", [Nd.Distinct(11, x)], t => F.MaxPool2d(t[0], kernel, stride, padding, dilation),
            n => Reference.Pool(n[0], kernel, stride ?? kernel, padding, dilation ?? (1, 1), (window, _) => window.Max()));

    static Operation Average(string what, long[] x, (int H, int W) kernel, (int H, int W)? stride = null, (int H, int W) padding = default,
        bool countIncludePad = true) =>
        new($"AvgPool2d: {what}", [Nd.Random(11, x)], t => F.AvgPool2d(t[0], kernel, stride, padding, countIncludePad),
            n => Reference.Pool(n[0], kernel, stride ?? kernel, padding, (1, 1),
                (window, all) => window.Sum() / (countIncludePad ? all : window.Count)));

    static IEnumerable<Operation> Norms
    {
        get
        {
            foreach (var shape in new long[][] { [5, 3], [2, 3, 4], [3, 2, 3, 5], [1, 1, 2, 1] })
            {
                yield return new($"BatchNorm: [{string.Join(", ", shape)}]", OperationList.Random(shape, [shape[1]], [shape[1]]),
                    t => F.BatchNorm(t[0], null, null, t[1], t[2], training: true), n => Reference.BatchNorm(n[0], n[1], n[2], 1e-5))
                { Tolerance64 = 1e-10, Tolerance32 = 1e-4 };
                yield return new($"BatchNorm: [{string.Join(", ", shape)}] without weight and bias", OperationList.Random(shape),
                    t => F.BatchNorm(t[0], null, null, eps: 0.1), n => Reference.BatchNorm(n[0], null, null, 0.1))
                { Tolerance64 = 1e-10, Tolerance32 = 1e-4 };
            }
            Nd mean = Nd.Random(1, [3]), variance = Nd.Random(2, [3], 0.5, 2);
            yield return new("BatchNorm: evaluation", OperationList.Random([2, 3, 2, 2], [3], [3]),
                t => F.BatchNorm(t[0], mean.ToTensor(t[0].DType), variance.ToTensor(t[0].DType), t[1], t[2]),
                n => Reference.Normalize(n[0], mean, variance, n[1], n[2], 1e-5));
            yield return new("BatchNorm: evaluation without weight and bias", OperationList.Random([4, 3]),
                t => F.BatchNorm(t[0], mean.ToTensor(t[0].DType), variance.ToTensor(t[0].DType)), n =>
                    Reference.Normalize(n[0], mean, variance, null, null, 1e-5));
        }
    }
}
