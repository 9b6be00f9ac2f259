using System.Reflection;
using Hybrid.Docs;

// Writes the site: docs SOURCE TARGET. Guides come from SOURCE/*.md, the reference from the assemblies and their XML documentation.
if (args is not [var source, var target])
{
    Console.Error.WriteLine("usage: Hybrid.Docs SOURCE TARGET");
    return 2;
}
Assembly library = typeof(Hybrid.Tensor).Assembly, bindings = typeof(Hybrid.HybridException).Assembly;
var comments = new Comments([Path.ChangeExtension(library.Location, "xml"), Path.ChangeExtension(bindings.Location, "xml")]);
var reference = new Reference([library, bindings], comments);
var site = new Site(target, library.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion);
foreach (string page in Directory.EnumerateFiles(source, "*.md").Order())
{
    site.WriteGuide(page);
}
foreach (var type in reference.Types)
{
    site.Write($"api/{Reference.FileOf(type)}", Signature.Name(type), reference.Page(type), depth: 1);
}
site.Write("api/index.html", "Reference", reference.Index(), depth: 1);
site.CheckLinks();
foreach (string problem in comments.Unresolved.Concat(site.Problems))
{
    Console.Error.WriteLine($"docs: {problem}");
}
Console.WriteLine($"{site.Count} pages in {target}");
return comments.Unresolved.Count + site.Problems.Count == 0 ? 0 : 1;
