using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Hybrid.SourceGenerator;

/// <summary>Reads a class declaration into a <see cref="ModuleModel"/>.</summary>
internal static class ModuleReader
{
    /// <summary>The method of Module that is overridden. A class that declares it by hand is left alone.</summary>
    public const string Method = "CollectMembers";

    /// <summary>The model of a class that derives from Module; null for any other, and for all but one declaration of a partial
    /// class.</summary>
    public static ModuleModel? Read(GeneratorSyntaxContext context, CancellationToken cancel)
    {
        var declaration = (ClassDeclarationSyntax)context.Node;
        if (context.SemanticModel.GetDeclaredSymbol(declaration, cancel) is not { } type
            || !Derives(type.BaseType, "NN", "Module")
            || FirstWithBase(type, cancel) != declaration
            || type.GetMembers(Method).Any(static m => m is IMethodSymbol { IsOverride: true }))
        {
            return null;
        }
        var diagnostics = new List<DiagnosticInfo>();
        CheckDeclaration(type, declaration, diagnostics, cancel);
        var members = CapturedParameters(type, context.SemanticModel.Compilation, cancel).Concat(StoredMembers(type, diagnostics)).ToList();
        CheckNames(type, members, diagnostics);
        return new ModuleModel(
            HintName(type),
            type.ContainingNamespace.IsGlobalNamespace ? "" : type.ContainingNamespace.ToDisplayString(NamespaceFormat),
            new EquatableArray<string>(Nesting(type).Select(Header)),
            new EquatableArray<Member>(members),
            new EquatableArray<DiagnosticInfo>(diagnostics));
    }

    private static readonly SymbolDisplayFormat NamespaceFormat =
        SymbolDisplayFormat.FullyQualifiedFormat.WithGlobalNamespaceStyle(SymbolDisplayGlobalNamespaceStyle.Omitted);

    private static ClassDeclarationSyntax? FirstWithBase(INamedTypeSymbol type, CancellationToken cancel) =>
        type.DeclaringSyntaxReferences.Select(r => r.GetSyntax(cancel)).OfType<ClassDeclarationSyntax>().FirstOrDefault(static d => d.BaseList is not null);

    private static void CheckDeclaration(INamedTypeSymbol type, ClassDeclarationSyntax declaration, List<DiagnosticInfo> diagnostics, CancellationToken cancel)
    {
        var location = declaration.Identifier.GetLocation();
        if (type.IsFileLocal)
        {
            diagnostics.Add(DiagnosticInfo.At(location, Diagnostics.FileLocal, type.Name));
            return;
        }
        foreach (var part in Nesting(type))
        {
            if (part.DeclaringSyntaxReferences.Select(r => r.GetSyntax(cancel)).OfType<TypeDeclarationSyntax>()
                .Any(static d => !d.Modifiers.Any(SyntaxKind.PartialKeyword)))
            {
                var where = SymbolEqualityComparer.Default.Equals(part, type) ? "" : $", and so must its containing type '{part.Name}'";
                diagnostics.Add(DiagnosticInfo.At(location, Diagnostics.NotPartial, type.Name, where));
                return;
            }
        }
    }

    private static void CheckNames(INamedTypeSymbol type, List<Member> members, List<DiagnosticInfo> diagnostics)
    {
        foreach (var same in members.GroupBy(static m => m.Name).Where(static g => g.Count() > 1))
        {
            diagnostics.Add(DiagnosticInfo.At(type.Locations[0], Diagnostics.SameName, type.Name, same.First().Symbol, same.Last().Symbol, same.Key));
        }
    }

    /// <summary>Fields and auto-properties, in order of declaration.</summary>
    private static IEnumerable<Member> StoredMembers(INamedTypeSymbol type, List<DiagnosticInfo> diagnostics)
    {
        foreach (var field in type.GetMembers().OfType<IFieldSymbol>())
        {
            // An auto-property is found through its backing field. One that implements an interface explicitly has no name of its own.
            ISymbol symbol = field.AssociatedSymbol is IPropertySymbol property ? property : field;
            if (field.IsStatic || !symbol.CanBeReferencedByName || (field.IsImplicitlyDeclared && symbol is IFieldSymbol))
            {
                continue;
            }
            if (Attribute(symbol, field, "BufferAttribute") is not null)
            {
                if (Kind(field.Type) is not null || !Derives(field.Type, "", "Tensor"))
                {
                    diagnostics.Add(DiagnosticInfo.At(symbol.Locations[0], Diagnostics.BadBuffer, type.Name, symbol.Name,
                        field.Type.ToDisplayString(SymbolDisplayFormat.MinimallyQualifiedFormat)));
                    continue;
                }
                yield return Stored(MemberKind.Buffer, symbol, field);
            }
            else if (Kind(field.Type) is { } kind)
            {
                yield return Stored(kind, symbol, field);
            }
        }
    }

    private static Member Stored(MemberKind kind, ISymbol symbol, IFieldSymbol field)
    {
        var name = Attribute(symbol, field, "StateNameAttribute")?.ConstructorArguments.FirstOrDefault().Value as string;
        return new Member(kind, name ?? Names.SnakeCase(symbol.Name), symbol.Name, "this." + Names.Escape(symbol.Name));
    }

