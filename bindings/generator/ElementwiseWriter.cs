using System.Text;

namespace Hybrid.BindingsGenerator;

/// <summary>Writes what follows from ops.def: a method on Tensor for each row, and ElementwiseOps' tables and derivatives.</summary>
internal static class ElementwiseWriter
{
    // Names that are PyTorch's too, so that the docs may refer to it. A row that is missing here is documented without that.
    static readonly HashSet<string> Torch =
    [
        "neg", "abs", "sign", "floor", "ceil", "round", "trunc", "frac", "square", "sqrt", "rsqrt", "reciprocal",
        "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "erf", "erfc", "sigmoid", "relu",
        "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
        "add", "sub", "mul", "div", "pow", "maximum", "minimum", "atan2", "hypot", "fmod", "remainder",
        "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor",
    ];

    static readonly HashSet<string> TorchFunctional =
    [
        "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign", "logsigmoid", "hardsigmoid", "hardswish",
        "hardtanh", "relu6", "tanhshrink",
    ];

    public static string Write(Operations operations)
    {
        var methods = operations.Unary.Select(UnaryMethod)
            .Concat(operations.Binary.Select(BinaryMethods))
            .Concat(operations.Compare.Select(CompareMethods));
        var text = new StringBuilder(BindingsWriter.Notice("ops.def"));
        text.Append("using Hybrid.Bindings;\n\nnamespace Hybrid;\n\npublic partial class Tensor\n{\n").AppendJoin('\n', methods);
        text.Append("}\n\ninternal static partial class ElementwiseOps\n{\n");
        Table(text, "The operations of one operand", "UnaryInfo", "UnaryOps", operations.Unary.Select(UnaryColumns));
        Table(text, "The operations of two operands", "BinaryInfo", "BinaryOps", operations.Binary.Select(BinaryColumns));
        Table(text, "The comparisons and logical operations", "CompareInfo", "CompareOps", operations.Compare.Select(row =>
            $"HyCompareOp.{row.CSharp}, \"{row.Name}\", {Literal(row.Condition)}"));
        Derivatives(text, operations);
        return text.Append("}\n").ToString();
    }

    static string UnaryMethod(UnaryOperation row)
    {
        var (doc, parameterDoc, declaration, argument) = (Doc(row), "", "", "");
        if (row.Parameter is not null)
        {
            var name = Naming.Camel(row.Parameter);
            doc = doc.Replace(row.Parameter, $"<paramref name=\"{name}\"/>");
            parameterDoc = $"    /// <param name=\"{name}\">{row.Parameter.Replace('_', ' ')} in the formula</param>\n";
            (declaration, argument) = ($"double {name} = {row.Default}", $", {name}");
        }
        return $"    /// <summary>{doc}</summary>\n" + parameterDoc
            + "    /// <returns>a new tensor of this one's shape</returns>\n"
            + (row.Dtypes == "FLOAT" ? "    /// <exception cref=\"DTypeException\">The dtype is not floating.</exception>\n" : "")
            + $"    public Tensor {row.CSharp}({declaration}) => ElementwiseOps.Unary(HyUnaryOp.{row.CSharp}, this{argument});\n";
    }

    static string BinaryMethods(BinaryOperation row) => TwoMethods(row, row.Dtypes == "FLOAT" ? "floating tensor" : "tensor",
        $"Binary(HyBinaryOp.{row.CSharp}, this, b)", $"BinaryScalar(HyBinaryOp.{row.CSharp}, this, b, false)");

    static string CompareMethods(CompareOperation row) => TwoMethods(row, "bool tensor",
        $"Compare(HyCompareOp.{row.CSharp}, this, b)", $"CompareScalar(HyCompareOp.{row.CSharp}, this, b)");

    /// <summary>The method whose b is a tensor and the one whose b is a number.</summary>
    static string TwoMethods(Operation row, string result, string ofTensor, string ofNumber)
    {
        const string ShapeDoc = "    /// <exception cref=\"ShapeException\">The shapes do not broadcast.</exception>\n";
        return $"    /// <summary>{Doc(row)}</summary>\n"
            + "    /// <param name=\"b\">b, broadcast with this tensor, which is a</param>\n"
            + $"    /// <returns>a new {result} of the shape that both broadcast to</returns>\n" + ShapeDoc
            + $"    public Tensor {row.CSharp}(Tensor b) => ElementwiseOps.{ofTensor};\n\n"
            + $"    /// <summary>{Doc(row)}</summary>\n"
            + "    /// <param name=\"b\">b, the same for every element of this tensor, which is a</param>\n"
            + $"    /// <returns>a new {result} of this one's shape</returns>\n"
            + $"    public Tensor {row.CSharp}(double b) => ElementwiseOps.{ofNumber};\n";
    }

