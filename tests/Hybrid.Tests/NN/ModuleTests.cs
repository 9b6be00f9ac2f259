using Hybrid.NN;

namespace Hybrid.Tests;

public partial class ModuleTests
{
    private sealed partial class Cycle : Module
    {
        public Module? Next { get; set; }
    }

    private sealed partial class Clash : Module
    {
        public Parameter Parameter { get; } = new(Tensor.Ones(1));

        public Linear[] Layers { get; } = [new(1, 1)];

        protected override void CollectMembers(ModuleMembers members)
        {
            members.AddParameter("a", Parameter);
            members.AddModule("a", Layers[0]);
        }
    }

    private static float[] Values(Tensor tensor) => tensor.Detach().ToArray<float>();

    [Test]
    public void NamesAreTheMembersPathsBaseFirst()
    {
        var model = new Everything(new Sequential(new Linear(3, 4), new ReLU(), new Linear(4, 2)));
        Assert.Multiple(() =>
        {
            Assert.That(model.NamedParameters().Select(p => p.Name), Is.EqualTo(new[]
            {
                "ScaleFactor", "stem.weight", "stem.bias", "inner.0.weight", "inner.0.bias", "inner.2.weight", "inner.2.bias",
                "heads.0.weight", "heads.1.weight", "norms.0.weight", "norms.0.bias",
            }));
            Assert.That(model.NamedBuffers().Select(p => p.Name), Is.EqualTo(new[]
            {
                "call_count", "norms.0.running_mean", "norms.0.running_var", "norms.0.num_batches_tracked",
            }));
            Assert.That(model.StateDict().Keys, Is.EqualTo(new[]
            {
                "ScaleFactor", "call_count", "stem.weight", "stem.bias", "inner.0.weight", "inner.0.bias", "inner.2.weight", "inner.2.bias",
                "heads.0.weight", "heads.1.weight",
                "norms.0.weight", "norms.0.bias", "norms.0.running_mean", "norms.0.running_var", "norms.0.num_batches_tracked",
            }));
            Assert.That(model.NamedModules().Select(m => m.Name), Is.EqualTo(new[] { "", "stem", "inner", "inner.0", "inner.1", "inner.2", "heads.0", "heads.1", "norms", "norms.0" }));
            Assert.That(model.Children.Count(), Is.EqualTo(5));
        });
    }

    [Test]
    public void FindsAMemberThatIsSetLater()
    {
        var model = new Everything(new Linear(3, 2));
        Assert.That(model.NamedBuffers().Select(p => p.Name), Does.Not.Contain("nothing"));
        model.Nothing = Tensor.Ones(1);
        Assert.That(model.NamedBuffers().Select(p => p.Name), Does.Contain("nothing"));
    }

    [Test]
    public void SharedParametersAreListedOnceAndSavedUnderBothNames()
    {
        var model = new Tied();
        Assert.Multiple(() =>
        {
            Assert.That(model.NamedParameters().Select(p => p.Name), Is.EqualTo(new[] { "encoder.weight", "encoder.bias" }));
            Assert.That(model.StateDict().Keys, Is.EqualTo(new[] { "encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias" }));
        });
    }

    [Test]
    public void GenericModulesListTheirMembers() =>
        Assert.That(new Outer<LeNet>().NamedParameters().Select(p => p.Name).First(), Is.EqualTo("body.conv1.weight"));

    [Test]
    public void ACycleOfModulesEndsAndHasNoState()
    {
        var module = new Cycle();
        module.Next = new Cycle { Next = module };
        Assert.Multiple(() =>
        {
            Assert.That(module.NamedModules().Count(), Is.EqualTo(2));
            Assert.That(() => module.StateDict(), Throws.InvalidOperationException.With.Message.EqualTo("StateDict: Cycle 'next.next' is among its own descendants, expected a tree of modules"));
        });
    }

    [Test]
    public void TwoMembersOfOneNameAreAnError() =>
        Assert.That(() => new Clash().Parameters().Count(), Throws.InvalidOperationException.With.Message.EqualTo("Clash: two members are named 'a' in the state dictionary, expected one of each name"));

    [Test]
    public void TrainAndEvalReachEveryModule()
    {
        var model = new Everything(new Sequential(new Sequential(new Dropout()))).Eval();
        Assert.That(model.NamedModules().Select(m => m.Module.Training), Is.All.False);
        model.Train();
        Assert.That(model.NamedModules().Select(m => m.Module.Training), Is.All.True);
    }

