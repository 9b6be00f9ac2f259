namespace Hybrid.Tests.Ops;

/// <summary>
/// What each row of ops.def should compute, written again and independently in double precision. A new row needs an entry here, under
/// its name in C#; until it has one the suite fails.
/// </summary>
internal static class ElementwiseReference
{
    internal static readonly Dictionary<string, Func<double, double, double>> Unary = new()
    {
        ["Neg"] = (x, _) => -x,
        ["Abs"] = (x, _) => Math.Abs(x),
        ["Sign"] = (x, _) => double.IsNaN(x) ? x : Math.Sign(x),
        ["Floor"] = (x, _) => Math.Floor(x),
        ["Ceil"] = (x, _) => Math.Ceiling(x),
        ["Round"] = (x, _) => Math.Round(x, MidpointRounding.ToEven),
        ["Square"] = (x, _) => x * x,
        ["Sqrt"] = (x, _) => Math.Sqrt(x),
        ["Rsqrt"] = (x, _) => 1 / Math.Sqrt(x),
        ["Reciprocal"] = (x, _) => 1 / x,
        ["Exp"] = (x, _) => Math.Exp(x),
        ["Expm1"] = (x, _) => Math.Abs(x) < 1e-5 ? x + x * x / 2 : Math.Exp(x) - 1,
        ["Log"] = (x, _) => Math.Log(x),
        ["Log1p"] = (x, _) => Math.Abs(x) < 1e-5 ? x - x * x / 2 : Math.Log(1 + x),
        ["Sin"] = (x, _) => Math.Sin(x),
        ["Cos"] = (x, _) => Math.Cos(x),
        ["Tanh"] = (x, _) => Math.Tanh(x),
        ["Erf"] = (x, _) => Erf(x),
        ["Sigmoid"] = (x, _) => 1 / (1 + Math.Exp(-x)),
        ["Relu"] = (x, _) => double.IsNaN(x) ? x : Math.Max(0, x),
        ["LeakyRelu"] = (x, p) => x >= 0 ? x : p * x,
        ["Elu"] = (x, p) => x > 0 ? x : p * (Math.Exp(x) - 1),
        ["Gelu"] = (x, _) => x * 0.5 * (1 + Erf(x / Math.Sqrt(2))),
        ["Silu"] = (x, _) => x / (1 + Math.Exp(-x)),
        ["Softplus"] = (x, _) => x > 40 ? x : Math.Log(1 + Math.Exp(x)),
    };

    internal static readonly Dictionary<string, Func<double, double, double>> Binary = new()
    {
        ["Add"] = (a, b) => a + b,
        ["Sub"] = (a, b) => a - b,
        ["Mul"] = (a, b) => a * b,
        ["Div"] = (a, b) => a / b,
        ["Pow"] = Math.Pow,
        ["Maximum"] = Math.Max,
        ["Minimum"] = Math.Min,
    };

    internal static readonly Dictionary<string, Func<double, double, bool>> Compare = new()
    {
        ["Eq"] = (a, b) => a == b,
        ["Ne"] = (a, b) => a != b,
        ["Lt"] = (a, b) => a < b,
        ["Le"] = (a, b) => a <= b,
        ["Gt"] = (a, b) => a > b,
        ["Ge"] = (a, b) => a >= b,
        ["LogicalAnd"] = (a, b) => a != 0 & b != 0,
        ["LogicalOr"] = (a, b) => a != 0 | b != 0,
        ["LogicalXor"] = (a, b) => a != 0 ^ b != 0,
    };

    /// <summary>The error function by its Maclaurin series, and beyond 3 by the continued fraction of erfc
    /// (Abramowitz and Stegun, 7.1.6 and 7.1.14).</summary>
    internal static double Erf(double x)
    {
        if (double.IsNaN(x))
            return x;
        if (Math.Abs(x) > 6)
            return Math.Sign(x);
        if (Math.Abs(x) < 3)
        {
            double term = x, sum = x;
            for (var n = 1; Math.Abs(term) > 1e-20 * Math.Abs(sum); n++)
                sum += term *= 2 * x * x / (2 * n + 1);
            return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
        }
        var z = Math.Abs(x);
        var fraction = z;
        for (var n = 80; n > 0; n--)
            fraction = z + n / 2.0 / fraction;
        return Math.Sign(x) * (1 - Math.Exp(-z * z) / (Math.Sqrt(Math.PI) * fraction));
    }
}
