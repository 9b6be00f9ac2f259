using System.Text;

namespace Hybrid.BindingsGenerator;

/// <summary>What the generator cannot go on from: told to the user as one sentence.</summary>
internal sealed class GeneratorException(string message) : Exception(message);

/// <summary>The command: reads hybrid.h and ops.def, writes the C# that follows from them.</summary>
internal static class GeneratorCommand
{
    const string Usage = "usage: dotnet run --project bindings/generator -- [--root DIR] [--check]";

    static int Main(string[] args)
    {
        try
        {
            return Run(args);
        }
        catch (GeneratorException e)
        {
            Console.Error.WriteLine($"generator: {e.Message}");
            return 1;
        }
    }

    static int Run(string[] args)
    {
        string? root = null;
        var check = false;
        for (var i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--check":
                    check = true;
                    break;
                case "--root" when i + 1 < args.Length:
                    root = args[++i];
                    break;
                default:
                    throw new GeneratorException($"unknown argument '{args[i]}'; {Usage}");
            }
        }
        root = Path.GetFullPath(root ?? FindRoot());
        if (!File.Exists(Path.Combine(root, Clang.HeaderPath)))
        {
            throw new GeneratorException($"{root} holds no {Clang.HeaderPath}; name the repository's root with --root DIR");
        }
        var changed = Generate(root).Where(file => !Same(Path.Combine(root, file.Path), file.Text)).ToList();
        if (check)
        {
            changed.ForEach(file => Console.Error.WriteLine($"{file.Path} is not what bindings/generator writes: run ./build.sh gen"));
            return changed.Count == 0 ? 0 : 1;
        }
        changed.ForEach(file => Write(Path.Combine(root, file.Path), file.Text));
        var report = changed.Select(file => $"wrote {file.Path}").DefaultIfEmpty("The bindings are up to date.");
        Console.WriteLine(string.Join('\n', report));
        return 0;
    }

    /// <summary>Every generated file, as a path below the root and its text. Nothing is written before all of it is known.</summary>
    internal static List<(string Path, string Text)> Generate(string root)
    {
        var clang = new Clang(root);
        var operations = Operations.Read(clang);
        var header = Header.Read(clang, operations);
        var docs = new XmlDocs(header);
        return
        [
            ("bindings/Hybrid.Bindings/NativeMethods.g.cs", BindingsWriter.NativeMethods(header)),
            ("bindings/Hybrid.Bindings/Native.g.cs", BindingsWriter.Native(header, docs)),
            ("bindings/Hybrid.Bindings/Enums.g.cs", BindingsWriter.Enums(header, docs)),
            ("bindings/Hybrid.Bindings/Structs.g.cs", BindingsWriter.Structs(header, docs)),
            ("bindings/Hybrid.Bindings/Constants.g.cs", BindingsWriter.Constants(header, docs)),
            ("managed/Hybrid/Ops/Elementwise.g.cs", ElementwiseWriter.Write(operations)),
            ("tests/Hybrid.Tests/Bindings/Layout.g.cs", BindingsWriter.Layout(header)),
        ];
    }

    static string FindRoot()
    {
        for (var directory = new DirectoryInfo(Directory.GetCurrentDirectory()); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, Clang.HeaderPath)))
            {
                return directory.FullName;
            }
        }
        throw new GeneratorException($"no {Clang.HeaderPath} here or above; name the repository's root with --root DIR");
    }

    static bool Same(string path, string text) => File.Exists(path) && File.ReadAllText(path) == text;

    static void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path + ".new", text, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        File.Move(path + ".new", path, overwrite: true);
    }
}
