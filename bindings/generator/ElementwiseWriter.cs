using System.Text;

namespace Hybrid.BindingsGenerator;

/// <summary>Writes what follows from ops.def for the library: a method on Tensor for each row, and the tables and derivatives of ElementwiseOps.</summary>
internal static class ElementwiseWriter
{
    // Names that are PyTorch's too, so that the docs may refer to it. A row that is missing here is not referred.
    static readonly HashSet<string> Torch =
    [
        "neg", "abs", "sign", "floor", "ceil", "round", "trunc", "frac", "square", "sqrt", "rsqrt", "reciprocal", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p",
        "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "sigmoid", "relu",
        "add", "sub", "mul", "div", "pow", "maximum", "minimum", "atan2", "hypot", "fmod", "remainder",
        "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor",
    ];

    static readonly HashSet<string> TorchFunctional =
        ["leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign", "logsigmoid", "hardsigmoid", "hardswish", "hardtanh", "relu6", "tanhshrink"];

    public static string Write(Operations operations)
    {
        var text = new StringBuilder(BindingsWriter.Notice.Replace("hybrid.h", "ops.def"));
        text.Append("using Hybrid.Bindings;\n\nnamespace Hybrid;\n\npublic partial class Tensor\n{\n");
        text.AppendJoin('\n', operations.Unary.Select(UnaryMethod).Concat(operations.Binary.Select(BinaryMethods)).Concat(operations.Compare.Select(CompareMethods)));
        text.Append("}\n\ninternal static partial class ElementwiseOps\n{\n");
        Table(text, "The operations of one operand; an operation's place is its enumerator's value.", "UnaryInfo", "UnaryOps", operations.Unary, row =>
            $"HyUnaryOp.{row.CSharp}, \"{row.Name}\", {Literal(row.Forward)}, {Floating(row, row.Dtypes)}, Reads.{UnaryReads(row)}, {(row.Parameter is null ? "null" : $"\"{Naming.Camel(row.Parameter)}\"")}, {row.Default ?? "0"}, {row.Low}, {row.High}");
        Table(text, "The operations of two operands; an operation's place is its enumerator's value.", "BinaryInfo", "BinaryOps", operations.Binary, row =>
            $"HyBinaryOp.{row.CSharp}, \"{row.Name}\", {Literal(row.Forward)}, {Floating(row, row.Dtypes)}, {ReadsInputs(row)}, {row.LowA}, {row.HighA}, {row.LowB}, {row.HighB}");
        Table(text, "The comparisons and logical operations; an operation's place is its enumerator's value.", "CompareInfo", "CompareOps", operations.Compare, row =>
            $"HyCompareOp.{row.CSharp}, \"{row.Name}\", {Literal(row.Condition)}");
        Derivatives(text, operations);
        return text.Append("}\n").ToString();
    }

    static string UnaryMethod(UnaryOperation row)
    {
        var doc = row.Parameter is null ? Doc(row) : Doc(row).Replace(row.Parameter, $"<paramref name=\"{Naming.Camel(row.Parameter)}\"/>");
        var text = new StringBuilder($"    /// <summary>{doc}</summary>\n");
        if (row.Parameter is not null)
        {
            text.Append($"    /// <param name=\"{Naming.Camel(row.Parameter)}\">{row.Parameter.Replace('_', ' ')} in the formula</param>\n");
        }
        text.Append("    /// <returns>a new tensor of this one's shape</returns>\n");
        text.Append(DTypeDoc(row.Dtypes));
        var (declaration, argument) = row.Parameter is null ? ("", "") : ($"double {Naming.Camel(row.Parameter)} = {row.Default}", $", {Naming.Camel(row.Parameter)}");
        return text.Append($"    public Tensor {row.CSharp}({declaration}) => ElementwiseOps.Unary(HyUnaryOp.{row.CSharp}, this{argument});\n").ToString();
    }

    static string BinaryMethods(BinaryOperation row) =>
        Method(row, DTypeDoc(row.Dtypes), "a new tensor of the shape that both broadcast to", "Tensor", $"ElementwiseOps.Binary(HyBinaryOp.{row.CSharp}, this, b)") + "\n"
        + Method(row, DTypeDoc(row.Dtypes), "a new tensor of this one's shape", "double", $"ElementwiseOps.BinaryScalar(HyBinaryOp.{row.CSharp}, this, b, false)");

    static string CompareMethods(CompareOperation row) =>
        Method(row, "", "a new bool tensor of the shape that both broadcast to", "Tensor", $"ElementwiseOps.Compare(HyCompareOp.{row.CSharp}, this, b)") + "\n"
        + Method(row, "", "a new bool tensor of this one's shape", "double", $"ElementwiseOps.CompareScalar(HyCompareOp.{row.CSharp}, this, b)");

    static string Method(Operation row, string dtypeDoc, string returns, string type, string body)
    {
        var operand = type == "Tensor" ? "b, broadcast with this tensor, which is a" : "b, the same for every element of this tensor, which is a";
        var shapeDoc = type == "Tensor" ? "    /// <exception cref=\"ShapeException\">The shapes do not broadcast.</exception>\n" : "";
        return $"    /// <summary>{Doc(row)}</summary>\n    /// <param name=\"b\">{operand}</param>\n    /// <returns>{returns}</returns>\n{shapeDoc}{dtypeDoc}"
            + $"    public Tensor {row.CSharp}({type} b) => {body};\n";
    }

    static string Doc(Operation row)
    {
        var pytorch = Torch.Contains(row.Name) ? $" See PyTorch's <c>torch.{row.Name}</c>."
            : TorchFunctional.Contains(row.Name) ? $" See PyTorch's <c>torch.nn.functional.{row.Name}</c>." : "";
        return XmlDocs.Mark(Naming.Sentence(row.Doc)) + pytorch;
    }

    static string DTypeDoc(string dtypes) => dtypes == "FLOAT" ? "    /// <exception cref=\"DTypeException\">The dtype is not floating.</exception>\n" : "";

    static void Table<TRow>(StringBuilder text, string summary, string type, string name, IReadOnlyList<TRow> rows, Func<TRow, string> columns)
    {
        text.Append($"    /// <summary>{summary}</summary>\n    internal static readonly IReadOnlyList<{type}> {name} =\n    [\n");
        foreach (var row in rows)
        {
            text.Append($"        new({columns(row)}),\n");
        }
        text.Append("    ];\n\n");
    }

    static void Derivatives(StringBuilder text, Operations operations)
    {
        text.Append("    /// <summary>g times dy/dx, in differentiable operations. x and y may be null where the row does not read them.</summary>\n");
        text.Append("    internal static Tensor UnaryDerivative(HyUnaryOp op, Tensor g, Tensor? x, Tensor? y, double p) => op switch\n    {\n");
        foreach (var row in operations.Unary)
        {
            text.Append($"        HyUnaryOp.{row.CSharp} => {Derivative(operations, row)},\n");
        }
        text.Append("        _ => throw new ArgumentOutOfRangeException(nameof(op), op, null),\n    };\n\n");
        text.Append("    /// <summary>g times dy/da (operand 0) or dy/db (operand 1), in differentiable operations. a and b may be null where the row reads no inputs.</summary>\n");
        text.Append("    internal static Tensor BinaryDerivative(HyBinaryOp op, int operand, Tensor g, Tensor? a, Tensor? b) => (op, operand) switch\n    {\n");
        foreach (var row in operations.Binary)
        {
            text.Append($"        (HyBinaryOp.{row.CSharp}, 0) => {Derivative(operations, row, row.DerivativeA)},\n");
            text.Append($"        (HyBinaryOp.{row.CSharp}, 1) => {Derivative(operations, row, row.DerivativeB)},\n");
        }
        text.Append("        _ => throw new ArgumentOutOfRangeException(nameof(op), (op, operand), null),\n    };\n");
    }

    /// <summary>The C# of a unary row's derivative.</summary>
    internal static string Derivative(Operations operations, UnaryOperation row)
    {
        var reads = UnaryReads(row);
        var variables = new Dictionary<string, string> { ["g"] = "g" };
        if (reads is "Input" or "Both")
        {
            variables["x"] = "x!";
        }
        if (reads is "Output" or "Both")
        {
            variables["y"] = "y!";
        }
        return Derivative(operations, row, row.Derivative, variables, row.Parameter is null ? null : "p");
    }

    /// <summary>The C# of one of a binary row's derivatives.</summary>
    internal static string Derivative(Operations operations, BinaryOperation row, string derivative)
    {
        var variables = new Dictionary<string, string> { ["g"] = "g" };
        if (ReadsInputs(row) == "true")
        {
            (variables["a"], variables["b"]) = ("a!", "b!");
        }
        return Derivative(operations, row, derivative, variables, null);
    }

    static string Derivative(Operations operations, Operation row, string derivative, Dictionary<string, string> variables, string? parameter)
    {
        try
        {
            return new TensorTranslator(operations, variables, parameter).Translate(CParser.Parse(derivative));
        }
        catch (GeneratorException e)
        {
            throw new GeneratorException($"the derivative of {row.Name} in ops.def: {e.Message}");
        }
    }

    static string UnaryReads(UnaryOperation row) => row.Reads is "NONE" or "INPUT" or "OUTPUT" or "BOTH"
        ? Naming.Pascal(row.Reads)
        : throw new GeneratorException($"{row.Name} in ops.def reads {row.Reads}; expected NONE, INPUT, OUTPUT or BOTH");

    static string ReadsInputs(BinaryOperation row) => row.Reads switch
    {
        "NONE" => "false",
        "INPUTS" => "true",
        _ => throw new GeneratorException($"{row.Name} in ops.def reads {row.Reads}; expected NONE or INPUTS"),
    };

    static string Floating(Operation row, string dtypes) => dtypes switch
    {
        "FLOAT" => "true",
        "ANY" => "false",
        _ => throw new GeneratorException($"{row.Name} in ops.def has the dtypes {dtypes}; expected FLOAT or ANY"),
    };

    static string Literal(string text) => $"\"{text.Replace("\\", "\\\\").Replace("\"", "\\\"")}\"";
}
