using System.Text.Json;

namespace Hybrid.Tests.Cli;

/// <summary>The command learns what it says it learns, from the real number of images.</summary>
public class AccuracyTests
{
    string directory = "";

    [OneTimeSetUp]
    public void MakeDirectory() => directory = Directory.CreateTempSubdirectory("hybrid-accuracy-").FullName;

    [OneTimeTearDown]
    public void DeleteDirectory() => Directory.Delete(directory, recursive: true);

    double TrainOneEpoch(params string[] arguments)
    {
        var result = HybridProcess.Run(directory, ["train", "--epochs", "1", "--json", "figures.json", .. arguments]);
        Assert.That(result.ExitCode, Is.EqualTo(0), result.Error);
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(directory, "figures.json")));
        return json.RootElement.GetProperty("testAccuracy").GetDouble();
    }

    [Test]
    public void TheEmbeddedDigitsAreLearntInOneEpoch() => Assert.That(TrainOneEpoch(), Is.GreaterThan(0.97));

    [Test]
    public void MnistIsLearntInOneEpoch()
    {
        string? data = Environment.GetEnvironmentVariable("HYBRID_DATA");
        if (data is null)
        {
            Assert.Ignore("HYBRID_DATA names no directory with mnist/ in it");
        }
        Assert.That(TrainOneEpoch("--model", "lenet", "--data", Path.Combine(data!, "mnist")), Is.GreaterThan(0.965));
    }
}
