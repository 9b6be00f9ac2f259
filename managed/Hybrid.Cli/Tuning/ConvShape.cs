using System.Text.RegularExpressions;

namespace Hybrid.Cli.Tuning;

/// <summary>The shape of a convolution, in the words of the tuning table: <c>N8 C64 H56 W56 K64 R3 S3 s1,1 p1,1 d1,1 g1</c>.</summary>
/// <param name="Images">N</param>
/// <param name="Channels">C, of the input</param>
/// <param name="Input">H and W</param>
/// <param name="Filters">K, the output's channels</param>
/// <param name="Kernel">R and S</param>
/// <param name="Stride">s</param>
/// <param name="Padding">p</param>
/// <param name="Dilation">d</param>
/// <param name="Groups">g</param>
sealed partial record ConvShape(int Images, int Channels, Size2 Input, int Filters, Size2 Kernel, Size2 Stride, Size2 Padding, Size2 Dilation, int Groups)
{
    const string Example = "N8 C64 H56 K64 R3 s1 p1";

    /// <summary>What is tuned when nothing else is asked for: layers of well-known networks, of one image and of a batch, and of digit classifiers.</summary>
    public static IReadOnlyList<ConvShape> Usual { get; } =
    [
        .. from images in (int[])[1, 8]
           from layer in (string[])["C3 H224 K64 R7 s2 p3", "C64 H56 K64 R3 p1", "C64 H56 K256 R1", "C128 H28 K128 R3 p1", "C256 H14 K256 R3 p1", "C512 H7 K512 R3 p1"]
           select Parse($"N{images} {layer}"),
        .. from images in (int[])[1, 64]
           from layer in (string[])["C1 H28 K32 R3", "C32 H26 K64 R3", "C1 H28 K6 R5 p2", "C6 H14 K16 R5"]
           select Parse($"N{images} {layer}"),
        Parse("N32 C3 H32 K64 R3 p1"),
        Parse("N32 C1 H64 K16 R3 p1"),
    ];

    /// <summary>Reads a shape. W is H and S is R where they are not given; stride, dilation and groups are 1, the padding 0.</summary>
    /// <exception cref="UserException">It is none.</exception>
    public static ConvShape Parse(string text)
    {
        var found = new Dictionary<char, Size2>();
        foreach (string word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var match = Word().Match(word);
            bool read = match.Success;
            read &= int.TryParse(match.Groups[2].Value, out int first);
            int second = first;
            read &= !match.Groups[3].Success || ("spd".Contains(word[0]) && int.TryParse(match.Groups[3].Value, out second));
            read &= Math.Min(first, second) >= (word[0] == 'p' ? 0 : 1);
            if (!read || !found.TryAdd(word[0], new Size2(first, second)))
            {
                throw new UserException($"--conv: expected a shape like '{Example}', got '{word}' in '{text}'");
            }
        }
        int Number(char letter, int? fallback = null) => Pair(letter, fallback).Height;
        Size2 Pair(char letter, int? fallback) => found.TryGetValue(letter, out var pair) ? pair
            : fallback ?? throw new UserException($"--conv: expected a shape like '{Example}', got no {letter} in '{text}'");
        return new ConvShape(Number('N'), Number('C'), (Number('H'), Number('W', Number('H'))), Number('K'), (Number('R'), Number('S', Number('R'))),
            Pair('s', 1), Pair('p', 0), Pair('d', 1), Number('g', 1));
    }

    /// <summary>The shape as people write it: without what goes without saying.</summary>
    public override string ToString()
    {
        string text = $"N{Images} C{Channels} H{Input.Height}{(Input.Width == Input.Height ? "" : $" W{Input.Width}")} K{Filters} R{Kernel.Height}"
            + $"{(Kernel.Width == Kernel.Height ? "" : $" S{Kernel.Width}")}";
        void Add(char letter, Size2 pair, int usual) =>
            text += pair == usual ? "" : $" {letter}{pair.Height}{(pair.Width == pair.Height ? "" : $",{pair.Width}")}";
        Add('s', Stride, 1);
        Add('p', Padding, 0);
        Add('d', Dilation, 1);
        Add('g', Groups, 1);
        return text;
    }

    [GeneratedRegex(@"^([NCHWKRSspdg])(\d+)(?:,(\d+))?$", RegexOptions.CultureInvariant)]
    private static partial Regex Word();
}
