using System.Buffers;
using System.Text.Json;

namespace Hybrid.IO;

/// <summary>Where a tensor lies in a safetensors file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">The type of its elements.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Begin">Its first byte, counted from the end of the header.</param>
/// <param name="End">The byte after its last.</param>
internal sealed record SafetensorsEntry(string Name, StoredType Type, long[] Shape, long Begin, long End);

/// <summary>
/// The header of a safetensors file: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …, "__metadata__": {"key":
/// "value"}}. Format: https://github.com/huggingface/safetensors#format. What <see cref="Parse"/> returns has been checked against the
/// length of the data.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The format's own bound on the header's length.</summary>
    public const long MaxLength = 100_000_000;

    private const string MetadataName = "__metadata__";
    private const int MaxDims = 8;

    private SafetensorsHeader(List<SafetensorsEntry> entries, OrderedDictionary<string, string> metadata)
    {
        Entries = entries;
        Metadata = metadata;
    }

    /// <summary>The tensors, in the order of the header.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; }

    /// <summary>Free text that came with them.</summary>
    public OrderedDictionary<string, string> Metadata { get; }

    /// <summary>Lays tensors out for writing. Wider elements come first, so that every tensor is aligned to its elements.</summary>
    public static SafetensorsHeader Layout(IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var entries = tensors.Select(static t => new SafetensorsEntry(t.Key, StoredType.For(t.Value.DType), t.Value.Shape.ToArray(), 0, 0)).ToList();
        if (entries.Exists(static e => e.Name == MetadataName))
        {
            throw new ArgumentException($"Safetensors: a tensor can't be named '{MetadataName}', the format uses that name itself");
        }
        long position = 0;
        foreach (var i in Enumerable.Range(0, entries.Count).OrderByDescending(i => entries[i].Type.Size))
        {
            var end = position + ByteSize(entries[i].Shape, entries[i].Type.Size)!.Value;
            entries[i] = entries[i] with { Begin = position, End = end };
            position = end;
        }
        return new SafetensorsHeader(entries, metadata is null ? [] : new OrderedDictionary<string, string>(metadata));
    }

    /// <summary>The header as JSON, padded with spaces so that the data after it starts at a multiple of eight.</summary>
    public ReadOnlyMemory<byte> ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (Metadata.Count > 0)
            {
                json.WriteStartObject(MetadataName);
                foreach (var (key, value) in Metadata)
                {
                    json.WriteString(key, value);
                }
                json.WriteEndObject();
            }
            foreach (var entry in Entries)
            {
                json.WriteStartObject(entry.Name);
                json.WriteString("dtype", entry.Type.Name);
                WriteNumbers(json, "shape", entry.Shape);
                WriteNumbers(json, "data_offsets", [entry.Begin, entry.End]);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        var padding = (8 - buffer.WrittenCount % 8) % 8;
        buffer.GetSpan(8)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        return buffer.WrittenMemory;
    }

    /// <summary>Reads a header and checks it against the length of the data that follows.</summary>
    /// <exception cref="InvalidDataException">The header breaks the format, or describes other data than there is.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long dataLength)
    {
        try
        {
            var header = ParseJson(json);
            header.CheckLayout(dataLength);
            return header;
        }
        // GetString reports text that is no UTF-8 by InvalidOperationException.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"its header is no valid JSON: {e.Message}", e);
        }
    }

    private static SafetensorsHeader ParseJson(ReadOnlySpan<byte> json)
    {
        var entries = new List<SafetensorsEntry>();
        var names = new HashSet<string>();
        var metadata = new OrderedDictionary<string, string>();
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 8 });
        Expect(ref reader, JsonTokenType.StartObject, "the header", "an object");
        while (NextProperty(ref reader) is { } name)
        {
            if (!names.Add(name))
            {
                throw new InvalidDataException($"its header names '{name}' twice");
            }
            if (name == MetadataName)
            {
                ReadMetadata(ref reader, metadata);
            }
            else
            {
                entries.Add(ReadEntry(ref reader, name));
            }
        }
        if (reader.Read())
        {
            throw new InvalidDataException("its header goes on after its object has ended");
        }
        return new SafetensorsHeader(entries, metadata);
    }

    private static void ReadMetadata(ref Utf8JsonReader reader, OrderedDictionary<string, string> metadata)
    {
        Expect(ref reader, JsonTokenType.StartObject, MetadataName, "an object");
        while (NextProperty(ref reader) is { } key)
        {
            Expect(ref reader, JsonTokenType.String, $"{MetadataName} '{key}'", "a string");
            if (!metadata.TryAdd(key, reader.GetString()!))
            {
                throw new InvalidDataException($"its {MetadataName} names '{key}' twice");
            }
        }
    }

    private static SafetensorsEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        string? dtype = null;
        List<long>? shape = null;
        List<long>? offsets = null;
        Expect(ref reader, JsonTokenType.StartObject, $"tensor '{name}'", "an object");
        while (NextProperty(ref reader) is { } key)
        {
            switch (key)
            {
                case "dtype" when dtype is null:
                    Expect(ref reader, JsonTokenType.String, $"the dtype of tensor '{name}'", "a string");
                    dtype = reader.GetString()!;
                    break;
                case "shape" when shape is null:
                    shape = ReadNumbers(ref reader, $"the shape of tensor '{name}'", MaxDims);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadNumbers(ref reader, $"the data_offsets of tensor '{name}'", 2);
                    break;
                default:
                    throw new InvalidDataException($"tensor '{name}' has '{key}', expected dtype, shape and data_offsets, once each");
            }
        }
        if (dtype is null || shape is null || offsets is not { Count: 2 })
        {
            throw new InvalidDataException($"tensor '{name}' lacks its dtype, its shape or its two data_offsets");
        }
        var type = StoredType.Find(dtype) ?? throw new InvalidDataException($"tensor '{name}' has dtype '{dtype}', expected one of {StoredType.Names}");
        return new SafetensorsEntry(name, type, [.. shape], offsets[0], offsets[1]);
    }

    private void CheckLayout(long dataLength)
    {
        long position = 0;
        foreach (var entry in Entries.OrderBy(static e => e.Begin).ThenBy(static e => e.End))
        {
            var at = $"tensor '{entry.Name}' at bytes {entry.Begin} to {entry.End} of the data";
            if (entry.Begin > entry.End || entry.End > dataLength)
            {
                throw new InvalidDataException($"{at} lies outside of it, it has {dataLength} bytes");
            }
            if (ByteSize(entry.Shape, entry.Type.Size) is not { } size || size != entry.End - entry.Begin)
            {
                throw new InvalidDataException($"{at} does not match its shape [{string.Join(", ", entry.Shape)}] of {entry.Type.Name}");
            }
            if (entry.Begin != position)
            {
                var fault = entry.Begin < position ? "overlaps another" : "leaves a hole before it";
                throw new InvalidDataException($"{at} {fault}, expected it at {position}");
            }
            position = entry.End;
        }
        if (position != dataLength)
        {
            throw new InvalidDataException($"its tensors take {position} bytes, the file has {dataLength} after the header");
        }
    }

    /// <summary>Bytes of a tensor; null when they, or the strides of an empty tensor, would exceed an int64.</summary>
    private static long? ByteSize(long[] shape, int elementSize)
    {
        Int128 extent = elementSize;
        foreach (var n in shape)
        {
            extent *= Math.Max(n, 1);
            if (extent > long.MaxValue)
            {
                return null;
            }
        }
        return Array.IndexOf(shape, 0L) >= 0 ? 0 : (long)extent;
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, ReadOnlySpan<long> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
        {
            json.WriteNumberValue(value);
        }
        json.WriteEndArray();
    }

    private static List<long> ReadNumbers(ref Utf8JsonReader reader, string what, int maxCount)
    {
        var numbers = new List<long>();
        Expect(ref reader, JsonTokenType.StartArray, what, "an array");
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (numbers.Count == maxCount || reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var value) || value < 0)
            {
                throw new InvalidDataException($"{what} should be up to {maxCount} integers of 0 or more");
            }
            numbers.Add(value);
        }
        return numbers;
    }

    /// <summary>The next property's name, or null where the object ends.</summary>
    private static string? NextProperty(ref Utf8JsonReader reader) =>
        reader.Read() && reader.TokenType == JsonTokenType.PropertyName ? reader.GetString() : null;

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType token, string what, string expected)
    {
        if (!reader.Read() || reader.TokenType != token)
        {
            throw new InvalidDataException($"{what} should be {expected}");
        }
    }
}
