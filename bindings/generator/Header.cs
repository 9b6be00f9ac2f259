using System.Text.Json;
using System.Text.RegularExpressions;

namespace Hybrid.BindingsGenerator;

/// <summary>A documentation comment, as written in C.</summary>
internal sealed record Comment(string Summary, IReadOnlyDictionary<string, string> Parameters, string? Returns)
{
    public static readonly Comment None = new("", new Dictionary<string, string>(), null);
}

/// <summary>A C type: "const hy_tensor *" has the base hy_tensor and one pointer, "int64_t[8]" has 8 elements.</summary>
internal sealed partial record CType(string Base, int Pointers, int? Elements)
{
    static readonly Dictionary<string, string> Primitives = new()
    {
        ["void"] = "void", ["char"] = "byte", ["double"] = "double", ["float"] = "float", ["uint8_t"] = "byte", ["int32_t"] = "int",
        ["uint32_t"] = "uint", ["int64_t"] = "long", ["uint64_t"] = "ulong", ["size_t"] = "nuint", ["hy_status"] = "int",
    };

    public bool IsStatus => this is { Base: "hy_status", Pointers: 0 };

    public bool IsString => this is { Base: "char", Pointers: 1 };

    /// <summary>The blittable C# type, of one element where there are many.</summary>
    public string CSharp => (Primitives.TryGetValue(Base, out var primitive) ? primitive : Naming.Type(Base)) + new string('*', Pointers);

    public static CType Parse(string text)
    {
        var match = Spelling().Match(text.Replace("const ", "").Replace("struct ", ""));
        var (name, stars, elements) = (match.Groups[1].Value, match.Groups[2].Value, match.Groups[3]);
        if (!Primitives.ContainsKey(name) && !name.StartsWith("hy_", StringComparison.Ordinal))
        {
            var known = string.Join(", ", Primitives.Keys);
            throw new GeneratorException($"the C type '{text}' has no C# counterpart; {known}, structs and pointers to them have");
        }
        return new(name, stars.Count(c => c == '*'), elements.Success ? int.Parse(elements.Value) : null);
    }

    [GeneratedRegex(@"^(\w+)\s*([\s*]*)(?:\[(\d+)\])?$")]
    private static partial Regex Spelling();
}

internal sealed record CEnumerator(string Name, string CSharp, long Value, string Doc);

internal sealed record CEnum(string Name, string Doc, IReadOnlyList<CEnumerator> Enumerators);

internal sealed record CField(string Name, CType Type, string Doc);

/// <summary>A struct; without fields it is opaque.</summary>
internal sealed record CStruct(string Name, string Doc, IReadOnlyList<CField> Fields);

/// <summary>A parameter. <paramref name="Enum"/> is the enum that an int32_t holds, as its text says: "a hy_unary_op".</summary>
internal sealed record CParameter(string Name, CType Type, string Doc, string? Enum);

internal sealed record CFunction(string Name, CType Returns, string Doc, string? ReturnsDoc, IReadOnlyList<CParameter> Parameters);

internal sealed record CConstant(string Name, string Value, string Doc);