    static string Doc(Operation row)
    {
        var pytorch = Torch.Contains(row.Name) ? $" See PyTorch's <c>torch.{row.Name}</c>."
            : TorchFunctional.Contains(row.Name) ? $" See PyTorch's <c>torch.nn.functional.{row.Name}</c>." : "";
        return XmlDocs.Mark(Naming.Sentence(row.Doc)) + pytorch;
    }

    static void Table(StringBuilder text, string what, string type, string name, IEnumerable<string> rows)
    {
        text.Append($"    /// <summary>{what}; an operation's place is its enumerator's value.</summary>\n");
        text.Append($"    internal static readonly {type}[] {name} =\n    [\n");
        foreach (var columns in rows)
        {
            text.Append($"        new({columns}),\n");
        }
        text.Append("    ];\n\n");
    }

    static string UnaryColumns(UnaryOperation row)
    {
        var parameter = row.Parameter is null ? "null, 0" : $"\"{Naming.Camel(row.Parameter)}\", {row.Default}";
        return $"HyUnaryOp.{row.CSharp}, \"{row.Name}\", {Literal(row.Forward)}, {IsFloating(row, row.Dtypes)}, Reads.{Reads(row)}, "
            + $"{parameter}, {row.Low}, {row.High}";
    }

    static string BinaryColumns(BinaryOperation row) =>
        $"HyBinaryOp.{row.CSharp}, \"{row.Name}\", {Literal(row.Forward)}, {IsFloating(row, row.Dtypes)}, "
        + $"{(ReadsInputs(row) ? "true" : "false")}, {row.LowA}, {row.HighA}, {row.LowB}, {row.HighB}";

    static void Derivatives(StringBuilder text, Operations operations)
    {
        text.Append("""
                /// <summary>g times dy/dx, in differentiable operations. x and y may be null where the row does not read them.</summary>
                internal static Tensor UnaryDerivative(HyUnaryOp op, Tensor g, Tensor? x, Tensor? y, double p) => op switch
                {

            """);
        foreach (var row in operations.Unary)
        {
            text.Append($"        HyUnaryOp.{row.CSharp} => {Derivative(operations, row)},\n");
        }
        text.Append("""
                    _ => throw new ArgumentOutOfRangeException(nameof(op), op, null),
                };

                /// <summary>
                /// g times dy/da (operand 0) or dy/db (operand 1), in differentiable operations. a and b may be null where the row reads no
                /// inputs.
                /// </summary>
                internal static Tensor BinaryDerivative(HyBinaryOp op, int operand, Tensor g, Tensor? a, Tensor? b) => (op, operand) switch
                {

            """);
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
        var variables = new Dictionary<string, string> { ["g"] = "g" };
        if (Reads(row) is "Input" or "Both")
        {
            variables["x"] = "x!";
        }
        if (Reads(row) is "Output" or "Both")
        {
            variables["y"] = "y!";
        }
        return Derivative(operations, row, row.Derivative, variables, row.Parameter is null ? null : "p");
    }

    /// <summary>The C# of one of a binary row's derivatives.</summary>
    internal static string Derivative(Operations operations, BinaryOperation row, string derivative)
    {
        var variables = new Dictionary<string, string> { ["g"] = "g" };
        if (ReadsInputs(row))
        {
            (variables["a"], variables["b"]) = ("a!", "b!");
        }
        return Derivative(operations, row, derivative, variables, null);
    }

    static string Derivative(Operations operations, Operation row, string derivative, Dictionary<string, string> tensors, string? parameter)
    {
        try
        {
            return new TensorTranslator(operations, tensors, parameter).Translate(CParser.Parse(derivative));
        }
        catch (GeneratorException e)
        {
            throw new GeneratorException($"the derivative of {row.Name} in ops.def: {e.Message}");
        }
    }

    static string Reads(UnaryOperation row) => row.Reads is "NONE" or "INPUT" or "OUTPUT" or "BOTH"
        ? Naming.Pascal(row.Reads)
        : throw new GeneratorException($"{row.Name} in ops.def reads {row.Reads}; expected NONE, INPUT, OUTPUT or BOTH");

    static bool ReadsInputs(BinaryOperation row) => row.Reads switch
    {
        "NONE" => false,
        "INPUTS" => true,
        _ => throw new GeneratorException($"{row.Name} in ops.def reads {row.Reads}; expected NONE or INPUTS"),
    };

    static string IsFloating(Operation row, string dtypes) => dtypes switch
    {
        "FLOAT" => "true",
        "ANY" => "false",
        _ => throw new GeneratorException($"{row.Name} in ops.def has the dtypes {dtypes}; expected FLOAT or ANY"),
    };

    static string Literal(string text) => $"\"{text.Replace("\\", "\\\\").Replace("\"", "\\\"")}\"";
}
