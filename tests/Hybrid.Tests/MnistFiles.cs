namespace Hybrid.Tests;

/// <summary>The real MNIST files, which are not part of the project.</summary>
internal static class MnistFiles
{
    /// <summary>Their directory below HYBRID_DATA; without that variable the test is skipped, visibly.</summary>
    public static string RequireDirectory()
    {
        string? data = Environment.GetEnvironmentVariable("HYBRID_DATA");
        if (data is null)
        {
            Assert.Ignore("HYBRID_DATA names no directory with mnist/ in it");
        }
        return Path.Combine(data!, "mnist");
    }
}
