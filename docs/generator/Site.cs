using System.Text.RegularExpressions;
using Markdig;

namespace Hybrid.Docs;

/// <summary>A folder of pages that need nothing but a browser.</summary>
sealed partial class Site(string folder, string version)
{
    const string Style = """
        :root { color-scheme: light dark }
        body { font: 16px/1.55 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
        nav a { margin-right: 1rem } footer { margin-top: 3rem; opacity: .6 }
        pre { padding: .8rem; overflow-x: auto; background: color-mix(in srgb, currentColor 7%, transparent); border-radius: 4px }
        code { font: 14px/1.45 ui-monospace, monospace } table { border-collapse: collapse } td code { overflow-wrap: anywhere } .members a { margin-right: .6rem }
        td, th { border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top }
        dt { margin-top: .4rem } section { margin-top: 2rem }
        """;

    static readonly MarkdownPipeline Pipeline = new MarkdownPipelineBuilder().UsePipeTables().UseAutoIdentifiers().Build();

    readonly Dictionary<string, string> pages = [];

    /// <summary>Links that lead nowhere.</summary>
    public List<string> Problems { get; } = [];

    /// <summary>The pages so far.</summary>
    public int Count => pages.Count;

    /// <summary>Writes a page of Markdown; links to other guides become links to their pages.</summary>
    public void WriteGuide(string file)
    {
        string text = File.ReadAllText(file);
        string html = GuideLink().Replace(Markdown.ToHtml(text, Pipeline), "href=\"$1.html");
        Write(Path.ChangeExtension(Path.GetFileName(file), "html"), text.Split('\n')[0].TrimStart('#', ' '), html, depth: 0);
    }

    /// <summary>Writes a page; <paramref name="depth"/> folders lie between it and the site's root.</summary>
    public void Write(string name, string title, string html, int depth)
    {
        string root = string.Concat(Enumerable.Repeat("../", depth)), path = Path.Combine(folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string page = $"""
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}, Hybrid</title>
            <style>{Style}</style></head>
            <body><nav><a href="{root}index.html">Hybrid</a><a href="{root}getting-started.html">Getting started</a><a href="{root}api/index.html">Reference</a></nav>
            {html}
            <footer>Hybrid {version}</footer></body></html>
            """;
        File.WriteAllText(path, page);
        pages.Add(name, page);
    }

    /// <summary>Notes every link to a page of the site that there is not, or to a place that the page does not have.</summary>
    public void CheckLinks()
    {
        foreach (var (name, page) in pages)
        {
            foreach (Match match in Link().Matches(page))
            {
                string target = Path.GetRelativePath(folder, Path.GetFullPath(Path.Combine(folder, Path.GetDirectoryName(name)!, match.Groups[1].Value))).Replace('\\', '/');
                string place = match.Groups[2].Value;
                if (!pages.TryGetValue(target, out string? there))
                {
                    Problems.Add($"{name} links to {target}, which is no page");
                }
                else if (place.Length > 0 && !there.Contains($"id=\"{place}\"", StringComparison.Ordinal))
                {
                    Problems.Add($"{name} links to {place} in {target}, which has no such place");
                }
            }
        }
    }

    [GeneratedRegex("href=\"([a-z-]+)\\.md")]
    private static partial Regex GuideLink();

    [GeneratedRegex("href=\"([^\":#]+\\.html)(?:#([^\"]*))?\"")]
    private static partial Regex Link();
}
