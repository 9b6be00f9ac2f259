using System.Buffers.Binary;
using Hybrid.Bindings;
using Microsoft.Win32.SafeHandles;

namespace Hybrid.IO;

/// <summary>
/// Named tensors in a file, in the safetensors format that PyTorch's world shares (https://github.com/huggingface/safetensors). A file is
/// never trusted: everything its header says is checked against what is there before anything is allocated.
/// </summary>
public static class Safetensors
{
    private const int HeaderLengthBytes = 8;
    private const int ChunkBytes = 1 << 20;

    /// <summary>Writes tensors to a file; beside it first, then renamed, so that no failure leaves half a file.</summary>
    /// <param name="path">The file; replaced when it exists.</param>
    /// <param name="tensors">The tensors by name; their order is kept. Any device, any strides and dtype.</param>
    /// <param name="metadata">Free text to keep with them.</param>
    /// <exception cref="ArgumentException">A tensor is named <c>__metadata__</c>, or is null.</exception>
    /// <exception cref="IOException">The file can't be written.</exception>
    public static void Save(string path, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        foreach (var (name, tensor) in tensors)
        {
            if (tensor is null)
            {
                throw new ArgumentException($"Safetensors: '{name}' is null, expected a tensor");
            }
        }
        var header = SafetensorsHeader.Layout(tensors, metadata);
        var json = header.ToJson();
        Span<byte> length = stackalloc byte[HeaderLengthBytes];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        var start = length.ToArray();
        AtomicFile.Write(path, stream =>
        {
            stream.Write(start);
            stream.Write(json.Span);
            foreach (var entry in header.Entries.OrderBy(static e => e.Begin).ThenBy(static e => e.End))
            {
                WriteData(stream, tensors[entry.Name]);
            }
        });
    }

    /// <summary>Reads all tensors of a file.</summary>
    /// <param name="path">The file. F32, F64, F16, BF16, I32, I64, I8, U8 and BOOL are read as they are.</param>
    /// <param name="device">Where the tensors shall live; <see cref="Device.Default"/> when null.</param>
    /// <returns>The tensors by name, in the order of the file's header.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is no safetensors file, is truncated or corrupt, or holds a dtype that Hybrid
    /// lacks.</exception>
    public static OrderedDictionary<string, Tensor> Load(string path, Device? device = null) => Load(path, out _, device);

    /// <summary>Reads all tensors of a file and the text that was kept with them.</summary>
    /// <param name="path">The file.</param>
    /// <param name="metadata">Receives the text; empty when there is none.</param>
    /// <param name="device">Where the tensors shall live; <see cref="Device.Default"/> when null.</param>
    /// <inheritdoc cref="Load(string, Device?)"/>
    public static OrderedDictionary<string, Tensor> Load(string path, out IReadOnlyDictionary<string, string> metadata, Device? device = null)
    {
        using var file = File.OpenHandle(path);
        var tensors = new OrderedDictionary<string, Tensor>();
        try
        {
            var header = ReadHeader(file, out var dataStart);
            foreach (var entry in header.Entries)
            {
                tensors.Add(entry.Name, ReadTensor(file, dataStart, entry, device ?? Device.Default));
            }
            metadata = header.Metadata;
            return tensors;
        }
        catch (Exception e)
        {
            foreach (var tensor in tensors.Values)
            {
                tensor.Dispose();
            }
            if (e is InvalidDataException)
            {
                throw new InvalidDataException($"Safetensors: can't read '{path}': {e.Message}", e);
            }
            throw;
        }
    }

    private static SafetensorsHeader ReadHeader(SafeFileHandle file, out long dataStart)
    {
        var fileLength = RandomAccess.GetLength(file);
        if (fileLength < HeaderLengthBytes)
        {
            throw new InvalidDataException($"it has {fileLength} bytes, expected {HeaderLengthBytes} that give the header's length");
        }
        Span<byte> start = stackalloc byte[HeaderLengthBytes];
        ReadExactly(file, start, 0);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(start);
        var available = (ulong)Math.Min(fileLength - HeaderLengthBytes, SafetensorsHeader.MaxLength);
        if (length > available)
        {
            throw new InvalidDataException($"its header should have {length} bytes, expected at most {available} in a file of {fileLength}");
        }
        dataStart = HeaderLengthBytes + (long)length;
        var json = new byte[length];
        ReadExactly(file, json, HeaderLengthBytes);
        return SafetensorsHeader.Parse(json, fileLength - dataStart);
    }

    private static Tensor ReadTensor(SafeFileHandle file, long dataStart, SafetensorsEntry entry, Device device)
    {
        var tensor = Tensor.Empty(entry.Shape, entry.Type.DType, Device.Cpu);
        try
        {
            ReadBytes(file, dataStart + entry.Begin, entry, tensor);
            if (device == Device.Cpu)
            {
                return tensor;
            }
            var moved = tensor.To(device);
            tensor.Dispose();
            return moved;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    private static unsafe void ReadBytes(SafeFileHandle file, long position, SafetensorsEntry entry, Tensor tensor)
    {
        var total = entry.End - entry.Begin;
        fixed (HyTensor* view = tensor)
        {
            for (long done = 0; done < total; done += ChunkBytes)
            {
                var chunk = new Span<byte>((byte*)view->Data + done, (int)Math.Min(ChunkBytes, total - done));
                ReadExactly(file, chunk, position + done);
                if (entry.Type.DType == DType.Bool && chunk.IndexOfAnyExceptInRange((byte)0, (byte)1) is var bad and >= 0)
                {
                    throw new InvalidDataException($"tensor '{entry.Name}' holds {chunk[bad]} at {done + bad}, a BOOL is 0 or 1");
                }
            }
        }
    }

    private static unsafe void WriteData(Stream stream, Tensor tensor)
    {
        using var scope = TensorScope.Begin();
        using var noGrad = NoGrad.Begin();
        var plain = tensor.To(Device.Cpu).Contiguous();
        fixed (HyTensor* view = plain)
        {
            var total = plain.NumElements * StoredType.For(plain.DType).Size;
            for (long done = 0; done < total; done += ChunkBytes)
            {
                stream.Write(new ReadOnlySpan<byte>((byte*)view->Data + done, (int)Math.Min(ChunkBytes, total - done)));
            }
        }
    }

    private static void ReadExactly(SafeFileHandle file, Span<byte> target, long position)
    {
        while (target.Length > 0)
        {
            var count = RandomAccess.Read(file, target, position);
            if (count == 0)
            {
                throw new InvalidDataException($"it ends at byte {position}, expected {target.Length} bytes more");
            }
            target = target[count..];
            position += count;
        }
    }
}