    /// <summary>Parameters of the primary constructor that the class keeps, because a method or a property reads them.</summary>
    private static IEnumerable<Member> CapturedParameters(INamedTypeSymbol type, Compilation compilation, CancellationToken cancel)
    {
        var declarations = type.DeclaringSyntaxReferences.Select(r => r.GetSyntax(cancel)).OfType<ClassDeclarationSyntax>().ToList();
        if (declarations.FirstOrDefault(static d => d.ParameterList is not null) is not { } primary)
        {
            yield break;
        }
        var model = compilation.GetSemanticModel(primary.SyntaxTree);
        foreach (var syntax in primary.ParameterList!.Parameters)
        {
            if (model.GetDeclaredSymbol(syntax, cancel) is IParameterSymbol parameter && Kind(parameter.Type) is { } kind
                && declarations.Any(d => Captures(d, parameter, compilation, cancel)))
            {
                yield return new Member(kind, Names.SnakeCase(parameter.Name), parameter.Name, Names.Escape(parameter.Name));
            }
        }
    }

    private static bool Captures(ClassDeclarationSyntax declaration, IParameterSymbol parameter, Compilation compilation, CancellationToken cancel)
    {
        var model = compilation.GetSemanticModel(declaration.SyntaxTree);
        return declaration.DescendantNodes().OfType<IdentifierNameSyntax>().Any(name =>
            name.Identifier.ValueText == parameter.Name
            && KeepsWhatItReads(name, declaration)
            && SymbolEqualityComparer.Default.Equals(model.GetSymbolInfo(name, cancel).Symbol, parameter));
    }

    // An initialiser and the base constructor's arguments run while the parameter is still there; everything else makes the compiler store
    // it.
    private static bool KeepsWhatItReads(SyntaxNode name, ClassDeclarationSyntax declaration)
    {
        foreach (var node in name.Ancestors().TakeWhile(n => n != declaration))
        {
            if (node is BaseFieldDeclarationSyntax or PrimaryConstructorBaseTypeSyntax or AttributeSyntax or ParameterListSyntax
                || node is EqualsValueClauseSyntax { Parent: PropertyDeclarationSyntax })
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>How a member of this type is registered; null for types that hold no parameter.</summary>
    private static MemberKind? Kind(ITypeSymbol type)
    {
        if (Derives(type, "NN", "Parameter"))
        {
            return MemberKind.Parameter;
        }
        if (Derives(type, "NN", "Module"))
        {
            return MemberKind.Module;
        }
        return ElementType(type) is { } element
            ? Derives(element, "NN", "Parameter") ? MemberKind.Parameters : Derives(element, "NN", "Module") ? MemberKind.Modules : null
            : null;
    }

    private static ITypeSymbol? ElementType(ITypeSymbol type)
    {
        var lists = type is INamedTypeSymbol named ? type.AllInterfaces.Add(named) : type.AllInterfaces;
        return lists.FirstOrDefault(static i => i.OriginalDefinition.SpecialType == SpecialType.System_Collections_Generic_IReadOnlyList_T)?.TypeArguments[0];
    }

    /// <summary>Whether the type is, derives from, or is constrained to derive from Hybrid.(space).(name).</summary>
    private static bool Derives(ITypeSymbol? type, string space, string name)
    {
        if (type is ITypeParameterSymbol parameter)
        {
            return parameter.ConstraintTypes.Any(c => Derives(c, space, name));
        }
        for (; type is not null; type = type.BaseType)
        {
            if (type is INamedTypeSymbol { Arity: 0, ContainingType: null } && type.Name == name
                && type.ContainingNamespace.ToDisplayString() == (space.Length == 0 ? "Hybrid" : "Hybrid." + space))
            {
                return true;
            }
        }
        return false;
    }

    private static AttributeData? Attribute(ISymbol symbol, IFieldSymbol field, string name) =>
        symbol.GetAttributes().Concat(field.GetAttributes()).FirstOrDefault(a =>
            a.AttributeClass is { } type && type.Name == name && type.ContainingNamespace.ToDisplayString() == "Hybrid.NN");

    private static IEnumerable<INamedTypeSymbol> Nesting(INamedTypeSymbol type)
    {
        var chain = new Stack<INamedTypeSymbol>();
        for (var t = type; t is not null; t = t.ContainingType)
        {
            chain.Push(t);
        }
        return chain;
    }

    private static string Header(INamedTypeSymbol type)
    {
        var keyword = type switch
        {
            { IsRecord: true, TypeKind: TypeKind.Struct } => "record struct",
            { IsRecord: true } => "record",
            { TypeKind: TypeKind.Struct } => "struct",
            { TypeKind: TypeKind.Interface } => "interface",
            _ => "class",
        };
        var parameters = type.TypeParameters.Length == 0 ? "" : "<" + string.Join(", ", type.TypeParameters.Select(static p => Names.Escape(p.Name))) + ">";
        return $"{keyword} {Names.Escape(type.Name)}{parameters}";
    }

    private static string HintName(INamedTypeSymbol type)
    {
        var name = string.Join(".", Nesting(type).Select(static t => t.MetadataName));
        return (type.ContainingNamespace.IsGlobalNamespace ? "" : type.ContainingNamespace.ToDisplayString().Replace("@", "") + ".") + name + ".g.cs";
    }
}
