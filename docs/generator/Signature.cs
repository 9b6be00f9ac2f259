using System.Globalization;
using System.Reflection;
using System.Text;

namespace Hybrid.Docs;

/// <summary>Names of types and members: as C# declares them, and as the compiler's XML documentation calls them.</summary>
static class Signature
{
    static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(bool)] = "bool", [typeof(byte)] = "byte", [typeof(int)] = "int", [typeof(long)] = "long", [typeof(ulong)] = "ulong", [typeof(float)] = "float",
        [typeof(sbyte)] = "sbyte", [typeof(short)] = "short", [typeof(ushort)] = "ushort", [typeof(uint)] = "uint", [typeof(nint)] = "nint", [typeof(nuint)] = "nuint",
        [typeof(double)] = "double", [typeof(string)] = "string", [typeof(object)] = "object", [typeof(void)] = "void", [typeof(char)] = "char",
    };

    static readonly Dictionary<string, string> Operators = new()
    {
        ["op_Addition"] = "+", ["op_Subtraction"] = "-", ["op_Multiply"] = "*", ["op_Division"] = "/", ["op_UnaryNegation"] = "-", ["op_LessThan"] = "<",
        ["op_LessThanOrEqual"] = "<=", ["op_GreaterThan"] = ">", ["op_GreaterThanOrEqual"] = ">=", ["op_Equality"] = "==", ["op_Inequality"] = "!=",
    };

    /// <summary>A type's name in C#, with its arguments.</summary>
    public static string Name(Type type)
    {
        if (type.IsByRef)
        {
            return Name(type.GetElementType()!);
        }
        if (type.IsPointer)
        {
            return Name(type.GetElementType()!) + "*";
        }
        if (type.IsArray)
        {
            return $"{Name(type.GetElementType()!)}[{new string(',', type.GetArrayRank() - 1)}]";
        }
        if (Nullable.GetUnderlyingType(type) is { } underlying)
        {
            return Name(underlying) + "?";
        }
        string outer = type is { IsNested: true, IsGenericParameter: false } ? Name(type.DeclaringType!) + "." : "";
        string name = Keywords.GetValueOrDefault(type) ?? outer + type.Name.Split('`')[0];
        return type.IsGenericType && type.Name.Contains('`') ? $"{name}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>" : name;
    }

    /// <summary>A member's declaration in C#, without its body.</summary>
    public static string Declaration(MemberInfo member) => member switch
    {
        ConstructorInfo constructor => $"{Access(constructor)}{constructor.DeclaringType!.Name.Split('`')[0]}({Parameters(constructor)})",
        MethodInfo method => $"{Access(method)}{(method.IsStatic ? "static " : method.IsAbstract ? "abstract " : "")}{Result(method)}{MethodName(method)}({Parameters(method)})",
        PropertyInfo property => $"{(property.GetMethod?.IsStatic == true ? "static " : "")}{Name(property.PropertyType)} "
            + (property.GetIndexParameters() is { Length: > 0 } index ? $"this[{string.Join(", ", index.Select(Parameter))}]" : property.Name)
            + $" {{ get;{(property.SetMethod is { IsPublic: true } ? " set;" : "")} }}",
        FieldInfo field => $"{(field.IsLiteral ? "const " : field.IsStatic ? "static " : "")}{Name(field.FieldType)} {field.Name}",
        EventInfo e => $"event {Name(e.EventHandlerType!)} {e.Name}",
        Type type => Name(type),
        _ => member.Name,
    };

    /// <summary>A member's short name, for lists.</summary>
    public static string Title(MemberInfo member) => member switch
    {
        ConstructorInfo constructor => constructor.DeclaringType!.Name.Split('`')[0],
        MethodInfo method => MethodName(method),
        PropertyInfo property when property.GetIndexParameters().Length > 0 => "this[]",
        _ => member.Name,
    };

    /// <summary>The compiler's id of a member (ECMA-334, annex D.4.2).</summary>
    public static string Id(MemberInfo member) => member switch
    {
        Type type => "T:" + TypePath(type),
        ConstructorInfo constructor => $"M:{TypePath(constructor.DeclaringType!)}.#ctor{IdParameters(constructor.GetParameters())}",
        MethodInfo method => $"M:{TypePath(method.DeclaringType!)}.{method.Name}{(method.IsGenericMethod ? $"``{method.GetGenericArguments().Length}" : "")}"
            + IdParameters(method.GetParameters()) + (IsConversion(method) ? "~" + IdType(method.ReturnType) : ""),
        PropertyInfo property => $"P:{TypePath(property.DeclaringType!)}.{property.Name}{IdParameters(property.GetIndexParameters())}",
        FieldInfo field => $"F:{TypePath(field.DeclaringType!)}.{field.Name}",
        EventInfo e => $"E:{TypePath(e.DeclaringType!)}.{e.Name}",
        _ => throw new NotSupportedException($"{member}"),
    };

    /// <summary>A member's place on its type's page.</summary>
    public static string Anchor(string id) => id[0] == 'T' ? "" : string.Concat(id[2..].Split('(')[0].Split('.')[^1].Where(char.IsLetterOrDigit));

    static string Access(MethodBase method) => method.IsPublic ? "" : "protected ";

    static bool IsConversion(MethodInfo method) => method.Name is "op_Implicit" or "op_Explicit";

    static string Result(MethodInfo method) => IsConversion(method) ? "" : Name(method.ReturnType) + " "; // a conversion's is in its name

    static string MethodName(MethodInfo method) => Operators.TryGetValue(method.Name, out string? symbol) ? "operator " + symbol
        : IsConversion(method) ? $"{method.Name[3..].ToLowerInvariant()} operator {Name(method.ReturnType)}"
        : method.IsGenericMethod ? $"{method.Name}<{string.Join(", ", method.GetGenericArguments().Select(Name))}>" : method.Name;

    static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(Parameter));

    static string Parameter(ParameterInfo parameter)
    {
        string prefix = parameter.IsOut ? "out " : parameter.ParameterType.IsByRef ? parameter.IsIn ? "in " : "ref "
            : parameter.CustomAttributes.Any(a => a.AttributeType.Name is "ParamArrayAttribute" or "ParamCollectionAttribute") ? "params " : "";
        return $"{prefix}{Name(parameter.ParameterType)} {parameter.Name}{(parameter.HasDefaultValue ? " = " + Default(parameter) : "")}";
    }

    static string Default(ParameterInfo parameter) => parameter.DefaultValue switch
    {
        null => parameter.ParameterType is { IsValueType: true } type && Nullable.GetUnderlyingType(type) is null ? "default" : "null",
        bool value => value ? "true" : "false",
        string value => $"\"{value}\"",
        Enum value => $"{Name(parameter.ParameterType)}.{value}",
        var value when Nullable.GetUnderlyingType(parameter.ParameterType) is { IsEnum: true } type => $"{Name(type)}.{Enum.ToObject(type, value)}",
        IFormattable value => value.ToString(null, CultureInfo.InvariantCulture),
        var value => $"{value}",
    };

    static string TypePath(Type type) => type.IsNested ? $"{TypePath(type.DeclaringType!)}.{type.Name}" : $"{type.Namespace}.{type.Name}";

    static string IdParameters(ParameterInfo[] parameters) => parameters.Length == 0 ? "" : $"({string.Join(',', parameters.Select(p => IdType(p.ParameterType)))})";

    static string IdType(Type type)
    {
        if (type.IsByRef)
        {
            return IdType(type.GetElementType()!) + "@";
        }
        if (type.IsPointer)
        {
            return IdType(type.GetElementType()!) + "*";
        }
        if (type.IsArray)
        {
            return IdType(type.GetElementType()!) + (type.GetArrayRank() == 1 ? "[]" : $"[{string.Join(',', Enumerable.Repeat("0:", type.GetArrayRank()))}]");
        }
        if (type.IsGenericParameter)
        {
            return (type.DeclaringMethod is null ? "`" : "``") + type.GenericParameterPosition;
        }
        var definition = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
        string path = new StringBuilder(TypePath(definition)).Replace('+', '.').ToString();
        return type.IsGenericType && type.Name.Contains('`') ? $"{path.Split('`')[0]}{{{string.Join(',', type.GetGenericArguments().Select(IdType))}}}" : path;
    }
}
