using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Hybrid.Bindings;

/// <summary>Reads what a shared library's file was made for: systems report a library for another processor as a missing file, or as none at all.</summary>
static class NativeFile
{
    const int HeaderBytes = 4096;

    /// <summary>Says why a file cannot be loaded into this process, if its first bytes tell.</summary>
    /// <returns>why not; null when nothing speaks against it</returns>
    public static string? Refusal(string path)
    {
        var header = new byte[HeaderBytes];
        int length;
        long fileLength;
        try
        {
            using var stream = File.OpenRead(path);
            length = stream.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false);
            fileLength = stream.Length;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"it cannot be read: {e.Message}";
        }
        var (system, processor) = Read(header.AsSpan(0, length));
        var (ourSystem, ourProcessor) = (OurSystem, OurProcessor);
        return system is null ? "it is no shared library"
            : EndOfElf(header.AsSpan(0, length)) is { } end && end > fileLength ? $"it is cut short: it has {fileLength} bytes of {end}"
            : system == ourSystem && (processor == ourProcessor || processor is null) ? null
            : $"it is for {system} on {processor ?? "another processor"}, this process runs on {ourSystem} on {ourProcessor}";
    }

    /// <summary>The system and the processor that a file's header names; null for the processor where it is none that Hybrid knows.</summary>
    internal static (string? System, string? Processor) Read(ReadOnlySpan<byte> header)
    {
        if (header.Length >= 20 && header.StartsWith("\u007fELF"u8))
        {
            return ("Linux", BinaryPrimitives.ReadUInt16LittleEndian(header[18..]) switch { 3 => "x86", 40 => "arm", 62 => "x64", 183 => "arm64", _ => null });
        }
        if (header.Length >= 64 && header.StartsWith("MZ"u8))
        {
            int start = BinaryPrimitives.ReadInt32LittleEndian(header[60..]);
            return start >= 0 && start <= header.Length - 6 && header[start..].StartsWith("PE\0\0"u8)
                ? ("Windows", BinaryPrimitives.ReadUInt16LittleEndian(header[(start + 4)..]) switch { 0x14c => "x86", 0x8664 => "x64", 0xaa64 => "arm64", _ => null })
                : (null, null);
        }
        if (header.Length >= 8 && BinaryPrimitives.ReadUInt32LittleEndian(header) == 0xfeedfacf)
        {
            return ("macOS", BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) switch { 0x01000007 => "x64", 0x0100000c => "arm64", _ => null });
        }
        return header.Length >= 8 && BinaryPrimitives.ReadUInt32BigEndian(header) == 0xcafebabe ? ("macOS", OurProcessor) : (null, null); // for several
    }

    /// <summary>Where the table of sections ends in a 64-bit ELF file, which linkers put last (System V ABI, chapter 4: e_shoff + e_shentsize * e_shnum); null
    /// for any other file. The system maps a file that lacks its end, and kills the process that reads there.</summary>
    internal static long? EndOfElf(ReadOnlySpan<byte> header) => header.Length >= 64 && header.StartsWith("\u007fELF\u0002"u8)
        ? BinaryPrimitives.ReadInt64LittleEndian(header[40..])
            + (long)BinaryPrimitives.ReadUInt16LittleEndian(header[58..]) * BinaryPrimitives.ReadUInt16LittleEndian(header[60..])
        : null;

    static string OurSystem => OperatingSystem.IsWindows() ? "Windows" : OperatingSystem.IsMacOS() ? "macOS" : "Linux";

    static string OurProcessor => RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
}
