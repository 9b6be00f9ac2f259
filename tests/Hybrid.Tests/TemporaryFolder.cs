namespace Hybrid.Tests;

/// <summary>A folder of a test's own, deleted with all it holds.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("hybrid-test-");

    public string FullName => folder.FullName;

    public string this[string name] => Path.Combine(folder.FullName, name);

    public IEnumerable<string> Names => folder.EnumerateFileSystemInfos().Select(f => f.Name).Order();

    public void Dispose() => folder.Delete(recursive: true);
}
