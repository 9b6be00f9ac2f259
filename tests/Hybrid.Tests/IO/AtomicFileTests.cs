using Hybrid.IO;

namespace Hybrid.Tests;

public class AtomicFileTests
{
    [Test]
    public void WritesANewFileAndReplacesAnOldOne()
    {
        using var folder = new TemporaryFolder();
        AtomicFile.WriteText(folder["a.txt"], "one");
        AtomicFile.WriteText(folder["a.txt"], "two ∑");
        Assert.Multiple(() =>
        {
            Assert.That(File.ReadAllText(folder["a.txt"]), Is.EqualTo("two ∑"));
            Assert.That(folder.Names, Is.EqualTo(new[] { "a.txt" }));
        });
    }

    [Test]
    public void KeepsTheOldFileWhenWritingFails()
    {
        using var folder = new TemporaryFolder();
        AtomicFile.WriteText(folder["a.txt"], "one");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(folder["a.txt"], stream =>
        {
            stream.Write("half"u8);
            throw new InvalidOperationException("full");
        }));
        Assert.Multiple(() =>
        {
            Assert.That(File.ReadAllText(folder["a.txt"]), Is.EqualTo("one"));
            Assert.That(folder.Names, Is.EqualTo(new[] { "a.txt" }));
        });
    }

    [Test]
    public void ShowsTheOldFileUntilTheNewOneIsWhole()
    {
        using var folder = new TemporaryFolder();
        AtomicFile.WriteText(folder["a.txt"], "one");
        AtomicFile.Write(folder["a.txt"], stream =>
        {
            stream.Write("two"u8);
            stream.Flush();
            Assert.That(File.ReadAllText(folder["a.txt"]), Is.EqualTo("one"));
        });
        Assert.That(File.ReadAllText(folder["a.txt"]), Is.EqualTo("two"));
    }

    [Test]
    public void ReplacesWhatALinkNames()
    {
        using var folder = new TemporaryFolder();
        AtomicFile.WriteText(folder["target.txt"], "one");
        File.CreateSymbolicLink(folder["link.txt"], folder["target.txt"]);
        AtomicFile.WriteText(folder["link.txt"], "two");
        Assert.Multiple(() =>
        {
            Assert.That(File.ReadAllText(folder["target.txt"]), Is.EqualTo("two"));
            Assert.That(new FileInfo(folder["link.txt"]).LinkTarget, Is.Not.Null);
        });
    }

    [Test]
    public void RefusesAFolderAndAMissingOne()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["sub"]);
        Assert.Multiple(() =>
        {
            Assert.That(() => AtomicFile.WriteText(folder["sub"], ""), Throws.InstanceOf<IOException>().With.Message.Contains("it is a folder"));
            Assert.That(() => AtomicFile.WriteText(folder["none/a.txt"], ""), Throws.InstanceOf<IOException>());
            Assert.That(folder.Names, Is.EqualTo(new[] { "sub" }));
        });
    }
}
