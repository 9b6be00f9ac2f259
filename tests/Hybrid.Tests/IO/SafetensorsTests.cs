using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Hybrid.IO;

namespace Hybrid.Tests;

public class SafetensorsTests
{
    private TemporaryFolder folder = null!;

    [SetUp]
    public void SetUp() => folder = new TemporaryFolder();

    [TearDown]
    public void TearDown() => folder.Dispose();

    private string Write(string header, byte[] data, long? length = null)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var bytes = new byte[8 + json.Length + data.Length];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, length ?? json.Length);
        json.CopyTo(bytes, 8);
        data.CopyTo(bytes, 8 + json.Length);
        var path = folder["a.safetensors"];
        File.WriteAllBytes(path, bytes);
        return path;
    }

    [Test]
    public void KeepsEveryDTypeShapeOrderAndText()
    {
        var tensors = new OrderedDictionary<string, Tensor>
        {
            ["flags"] = Tensor.From([true, false, true]),
            ["ünïcode \"quoted\""] = Tensor.From([1.5f, float.NaN, float.NegativeInfinity, -0f]).Reshape(2, 2),
            ["bytes"] = Tensor.From(new byte[] { 0, 255, 7 }),
            ["doubles"] = Tensor.From([Math.PI]).Reshape(1, 1, 1),
            ["ints"] = Tensor.From([int.MinValue, int.MaxValue]),
            ["longs"] = Tensor.From([long.MinValue, long.MaxValue]),
            ["scalar"] = Tensor.Scalar(3, DType.Int64),
            ["empty"] = Tensor.Zeros([0, 5], DType.Float32),
        };
        var metadata = new Dictionary<string, string> { ["format"] = "pt", ["note"] = "∑" };
        Safetensors.Save(folder["a"], tensors, metadata);
        var loaded = Safetensors.Load(folder["a"], out var text);
        Assert.Multiple(() =>
        {
            Assert.That(loaded.Keys, Is.EqualTo(tensors.Keys));
            Assert.That(text, Is.EquivalentTo(metadata));
            foreach (var (name, tensor) in tensors)
            {
                Assert.That(loaded[name].DType, Is.EqualTo(tensor.DType), name);
                Assert.That(loaded[name].Shape, Is.EqualTo(tensor.Shape), name);
            }
            Assert.That(loaded["flags"].ToArray<bool>(), Is.EqualTo(new[] { true, false, true }));
            Assert.That(loaded["ünïcode \"quoted\""].ToArray<float>().Select(BitConverter.SingleToInt32Bits),
                Is.EqualTo(new[] { 1.5f, float.NaN, float.NegativeInfinity, -0f }.Select(BitConverter.SingleToInt32Bits)));
            Assert.That(loaded["bytes"].ToArray<byte>(), Is.EqualTo(new byte[] { 0, 255, 7 }));
            Assert.That(loaded["doubles"].ToArray<double>(), Is.EqualTo(new[] { Math.PI }));
            Assert.That(loaded["ints"].ToArray<int>(), Is.EqualTo(new[] { int.MinValue, int.MaxValue }));
            Assert.That(loaded["longs"].ToArray<long>(), Is.EqualTo(new[] { long.MinValue, long.MaxValue }));
            Assert.That(loaded["scalar"].ToArray<long>(), Is.EqualTo(new[] { 3L }));
        });
    }

    [Test]
    public void WritesWhatTheFormatSays()
    {
        Safetensors.Save(folder["a"], new OrderedDictionary<string, Tensor> { ["b"] = Tensor.From(new byte[] { 9 }), ["x"] = Tensor.From([1f, 2f]) });
        var bytes = File.ReadAllBytes(folder["a"]);
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        var header = JsonNode.Parse(bytes.AsSpan(8, length))!;
        Assert.Multiple(() =>
        {
            Assert.That(length % 8, Is.Zero);
            Assert.That(bytes[8], Is.EqualTo((byte)'{'));
            Assert.That(header["x"]!.ToJsonString(), Is.EqualTo("""{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"""));
            Assert.That(header["b"]!.ToJsonString(), Is.EqualTo("""{"dtype":"U8","shape":[1],"data_offsets":[8,9]}"""));
            Assert.That(bytes[(8 + length)..], Is.EqualTo(new byte[] { 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 9 }));
        });
    }

    [Test]
    public void WritesViewsAsTheyRead()
    {
        var x = Tensor.Arange(6).To(DType.Float32).Reshape(2, 3);
        Safetensors.Save(folder["a"], new Dictionary<string, Tensor> { ["t"] = x.T, ["e"] = x.Narrow(1, 1, 1).Expand(2, 2) });
        var loaded = Safetensors.Load(folder["a"]);
        Assert.Multiple(() =>
        {
            Assert.That(loaded["t"].ToArray<float>(), Is.EqualTo(new[] { 0f, 3, 1, 4, 2, 5 }));
            Assert.That(loaded["e"].ToArray<float>(), Is.EqualTo(new[] { 1f, 1, 4, 4 }));
        });
    }

    [Test]
    public void ReadsAndWritesMoreThanAChunk()
    {
        var x = Tensor.Arange(3_000_001).To(DType.Int32);
        Safetensors.Save(folder["a"], new Dictionary<string, Tensor> { ["x"] = x });
        Assert.That(Safetensors.Load(folder["a"])["x"].ToArray<int>(), Is.EqualTo(Enumerable.Range(0, 3_000_001)));
    }

    [Test]
    public void ReadsHalfPrecision()
    {
        // 1, -2, 65504, +inf, 2^-24 in binary16; 1, -2, 3.140625, +inf in bfloat16.
        ushort[] values = [0x3c00, 0xc000, 0x7bff, 0x7c00, 0x0001, 0x3f80, 0xc000, 0x4049, 0x7f80];
        var data = new byte[values.Length * 2];
        Buffer.BlockCopy(values, 0, data, 0, data.Length);
        var loaded = Safetensors.Load(Write("""{"h":{"dtype":"F16","shape":[5],"data_offsets":[0,10]},"b":{"dtype":"BF16","shape":[2,2],"data_offsets":[10,18]}}""", data));
        Assert.Multiple(() =>
        {
            Assert.That(loaded["h"].To(DType.Float32).ToArray<float>(), Is.EqualTo(new[] { 1f, -2, 65504, float.PositiveInfinity, MathF.Pow(2, -24) }));
            Assert.That(loaded["b"].To(DType.Float32).ToArray<float>(), Is.EqualTo(new[] { 1f, -2, 3.140625f, float.PositiveInfinity }));
            Assert.That(loaded["b"].Shape, Is.EqualTo(new Shape(2, 2)));
            Assert.That((loaded["h"].DType, loaded["b"].DType), Is.EqualTo((DType.Float16, DType.BFloat16)));
        });
    }

    [Test]
    public void KeepsTheBitsOfSmallTypes()
    {
        var x = Tensor.Linspace(-9, 9, 33);
        var tensors = new Dictionary<string, Tensor> { ["b"] = x.To(DType.BFloat16), ["h"] = x.To(DType.Float16), ["i"] = x.To(DType.Int8) };
        Safetensors.Save(folder["small"], tensors);
        var loaded = Safetensors.Load(folder["small"]);
        Assert.Multiple(() =>
        {
            Assert.That(loaded["b"].ToArray<BFloat16>(), Is.EqualTo(tensors["b"].ToArray<BFloat16>()));
            Assert.That(loaded["h"].ToArray<Half>(), Is.EqualTo(tensors["h"].ToArray<Half>()));
            Assert.That(loaded["i"].ToArray<sbyte>(), Is.EqualTo(tensors["i"].ToArray<sbyte>()));
        });
    }

    [Test]
    public void ReadsAHeaderPaddedWithSpacesAndAnEmptyFile()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Safetensors.Load(Write("{}   ", [])), Is.Empty);
            Assert.That(Safetensors.Load(Write("""{"x":{"data_offsets":[0,1],"shape":[],"dtype":"U8"}}    """, [4]))["x"].Item(), Is.EqualTo(4));
        });
    }

    [TestCase("""{"x":{"dtype":"I16","shape":[2],"data_offsets":[0,4]}}""", "dtype 'I16', expected one of F32, F64, I32, I64, U8, BOOL, F16, BF16, I8")]
    [TestCase("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", "does not match its shape [2] of F32")]
    [TestCase("""{"x":{"dtype":"U8","shape":[5],"data_offsets":[0,5]}}""", "lies outside of it, it has 4 bytes")]
    [TestCase("""{"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}""", "its tensors take 3 bytes, the file has 4 after the header")]
    [TestCase("""{"x":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}}""", "lies outside")]
    [TestCase("""{"x":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}""", "leaves a hole before it, expected it at 0")]
    [TestCase("""{"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"y":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}""", "'y' at bytes 2 to 4 of the data overlaps another, expected it at 3")]
    [TestCase("""{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"x":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}}""", "names 'x' twice")]
    [TestCase("""{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"shape":[4]}}""", "tensor 'x' has 'shape', expected dtype, shape and data_offsets, once each")]
    [TestCase("""{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"more":1}}""", "tensor 'x' has 'more'")]
    [TestCase("""{"x":{"dtype":"U8","shape":[4]}}""", "lacks its dtype, its shape or its two data_offsets")]
    [TestCase("""{"x":{"dtype":"U8","shape":[4],"data_offsets":[4]}}""", "lacks its dtype, its shape or its two data_offsets")]
    [TestCase("""{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}}""", "should be up to 2 integers of 0 or more")]
    [TestCase("""{"x":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}}""", "should be up to 8 integers of 0 or more")]
    [TestCase("""{"x":{"dtype":"U8","shape":[4.5],"data_offsets":[0,4]}}""", "should be up to 8 integers of 0 or more")]
    [TestCase("""{"x":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,4]}}""", "should be up to 8 integers of 0 or more")]
    [TestCase("""{"x":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,4],"data_offsets":[0,4]}}""", "should be up to 8 integers of 0 or more")]
    [TestCase("""{"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}""", "does not match its shape")]
    [TestCase("""{"x":{"dtype":"F32","shape":[0,9223372036854775807,9223372036854775807],"data_offsets":[0,0]}}""", "does not match its shape")]
    [TestCase("""{"x":{"dtype":1,"shape":[4],"data_offsets":[0,4]}}""", "the dtype of tensor 'x' should be a string")]
    [TestCase("""{"x":[]}""", "tensor 'x' should be an object")]
    [TestCase("""[]""", "the header should be an object")]
    [TestCase("", "no valid JSON")]
    [TestCase("""{"x":""", "no valid JSON")]
    [TestCase("""{} {}""", "no valid JSON")]
    [TestCase("""{"\ud800":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", "no valid JSON")]
    [TestCase("""{"__metadata__":{"a":1}}""", "__metadata__ 'a' should be a string")]
    [TestCase("""{"__metadata__":{"a":"1","a":"2"}}""", "__metadata__ names 'a' twice")]
    [TestCase("""{"x":{"dtype":"BOOL","shape":[4],"data_offsets":[0,4]}}""", "tensor 'x' holds 7 at 3, a BOOL is 0 or 1")]
    public void SaysWhatIsWrong(string header, string message)
    {
        var path = Write(header, [0, 1, 0, 7]);
        Assert.That(() => Safetensors.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains(message).And.Message.StartsWith($"Safetensors: can't read '{path}': "));
    }

    [TestCase(long.MaxValue)]
    [TestCase(-1)]
    [TestCase(3)]
    [TestCase(100_000_001)]
    public void RefusesAnAbsurdHeaderLengthWithoutAllocatingIt(long length)
    {
        var path = Write("{}", [], length);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => Safetensors.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.Contains($"its header should have {(ulong)length} bytes, expected at most 2 in a file of 10"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1_000_000));
    }

    [Test]
    public void RefusesEveryTruncation()
    {
        Safetensors.Save(folder["a"], new Dictionary<string, Tensor> { ["x"] = Tensor.Ones(3), ["y"] = Tensor.Zeros(2) });
        var bytes = File.ReadAllBytes(folder["a"]);
        Assert.Multiple(() =>
        {
            for (var n = 0; n < bytes.Length; n++)
            {
                File.WriteAllBytes(folder["b"], bytes[..n]);
                Assert.That(() => Safetensors.Load(folder["b"]), Throws.TypeOf<InvalidDataException>(), $"{n} bytes");
            }
            File.WriteAllBytes(folder["b"], [.. bytes, 0]);
            Assert.That(() => Safetensors.Load(folder["b"]), Throws.TypeOf<InvalidDataException>());
        });
    }

    [Test]
    public void NeitherCrashesNorThrowsAnythingElseOnDamagedFiles()
    {
        Safetensors.Save(folder["a"], new Dictionary<string, Tensor>
        {
            ["conv.weight"] = Tensor.Ones(2, 3),
            ["flags"] = Tensor.From([true, false]),
            ["n"] = Tensor.Scalar(3, DType.Int64),
            ["empty"] = Tensor.Zeros([0, 2]),
        }, new Dictionary<string, string> { ["k"] = "v" });
        var valid = File.ReadAllBytes(folder["a"]);
        var random = new Random(1);
        byte[] telling = [.. "{}[]\":,0123456789-.eE\\u FIU8BOOL"u8, 0, 0x7f, 0x80, 0xff];
        var (refused, read) = (0, 0);
        for (var trial = 0; trial < 3000; trial++)
        {
            var header = valid[8..(8 + (int)BinaryPrimitives.ReadInt64LittleEndian(valid))].ToList();
            var data = valid[(8 + header.Count)..].ToList();
            for (var edit = random.Next(1, 4); edit > 0; edit--)
            {
                Damage(random.Next(5) == 0 ? data : header, random, telling);
            }
            // Mostly the length fits, so that the damage is met by what reads the header.
            var length = BitConverter.GetBytes((long)header.Count);
            if (random.Next(4) == 0)
            {
                length[random.Next(8)] = (byte)random.Next(256);
            }
            byte[] bytes = [.. length, .. header, .. data];
            File.WriteAllBytes(folder["b"], bytes);
            try
            {
                foreach (var tensor in Safetensors.Load(folder["b"]).Values)
                {
                    tensor.Dispose();
                }
                read++;
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        // Some edits leave a file that is still valid (a letter of a name, a space): both outcomes must have been met.
        Assert.Multiple(() =>
        {
            Assert.That(refused, Is.GreaterThan(1000));
            Assert.That(read, Is.GreaterThan(100));
        });
    }

    private static void Damage(List<byte> bytes, Random random, byte[] telling)
    {
        var at = random.Next(bytes.Count);
        switch (random.Next(6))
        {
            case 0:
                bytes.RemoveRange(at, Math.Min(random.Next(1, 12), bytes.Count - at - 1));
                break;
            case 1:
                bytes.Insert(at, telling[random.Next(telling.Length)]);
                break;
            case 2:
                bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 40), bytes.Count - at)));
                break;
            case 3:
                bytes[at] = (byte)random.Next(256);
                break;
            default:
                bytes[at] = telling[random.Next(telling.Length)];
                break;
        }
    }

    [Test]
    public void RefusesToWriteTheFormatsOwnName() => Assert.That(
        () => Safetensors.Save(folder["a"], new Dictionary<string, Tensor> { ["__metadata__"] = Tensor.Ones(1) }),
        Throws.ArgumentException.With.Message.Contains("the format uses that name itself"));

    [Test]
    public void LeavesTheOldFileWhenATensorCannotBeWritten()
    {
        Safetensors.Save(folder["a"], new Dictionary<string, Tensor> { ["x"] = Tensor.Ones(1) });
        var gone = Tensor.Ones(2);
        var tensors = new Dictionary<string, Tensor> { ["x"] = Tensor.Zeros(1), ["gone"] = gone };
        gone.Dispose();
        Assert.That(() => Safetensors.Save(folder["a"], tensors), Throws.TypeOf<ObjectDisposedException>());
        Assert.Multiple(() =>
        {
            Assert.That(Safetensors.Load(folder["a"])["x"].Item(), Is.EqualTo(1));
            Assert.That(folder.Names, Is.EqualTo(new[] { "a" }));
        });
    }

    [Test]
    public void SaysThatAFileIsMissing() => Assert.That(() => Safetensors.Load(folder["none"]), Throws.TypeOf<FileNotFoundException>());
}
