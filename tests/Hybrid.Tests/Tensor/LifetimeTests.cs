using System.Runtime.CompilerServices;
using Hybrid.NN;
using Hybrid.Optim;

namespace Hybrid.Tests;

// Live bytes are counted for the whole process.
[NonParallelizable]
public class LifetimeTests
{
    static long Settle()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Storage.LiveBytes;
    }

    [Test]
    public void DisposingTwiceIsHarmlessAndUseAfterItIsRefused()
    {
        var x = Tensor.Ones(3);
        x.Dispose();
        x.Dispose();
        Assert.That(x.IsDisposed, Is.True);
        Assert.That(() => x + 1, Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("[3]"));
        Assert.That(() => x.Reshape(3, 1), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => x.ToArray<float>(), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => Tensor.Ones(3).Copy_(x), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(x.Shape, Is.EqualTo(new Shape(3)));
    }

    [Test]
    public void ViewsOutliveTheirBase()
    {
        var x = Tensor.Ones(1000);
        var before = Storage.LiveBytes;
        var y = x[10..20];
        x.Dispose();
        Assert.That(y.ToArray<float>(), Is.All.EqualTo(1f));
        Assert.That(Storage.LiveBytes, Is.EqualTo(before));
        y.Dispose();
        Assert.That(Storage.LiveBytes, Is.EqualTo(before - 4000));
    }

    [Test]
    public void ScopesDisposeWhatIsNotKept()
    {
        Tensor kept, dropped, leaf = Tensor.Ones([3], requiresGrad: true);
        using (var scope = TensorScope.Begin())
        {
            dropped = leaf * 2;
            kept = scope.Keep(dropped + 1);
            (kept * kept).SumToShape(default).Backward();
        }
        Assert.That(dropped.IsDisposed, Is.True);
        Assert.That(kept.ToArray<float>(), Is.All.EqualTo(3f));
        Assert.That(leaf.Grad!.ToArray<float>(), Is.All.EqualTo(12f));
    }

    [Test]
    public void ScopesNest()
    {
        Tensor inner, kept, suspended;
        using (TensorScope.Begin())
        {
            using (var scope = TensorScope.Begin())
            {
                inner = Tensor.Ones(1);
                kept = scope.Keep(Tensor.Ones(1));
                using var _ = TensorScope.Suspend();
                suspended = Tensor.Ones(1);
            }
            Assert.That(inner.IsDisposed, Is.True);
            Assert.That(kept.IsDisposed, Is.False);
        }
        Assert.That(kept.IsDisposed, Is.True);
        Assert.That(suspended.IsDisposed, Is.False);
    }

    [Test]
    public void ScopesEndedInTheWrongOrderStillDispose()
    {
        var outer = TensorScope.Begin();
        var a = Tensor.Ones(1);
        var inner = TensorScope.Begin();
        var b = Tensor.Ones(1);
        outer.Dispose();
        Assert.That((a.IsDisposed, b.IsDisposed), Is.EqualTo((true, false)));
        inner.Dispose();
        inner.Dispose();
        Assert.That(b.IsDisposed, Is.True);
        Assert.That(Tensor.Ones(1).Scope, Is.Null);
    }

    [Test]
    public void NothingLeaks()
    {
        var before = Settle();
        Work();
        Assert.That(Settle(), Is.EqualTo(before));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Work()
    {
        var w = Tensor.Randn([64, 64], requiresGrad: true);
        for (var i = 0; i < 10; i++)
        {
            var x = Tensor.Randn(64, 64);
            var loss = ((x * w).Tanh() - x).Square().SumToShape(default);
            loss.Backward(createGraph: i % 2 == 0);
            _ = (w * 2).Exp();   // a graph that is never walked
        }
    }

    [Test]
    public void BackwardFreesWhatItSavedOnceHandlesAreGone()
    {
        var x = Tensor.Ones([1000], requiresGrad: true);
        var before = Storage.LiveBytes;
        Tensor loss;
        using (var scope = TensorScope.Begin())
        {
            loss = scope.Keep((x.Exp() * x.Exp()).SumToShape(default));
        }
        // The outputs of both Exp are still needed.
        Assert.That(Storage.LiveBytes, Is.GreaterThanOrEqualTo(before + 8000));
        loss.Backward();
        Assert.That(Storage.LiveBytes, Is.EqualTo(before + 4000 + loss.NumElements * 4), "the gradient of x and the loss are left");
    }

    [Test]
    public void WithoutAnyDisposalMemoryStaysBounded()
    {
        var before = Settle();
        var peak = 0L;
        for (var i = 0; i < 500; i++)
        {
            _ = Tensor.Empty(1 << 20) + 1;   // 8 MB a turn: 4 GB in all
            peak = Math.Max(peak, Storage.LiveBytes);
        }
        Assert.That(peak, Is.LessThan(before + (600L << 20)));
    }

    [Test]
    public void ARequestThatCannotBeServedLeavesTheBoundAlone()
    {
        Assert.That(() => Tensor.Empty(1L << 55), Throws.InstanceOf<OutOfMemoryException>());
        WithoutAnyDisposalMemoryStaysBounded();
    }

    [Test]
    public void TrainingInAScopeHoldsNothingBack()
    {
        var model = new Sequential(new Linear(16, 32), new ReLU(), new Linear(32, 4));
        var optimizer = new Adam(model.Parameters());
        var inputs = Tensor.Randn(8, 16);
        var labels = Tensor.RandInt(0, 4, [8]);
        // Finalizers would hide a leak: none runs in here.
        Settle();
        Assert.That(GC.TryStartNoGCRegion(64L << 20), Is.True);
        try
        {
            long before = 0;
            for (var step = 0; step < 1000; step++)
            {
                using (TensorScope.Begin())
                {
                    optimizer.ZeroGrad();
                    F.CrossEntropy(model.Forward(inputs), labels).Backward();
                    optimizer.Step();
                }
                if (step == 0)
                {
                    before = Storage.LiveBytes;
                }
            }
            Assert.That(Storage.LiveBytes, Is.EqualTo(before));
        }
        finally
        {
            if (System.Runtime.GCSettings.LatencyMode == System.Runtime.GCLatencyMode.NoGCRegion)
            {
                GC.EndNoGCRegion();
            }
        }
        model.ZeroGrad();
        Assert.That(model.Parameters().All(p => p.Grad is null), Is.True);
    }

    [TestCase(true)]
    [TestCase(false)]
    public void DroppedGradientsGoBackAtOnce(bool byOptimizer)
    {
        var layer = new Linear(100, 100);
        layer.Forward(Tensor.Ones(1, 100)).Sum().Backward();
        var (gradient, before) = (layer.Weight.Grad!, Storage.LiveBytes);
        if (byOptimizer)
        {
            new SGD(layer.Parameters()).ZeroGrad();
        }
        else
        {
            layer.ZeroGrad();
        }
        Assert.That(gradient.IsDisposed, Is.True);
        Assert.That(Storage.LiveBytes, Is.EqualTo(before - 4 * (100 * 100 + 100)));
    }

    [Test]
    public void AnAssignedGradientStaysItsOwners()
    {
        var layer = new Linear(2, 1, bias: false);
        var gradient = Tensor.Ones(1, 2);
        layer.Weight.Grad = gradient;
        layer.ZeroGrad();
        Assert.That(layer.Weight.Grad, Is.Null);
        Assert.That(gradient.IsDisposed, Is.False);
    }

    [Test]
    public void AGraphThatSavedADroppedGradientStillWorks()
    {
        var layer = new Linear(2, 1, bias: false);
        using (NoGrad.Begin())
        {
            layer.Weight.Copy_(Tensor.From([1f, 2], [1, 2]));
        }
        layer.Weight.Square().Sum().Backward(createGraph: true);   // 2 w
        var penalty = (layer.Weight.Grad! * layer.Weight.Grad!).Sum();
        layer.ZeroGrad();
        penalty.Backward();                                        // of 4 w²: 8 w
        Assert.That(layer.Weight.Grad!.ToArray<float>(), Is.EqualTo([8f, 16]));
    }

    [Test]
    [OfTheProcessor]
    public void TensorsThatNobodyHoldsAreReclaimedWhenMemoryIsShort()
    {
        var device = Device.Cpu;
        Settle();
        device.TrimMemory();
        device.SetMemoryLimit(device.Memory.Live + (64 << 20));
        try
        {
            for (var i = 0; i < 100; i++)
            {
                _ = Tensor.Empty(1 << 20);
            }
            Assert.That(() => Tensor.Empty(64 << 20), Throws.InstanceOf<OutOfMemoryException>());
        }
        finally
        {
            device.SetMemoryLimit(0);
        }
    }

    [Test]
    public void ThreadsComputeApartFromEachOther()
    {
        var weight = Tensor.Full([256], 2);
        var results = new double[8];
        Parallel.For(0, results.Length, i =>
        {
            using var scope = TensorScope.Begin();
            var x = Tensor.Full([256], i, requiresGrad: true);
            for (var turn = 0; turn < 50; turn++)
            {
                x.Grad = null;
                (x * x * weight).SumToShape(default).Backward(Tensor.Scalar(1));
            }
            results[i] = x.Grad!.Select(0, 7).Item();
        });
        Assert.That(results, Is.EqualTo(Enumerable.Range(0, 8).Select(i => 4.0 * i)));
    }
}
