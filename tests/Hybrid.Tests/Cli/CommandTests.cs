using System.Diagnostics;
using System.Text.Json;
using Hybrid.Data;
using SkiaSharp;

namespace Hybrid.Tests.Cli;

public class CommandTests
{
    readonly TemporaryFolder folder = new();

    [OneTimeSetUp]
    public void MakeSmallMnist()
    {
        // Files of MNIST's format, filled with the embedded digits: enough to go the whole way in a second.
        WriteIdx("train", Digits.Generate(300, seed: 1));
        WriteIdx("t10k", Digits.Generate(100, seed: 2));
        var result = HybridProcess.Run(folder.FullName, "train", "--data", ".", "--model", "mlp", "--epochs", "2", "--out", "trained", "--json", "figures.json");
        Assert.That(result.ExitCode, Is.EqualTo(0), result.Error + result.Output);
        trainingOutput = result.Output;
    }

    string trainingOutput = "";

    [OneTimeTearDown]
    public void DeleteFolder() => folder.Dispose();

    void WriteIdx(string half, ImageDataset set)
    {
        byte[] Count() => [(byte)(set.Count >> 24), (byte)(set.Count >> 16), (byte)(set.Count >> 8), (byte)set.Count];
        File.WriteAllBytes(folder[$"{half}-images-idx3-ubyte"], [0, 0, 8, 3, .. Count(), 0, 0, 0, 64, 0, 0, 0, 64, .. set.Inputs.ToArray<byte>()]);
        File.WriteAllBytes(folder[$"{half}-labels-idx1-ubyte"], [0, 0, 8, 1, .. Count(), .. set.Targets.ToArray<long>().Select(l => (byte)l)]);
    }

    [Test]
    public void TrainLeavesModelPicturesAndFigures()
    {
        Assert.That(Directory.GetFiles(folder["trained"]).Select(Path.GetFileName),
            Is.EquivalentTo(new[] { "model.safetensors", "learning-curves.png", "predictions.png" }));
        foreach (string picture in (string[])["learning-curves.png", "predictions.png"])
        {
            using var bitmap = SKBitmap.Decode(Path.Combine(folder["trained"], picture));
            Assert.That(bitmap.Width, Is.GreaterThan(300), picture);
        }
        using var json = JsonDocument.Parse(File.ReadAllText(folder["figures.json"]));
        var root = json.RootElement;
        Assert.That(root.GetProperty("testAccuracy").GetDouble(), Is.InRange(0, 1));
        Assert.That(root.GetProperty("trainSeconds").GetDouble(), Is.GreaterThan(0));
        Assert.That(root.GetProperty("parameters").GetInt64(), Is.EqualTo(4096 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10));
        Assert.That(root.GetProperty("epochs").GetArrayLength(), Is.EqualTo(2));
        foreach (var epoch in root.GetProperty("epochs").EnumerateArray())
        {
            Assert.That(epoch.GetProperty("loss").GetDouble(), Is.GreaterThan(0));
            Assert.That(epoch.GetProperty("accuracy").GetDouble(), Is.InRange(0, 1));
            Assert.That(epoch.GetProperty("imagesPerSecond").GetDouble(), Is.GreaterThan(0));
        }
        long tested = root.GetProperty("confusion").EnumerateArray().Sum(row => row.EnumerateArray().Sum(cell => cell.GetInt64()));
        Assert.That(tested, Is.EqualTo(100));
        Assert.That(trainingOutput, Does.Contain("epoch 2/2").And.Contain("Test accuracy").And.Not.Contain("\u001b["));
    }

    [Test]
    public void TheSameSeedTrainsTheSameNetwork()
    {
        foreach (string name in (string[])["a", "b"])
        {
            var result = HybridProcess.Run(folder.FullName, "train", "--data", ".", "--model", "lenet", "--epochs", "1", "--seed", "7", "--out", name);
            Assert.That(result.ExitCode, Is.EqualTo(0), result.Error);
        }
        Assert.That(File.ReadAllBytes(folder["b/model.safetensors"]), Is.EqualTo(File.ReadAllBytes(folder["a/model.safetensors"])));
        Assert.That(File.Exists(folder["a/filters.png"]));
    }