    [Test]
    public void StateSharesMemoryAndIsDetached()
    {
        var layer = new Linear(2, 1);
        var weight = layer.StateDict()["weight"];
        Assert.That(weight.RequiresGrad, Is.False);
        weight.Fill_(7);
        Assert.That(Values(layer.Weight), Is.EqualTo(new[] { 7f, 7f }));
    }

    [Test]
    public void LoadStateDictCopiesAndConverts()
    {
        var layer = new Linear(2, 1);
        var difference = layer.LoadStateDict(new Dictionary<string, Tensor> { ["weight"] = Tensor.From([1.5, 2.5]).Reshape(1, 2), ["bias"] = Tensor.From([3]) });
        Assert.Multiple(() =>
        {
            Assert.That(Values(layer.Weight), Is.EqualTo(new[] { 1.5f, 2.5f }));
            Assert.That(Values(layer.Bias!), Is.EqualTo(new[] { 3f }));
            Assert.That(layer.Weight.RequiresGrad);
            Assert.That(difference.Missing.Concat(difference.Unexpected), Is.Empty);
        });
    }

    [Test]
    public void LoadStateDictListsAllThatIsWrongAndChangesNothing()
    {
        var model = new Sequential(new Linear(2, 2), new Linear(2, 1));
        var before = model.StateDict().Values.Select(Values).ToList();
        var state = new Dictionary<string, Tensor>
        {
            ["0.weight"] = Tensor.Zeros(2, 2),
            ["1.weight"] = Tensor.Zeros(1, 3),
            ["1.bias"] = Tensor.Zeros(2),
            ["head.weight"] = Tensor.Zeros(1),
        };
        Assert.Multiple(() =>
        {
            Assert.That(() => model.LoadStateDict(state), Throws.ArgumentException.With.Message.EqualTo(
                "LoadStateDict: the state does not fit Sequential: it lacks 0.bias; it has unexpected head.weight; "
                + "it has 1.weight of shape [1, 3] where [1, 2] is expected, 1.bias of shape [2] where [1] is expected"));
            Assert.That(() => model.LoadStateDict(state, strict: false), Throws.ArgumentException.With.Message.EqualTo(
                "LoadStateDict: the state does not fit Sequential: it has 1.weight of shape [1, 3] where [1, 2] is expected, 1.bias of shape [2] where [1] is expected"));
            Assert.That(model.StateDict().Values.Select(Values), Is.EqualTo(before));
        });
    }

    [Test]
    public void LaxLoadingTakesWhatFits()
    {
        var model = new Sequential(new Linear(1, 1), new Linear(1, 1));
        var difference = model.LoadStateDict(new Dictionary<string, Tensor> { ["0.weight"] = Tensor.Full([1, 1], 5), ["x"] = Tensor.Zeros(1) }, strict: false);
        Assert.Multiple(() =>
        {
            Assert.That(model.StateDict()["0.weight"].Item(), Is.EqualTo(5));
            Assert.That(difference.Missing, Is.EqualTo(new[] { "0.bias", "1.weight", "1.bias" }));
            Assert.That(difference.Unexpected, Is.EqualTo(new[] { "x" }));
        });
    }

    [Test]
    public void ToDTypeKeepsTheObjectsAndConvertsGradientsAndBuffers()
    {
        var model = new Sequential(new Conv2d(1, 2, 3), new BatchNorm2d(2));
        var parameters = model.Parameters().ToList();
        var values = parameters.Select(Values).ToList();
        foreach (var parameter in parameters)
        {
            parameter.Grad = Tensor.OnesLike(parameter);
        }
        using (TensorScope.Begin())
        {
            Assert.That(model.To(DType.Float64), Is.SameAs(model));
        }
        Assert.Multiple(() =>
        {
            Assert.That(model.Parameters(), Is.EqualTo(parameters));
            Assert.That(parameters.Select(p => p.DType), Is.All.EqualTo(DType.Float64));
            Assert.That(parameters.Select(p => p.Grad!.DType), Is.All.EqualTo(DType.Float64));
            Assert.That(parameters.Select(p => p.RequiresGrad), Is.All.True);
            Assert.That(parameters.Select(p => p.Detach().ToArray<double>().Select(v => (float)v).ToArray()), Is.EqualTo(values));
            Assert.That(model.NamedBuffers().Select(b => b.Buffer.DType), Is.EqualTo(new[] { DType.Float64, DType.Float64, DType.Int64 }));
            Assert.That(() => model.To(DType.Int32), Throws.TypeOf<DTypeException>().With.Message.EqualTo("Module.To: dtype is int32, expected a floating dtype"));
        });
        var x = Tensor.Rand([2, 1, 5, 5], DType.Float64);
        model.ZeroGrad();
        model.Forward(x).Square().Sum().Backward();
        Assert.That(parameters.Select(p => p.Grad!.DType), Is.All.EqualTo(DType.Float64));
    }

