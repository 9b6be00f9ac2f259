using Hybrid.Bindings;

namespace Hybrid.Tests.Ops;

/// <summary>Every row of ops.def, on the interval that its row names.</summary>
internal static class ElementwiseSamples
{
    // Whole vectors of every ISA, one less, one more, and nothing.
    static readonly int[] Sizes = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127];

    static readonly (long[] A, long[] B)[] Broadcasts = [([3, 1], [1, 4]), ([], [5]), ([2, 3, 4], [3, 1]), ([4, 1, 2], [4, 3, 2]),
        ([1], [0]), ([2, 17], [17])];

    internal static IEnumerable<Operation> All => [.. UnaryRows, .. BinaryRows, .. BinaryScalarRows, .. CompareRows, .. Conditionals];

    static IEnumerable<Operation> UnaryRows
    {
        get
        {
            foreach (var row in ElementwiseOps.UnaryOps)
                if (ElementwiseReference.Unary.TryGetValue(row.Op.ToString(), out var f))
                    foreach (var shape in Sizes.Select(n => new long[] { n }).Append([3, 5]).Append([]))
                        yield return Row($"{row.Op}: [{string.Join(", ", shape)}]", [Nd.Random(shape.Length + 1, shape, row.Low, row.High)],
                            t => ElementwiseOps.Unary(row.Op, t[0], row.Default), n => n[0].Map(x => f(x, row.Default)));
        }
    }

    static IEnumerable<Operation> BinaryRows
    {
        get
        {
            foreach (var row in ElementwiseOps.BinaryOps)
                if (ElementwiseReference.Binary.TryGetValue(row.Op.ToString(), out var f))
                    foreach (var (a, b) in Sizes.Select(n => (new long[] { n }, new long[] { n })).Concat(Broadcasts))
                        yield return Row($"{row.Op}: [{string.Join(", ", a)}] with [{string.Join(", ", b)}]",
                            [Nd.Random(1, a, row.LowA, row.HighA), Nd.Random(2, b, row.LowB, row.HighB)],
                            t => ElementwiseOps.Binary(row.Op, t[0], t[1]), n => Reference.Binary(n[0], n[1], f));
        }
    }

    static IEnumerable<Operation> BinaryScalarRows
    {
        get
        {
            foreach (var row in ElementwiseOps.BinaryOps)
                if (ElementwiseReference.Binary.TryGetValue(row.Op.ToString(), out var f))
                {
                    double a = row.LowA + 0.7 * (row.HighA - row.LowA), b = row.LowB + 0.7 * (row.HighB - row.LowB);
                    yield return Row($"{row.Op}: tensor with number", [Nd.Random(1, [3, 7], row.LowA, row.HighA)],
                        t => ElementwiseOps.BinaryScalar(row.Op, t[0], b, false), n => n[0].Map(x => f(x, b)));
                    yield return Row($"{row.Op}: number with tensor", [Nd.Random(2, [3, 7], row.LowB, row.HighB)],
                        t => ElementwiseOps.BinaryScalar(row.Op, t[0], a, true), n => n[0].Map(x => f(a, x)));
                }
        }
    }

    static IEnumerable<Operation> CompareRows
    {
        get
        {
            // Small whole numbers: as many are equal as not.
            var (a, b) = (Nd.Random(1, [3, 17], -2, 2).Map(Math.Round), Nd.Random(2, [17], -2, 2).Map(Math.Round));
            foreach (var row in ElementwiseOps.CompareOps)
                if (ElementwiseReference.Compare.TryGetValue(row.Op.ToString(), out var f))
                {
                    yield return new($"{row.Op}: two tensors", [a, b], t => ElementwiseOps.Compare(row.Op, t[0], t[1]),
                        n => Reference.Binary(n[0], n[1], (x, y) => f(x, y) ? 1 : 0))
                    { Differentiable = false };
                    yield return new($"{row.Op}: tensor with number", [a], t => ElementwiseOps.CompareScalar(row.Op, t[0], 1),
                        n => n[0].Map(x => f(x, 1) ? 1 : 0))
                    { Differentiable = false };
                }
        }
    }

    static IEnumerable<Operation> Conditionals
    {
        get
        {
            Nd condition = Nd.Random(3, [2, 1, 4]).Map(x => x > 0 ? 1 : 0);
            yield return new("Where: two tensors", OperationList.Random([3, 1], [4]),
                t => Tensor.Where(condition.ToTensor(DType.Bool), t[0], t[1]),
                n => Reference.Binary(Reference.Binary(condition, n[0], (c, a) => c != 0 ? a : 0),
                    Reference.Binary(condition, n[1], (c, b) => c != 0 ? 0 : b),
                    (a, b) => a + b));
            yield return new("Where: tensor and number", OperationList.Random([3, 4]),
                t => Tensor.Where(condition.ToTensor(DType.Bool), t[0], 2.5),
                n => Reference.Binary(condition, n[0], (c, a) => c != 0 ? a : 2.5));
            yield return new("Where: number and tensor", OperationList.Random([3, 4]),
                t => Tensor.Where(condition.ToTensor(DType.Bool), 2.5, t[0]),
                n => Reference.Binary(condition, n[0], (c, b) => c != 0 ? 2.5 : b));
        }
    }

    static Operation Row(string name, Nd[] inputs, Func<Tensor[], Tensor> apply, Func<Nd[], Nd> expected) =>
        new(name, inputs, apply, expected) { Tolerance64 = 1e-13, Tolerance32 = 5e-6 };
}
