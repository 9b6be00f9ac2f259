namespace Hybrid.IO;

/// <summary>Writes files so that a reader sees the old one or the new one, never half of either.</summary>
public static class AtomicFile
{
    /// <summary>
    /// Writes a file: beside it under a temporary name first, then renamed over it. When <paramref name="write"/> fails, or the
    /// disk is full, what stood at <paramref name="path"/> before still stands there, and the temporary file is gone.
    /// </summary>
    /// <param name="path">The file; replaced when it exists. A link is followed, so that what it names is replaced.</param>
    /// <param name="write">Writes the content to the stream it is given.</param>
    /// <exception cref="IOException">The file can't be written: no such folder, no space, or the path names a folder.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        var target = new FileInfo(path) is { LinkTarget: not null } link
            ? link.ResolveLinkTarget(returnFinalTarget: true)!.FullName
            : Path.GetFullPath(path);
        if (Directory.Exists(target))
        {
            throw new IOException($"AtomicFile: can't write '{path}', it is a folder");
        }
        var temporary = $"{target}.{Path.GetRandomFileName()}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, target, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Writes a text file in UTF-8, as <see cref="Write"/> does.</summary>
    /// <param name="path">The file; replaced when it exists.</param>
    /// <param name="text">Its content.</param>
    /// <inheritdoc cref="Write" path="/exception"/>
    public static void WriteText(string path, string text) => Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));
}