    [Test]
    public void ToDeviceKeepsValues()
    {
        var model = new Linear(2, 2).To(Device.Cpu);
        Assert.That(model.Weight.Device, Is.EqualTo(Device.Cpu));
    }

    [Test]
    public void ZeroGradReachesAll()
    {
        var model = new Sequential(new Linear(1, 1), new Linear(1, 1));
        model.Forward(Tensor.Ones(1, 1)).Sum().Backward();
        Assert.That(model.Parameters().Select(p => p.Grad), Is.All.Not.Null);
        model.ZeroGrad(setToNone: false);
        Assert.That(model.Parameters().Select(p => p.Grad!.Item()), Is.All.Zero);
        model.ZeroGrad();
        Assert.That(model.Parameters().Select(p => p.Grad), Is.All.Null);
    }

    [Test]
    public void SaveAndLoadGiveTheSameModel()
    {
        using var folder = new TemporaryFolder();
        var model = new Sequential(new Conv2d(1, 2, 3), new BatchNorm2d(2), new Flatten(), new Linear(18, 3));
        var x = Tensor.Randn(4, 1, 5, 5);
        model.Forward(x);
        model.Save(folder["m.safetensors"], new Dictionary<string, string> { ["epoch"] = "3" });
        var other = new Sequential(new Conv2d(1, 2, 3), new BatchNorm2d(2), new Flatten(), new Linear(18, 3));
        other.Load(folder["m.safetensors"]);
        Assert.Multiple(() =>
        {
            Assert.That(other.StateDict()["1.num_batches_tracked"].Item(), Is.EqualTo(1));
            Assert.That(Values(other.Eval().Forward(x)), Is.EqualTo(Values(model.Eval().Forward(x))));
        });
    }

    [Test]
    public void LoadRefusesAFileThatDoesNotFitAndChangesNothing()
    {
        using var folder = new TemporaryFolder();
        new Linear(3, 1).Save(folder["m"]);
        var model = new Linear(2, 1);
        var before = Values(model.Weight);
        Assert.Multiple(() =>
        {
            Assert.That(() => model.Load(folder["m"]), Throws.TypeOf<InvalidDataException>().With.Message.EqualTo(
                $"LoadStateDict: the state does not fit Linear: it has weight of shape [1, 3] where [1, 2] is expected (file '{folder["m"]}')"));
            Assert.That(Values(model.Weight), Is.EqualTo(before));
            Assert.That(() => model.Load(folder["none"]), Throws.TypeOf<FileNotFoundException>());
        });
    }

    [Test]
    public void ParametersOutliveTheScopeOfTheirConstruction()
    {
        Everything model;
        using (TensorScope.Begin())
        {
            model = new Everything(new Sequential(new Linear(3, 2)));
        }
        Assert.That(model.Parameters().Select(p => p.IsDisposed), Is.All.False);
        Assert.That(model.NamedBuffers().Where(b => b.Name.StartsWith("norms", StringComparison.Ordinal)).Select(b => b.Buffer.IsDisposed), Is.All.False);
    }

    [Test]
    public void ReadsLikeATree() => Assert.That(
        new Sequential(new Conv2d(1, 6, 5, padding: 2), new Sequential(new ReLU(), new Dropout(0.25)), new Linear(4, 2, bias: false)).ToString().ReplaceLineEndings("\n"),
        Is.EqualTo("""
            Sequential(
              (0): Conv2d(1, 6, kernel: 5x5, stride: 1x1, padding: 2x2)
              (1): Sequential(
                (0): ReLU()
                (1): Dropout(p: 0.25)
              )
              (2): Linear(4, 2, bias: false)
            )
            """));

    [Test]
    public void SequentialAndModuleListAreLists()
    {
        var list = new ModuleList<Linear>(new Linear(1, 2)) { new Linear(2, 3) };
        var chain = new Sequential { new Linear(1, 2), new Tanh() };
        Assert.Multiple(() =>
        {
            Assert.That(list, Has.Count.EqualTo(2));
            Assert.That(list[1].Weight.Shape, Is.EqualTo(new Shape(3, 2)));
            Assert.That(chain, Has.Count.EqualTo(2));
            Assert.That(chain[1], Is.TypeOf<Tanh>());
            Assert.That(chain.Forward(Tensor.Zeros(5, 1)).Shape, Is.EqualTo(new Shape(5, 2)));
            Assert.That(() => new Sequential(null!, new Tanh()), Throws.ArgumentNullException);
        });
    }
}
