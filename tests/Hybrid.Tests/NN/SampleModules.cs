using Hybrid.NN;

namespace Hybrid.Tests;

internal sealed partial class LeNet : Module<Tensor, Tensor>
{
    private readonly Conv2d conv1 = new(1, 6, kernel: 5, padding: 2);
    private readonly Conv2d conv2 = new(6, 16, kernel: 5);
    private readonly Linear fc = new(400, 10);

    public override Tensor Forward(Tensor x)
    {
        x = F.MaxPool2d(conv1.Forward(x).Relu(), 2);
        x = F.MaxPool2d(conv2.Forward(x).Relu(), 2);
        return fc.Forward(x.Flatten(1));
    }
}

/// <summary>A base with a private member, for inheritance.</summary>
internal abstract partial class Backbone : Module<Tensor, Tensor>
{
    private readonly Linear stem = new(2, 3);

    protected Tensor Stem(Tensor x) => stem.Forward(x);
}

/// <summary>Every way to hold a member.</summary>
internal sealed partial class Everything(Module<Tensor, Tensor> inner, Linear? absent = null) : Backbone
{
    private readonly Linear[] heads = [new(3, 2, bias: false), new(3, 2, bias: false)];
    private readonly ModuleList<BatchNorm2d> norms = new(new BatchNorm2d(1));

    [Buffer]
    private readonly Tensor callCount = Tensor.Zeros([], DType.Int64);

    [StateName("ScaleFactor")]
    public Parameter Scale { get; } = new(Tensor.Full([1], 2));

    [Buffer]
    public Tensor? Nothing { get; set; }

    public override Tensor Forward(Tensor x) => (absent ?? inner).Forward(Stem(x)) * Scale + heads[0].Forward(Stem(x)) + norms.Count + callCount;
}

/// <summary>One layer under two names.</summary>
internal sealed partial class Tied : Module<Tensor, Tensor>
{
    private readonly Linear encoder = new(2, 2);
    private readonly Linear decoder;

    public Tied() => decoder = encoder;

    public override Tensor Forward(Tensor x) => decoder.Forward(encoder.Forward(x));
}

internal sealed partial class Outer<T> : Module<Tensor, Tensor> where T : Module<Tensor, Tensor>, new()
{
    private readonly T body = new();

    public override Tensor Forward(Tensor x) => body.Forward(x);
}
