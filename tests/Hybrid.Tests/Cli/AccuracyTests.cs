using System.Text.Json;

namespace Hybrid.Tests.Cli;

/// <summary>The command learns what it says it learns, from the real number of images.</summary>
public class AccuracyTests
{
    readonly TemporaryFolder folder = new();

    [OneTimeTearDown]
    public void DeleteFolder() => folder.Dispose();

    double TrainOneEpoch(params string[] arguments)
    {
        var result = HybridProcess.Run(folder.FullName, ["train", "--epochs", "1", "--json", "figures.json", .. arguments]);
        Assert.That(result.ExitCode, Is.EqualTo(0), result.Error);
        using var json = JsonDocument.Parse(File.ReadAllText(folder["figures.json"]));
        return json.RootElement.GetProperty("testAccuracy").GetDouble();
    }

    [Test]
    public void TheEmbeddedDigitsAreLearntInOneEpoch() => Assert.That(TrainOneEpoch(), Is.GreaterThan(0.97));

    [Test]
    public void MnistIsLearntInOneEpoch() =>
        Assert.That(TrainOneEpoch("--model", "lenet", "--data", MnistFiles.RequireDirectory()), Is.GreaterThan(0.965));
}
