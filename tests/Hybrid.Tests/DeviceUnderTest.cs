namespace Hybrid.Tests;

/// <summary>Runs the whole assembly on the device that HYBRID_DEVICE names, <c>cuda</c> say; on the processor when it names none.</summary>
[SetUpFixture]
public class DeviceUnderTest
{
    [OneTimeSetUp]
    public void Choose()
    {
        var name = Environment.GetEnvironmentVariable("HYBRID_DEVICE");
        if (!string.IsNullOrEmpty(name))
        {
            Device.Default = Device.Get(Enum.Parse<DeviceKind>(name, ignoreCase: true));
        }
    }
}
