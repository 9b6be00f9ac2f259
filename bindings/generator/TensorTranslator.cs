namespace Hybrid.BindingsGenerator;

/// <summary>
/// Translates a derivative of ops.def into C# over Tensor, so that it can be differentiated in turn. Constants and the parameter p stay
/// doubles; comparisons become bool tensors, ?: becomes Tensor.Where and hy_NAME(x) the method of the row NAME.
/// </summary>
internal sealed class TensorTranslator(Operations operations, IReadOnlyDictionary<string, string> tensors, string? parameter)
{
    enum Kind
    {
        Scalar,
        Truth,
        Tensor,
        Mask,
    }

    /// <summary>C# source, how tightly it binds, and what it evaluates to.</summary>
    readonly record struct Code(string Text, int Binding, Kind Kind)
    {
        public bool IsTensor => Kind is Kind.Tensor or Kind.Mask;

        public string Within(int binding) => Binding < binding ? $"({Text})" : Text;
    }

    const int Loose = 1, Or = 2, And = 3, Equality = 4, Relation = 5, Sum = 6, Product = 7, Prefix = 8, Primary = 9;

    static readonly Dictionary<string, (string Method, string Mirrored, int Binding)> Comparisons = new()
    {
        ["=="] = ("Eq", "Eq", Equality), ["!="] = ("Ne", "Ne", Equality),
        ["<"] = ("Lt", "Gt", Relation), ["<="] = ("Le", "Ge", Relation), [">"] = ("Gt", "Lt", Relation), [">="] = ("Ge", "Le", Relation),
    };

    /// <summary>The derivative as a C# expression of type Tensor.</summary>
    public string Translate(CExpression expression) => AsTensor(Visit(expression)).Text;

    Code Visit(CExpression expression) => expression switch
    {
        CNumber number => new(number.Text.EndsWith('.') ? number.Text + "0" : number.Text, Primary, Kind.Scalar),
        CVariable variable => Variable(variable.Name),
        CPrefix { Operator: "-" } prefix => Negate(Number(Visit(prefix.Operand))),
        CPrefix prefix => Not(Condition(Visit(prefix.Operand))),
        CCast cast => Cast(Number(Visit(cast.Operand))),
        CInfix { Operator: "&&" } infix => Logical(infix, "LogicalAnd", And),
        CInfix { Operator: "||" } infix => Logical(infix, "LogicalOr", Or),
        CInfix infix when Comparisons.ContainsKey(infix.Operator) => Compare(infix),
        CInfix infix => Arithmetic(infix),
        CConditional conditional => Conditional(conditional),
        CCall call => Call(call),
        _ => throw new GeneratorException($"cannot translate {expression}"),
    };

    Code Variable(string name)
    {
        if (tensors.TryGetValue(name, out var code))
        {
            return new(code, Primary, Kind.Tensor);
        }
        if (name == parameter)
        {
            return new(name, Primary, Kind.Scalar);
        }
        var allowed = parameter is null ? tensors.Keys : tensors.Keys.Append(parameter);
        throw new GeneratorException($"the variable {name} is not among {string.Join(", ", allowed)}");
    }

    static Code Negate(Code operand) =>
        new(operand.Text.StartsWith('-') ? $"-({operand.Text})" : $"-{operand.Within(Prefix)}", Prefix, operand.Kind);

    static Code Not(Code condition) => condition.Kind == Kind.Truth
        ? new($"!{condition.Within(Prefix)}", Prefix, Kind.Truth)
        : new($"{condition.Within(Primary)}.Eq(0)", Primary, Kind.Mask);

    // A tensor has the element type already; an integer constant must not divide as integers do.
    static Code Cast(Code operand)
    {
        if (operand.IsTensor || operand.Text.Contains('.'))
        {
            return operand;
        }
        return operand.Text.TrimStart('-').All(char.IsAsciiDigit)
            ? operand with { Text = operand.Text + ".0" }
            : new($"(double){operand.Within(Prefix)}", Prefix, Kind.Scalar);
    }

    Code Arithmetic(CInfix infix)
    {
        var (left, right) = (Number(Visit(infix.Left)), Number(Visit(infix.Right)));
        var binding = infix.Operator is "+" or "-" ? Sum : Product;
        var kind = left.IsTensor || right.IsTensor ? Kind.Tensor : Kind.Scalar;
        return new($"{left.Within(binding)} {infix.Operator} {right.Within(binding + 1)}", binding, kind);
    }

