using System.Text.Json;

namespace Hybrid.BindingsGenerator;

/// <summary>A row of ops.def.</summary>
internal abstract record Operation(string Name, string Doc)
{
    public string CSharp => Naming.Pascal(Name);
}

internal sealed record UnaryOperation(
    string Name, string Doc, string Dtypes, string? Parameter, string? Default, string Forward, string Derivative, string Reads,
    string Low, string High)
    : Operation(Name, Doc);

internal sealed record BinaryOperation(
    string Name, string Doc, string Dtypes, string Forward, string DerivativeA, string DerivativeB, string Reads,
    string LowA, string HighA, string LowB, string HighB)
    : Operation(Name, Doc);

internal sealed record CompareOperation(string Name, string Doc, string Condition) : Operation(Name, Doc);

/// <summary>The rows of ops.def, in order: an operation's place in its list is its enumerator's value.</summary>
internal sealed record Operations(
    IReadOnlyList<UnaryOperation> Unary, IReadOnlyList<BinaryOperation> Binary, IReadOnlyList<CompareOperation> Compare)
{
    // Each row becomes a JSON array of its columns; # gives them as they were written.
    const string Stub = """
        #define HY_UNARY(name, dtypes, param, forward, derivative, reads, low, high, doc) \
            ["unary", #name, doc, #dtypes, #param, #forward, #derivative, #reads, #low, #high],
        #define HY_BINARY(name, dtypes, forward, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc) \
            ["binary", #name, doc, #dtypes, #forward, #derivative_a, #derivative_b, #reads, #low_a, #high_a, #low_b, #high_b],
        #define HY_COMPARE(name, condition, doc) ["compare", #name, doc, #condition],
        #include "hybrid/ops.def"

        """;

    public static Operations Read(Clang clang) => Parse(clang.Preprocess(Stub));

    /// <summary>The row's doc for an enumerator such as HY_UNARY_relu; null for one that comes from no row.</summary>
    public string? DocOf(string enumerator) =>
        Unary.Select(row => ("HY_UNARY_" + row.Name, row.Doc)).Concat(Binary.Select(row => ("HY_BINARY_" + row.Name, row.Doc)))
            .Concat(Compare.Select(row => ("HY_COMPARE_" + row.Name, row.Doc)))
            .FirstOrDefault(row => row.Item1 == enumerator).Doc;

    static Operations Parse(string rows)
    {
        string[][] table;
        try
        {
            table = JsonSerializer.Deserialize<string[][]>($"[{rows}]", new JsonSerializerOptions { AllowTrailingCommas = true })!;
        }
        catch (JsonException e)
        {
            throw new GeneratorException($"cannot read the rows of ops.def: {e.Message}");
        }
        return new(
            table.Where(row => row[0] == "unary").Select(ParseUnary).ToList(),
            table.Where(row => row[0] == "binary").Select(row =>
                new BinaryOperation(row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9], row[10], row[11])).ToList(),
            table.Where(row => row[0] == "compare").Select(row => new CompareOperation(row[1], row[2], row[3])).ToList());
    }

    static UnaryOperation ParseUnary(string[] row)
    {
        string? parameter = null, value = null;
        if (row[4] != "NO_PARAM")
        {
            var inside = row[4].StartsWith("PARAM(", StringComparison.Ordinal) && row[4].EndsWith(')') ? row[4][6..^1].Split(',') : [];
            (parameter, value) = inside.Length == 2
                ? (inside[0].Trim(), inside[1].Trim())
                : throw new GeneratorException($"{row[1]}: the parameter is {row[4]}; expected NO_PARAM or PARAM(name, default)");
        }
        return new(row[1], row[2], row[3], parameter, value, row[5], row[6], row[7], row[8], row[9]);
    }
}
