using System.Runtime.InteropServices;
using System.Text;

namespace Hybrid.Bindings;

/// <summary>Strings to and from the core: UTF-8, zero-terminated.</summary>
internal static unsafe class Utf8
{
    internal static string Read(byte* text) => Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));

    /// <summary>The bytes with their terminator; null for null, which pins as a NULL pointer.</summary>
    internal static byte[]? Write(string? text) => text is null ? null : Encoding.UTF8.GetBytes(text + '\0');
}