    Code Compare(CInfix infix)
    {
        var (left, right) = (Visit(infix.Left), Visit(infix.Right));
        if (left.Kind != right.Kind)
        {
            (left, right) = (Number(left), Number(right));
        }
        var (method, mirrored, binding) = Comparisons[infix.Operator];
        return (left.IsTensor, right.IsTensor) switch
        {
            (true, _) => new($"{left.Within(Primary)}.{method}({right.Text})", Primary, Kind.Mask),
            (false, true) => new($"{right.Within(Primary)}.{mirrored}({left.Text})", Primary, Kind.Mask),
            _ => new($"{left.Within(binding)} {infix.Operator} {right.Within(binding + 1)}", binding, Kind.Truth),
        };
    }

    Code Logical(CInfix infix, string method, int binding)
    {
        var (left, right) = (Condition(Visit(infix.Left)), Condition(Visit(infix.Right)));
        if (left.Kind != right.Kind)
        {
            throw new GeneratorException($"'{left.Text}' and '{right.Text}' cannot be joined by {infix.Operator}: "
                + "one is decided once, the other for each element; nest two ?: instead");
        }
        return left.Kind == Kind.Mask
            ? new($"{left.Within(Primary)}.{method}({right.Text})", Primary, Kind.Mask)
            : new($"{left.Within(binding)} {infix.Operator} {right.Within(binding + 1)}", binding, Kind.Truth);
    }

    Code Conditional(CConditional conditional)
    {
        var condition = Condition(Visit(conditional.Condition));
        var (then, otherwise) = (Number(Visit(conditional.Then)), Number(Visit(conditional.Else)));
        if (condition.Kind == Kind.Mask)
        {
            // Of two numbers Where could not tell which dtype is meant.
            then = otherwise.IsTensor ? then : AsTensor(then);
            return new($"Tensor.Where({condition.Text}, {then.Text}, {otherwise.Text})", Primary, Kind.Tensor);
        }
        if (then.IsTensor || otherwise.IsTensor)
        {
            (then, otherwise) = (AsTensor(then), AsTensor(otherwise));
        }
        return new($"{condition.Within(Loose + 1)} ? {then.Within(Loose + 1)} : {otherwise.Within(Loose)}", Loose, then.Kind);
    }

    Code Call(CCall call)
    {
        var arguments = call.Arguments.Select(argument => Number(Visit(argument))).ToList();
        var name = call.Function.StartsWith("hy_", StringComparison.Ordinal) ? call.Function[3..] : "";
        if (arguments.Count == 1 && operations.Unary.FirstOrDefault(row => row.Name == name && row.Parameter is null) is { } unary)
        {
            return new($"{AsTensor(arguments[0]).Within(Primary)}.{unary.CSharp}()", Primary, Kind.Tensor);
        }
        if (arguments.Count == 2 && operations.Binary.FirstOrDefault(row => row.Name == name) is { } binary)
        {
            var (a, b) = (arguments[0], arguments[1]);
            return a.IsTensor || !b.IsTensor
                ? new($"{AsTensor(a).Within(Primary)}.{binary.CSharp}({b.Text})", Primary, Kind.Tensor)
                : new($"ElementwiseOps.BinaryScalar(HyBinaryOp.{binary.CSharp}, {b.Text}, {a.Text}, true)", Primary, Kind.Tensor);
        }
        var allowed = operations.Unary.Where(row => row.Parameter is null).Select(row => $"hy_{row.Name}(x)")
            .Concat(operations.Binary.Select(row => $"hy_{row.Name}(a, b)"));
        throw new GeneratorException($"{call.Function} with {arguments.Count} argument(s) is no row that a derivative may call; "
            + $"these are: {string.Join(", ", allowed)}");
    }

    /// <summary>As something to compute with: a condition counts as 1 or 0, as in C.</summary>
    static Code Number(Code code) => code.Kind switch
    {
        Kind.Mask => new($"{code.Within(Primary)}.To(g.DType)", Primary, Kind.Tensor),
        Kind.Truth => new($"({code.Text} ? 1 : 0)", Primary, Kind.Scalar),
        _ => code,
    };

    /// <summary>As a condition: a number counts as true unless it is 0, as in C.</summary>
    static Code Condition(Code code) => code.Kind switch
    {
        Kind.Tensor => new($"{code.Within(Primary)}.Ne(0)", Primary, Kind.Mask),
        Kind.Scalar => new($"{code.Within(Equality)} != 0", Equality, Kind.Truth),
        _ => code,
    };

    static Code AsTensor(Code code)
    {
        code = Number(code);
        if (code.IsTensor)
        {
            return code;
        }
        var isZero = double.TryParse(code.Text, out var value) && value == 0;
        return new(isZero ? "Tensor.ZerosLike(g)" : $"Tensor.FullLike(g, {code.Text})", Primary, Kind.Tensor);
    }
}
