namespace Hybrid.Tests.Ops;

/// <summary>One sample of an operation: how to call it, what it should give, and on what inputs.</summary>
/// <param name="Name">the operation, then a colon and what this sample shows</param>
/// <param name="Inputs">its floating inputs, the ones that gradients flow to</param>
/// <param name="Apply">the call; other arguments, such as indices, are its own</param>
/// <param name="Expected">the independent reference</param>
internal sealed record Operation(string Name, Nd[] Inputs, Func<Tensor[], Tensor> Apply, Func<Nd[], Nd> Expected)
{
    /// <summary>Of float32 results, relative to the larger of 1 and the value.</summary>
    internal double Tolerance32 { get; init; } = 1e-5;

    internal double Tolerance64 { get; init; } = 1e-12;

    /// <summary>Whether the result is floating and depends on the inputs smoothly.</summary>
    internal bool Differentiable { get; init; } = true;

    public override string ToString() => Name;
}

/// <summary>Every operation: elementwise ones from the rows of ops.def, structured ones from the lists beside this file.</summary>
internal static class OperationList
{
    internal static IEnumerable<Operation> All =>
        [.. ElementwiseSamples.All, .. ReduceSamples.All, .. LinearSamples.All, .. LossSamples.All, .. IndexSamples.All];

    internal static IEnumerable<Operation> Differentiable => All.Where(operation => operation.Differentiable);

    /// <summary>Inputs of these shapes.</summary>
    internal static Nd[] Random(params long[][] shapes) => [.. shapes.Select((shape, i) => Nd.Random(17 + i, shape))];
}
