using Hybrid.Bindings;

namespace Hybrid.Tests.Cli;

/// <summary><c>hybrid tune</c> writes a table that the library reads and follows.</summary>
[NonParallelizable]
public unsafe class TuneTests
{
    const string Line = "forward float32 N2 C3 H16 W16 K4 R3 S3 s1,1 p1,1 d1,1 g1 packed\n";

    readonly TemporaryFolder folder = new();

    [OneTimeTearDown]
    public void DeleteFolder() => folder.Dispose();

    HybridProcess.Result Tune(params string[] arguments) => HybridProcess.Run(folder.FullName, ["tune", "--rounds", "1", .. arguments]);

    [Test]
    public void TheTableIsWrittenReadAndFollowed()
    {
        var result = Tune("--conv", "N2 C3 H16 K4 R3 p1", "--conv", "N1 C2 H9 W8 K4 R3 S2 s2,1 g2", "--out", "table.txt");
        Assert.That(result.ExitCode, Is.EqualTo(0), result.Error);
        foreach (string expected in (string[])["N2 C3 H16 K4 R3 p1", "N1 C2 H9 W8 K4 R3 S2 s2,1 g2", "input_grad", "packed ", "table.txt: "])
        {
            Assert.That(result.Output, Does.Contain(expected));
        }
        string[] lines = File.ReadAllLines(folder["table.txt"]);
        Assert.That(lines[0], Is.EqualTo("hybrid tuning 1"));
        Assert.That(lines[1], Is.EqualTo($"cpu {Device.Cpu.Name}"));

        string header = string.Concat(lines[..4].Select(line => line + "\n"));
        File.WriteAllText(folder["table.txt"], header + Line);
        Assert.That(Chosen(), Is.Not.EqualTo(HyConvWay.Packed));
        using var x = Tensor.Randn(2, 3, 16, 16);
        fixed (HyTensor* px = x)
        {
            try
            {
                Native.TuningLoad(px->Device, folder["table.txt"]);
                Assert.That(Chosen(), Is.EqualTo(HyConvWay.Packed));
            }
            finally
            {
                Native.TuningLoad(px->Device, null);
            }
        }

        // Another shape is added to the file; the one that is there stays, until it is measured itself.
        Assert.That(Tune("--conv", "N1 C2 H9 K4 R3", "--out", "table.txt").ExitCode, Is.EqualTo(0));
        Assert.That(File.ReadAllText(folder["table.txt"]), Does.Contain(Line));
    }

    static HyConvWay Chosen()
    {
        using var x = Tensor.Zeros(2, 3, 16, 16);
        using var w = Tensor.Zeros(4, 3, 3, 3);
        using var y = Tensor.Zeros(2, 4, 16, 16);
        var p = new HyConv2dParams { Groups = 1 };
        for (int axis = 0; axis < 2; axis++)
        {
            p.Stride[axis] = p.Padding[axis] = p.Dilation[axis] = 1;
        }
        long serving;
        int chosen;
        fixed (HyTensor* px = x, pw = w, py = y)
        {
            Native.Conv2dWays(px->Device, HyConvPass.Forward, &p, px, pw, py, &serving, &chosen);
        }
        return (HyConvWay)chosen;
    }

    [Test]
    public void ABrokenTableFailsWhatConvolvesAndIsWrittenAnew()
    {
        File.WriteAllText(folder["broken.txt"], "hybrid tuning 1\nnonsense\n");
        HybridProcess.RunTuned(folder.FullName, folder["broken.txt"], "train", "--model", "cnn", "--epochs", "1", "--out", "trained")
            .AssertFailsWith("broken.txt, line 2: it was measured on another processor");
        var result = HybridProcess.RunTuned(folder.FullName, folder["broken.txt"], "tune", "--rounds", "1", "--conv", "N1 C1 H4 K1 R3");
        Assert.That(result.ExitCode, Is.EqualTo(0), result.Error);
        Assert.That(result.Error, Does.Contain("is written anew").And.Contain("line 2"));
        Assert.That(File.ReadAllText(folder["broken.txt"]), Does.StartWith($"hybrid tuning 1\ncpu {Device.Cpu.Name}\nisa {Device.Cpu.Isa}\nthreads "));
        Assert.That(HybridProcess.RunTuned(folder.FullName, folder["broken.txt"], "info").Output, Does.Contain(folder["broken.txt"]));
    }

    [TestCase("--conv: expected a shape like 'N8 C64 H56 K64 R3 s1 p1', got 'Q3'", "--conv", "N1 C1 H4 K1 Q3")]
    [TestCase("got 'K0' in", "--conv", "N1 C1 H4 K0 R3")]
    [TestCase("got 'K2,3' in", "--conv", "N1 C1 H4 K2,3 R3")]
    [TestCase("got 'N2' in", "--conv", "N1 N2 C1 H4 K2 R3")]
    [TestCase("got 'H99999999999' in", "--conv", "N1 C1 H99999999999 K2 R3")]
    [TestCase("got no K in", "--conv", "N1 C1 H4 R3")]
    [TestCase("does not fit", "--conv", "N1 C1 H4 K1 R5", "--out", "refused.txt")]
    [TestCase("--pass: expected one of all, forward, input_grad, weight_grad, got 'backward'", "--pass", "backward")]
    [TestCase("--rounds: expected a whole number from 1, got '0'", "--rounds", "0")]
    [TestCase("--out: expected a file, because the library reads none here", "--conv", "N1 C1 H4 K1 R3")]
    public void RefusesWhatIsNoConvolution(string expected, params string[] arguments) =>
        HybridProcess.Run(folder.FullName, ["tune", .. arguments]).AssertFailsWith(expected);
}