    [TestCase("digit.png")]
    [TestCase("digit.jpg")]
    public void PredictReadsPicturesOfAnySize(string name)
    {
        using (var bitmap = new SKBitmap(310, 205))
        using (var file = File.Create(folder[name]))
        {
            using var canvas = new SKCanvas(bitmap);
            using var ink = new SKPaint { Color = SKColors.Black, StrokeWidth = 20 };
            canvas.Clear(SKColors.White);
            canvas.DrawLine(155, 30, 150, 175, ink);
            bitmap.Encode(file, name.EndsWith("png") ? SKEncodedImageFormat.Png : SKEncodedImageFormat.Jpeg, 95);
        }
        var result = HybridProcess.Run(folder.FullName, "predict", "--model", "trained/model.safetensors", name);
        Assert.That(result.ExitCode, Is.EqualTo(0), result.Error);
        var lines = result.Output.Trim().Split('\n');
        Assert.That(lines, Has.Length.EqualTo(11));
        Assert.That(lines[0], Does.StartWith($"{name}: ").And.Contain("inverted"));
        Assert.That(Probabilities(name).Sum(), Is.EqualTo(100).Within(0.1));
    }

    [Test]
    public void PredictRefusesWhatItCannotRead()
    {
        File.WriteAllText(folder["text.png"], "this is no picture");
        byte[] model = File.ReadAllBytes(folder["trained/model.safetensors"]);
        File.WriteAllBytes(folder["cut.safetensors"], model[..(model.Length / 2)]);
        Predict("trained/model.safetensors", "text.png").AssertFailsWith("text.png is no picture that can be read");
        Predict("trained/model.safetensors", "missing.png").AssertFailsWith("there is no picture");
        Predict("missing.safetensors", "text.png").AssertFailsWith("missing.safetensors");
        Predict("cut.safetensors", "text.png").AssertFailsWith("cut.safetensors");
        Predict("text.png", "text.png").AssertFailsWith("text.png");
    }

    HybridProcess.Result Predict(string model, string image) => HybridProcess.Run(folder.FullName, "predict", "--model", model, image);

    [Test]
    public void TrainRefusesBadData()
    {
        Directory.CreateDirectory(folder["bad"]);
        File.WriteAllBytes(folder["bad/train-images-idx3-ubyte"], [0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 28, 0, 0, 0, 28, 1, 2, 3]);
        Train("nowhere").AssertFailsWith("there is no directory");
        Train("trained").AssertFailsWith("holds neither");
        Train("bad").AssertFailsWith("is cut off");
        Assert.That(Directory.Exists(folder["refused"]) && Directory.GetFiles(folder["refused"]).Length > 0, Is.False);
    }

    HybridProcess.Result Train(string data) => HybridProcess.Run(folder.FullName, "train", "--data", data, "--out", "refused", "--json", "refused.json");

    [TestCase("--epochs: expected a whole number from 1, got '0'", "train", "--epochs", "0")]
    [TestCase("--batch: expected a whole number from 1, got '-3'", "train", "--batch", "-3")]
    [TestCase("--lr: expected a number above 0, got 'nan'", "train", "--lr", "nan")]
    [TestCase("--lr: expected a number above 0, got 'fast'", "train", "--lr", "fast")]
    [TestCase("--seed: expected a whole number from 0, got '-1'", "train", "--seed", "-1")]
    [TestCase("--model: expected one of cnn, lenet, mlp, got 'resnet'", "train", "--model", "resnet")]
    [TestCase("--out: expected a directory, got ''", "train", "--out", "")]
    [TestCase("train-images-idx3-ubyte, which is a file", "train", "--out", "train-images-idx3-ubyte")]
    [TestCase("which is a directory", "train", "--json", "trained")]
    [TestCase("there is no directory", "train", "--json", "nowhere/figures.json")]
    [TestCase("there is no command or option '--modell'", "train", "--modell", "cnn")]
    [TestCase("the loss became NaN", "train", "--data", ".", "--model", "mlp", "--epochs", "1", "--batch", "1000", "--lr", "1e30", "--out", "lost")]
    [TestCase("trained is a directory", "predict", "--model", "trained", "digit.png")]
    [TestCase("trained is a directory", "predict", "--model", "trained/model.safetensors", "trained")]
    [TestCase("expected an option or a picture, got ''", "predict", "--model", "trained/model.safetensors", "")]
    [TestCase("expected an option or a picture, got '--nonsense'", "predict", "--model", "trained/model.safetensors", "--nonsense")]
    [TestCase("there is no chapter 'cooking'", "example", "cooking")]
    [TestCase("there is no command or option 'dance'", "dance")]
    public void RefusesArgumentsThatMakeNoSense(string expected, params string[] arguments)
    {
        var result = HybridProcess.Run(folder.FullName, arguments);
        result.AssertFailsWith(expected);
        Assert.That(Directory.Exists(folder["lost"]) && Directory.GetFiles(folder["lost"]).Length > 0, Is.False, "a network that is lost was saved");
    }

