using System.Text;
using Microsoft.CodeAnalysis.CSharp;

namespace Hybrid.SourceGenerator;

/// <summary>Spelling of names.</summary>
internal static class Names
{
    /// <summary>The C# name as PyTorch would spell it: runningMean, RunningMean and _runningMean are running_mean; conv1 stays conv1;
    /// QKVProj is qkv_proj.</summary>
    public static string SnakeCase(string name)
    {
        var trimmed = name.TrimStart('_');
        if (trimmed.Length == 0)
        {
            return name;
        }
        var result = new StringBuilder();
        for (var i = 0; i < trimmed.Length; i++)
        {
            var c = trimmed[i];
            if (char.IsUpper(c) && i > 0 && trimmed[i - 1] != '_' && StartsWord(trimmed, i))
            {
                result.Append('_');
            }
            result.Append(char.ToLowerInvariant(c));
        }
        return result.ToString();
    }

    /// <summary>The identifier, with an @ when it is a keyword.</summary>
    public static string Escape(string identifier) =>
        SyntaxFacts.GetKeywordKind(identifier) != SyntaxKind.None || SyntaxFacts.GetContextualKeywordKind(identifier) != SyntaxKind.None
            ? "@" + identifier
            : identifier;

    // A capital starts a word unless it goes on with an acronym: the P of QKVProj does, its K and V do not.
    private static bool StartsWord(string name, int i) =>
        !char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1]));
}
