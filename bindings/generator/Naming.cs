namespace Hybrid.BindingsGenerator;

/// <summary>From C's names to C#'s.</summary>
internal static class Naming
{
    // Those that are no keywords of C: the others cannot come from a header.
    static readonly HashSet<string> Keywords =
    [
        "abstract", "as", "base", "bool", "byte", "catch", "checked", "class", "decimal", "delegate", "event",
        "explicit", "false", "finally", "fixed", "foreach", "implicit", "in", "interface", "internal", "is", "lock",
        "namespace", "new", "null", "object", "operator", "out", "override", "params", "private", "protected", "public",
        "readonly", "ref", "sbyte", "sealed", "stackalloc", "string", "this", "throw", "true", "try", "typeof", "uint",
        "ulong", "unchecked", "unsafe", "ushort", "using", "virtual",
    ];

    /// <summary>"max_pool2d" and "MAX_POOL2D" → "MaxPool2d".</summary>
    public static string Pascal(string name) => string.Concat(name.Split('_', StringSplitOptions.RemoveEmptyEntries).Select(Word));

    /// <summary>"negative_slope" → "negativeSlope"; a keyword gets an @.</summary>
    public static string Camel(string name)
    {
        var pascal = Pascal(name);
        var camel = char.ToLowerInvariant(pascal[0]) + pascal[1..];
        return Keywords.Contains(camel) ? "@" + camel : camel;
    }

    /// <summary>A type's name: "hy_conv2d_params" → "HyConv2dParams".</summary>
    public static string Type(string name) => Pascal(name);

    /// <summary>A function's or macro's name, less the prefix: "hy_max_pool2d" → "MaxPool2d", "HY_MAX_DIMS" → "MaxDims".</summary>
    public static string Member(string name) => Pascal(name[3..]);

    /// <summary>A phrase as a sentence: a first word in letters gets a capital, a formula stays; a full stop at the end.</summary>
    public static string Sentence(string phrase)
    {
        var word = phrase.Split(' ')[0];
        var start = word.Length > 1 && word.All(char.IsAsciiLetterLower) ? char.ToUpperInvariant(phrase[0]) + phrase[1..] : phrase;
        return start.EndsWith('.') ? start : start + ".";
    }

    static string Word(string word)
    {
        var lower = word.ToLowerInvariant();
        return lower.StartsWith("uint", StringComparison.Ordinal) ? "UI" + lower[2..] : char.ToUpperInvariant(lower[0]) + lower[1..];
    }
}
