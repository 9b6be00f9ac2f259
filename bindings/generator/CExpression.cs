using System.Text.RegularExpressions;

namespace Hybrid.BindingsGenerator;

/// <summary>The syntax tree of a formula in ops.def.</summary>
internal abstract record CExpression
{
    /// <summary>The names of the variables that the formula reads.</summary>
    public IEnumerable<string> Variables() => this switch
    {
        CVariable variable => [variable.Name],
        CPrefix prefix => prefix.Operand.Variables(),
        CCast cast => cast.Operand.Variables(),
        CInfix infix => infix.Left.Variables().Concat(infix.Right.Variables()),
        CConditional c => c.Condition.Variables().Concat(c.Then.Variables()).Concat(c.Else.Variables()),
        CCall call => call.Arguments.SelectMany(argument => argument.Variables()),
        _ => [],
    };
}

internal sealed record CNumber(string Text) : CExpression;

internal sealed record CVariable(string Name) : CExpression;

internal sealed record CPrefix(string Operator, CExpression Operand) : CExpression;

internal sealed record CInfix(string Operator, CExpression Left, CExpression Right) : CExpression;

internal sealed record CConditional(CExpression Condition, CExpression Then, CExpression Else) : CExpression;

/// <summary>A cast to T, the element type; there is no other.</summary>
internal sealed record CCast(CExpression Operand) : CExpression;

internal sealed record CCall(string Function, IReadOnlyList<CExpression> Arguments) : CExpression;

/// <summary>
/// Reads the C expressions of ops.def: ?: || &amp;&amp; comparisons + - * / unary - and !, casts to T, numbers, variables and calls.
/// </summary>
internal sealed partial class CParser
{
    // From the loosest to the tightest.
    static readonly string[][] Levels = [["||"], ["&&"], ["==", "!="], ["<", "<=", ">", ">="], ["+", "-"], ["*", "/"]];

    readonly string text;
    readonly List<string> tokens;
    int position;

    CParser(string text)
    {
        this.text = text;
        tokens = Token().Matches(text).Select(match => match.Value).Where(token => !string.IsNullOrWhiteSpace(token)).ToList();
    }

    /// <exception cref="GeneratorException">The text is no such expression.</exception>
    public static CExpression Parse(string text)
    {
        var parser = new CParser(text);
        var expression = parser.Conditional();
        return parser.position == parser.tokens.Count ? expression : throw parser.Error();
    }

    string Next => position < tokens.Count ? tokens[position] : "";

    GeneratorException Error() => new(Next == ""
        ? $"'{text}' ends too early"
        : $"'{text}' cannot be read at '{Next}': known are ?: || && comparisons + - * / ! (T), numbers, variables and hy_NAME(...)");

    bool Take(string token)
    {
        if (Next != token)
        {
            return false;
        }
        position++;
        return true;
    }

    void Expect(string token)
    {
        if (!Take(token))
        {
            throw Error();
        }
    }

    CExpression Conditional()
    {
        var condition = Infix(0);
        if (!Take("?"))
        {
            return condition;
        }
        var then = Conditional();
        Expect(":");
        return new CConditional(condition, then, Conditional());
    }

    CExpression Infix(int level)
    {
        if (level == Levels.Length)
        {
            return Prefix();
        }
        var left = Infix(level + 1);
        while (Levels[level].Contains(Next))
        {
            var sign = tokens[position++];
            left = new CInfix(sign, left, Infix(level + 1));
        }
        return left;
    }

    CExpression Prefix()
    {
        if (Next is "-" or "!")
        {
            return new CPrefix(tokens[position++], Prefix());
        }
        if (Take("+"))
        {
            return Prefix();
        }
        if (Next == "(" && position + 2 < tokens.Count && tokens[position + 1] == "T" && tokens[position + 2] == ")")
        {
            position += 3;
            return new CCast(Prefix());
        }
        return Primary();
    }

    CExpression Primary()
    {
        if (Take("("))
        {
            var inner = Conditional();
            Expect(")");
            return inner;
        }
        if (Next == "" || !(char.IsLetterOrDigit(Next[0]) || Next[0] is '_' or '.'))
        {
            throw Error();
        }
        var word = tokens[position++];
        if (!char.IsLetter(word[0]) && word[0] != '_')
        {
            return new CNumber(word.TrimEnd('f', 'F'));
        }
        return Take("(") ? new CCall(word, Arguments()) : new CVariable(word);
    }

    List<CExpression> Arguments()
    {
        var arguments = new List<CExpression>();
        if (Take(")"))
        {
            return arguments;
        }
        do
        {
            arguments.Add(Conditional());
        }
        while (Take(","));
        Expect(")");
        return arguments;
    }

    [GeneratedRegex(@"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?|[A-Za-z_]\w*|\|\||&&|[=!<>]=|\s+|.")]
    private static partial Regex Token();
}
