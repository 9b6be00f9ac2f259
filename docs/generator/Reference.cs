using System.Net;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace Hybrid.Docs;

/// <summary>The pages of the reference: one for each public type.</summary>
sealed class Reference(IEnumerable<Assembly> assemblies, Comments comments)
{
    const BindingFlags Own = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    /// <summary>The public types, by namespace and name. Those whose names no program can write are the compiler's.</summary>
    public IReadOnlyList<Type> Types { get; } = [.. assemblies.SelectMany(a => a.GetExportedTypes()).Where(t => !t.FullName!.Contains('<'))
        .OrderBy(t => t.Namespace).ThenBy(Signature.Name, StringComparer.OrdinalIgnoreCase)];

    /// <summary>The file of a type's page.</summary>
    public static string FileOf(Type type) => type.FullName!.Replace('+', '.').Replace('`', '-') + ".html";

    /// <summary>The list of all types.</summary>
    public string Index()
    {
        var html = new StringBuilder("<h1>Reference</h1>");
        foreach (var group in Types.GroupBy(t => t.Namespace))
        {
            html.Append($"<h2>{group.Key}</h2><dl>");
            foreach (var type in group)
            {
                html.Append($"<dt><a href=\"{FileOf(type)}\">{Escape(Signature.Name(type))}</a></dt><dd>{comments.Part(type, "summary")}</dd>");
            }
            html.Append("</dl>");
        }
        return html.ToString();
    }

    /// <summary>A type's page.</summary>
    public string Page(Type type)
    {
        var html = new StringBuilder($"<p class=\"path\"><a href=\"index.html\">Reference</a>, {type.Namespace}</p><h1>{Escape(Signature.Name(type))}</h1>");
        html.Append($"<pre><code>{Escape(Head(type))}</code></pre>");
        Describe(html, type);
        Section(html, "Constructors", type.GetConstructors(Own).Where(c => IsVisible(c) && !c.IsStatic));
        Section(html, type.IsEnum ? "Values" : "Fields", type.GetFields(Own).Where(f => (f.IsPublic || f.IsFamily) && !f.IsSpecialName));
        Section(html, "Properties", type.GetProperties(Own).Where(p => p.GetMethod is { } get && IsVisible(get)));
        Section(html, "Methods", type.GetMethods(Own).Where(m => IsVisible(m) && !m.IsSpecialName && !IsGenerated(m)));
        Section(html, "Operators", type.GetMethods(Own).Where(m => IsVisible(m) && m.Name.StartsWith("op_", StringComparison.Ordinal) && !IsGenerated(m)));
        return html.ToString();
    }

    static string Head(Type type)
    {
        string kind = type.IsEnum ? "enum" : type.IsInterface ? "interface" : type.IsValueType ? "struct" : "class";
        string modifier = type is { IsAbstract: true, IsSealed: true } ? "static " : type is { IsAbstract: true, IsInterface: false } ? "abstract "
            : type.IsSealed && kind == "class" ? "sealed " : "";
        string bases = type.BaseType is { } parent && kind == "class" && parent != typeof(object) ? " : " + Signature.Name(parent) : "";
        return $"public {modifier}{kind} {Signature.Name(type)}{bases}";
    }

    void Section(StringBuilder html, string title, IEnumerable<MemberInfo> members)
    {
        var documented = members.Where(m => comments.Part(m, "summary").Length > 0).OrderBy(Signature.Title, StringComparer.OrdinalIgnoreCase).ToList();
        if (documented.Count == 0)
        {
            return;
        }
        var groups = documented.GroupBy(m => Signature.Anchor(Signature.Id(m))).ToList(); // overloads share a place on the page
        html.Append($"<h2>{title}</h2><p class=\"members\">");
        html.AppendJoin(' ', groups.Select(group => $"<a href=\"#{group.Key}\"><code>{Escape(Signature.Title(group.First()))}</code></a>")).Append("</p>");
        foreach (var group in groups)
        {
            html.Append($"<section id=\"{group.Key}\"><h3>{Escape(Signature.Title(group.First()))}</h3>");
            foreach (var member in group)
            {
                html.Append($"<pre><code>{Escape(Signature.Declaration(member))}</code></pre>");
                Describe(html, member);
            }
            html.Append("</section>");
        }
    }

    void Describe(StringBuilder html, MemberInfo member)
    {
        html.Append($"<p>{comments.Part(member, "summary")}</p>");
        List(html, "", [.. comments.Named(member, "typeparam"), .. comments.Named(member, "param")]);
        Append(html, "Returns", comments.Part(member, "returns"));
        List(html, "Throws", [.. comments.Named(member, "exception")]);
        Append(html, "", comments.Part(member, "remarks"));
        Append(html, "", comments.Part(member, "example"));
    }

    static void Append(StringBuilder html, string title, string text)
    {
        if (text.Length > 0)
        {
            html.Append(title.Length > 0 ? $"<p><b>{title}</b> {text}</p>" : $"<div>{text}</div>");
        }
    }

    static void List(StringBuilder html, string title, List<(string Name, string Text)> entries)
    {
        if (entries.Count > 0)
        {
            html.Append(title.Length > 0 ? $"<p><b>{title}</b></p>" : "").Append("<dl>");
            foreach (var (name, text) in entries)
            {
                html.Append($"<dt><code>{name}</code></dt><dd>{text}</dd>");
            }
            html.Append("</dl>");
        }
    }

    static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    static bool IsGenerated(MemberInfo member) => member.IsDefined(typeof(CompilerGeneratedAttribute)) || member.Name.Contains('<');

    static string Escape(string text) => WebUtility.HtmlEncode(text);
}
