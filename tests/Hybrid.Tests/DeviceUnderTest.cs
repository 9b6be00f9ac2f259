using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace Hybrid.Tests;

/// <summary>Runs the whole assembly on the device that HYBRID_DEVICE names, <c>cuda</c> say; on the processor when it names none.</summary>
[SetUpFixture]
public class DeviceUnderTest
{
    public static string? Name => Environment.GetEnvironmentVariable("HYBRID_DEVICE") is { Length: > 0 } name ? name : null;

    [OneTimeSetUp]
    public void Choose()
    {
        if (Name is { } name)
        {
            Device.Default = Device.Get(Enum.Parse<DeviceKind>(name, ignoreCase: true));
        }
    }
}

/// <summary>A test about the processor itself, or about how its tensors print: others name their device.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class OfTheProcessorAttribute : NUnitAttribute, IApplyToTest
{
    public void ApplyToTest(Test test)
    {
        if (DeviceUnderTest.Name is not null)
        {
            test.RunState = RunState.Ignored;
            test.Properties.Set(PropertyNames.SkipReason, "about the processor");
        }
    }
}