    [Test]
    public void PredictSeesThePictureAsPeopleDo()
    {
        // The same stroke, drawn upright in white on black; in white on nothing; and lying, with a camera's note that it is to be turned.
        Draw("upright.jpg", SKColors.Black, turned: false);
        Draw("clear.png", SKColors.Transparent, turned: false);
        Draw("lying.jpg", SKColors.Black, turned: true);
        byte[] exif = [0xff, 0xe1, 0, 34, .. "Exif\0\0MM\0*\0\0\0\b\0\u0001\u0001\u0012\0\u0003\0\0\0\u0001\0\u0006\0\0\0\0\0\0"u8];
        byte[] lying = File.ReadAllBytes(folder["lying.jpg"]);
        File.WriteAllBytes(folder["turned.jpg"], [.. lying[..2], .. exif, .. lying[2..]]);
        double[] expected = Probabilities("upright.jpg");
        Assert.That(Probabilities("turned.jpg"), Is.EqualTo(expected).Within(1.0));
        Assert.That(Probabilities("clear.png"), Is.EqualTo(expected).Within(1.0));
        Assert.That(Probabilities("lying.jpg"), Is.Not.EqualTo(expected).Within(1.0));
    }

    void Draw(string name, SKColor ground, bool turned)
    {
        using var bitmap = new SKBitmap(128, 128);
        using var canvas = new SKCanvas(bitmap);
        using var ink = new SKPaint { Color = SKColors.White, StrokeWidth = 16 };
        canvas.Clear(ground);
        if (turned)
        {
            canvas.RotateDegrees(-90, 64, 64);
        }
        canvas.DrawLine(30, 20, 100, 20, ink);
        canvas.DrawLine(100, 20, 60, 110, ink);
        using var file = File.Create(folder[name]);
        bitmap.Encode(file, name.EndsWith("png") ? SKEncodedImageFormat.Png : SKEncodedImageFormat.Jpeg, 100);
    }

    double[] Probabilities(string image)
    {
        var result = Predict("trained/model.safetensors", image);
        Assert.That(result.ExitCode, Is.EqualTo(0), result.Error);
        return [.. result.Output.Trim().Split('\n')[1..].Select(line =>
            double.Parse(line.Split('%')[0].Trim().Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture))];
    }

    [TestCase("INT")]
    [TestCase("TERM")]
    public void AnInterruptFinishesTheBatchAndSaves(string signal)
    {
        using var process = HybridProcess.Start(folder.FullName, "train", "--data", ".", "--model", "mlp", "--epochs", "100000", "--out", "interrupted");
        string output = "";
        while (!output.Contains("epoch 1/"))
        {
            output += process.StandardOutput.ReadLine() ?? throw new AssertionException("ended early: " + output + process.StandardError.ReadToEnd());
        }
        using (var kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]))
        {
            kill.WaitForExit();
        }
        var rest = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(2)))
        {
            process.Kill();
            Assert.Fail($"SIG{signal} did not end the training"); // rather than hang
        }
        output += rest.Result;
        Assert.That(process.ExitCode, Is.EqualTo(130));
        Assert.That(output, Does.Contain("Interrupted").And.Contain("model.safetensors"));
        // The saved model is whole: it can be used.
        Assert.That(Predict("interrupted/model.safetensors", "trained/predictions.png").ExitCode, Is.EqualTo(0));
    }

    [Test]
    public void InfoNamesWhatRunsHere()
    {
        var result = HybridProcess.Run(folder.FullName, "info");
        Assert.That(result.ExitCode, Is.EqualTo(0), result.Error);
        foreach (string expected in (string[])["Hybrid", "libhybrid", "Device", "Instruction set", "BLAS", "Threads", ".NET 10"])
        {
            Assert.That(result.Output, Does.Contain(expected));
        }
    }

    [Test]
    public void ExampleListsAndRunsChapters()
    {
        Assert.That(HybridProcess.Run(folder.FullName, "example").Output, Does.Contain("linear-regression"));
        var result = HybridProcess.Run(folder.FullName, "example", "autograd");
        Assert.That(result.ExitCode, Is.EqualTo(0), result.Error);
        Assert.That(result.Output, Does.Contain("tensor([36])"));
    }
}
