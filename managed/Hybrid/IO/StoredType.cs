namespace Hybrid.IO;

/// <summary>A dtype of the safetensors format that Hybrid has.</summary>
/// <param name="Name">Its name in the header.</param>
/// <param name="Size">Bytes an element.</param>
/// <param name="DType">Hybrid's name for it.</param>
internal sealed record StoredType(string Name, int Size, DType DType)
{
    private static readonly StoredType[] All =
    [
        new("F32", 4, DType.Float32),
        new("F64", 8, DType.Float64),
        new("I32", 4, DType.Int32),
        new("I64", 8, DType.Int64),
        new("U8", 1, DType.UInt8),
        new("BOOL", 1, DType.Bool),
        new("F16", 2, DType.Float16),
        new("BF16", 2, DType.BFloat16),
        new("I8", 1, DType.Int8),
    ];

    /// <summary>The names of all, for messages.</summary>
    public static string Names => string.Join(", ", All.Select(static t => t.Name));

    /// <summary>The type of that name, or null.</summary>
    public static StoredType? Find(string? name) => Array.Find(All, t => t.Name == name);

    /// <summary>The type that a tensor of this dtype is written as.</summary>
    public static StoredType For(DType dtype) =>
        Array.Find(All, t => t.DType == dtype) ?? throw new DTypeException($"Safetensors: {dtype.Name()} can't be written, only {Names}");
}
