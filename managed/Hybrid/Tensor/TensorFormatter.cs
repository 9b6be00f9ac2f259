namespace Hybrid;
internal static class TensorFormatter { internal static string Format(Tensor t) => t.Shape.ToString(); }