/// <summary>What hybrid.h declares. Its own names all begin with hy_ (or HY_), which sets them apart from the system headers'.</summary>
internal sealed partial record Header(
    IReadOnlyList<CEnum> Enums, IReadOnlyList<CStruct> Structs, IReadOnlyList<CFunction> Functions, IReadOnlyList<CConstant> Constants)
{
    public static Header Read(Clang clang, Operations operations)
    {
        using var tree = JsonDocument.Parse(clang.SyntaxTree(), new JsonDocumentOptions { MaxDepth = 512 });
        var declarations = Inner(tree.RootElement).Where(node => Name(node).StartsWith("hy_", StringComparison.Ordinal)).ToList();
        var typedefs = OfKind(declarations, "TypedefDecl").GroupBy(Name).ToDictionary(group => group.Key, group => group.First());
        var enums = OfKind(declarations, "EnumDecl").Select(node => ReadEnum(node, operations)).ToList();
        var structs = OfKind(declarations, "RecordDecl").GroupBy(Name)
            .Select(group => group.FirstOrDefault(IsComplete, group.First()))
            .Select(node => ReadStruct(node, typedefs)).ToList();
        var functions = ReadFunctions(OfKind(declarations, "FunctionDecl"), enums, structs);
        return new(enums, structs, functions, ReadConstants(clang));
    }

    static IEnumerable<JsonElement> OfKind(IEnumerable<JsonElement> nodes, string kind) => nodes.Where(node => Kind(node) == kind);

    static IEnumerable<JsonElement> Inner(JsonElement node) => node.TryGetProperty("inner", out var inner) ? inner.EnumerateArray() : [];

    // A few nodes of the tree are empty objects: null children.
    static string Kind(JsonElement node) => node.TryGetProperty("kind", out var kind) ? kind.GetString()! : "";

    static string Name(JsonElement node) => node.TryGetProperty("name", out var name) ? name.GetString()! : "";

    static CType Type(JsonElement node) => CType.Parse(TypeText(node));

    static string TypeText(JsonElement node) => node.GetProperty("type").GetProperty("qualType").GetString()!;

    static bool IsComplete(JsonElement node) => node.TryGetProperty("completeDefinition", out _);

    static CEnum ReadEnum(JsonElement node, Operations operations)
    {
        // The counts that close the lists of ops.def are for C arrays.
        var nodes = OfKind(Inner(node), "EnumConstantDecl").Where(e => !Name(e).EndsWith("_COUNT", StringComparison.Ordinal)).ToList();
        var prefix = CommonPrefix(nodes.Select(Name).ToList());
        var enumerators = new List<CEnumerator>();
        long next = 0;
        foreach (var e in nodes)
        {
            var explicitValue = OfKind(Inner(e), "ConstantExpr").Select(c => c.GetProperty("value").GetString()!).FirstOrDefault();
            var value = explicitValue is null ? next : long.Parse(explicitValue);
            var doc = operations.DocOf(Name(e)) is { } rowDoc ? Naming.Sentence(rowDoc) : CommentOf(e).Summary;
            enumerators.Add(new(Name(e), Naming.Pascal(Name(e)[prefix..]), value, doc));
            next = value + 1;
        }
        return new(Name(node), CommentOf(node).Summary, enumerators);
    }

    /// <summary>The length of the longest prefix, up to and with an underscore, that all names share.</summary>
    static int CommonPrefix(IReadOnlyList<string> names)
    {
        var length = names[0].LastIndexOf('_') + 1;
        while (!names.All(name => name.StartsWith(names[0][..length], StringComparison.Ordinal)))
        {
            length = names[0].LastIndexOf('_', length - 2) + 1;
        }
        return length;
    }

    static CStruct ReadStruct(JsonElement node, Dictionary<string, JsonElement> typedefs)
    {
        var fields = OfKind(Inner(node), "FieldDecl").Select(f => new CField(Name(f), Type(f), CommentOf(f).Summary)).ToList();
        var comment = CommentOf(node);
        return new(Name(node), comment == Comment.None ? CommentOf(typedefs[Name(node)]).Summary : comment.Summary, fields);
    }

    static List<CFunction> ReadFunctions(IEnumerable<JsonElement> nodes, IReadOnlyList<CEnum> enums, IReadOnlyList<CStruct> structs)
    {
        var functions = nodes.ToList();
        var comments = functions.ToDictionary(Name, CommentOf);
        var enumNames = enums.Select(e => e.Name).ToHashSet();
        return functions.ConvertAll(node =>
        {
            var comment = comments[Name(node)];
            var parameters = OfKind(Inner(node), "ParmVarDecl").Select(parameter =>
            {
                var type = Type(parameter);
                var doc = ParameterDoc(Name(node), Name(parameter), comments) ?? TypeDoc(type, structs);
                return new CParameter(Name(parameter), type, doc ?? "see the summary", EnumOf(type, doc, enumNames));
            }).ToList();
            var returns = CType.Parse(TypeText(node)[..TypeText(node).IndexOf('(')].Trim());
            return new CFunction(Name(node), returns, comment.Summary, comment.Returns, parameters);
        });
    }

    /// <summary>A parameter's text, or else that of its namesake in the function that the comment builds on ("see hy_binary").</summary>
    static string? ParameterDoc(string function, string parameter, Dictionary<string, Comment> comments)
    {
        for (var visited = new HashSet<string>(); visited.Add(function);)
        {
            if (comments[function].Parameters.TryGetValue(parameter, out var doc))
            {
                return doc;
            }
            var models = Model().Matches(comments[function].Summary).Select(match => match.Groups[1].Value);
            function = models.FirstOrDefault(comments.ContainsKey, function);
        }
        return null;
    }

    static string? TypeDoc(CType type, IReadOnlyList<CStruct> structs) => type switch
    {
        { Base: "hy_device", Pointers: 1 } => "the device",
        { Pointers: 1 } when type.Base.EndsWith("_params", StringComparison.Ordinal) => structs.First(s => s.Name == type.Base).Doc,
        _ => null,
    };

    static string? EnumOf(CType type, string? doc, HashSet<string> enums) =>
        type is { Base: "int32_t", Pointers: 0 } && enums.Contains(EnumText().Match(doc ?? "").Groups[1].Value)
            ? EnumText().Match(doc!).Groups[1].Value
            : null;

    /// <summary>Every macro of the header that is a number. The syntax tree has no macros: their comments come from the text.</summary>
    static List<CConstant> ReadConstants(Clang clang)
    {
        var docs = MacroComment().Matches(clang.HeaderText()).ToDictionary(match => match.Groups[2].Value, match => match.Groups[1].Value);
        return NumberMacro().Matches(clang.Macros())
            .Select(match => (Name: match.Groups[1].Value, Value: match.Groups[2].Value))
            .OrderBy(macro => macro.Name, StringComparer.Ordinal)
            .Select(macro => docs.TryGetValue(macro.Name, out var doc)
                ? new CConstant(macro.Name, macro.Value, doc)
                : throw new GeneratorException($"{macro.Name} has no comment in {Clang.HeaderPath}"))
            .ToList();
    }

    static Comment CommentOf(JsonElement node)
    {
        var full = OfKind(Inner(node), "FullComment").FirstOrDefault();
        if (full.ValueKind == JsonValueKind.Undefined)
        {
            return Comment.None;
        }
        var summary = string.Join(' ', OfKind(Inner(full), "ParagraphComment").Select(Text).Where(text => text != ""));
        var parameters = OfKind(Inner(full), "ParamCommandComment").ToDictionary(p => p.GetProperty("param").GetString()!, Text);
        var returns = OfKind(Inner(full), "BlockCommandComment").Where(c => Name(c) is "return" or "returns").Select(Text).FirstOrDefault();
        return new(summary, parameters, returns);
    }

    /// <summary>All text below a comment node, in one line.</summary>
    static string Text(JsonElement node) => Whitespace().Replace(RawText(node), " ").Trim();

    static string RawText(JsonElement node) => Kind(node) switch
    {
        "TextComment" => node.GetProperty("text").GetString()! + " ",
        "ParagraphComment" or "ParamCommandComment" or "BlockCommandComment" => string.Concat(Inner(node).Select(RawText)),
        var kind => throw new GeneratorException(
            $"a comment of {Clang.HeaderPath} holds a {kind}, which is not text: write it so that clang reads no markup into it"),
    };

    [GeneratedRegex(@"\b(?:[Ss]ee |like |gradients? of |and (?=hy_\w+'s gradient))(hy_\w+)")]
    private static partial Regex Model();

    [GeneratedRegex(@"^[Aa] (hy_\w+)")]
    private static partial Regex EnumText();

    [GeneratedRegex(@"^#define (HY_\w+) (\d+)\s*$", RegexOptions.Multiline)]
    private static partial Regex NumberMacro();

    [GeneratedRegex(@"/\*\* ([^*]*) \*/\s*#define (HY_\w+)")]
    private static partial Regex MacroComment();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Whitespace();
}
