namespace System.Runtime.CompilerServices;

/// <summary>What the compiler needs for records; netstandard2.0 lacks it.</summary>
internal static class IsExternalInit;
