using System.Text.RegularExpressions;

namespace Hybrid.BindingsGenerator;

/// <summary>Turns the header's comments into XML docs: escapes, marks `code`, and links C names to their C# counterparts.</summary>
internal sealed partial class XmlDocs
{
    readonly Dictionary<string, string> targets = [];

    public XmlDocs(Header header)
    {
        foreach (var e in header.Enums)
        {
            targets[e.Name] = Naming.Type(e.Name);
            foreach (var enumerator in e.Enumerators)
            {
                targets[enumerator.Name] = $"{Naming.Type(e.Name)}.{enumerator.CSharp}";
            }
        }
        foreach (var s in header.Structs)
        {
            targets[s.Name] = Naming.Type(s.Name);
        }
        foreach (var function in header.Functions)
        {
            targets[function.Name] = $"Native.{Naming.Member(function.Name)}";
        }
        foreach (var constant in header.Constants)
        {
            targets[constant.Name] = $"Constants.{Naming.Member(constant.Name)}";
        }
    }

    /// <summary>A comment's text as XML.</summary>
    public string Text(string comment) => CName().Replace(Mark(comment), match =>
        targets.TryGetValue(match.Value, out var target) ? $"<see cref=\"{target}\"/>" : match.Value);

    public string Summary(string comment) => $"/// <summary>{Text(comment)}</summary>";

    /// <summary>Escapes XML's special characters and turns `code` into a c element.</summary>
    public static string Mark(string comment) =>
        Code().Replace(comment.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;"), "<c>$1</c>");

    [GeneratedRegex(@"(?<!"")\b(hy|HY)_\w+")]
    private static partial Regex CName();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();
}
