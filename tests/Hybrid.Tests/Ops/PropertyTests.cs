using FsCheck;
using FsCheck.Fluent;
using Hybrid.NN;

namespace Hybrid.Tests.Ops;

/// <summary>What holds for all shapes and parameters, tried on random ones.</summary>
[TestFixture]
internal sealed class PropertyTests
{
    static Gen<long[]> ShapeOf(int minDims, int maxDims, int minExtent = 0) =>
        from dims in Gen.Choose(minDims, maxDims)
        from shape in Gen.Choose(minExtent, 4).Select(extent => (long)extent).ArrayOf(dims)
        select shape;

    static void ForAll<T>(Gen<T> gen, Action<T> holds) => Prop.ForAll(gen.ToArbitrary(), holds).QuickCheckThrowOnFailure();

    [Test]
    public void BroadcastingFollowsTheReference()
    {
        var pairs = from shape in ShapeOf(0, 4)
                    from dropped in Gen.Choose(0, shape.Length)
                    from flattenedA in Gen.Choose(0, 15)
                    from flattenedB in Gen.Choose(0, 15)
                    select (A: Flattened(shape, flattenedA), B: Flattened(shape, flattenedB)[dropped..]);
        ForAll(pairs, pair =>
        {
            var (a, b) = (Nd.Random(1, pair.A), Nd.Random(2, pair.B));
            Expect.Close(a.ToTensor() + b.ToTensor(), Reference.Binary(a, b, (x, y) => x + y), 0, "a + b");
            Expect.Close(b.ToTensor() - a.ToTensor(), Reference.Binary(b, a, (x, y) => x - y), 0, "b - a");
        });

        static long[] Flattened(long[] shape, int which) => [.. shape.Select((extent, i) => (which & (1 << i)) != 0 ? 1 : extent)];
    }

    [Test]
    public void ReductionsFollowTheReference() =>
        ForAll(from shape in ShapeOf(1, 4, 1) from which in Gen.Choose(1, (1 << shape.Length) - 1)
               from keep in Gen.Elements(false, true) select (shape, which, keep), c =>
        {
            int[] dims = [.. Enumerable.Range(0, c.shape.Length).Where(axis => (c.which & (1 << axis)) != 0)];
            var x = Nd.Random(1, c.shape);
            Expect.Close(x.ToTensor().Sum(dims, c.keep), Reference.Reduce(x, dims, c.keep, line => line.Sum()), 1e-12, "Sum");
            Expect.Close(x.ToTensor().AMax(dims, c.keep), Reference.Reduce(x, dims, c.keep, line => line.Max()), 0, "AMax");
        });

    [Test]
    public void SplittingUndoesConcatenation() =>
        ForAll(from shape in ShapeOf(1, 4) from axis in Gen.Choose(0, shape.Length - 1)
               from extents in Gen.Choose(0, 4).NonEmptyListOf() select (shape, axis, extents), c =>
        {
            Nd[] parts = [.. c.extents.Select((extent, i) => Nd.Random(i, [.. c.shape.Select((e, j) => j == c.axis ? extent : e)]))];
            var whole = Tensor.Cat([.. parts.Select(p => p.ToTensor())], c.axis);
            Expect.Close(whole, Reference.Cat(parts, c.axis), 0, "Cat");
            var start = 0L;
            foreach (var part in parts)
            {
                Expect.Close(whole.Narrow(c.axis, start, part.Shape[c.axis]), part, 0, "a part");
                start += part.Shape[c.axis];
            }
        });

    [Test]
    public void ProductsFollowTheReference() =>
        ForAll(from m in Gen.Choose(0, 20) from k in Gen.Choose(0, 20) from n in Gen.Choose(0, 20) from batch in ShapeOf(0, 2)
               select (m, k, n, batch), c =>
        {
            var (a, b) = (Nd.Random(1, [.. c.batch, c.m, c.k]), Nd.Random(2, [.. c.batch, c.k, c.n]));
            Expect.Close(a.ToTensor().MatMul(b.ToTensor()), Reference.MatMul(a, b), 1e-12, "MatMul");
        });

    [Test]
    public void ConvolutionFollowsTheReference()
    {
        var cases = from n in Gen.Choose(0, 2)
                    from groups in Gen.Choose(1, 3)
                    from channels in Gen.Choose(1, 2)
                    from kernels in Gen.Choose(1, 3)
                    from size in Pair(1, 9)
                    from kernel in Pair(1, 4)
                    from stride in Pair(1, 3)
                    from padding in Pair(0, 3)
                    from dilation in Pair(1, 2)
                    where Reference.Windows(size.Item1, kernel.Item1, stride.Item1, padding.Item1, dilation.Item1) >= 1
                          && size.Item1 + 2 * padding.Item1 > dilation.Item1 * (kernel.Item1 - 1)
                          && size.Item2 + 2 * padding.Item2 > dilation.Item2 * (kernel.Item2 - 1)
                    select (n, groups, channels, kernels, size, kernel, stride, padding, dilation);
        ForAll(cases, c =>
        {
            var x = Nd.Random(1, [c.n, c.groups * c.channels, c.size.Item1, c.size.Item2]);
            var w = Nd.Random(2, [c.groups * c.kernels, c.channels, c.kernel.Item1, c.kernel.Item2]);
            var b = Nd.Random(3, [c.groups * c.kernels]);
            Expect.Close(F.Conv2d(x.ToTensor(), w.ToTensor(), b.ToTensor(), c.stride, c.padding, c.dilation, c.groups),
                Reference.Conv2d(x, w, b, c.stride, c.padding, c.dilation, c.groups), 1e-12, "Conv2d");
        });
    }

    [Test]
    public void ScatteringIsTheTransposeOfGathering() =>
        // ⟨gather(x), y⟩ = ⟨x, scatter_add(0, y)⟩ for every x, y and index.
        ForAll(from shape in ShapeOf(1, 3, 1) from axis in Gen.Choose(0, shape.Length - 1) from n in Gen.Choose(0, 6)
               from seed in Gen.Choose(0, 1000) select (shape, axis, n, seed), c =>
        {
            var picked = Nd.Random(c.seed, [.. c.shape.Select((extent, i) => i == c.axis ? c.n : extent)], 0, c.shape[c.axis])
                .Map(Math.Floor);
            var (x, y) = (Nd.Random(1, c.shape).ToTensor(), Nd.Random(2, picked.Shape).ToTensor());
            var index = picked.ToTensor(DType.Int64);
            var left = (x.Gather(c.axis, index) * y).Sum().Item();
            var right = (x * Tensor.ZerosLike(x).ScatterAdd(c.axis, index, y)).Sum().Item();
            Assert.That(left, Is.EqualTo(right).Within(1e-11));
        });

    static Gen<(int, int)> Pair(int low, int high) => from a in Gen.Choose(low, high) from b in Gen.Choose(low, high) select (a, b);
}
