using Hybrid.Bindings;

namespace Hybrid.Tests;

/// <summary>Native calls: what they return, and what a failing one throws.</summary>
public unsafe class StatusTests
{
    [TestCase(HyStatus.BadArgument, typeof(ArgumentException))]
    [TestCase(HyStatus.BadShape, typeof(ShapeException))]
    [TestCase(HyStatus.BadDtype, typeof(DTypeException))]
    [TestCase(HyStatus.BadDevice, typeof(DeviceException))]
    [TestCase(HyStatus.OutOfRange, typeof(ArgumentOutOfRangeException))]
    [TestCase(HyStatus.OutOfMemory, typeof(DeviceOutOfMemoryException))]
    [TestCase(HyStatus.Unsupported, typeof(NotSupportedException))]
    [TestCase(HyStatus.Internal, typeof(HybridException))]
    public void EachStatusHasItsExceptionWithTheSentenceAlone(HyStatus status, Type type)
    {
        var exception = Status.ToException(status, "Conv2d: no.");
        Assert.That((exception.GetType(), exception.Message), Is.EqualTo((type, "Conv2d: no.")));
    }

    [Test]
    public void EveryStatusIsMapped()
    {
        var failures = Enum.GetValues<HyStatus>().Where(status => status != HyStatus.Ok);
        Assert.That(failures.Select(status => Status.ToException(status, "m").Message), Is.All.EqualTo("m"));
    }

    [Test]
    public void AStatusThatTheHeaderDoesNotListIsNamed() =>
        Assert.That(Status.ToException((HyStatus)77, "m").Message, Does.Contain("status 77"));

    [Test]
    public void OkThrowsNothing() => Assert.That(() => Status.Check(0), Throws.Nothing);

    [Test]
    public void AFailingCallThrowsTheCoresSentence()
    {
        var exception = Assert.Throws<ArgumentException>(() => Native.SetNumThreads(0))!;
        Assert.That(exception.Message, Is.EqualTo(Native.LastError()).And.Not.Empty.And.Contain("0"));
    }

    [Test]
    public void AMissingDeviceIsADeviceException() => Assert.Throws<DeviceException>(() =>
    {
        HyDevice* device;
        Native.DeviceGet(HyDeviceKind.Cpu, 7, &device);
    });

    [Test]
    public void StringsCrossBothWays()
    {
        Assert.That(Native.Version(), Does.Match(@"^\d+\.\d+\.\d+$"));
        Assert.That(Native.Layout("hy_tensor", null), Is.EqualTo(sizeof(HyTensor)));
        Assert.That(Native.Layout("hy_nonsense", null), Is.EqualTo(-1));
        Assert.That(Native.Layout("hy_tensor", "nonsense"), Is.EqualTo(-1));
        Assert.That(Native.Layout(null, null), Is.EqualTo(-1));
    }

    [Test]
    public void AnOperationReachesTheKernel()
    {
        HyDevice* device;
        Native.DeviceGet(HyDeviceKind.Cpu, 0, &device);
        float x = -2, y = 0;
        var input = new HyTensor { Data = &x, Device = device, Dtype = (int)HyDtype.Float32 };
        var output = input with { Data = &y };
        Native.Unary(device, HyUnaryOp.LeakyRelu, 0.25, &input, &output);
        Assert.That(y, Is.EqualTo(-0.5f));
    }
}
