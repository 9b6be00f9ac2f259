using System.IO.Compression;
using Hybrid.Data;

namespace Hybrid.Tests.Data;

public class IdxTests
{
    TemporaryFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    static byte[] Labels(params byte[] labels) => [0, 0, 8, 1, 0, 0, 0, (byte)labels.Length, .. labels];

    string Write(byte[] bytes, string name = "file", bool zip = false)
    {
        string path = folder[name];
        using Stream file = zip ? new GZipStream(File.Create(path), CompressionLevel.Fastest) : File.Create(path);
        file.Write(bytes);
        return path;
    }

    [Test]
    public void ReadsPlainAndZippedFilesAlike([Values] bool zip)
    {
        var (shape, bytes) = Idx.Read(Write([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6], zip: zip), dims: 3);
        Assert.That(shape, Is.EqualTo(new[] { 2, 1, 3 }));
        Assert.That(bytes, Is.EqualTo(new byte[] { 1, 2, 3, 4, 5, 6 }));
    }

    [TestCase(new byte[0], "no IDX file")]
    [TestCase(new byte[] { 0x89, 0x50, 0x4e, 0x47 }, "no IDX file")]
    [TestCase(new byte[] { 0, 0, 0x0d, 1, 0, 0, 0, 0 }, "no IDX file")]
    [TestCase(new byte[] { 0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 0 }, "no IDX file")]
    [TestCase(new byte[] { 0, 0, 8, 1, 0, 0 }, "ends inside its header")]
    [TestCase(new byte[] { 0, 0, 8, 1, 0, 0, 0, 3, 1, 2 }, "is cut off: expected 3 bytes after the header, got 2")]
    [TestCase(new byte[] { 0, 0, 8, 1, 0, 0, 0, 1, 1, 2 }, "bytes left over")]
    [TestCase(new byte[] { 0, 0, 8, 1, 0xff, 0xff, 0xff, 0xff, 1 }, "more than can be read")]
    [TestCase(new byte[] { 0, 0, 8, 1, 0x7f, 0xff, 0, 0, 1 }, "is cut off")]
    [TestCase(new byte[] { 0x1f, 0x8b, 8, 0, 1, 2, 3 }, "once unzipped, got nothing")]
    [TestCase(new byte[] { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff }, "damaged gzip")]
    public void SaysWhatIsWrongWithAFile(byte[] bytes, string expected)
    {
        string path = Write(bytes);
        Assert.That(() => Idx.Read(path, dims: 1), Throws.InstanceOf<InvalidDataException>().With.Message.Contains(expected).And.Message.Contains(path));
    }

    [Test]
    public void NoCutOfAZippedFileYieldsLessThanTheWhole()
    {
        byte[] labels = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        Write(Labels(labels), "whole", zip: true);
        byte[] whole = File.ReadAllBytes(folder["whole"]);
        int refused = 0;
        for (int length = 2; length < whole.Length; length++)
        {
            try
            {
                // Where only the end mark or the checksum is missing, the data may come out, but then all of it.
                Assert.That(Idx.Read(Write(whole[..length], "cut"), dims: 1).Bytes, Is.EqualTo(labels), $"{length} of {whole.Length} bytes");
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.That(refused, Is.GreaterThanOrEqualTo(whole.Length - 2 - 10));
    }

    [Test]
    public void NoDamagedByteOfAZippedFileChangesWhatIsRead()
    {
        byte[] labels = [.. Enumerable.Range(0, 200).Select(i => (byte)(i * 7))];
        Write(Labels(labels), "whole", zip: true);
        byte[] whole = File.ReadAllBytes(folder["whole"]);
        int refused = 0;
        for (int i = 0; i < whole.Length; i++)
        {
            byte[] damaged = [.. whole];
            damaged[i] ^= 0x10;
            try
            {
                // The time stamp, padding bits and the like do not matter to the data.
                Assert.That(Idx.Read(Write(damaged, "damaged"), dims: 1).Bytes, Is.EqualTo(labels), $"byte {i}");
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.That(refused, Is.GreaterThan(200));
    }

    [Test]
    public void MnistNamesTheFilesThatItLooksFor()
    {
        Assert.That(() => Mnist.Load(folder["nowhere"], train: true), Throws.InstanceOf<FileNotFoundException>().With.Message.Contains("no directory"));
        Assert.That(() => Mnist.Load(folder.FullName, train: true), Throws.InstanceOf<FileNotFoundException>()
            .With.Message.EndsWith("holds neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz"));
    }

    [TestCase(new byte[] { 1, 2, 3 }, "2 t10k images but 3 labels")]
    [TestCase(new byte[] { 1, 10 }, "hold 10 at 1, expected 0 to 9")]
    public void MnistChecksThatImagesAndLabelsFit(byte[] labels, string expected)
    {
        Write([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 51, 102, 255], "t10k-images-idx3-ubyte");
        Write(Labels(labels), "t10k-labels-idx1-ubyte");
        Assert.That(() => Mnist.Load(folder.FullName, train: false), Throws.InstanceOf<InvalidDataException>().With.Message.Contains(expected));
    }

    [Test]
    public void MnistHandsOutFloatsFromZeroToOne()
    {
        Write([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 51, 102, 255], "t10k-images-idx3-ubyte");
        Write(Labels(7, 3), "t10k-labels-idx1-ubyte", zip: false);
        var set = Mnist.Load(folder.FullName, train: false);
        var (images, targets) = set.Batch([1, 0]);
        Assert.That(images.Shape.ToString(), Is.EqualTo("[2, 1, 1, 2]"));
        Assert.That(images.ToArray<float>(), Is.EqualTo(new[] { 0.4f, 1f, 0f, 0.2f }).Within(1e-6f));
        Assert.That(targets.ToArray<long>(), Is.EqualTo(new long[] { 3, 7 }));
        Assert.That(set[1].Target.Item<long>(), Is.EqualTo(3));
    }

    [Test]
    public void RealMnistHasItsKnownCounts()
    {
        var test = Mnist.Load(MnistFiles.RequireDirectory(), train: false);
        Assert.That((test.Count, test.Height, test.Width), Is.EqualTo((10_000, 28, 28)));
        var counts = new int[10];
        foreach (long label in test.Targets.ToArray<long>())
        {
            counts[label]++;
        }
        // The test set's class counts, as published with the set.
        Assert.That(counts, Is.EqualTo(new[] { 980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009 }));
    }
}
