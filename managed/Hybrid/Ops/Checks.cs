namespace Hybrid;

/// <summary>What operations that are composed of others check themselves, so that the message names the one that was called.</summary>
internal static class Checks
{
    internal static void Floating(string op, Tensor x)
    {
        if (!x.DType.IsFloating())
            throw new DTypeException($"{op}: input is {x.DType.Name()}; a floating dtype was expected");
    }

    internal static void LikeInput(string op, Tensor x, Tensor target)
    {
        Floating(op, x);
        if (x.Shape != target.Shape)
            throw new ShapeException($"{op}: input is {x.Shape}, target {target.Shape}; equal shapes were expected");
        if (x.DType != target.DType)
            throw new DTypeException($"{op}: input is {x.DType.Name()}, target {target.DType.Name()}; one dtype was expected");
    }
}
