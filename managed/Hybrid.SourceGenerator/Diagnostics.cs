using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace Hybrid.SourceGenerator;

/// <summary>What the generator reports.</summary>
internal static class Diagnostics
{
    public static readonly DiagnosticDescriptor NotPartial = Error("HYB001", "A module must be partial",
        "Module '{0}' must be declared partial{1}, so that its parameters and children can be listed at compile time");

    public static readonly DiagnosticDescriptor SameName = Error("HYB002", "Two members of a module share a name",
        "Members '{1}' and '{2}' of module '{0}' would both be named '{3}' in the state dictionary; rename one, or give it a [StateName]");

    public static readonly DiagnosticDescriptor BadBuffer = Error("HYB003", "A buffer must be a tensor",
        "[Buffer] marks '{1}' of module '{0}', which is a {2}; a buffer is a Tensor that is no Parameter");

    public static readonly DiagnosticDescriptor FileLocal = Error("HYB004", "A module can't be file-local",
        "Module '{0}' is file-local, so no other file can complete it; drop the 'file' modifier");

    private static DiagnosticDescriptor Error(string id, string title, string message) =>
        new(id, title, message, "Hybrid", DiagnosticSeverity.Error, isEnabledByDefault: true);
}

/// <summary>A diagnostic as plain values: a Location would keep its whole compilation alive and compare by reference.</summary>
internal sealed record DiagnosticInfo(DiagnosticDescriptor Descriptor, string Path, TextSpan Span, LinePositionSpan Lines, EquatableArray<string> Arguments)
{
    public static DiagnosticInfo At(Location location, DiagnosticDescriptor descriptor, params string[] arguments)
    {
        var lines = location.GetLineSpan();
        return new DiagnosticInfo(descriptor, lines.Path, location.SourceSpan, lines.Span, new EquatableArray<string>(arguments));
    }

    public Diagnostic ToDiagnostic()
    {
        var arguments = new object[Arguments.Count];
        var i = 0;
        foreach (var argument in Arguments)
        {
            arguments[i++] = argument;
        }
        return Diagnostic.Create(Descriptor, Location.Create(Path, Span, Lines), arguments);
    }
}
