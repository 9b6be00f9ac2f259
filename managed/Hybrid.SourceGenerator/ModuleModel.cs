namespace Hybrid.SourceGenerator;

/// <summary>How a member is entered in ModuleMembers; the names are those of its methods, less "Add".</summary>
internal enum MemberKind
{
    Parameter,
    Parameters,
    Buffer,
    Module,
    Modules,
}

/// <summary>One member to register.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Name">Its name in the state dictionary.</param>
/// <param name="Symbol">Its name in C#, unescaped.</param>
/// <param name="Access">The expression that reads it.</param>
internal sealed record Member(MemberKind Kind, string Name, string Symbol, string Access);

/// <summary>All that the generator needs of a module class, as plain values.</summary>
/// <param name="HintName">Name of the generated file.</param>
/// <param name="Namespace">The class's namespace; empty for the global one.</param>
/// <param name="Headers">Declarations to open, outermost first: containing types, then the class.</param>
/// <param name="Members">What to register, in order of declaration.</param>
/// <param name="Diagnostics">What is wrong; nothing is generated then.</param>
internal sealed record ModuleModel(
    string HintName, string Namespace, EquatableArray<string> Headers, EquatableArray<Member> Members, EquatableArray<DiagnosticInfo> Diagnostics);
