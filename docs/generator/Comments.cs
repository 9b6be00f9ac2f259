using System.Net;
using System.Reflection;
using System.Text;
using System.Xml.Linq;

namespace Hybrid.Docs;

/// <summary>The compiler's XML documentation, as HTML.</summary>
sealed class Comments(IEnumerable<string> files)
{
    readonly Dictionary<string, XElement> members =
        files.SelectMany(file => XDocument.Load(file).Descendants("member")).ToDictionary(m => m.Attribute("name")!.Value);

    /// <summary>References to members that there are not.</summary>
    public HashSet<string> Unresolved { get; } = [];

    /// <summary>One part of a member's comment: summary, returns, remarks, example.</summary>
    public string Part(MemberInfo member, string part) => Find(member)?.Element(part) is { } element ? Html(element) : "";

    /// <summary>The parts that have names: param, typeparam, exception.</summary>
    public IEnumerable<(string Name, string Text)> Named(MemberInfo member, string part) =>
        (Find(member)?.Elements(part) ?? []).Select(e => (e.Attribute("name")?.Value ?? ShortName(e.Attribute("cref")!.Value), Html(e)));

    XElement? Find(MemberInfo member)
    {
        var element = members.GetValueOrDefault(Signature.Id(member));
        return element?.Element("inheritdoc") is null ? element
            : Overridden(member) is { } original ? Find(original) : element;
    }

    static MemberInfo? Overridden(MemberInfo member)
    {
        if (member is MethodInfo method && method.GetBaseDefinition() is { } definition && definition != method)
        {
            return definition;
        }
        return member is PropertyInfo property ? property.DeclaringType!.BaseType?.GetProperty(property.Name) : null;
    }

    string Html(XElement element) => string.Concat(element.Nodes().Select(Html)).Trim();

    string Html(XNode node) => node switch
    {
        XText text => WebUtility.HtmlEncode(text.Value),
        XElement { Name.LocalName: "see" or "seealso" } see => Reference(see),
        XElement { Name.LocalName: "paramref" or "typeparamref" } name => $"<code>{name.Attribute("name")!.Value}</code>",
        XElement { Name.LocalName: "code" } code => $"<pre><code>{WebUtility.HtmlEncode(Unindent(code.Value))}</code></pre>",
        XElement { Name.LocalName: "c" } code => $"<code>{Html(code)}</code>",
        XElement { Name.LocalName: "para" } para => $"<p>{Html(para)}</p>",
        XElement other => Html(other),
        _ => "",
    };

    string Reference(XElement see)
    {
        if (see.Attribute("langword")?.Value is { } word)
        {
            return $"<code>{word}</code>";
        }
        string id = see.Attribute("cref")!.Value, text = see.Value.Length > 0 ? WebUtility.HtmlEncode(see.Value) : $"<code>{ShortName(id)}</code>";
        if (!id[2..].StartsWith("Hybrid.", StringComparison.Ordinal))
        {
            return text;
        }
        if (!members.ContainsKey(id))
        {
            Unresolved.Add($"{id} is referred to and has no documentation");
        }
        string type = id[0] == 'T' ? id[2..] : id[2..].Split('(')[0] is var path ? path[..path.LastIndexOf('.')] : "";
        return $"<a href=\"{type.Replace('`', '-')}.html#{Signature.Anchor(id)}\">{text}</a>";
    }

    static string ShortName(string id)
    {
        string path = id[2..].Split('(')[0];
        string name = path[(path.LastIndexOf('.') + 1)..];
        return WebUtility.HtmlEncode(name.Split('`')[0].Replace("#ctor", "constructor"));
    }

    static string Unindent(string text)
    {
        string[] lines = text.Trim('\n', '\r', ' ').Split('\n');
        int indent = lines.Skip(1).Where(l => l.Trim().Length > 0).Select(l => l.Length - l.TrimStart().Length).DefaultIfEmpty(0).Min();
        var result = new StringBuilder(lines[0]);
        foreach (string line in lines.Skip(1))
        {
            result.Append('\n').Append(line.Length >= indent ? line[indent..] : line.TrimStart());
        }
        return result.ToString();
    }
}
