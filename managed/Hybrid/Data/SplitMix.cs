namespace Hybrid.Data;

/// <summary>SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): small, and the same on every platform and
/// in every version of .NET, so that a seed keeps its meaning.</summary>
struct SplitMix
{
    ulong state;

    /// <summary>One of 2⁶⁴ streams of a seed.</summary>
    public SplitMix(ulong seed, ulong stream)
    {
        state = seed;
        state = NextBits() ^ (stream * 0xd1342543de82ef95);
        NextBits();
    }

    public ulong NextBits()
    {
        ulong z = state += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

    /// <summary>An integer from 0 to below - 1.</summary>
    public int Next(int below) => (int)Math.BigMul(NextBits(), (ulong)below, out _);

    /// <summary>A number from low to high.</summary>
    public float Next(float low, float high) => low + (high - low) * (NextBits() >> 40) * (1f / (1 << 24));

    /// <summary>A number of the normal distribution around 0, near enough: the sum of four uniform ones.</summary>
    public float NextNormal(float deviation) => (Next(-1, 1) + Next(-1, 1) + Next(-1, 1) + Next(-1, 1)) * deviation * 0.8660254f;

    /// <summary>Fisher and Yates's shuffle.</summary>
    public void Shuffle(Span<int> values)
    {
        for (int i = values.Length - 1; i > 0; i--)
        {
            int j = Next(i + 1);
            (values[i], values[j]) = (values[j], values[i]);
        }
    }
}
