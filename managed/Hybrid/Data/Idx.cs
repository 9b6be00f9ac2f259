using System.Buffers.Binary;
using System.IO.Compression;

namespace Hybrid.Data;

/// <summary>The IDX format of the MNIST files: two zero bytes, a type code, the number of axes, each extent as a big-endian 32-bit integer, the
/// elements (LeCun, Cortes and Burges, "The MNIST database of handwritten digits").</summary>
public static class Idx
{
    const byte UnsignedByte = 0x08;

    /// <summary>Reads a file of unsigned bytes, plain or gzipped, whichever its first bytes say.</summary>
    /// <param name="path">The file.</param>
    /// <param name="dims">How many axes it must have.</param>
    /// <returns>The extents and the bytes in row-major order.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is no IDX file of unsigned bytes with so many axes, or is cut off, or has bytes left over.</exception>
    public static (int[] Shape, byte[] Bytes) Read(string path, int dims)
    {
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"Idx: there is no file {path}", path);
        }
        using var file = File.OpenRead(path);
        bool zipped = file.ReadByte() == 0x1f && file.ReadByte() == 0x8b;
        file.Position = 0;
        try
        {
            using Stream stream = zipped ? new GZipStream(file, CompressionMode.Decompress) : new BufferedStream(file);
            return Read(stream, path, dims, zipped);
        }
        catch (InvalidDataException e) when (zipped && !e.Message.StartsWith("Idx:"))
        {
            throw new InvalidDataException($"Idx: {path} is a damaged gzip file", e);
        }
    }

    static (int[] Shape, byte[] Bytes) Read(Stream stream, string path, int dims, bool zipped)
    {
        var header = new byte[4 + 4 * dims];
        int got = stream.ReadAtLeast(header, header.Length, throwOnEndOfStream: false);
        if (got < 4 || header[0] != 0 || header[1] != 0 || header[2] != UnsignedByte || header[3] != dims)
        {
            string start = got == 0 ? "nothing" : Convert.ToHexString(header, 0, Math.Min(got, 4)).ToLowerInvariant();
            throw new InvalidDataException($"Idx: {path} is no IDX file of unsigned bytes with {dims} axes: expected it to begin with " +
                $"000008{dims:x2}{(zipped ? " once unzipped" : "")}, got {start}");
        }
        var shape = new int[dims];
        long expected = 1;
        for (int i = 0; i < dims && got == header.Length; i++)
        {
            shape[i] = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(4 + 4 * i));
            expected = shape[i] < 0 || expected * shape[i] > Array.MaxLength ? long.MaxValue : expected * shape[i];
            if (expected == long.MaxValue)
            {
                throw new InvalidDataException($"Idx: {path} announces an extent of {(uint)shape[i]} on axis {i}: more than can be read");
            }
        }
        if (got < header.Length)
        {
            throw new InvalidDataException($"Idx: {path} ends inside its header: expected {header.Length} bytes, got {got}");
        }
        return (shape, ReadExactly(stream, path, (int)expected));
    }

    // Grows with what is really there: a header alone must not make us allocate gigabytes.
    static byte[] ReadExactly(Stream stream, string path, int expected)
    {
        var bytes = new byte[Math.Min(expected, 1 << 20)];
        int got = 0;
        while (true)
        {
            got += stream.ReadAtLeast(bytes.AsSpan(got), bytes.Length - got, throwOnEndOfStream: false);
            if (got < bytes.Length)
            {
                throw new InvalidDataException($"Idx: {path} is cut off: expected {expected} bytes after the header, got {got}");
            }
            if (got == expected)
            {
                break;
            }
            Array.Resize(ref bytes, (int)Math.Min(expected, 2L * bytes.Length));
        }
        if (stream.ReadByte() >= 0)
        {
            throw new InvalidDataException($"Idx: {path} has bytes left over: expected {expected} after the header");
        }
        return bytes;
    }
}
