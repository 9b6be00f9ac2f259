using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Hybrid.Benchmarks;

/// <summary>What the machine itself can do, measured beside every workload: its speed drifts where it is shared.</summary>
public sealed unsafe class Machine : IDisposable
{
    const long CopyBytes = 64L << 20;
    static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(8);

    readonly int threads;
    readonly byte* from = Touched();
    readonly byte* to = Touched();

    /// <summary>Takes memory to copy.</summary>
    /// <param name="threads">Threads that compute and copy at once.</param>
    public Machine(int threads) => this.threads = threads;

    /// <summary>The processor's name, as the system gives it.</summary>
    public static string Processor()
    {
        const string cpuInfo = "/proc/cpuinfo";
        string? line = File.Exists(cpuInfo) ? File.ReadLines(cpuInfo).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':') + 1)..].Trim();
    }

    /// <summary>Single-precision operations a second, all threads multiplying and adding in registers; a multiply-add is two.</summary>
    public double FlopsPerSecond() => OnAllThreads(_ => MultiplyAdd());

    /// <summary>Bytes a second that a copy far larger than the caches moves: what is read and what is written both count.</summary>
    public double BytesPerSecond() => OnAllThreads(thread =>
    {
        long part = CopyBytes / threads;
        Buffer.MemoryCopy(from + thread * part, to + thread * part, part, part);
        return 2.0 * part;
    });

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeMemory.AlignedFree(from);
        NativeMemory.AlignedFree(to);
    }

    static byte* Touched()
    {
        var memory = (byte*)NativeMemory.AlignedAlloc((nuint)CopyBytes, 1 << 21);
        NativeMemory.Fill(memory, (nuint)CopyBytes, 1);
        return memory;
    }

    // The sum of what the threads did, each over its own time, since they do not begin together.
    double OnAllThreads(Func<int, double> work)
    {
        var rates = new double[threads];
        var workers = new Thread[threads];
        for (int i = 0; i < threads; i++)
        {
            int thread = i;
            workers[i] = new Thread(() =>
            {
                double done = 0;
                var watch = Stopwatch.StartNew();
                do
                {
                    done += work(thread);
                }
                while (watch.Elapsed < Slice);
                rates[thread] = done / watch.Elapsed.TotalSeconds;
            });
            workers[i].Start();
        }
        foreach (var worker in workers)
        {
            worker.Join();
        }
        return rates.Sum();
    }

    // Twelve independent sums hide the latency of the multiply-add on every processor that has two units for it.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static double MultiplyAdd()
    {
        const int rounds = 100_000;
        if (Vector512.IsHardwareAccelerated && Avx512F.IsSupported)
        {
            var x = Vector512.Create(0.999f);
            Vector512<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
            for (int n = 0; n < rounds; n++)
            {
                a = Avx512F.FusedMultiplyAdd(a, x, x); b = Avx512F.FusedMultiplyAdd(b, x, x); c = Avx512F.FusedMultiplyAdd(c, x, x);
                d = Avx512F.FusedMultiplyAdd(d, x, x); e = Avx512F.FusedMultiplyAdd(e, x, x); f = Avx512F.FusedMultiplyAdd(f, x, x);
                g = Avx512F.FusedMultiplyAdd(g, x, x); h = Avx512F.FusedMultiplyAdd(h, x, x); i = Avx512F.FusedMultiplyAdd(i, x, x);
                j = Avx512F.FusedMultiplyAdd(j, x, x); k = Avx512F.FusedMultiplyAdd(k, x, x); l = Avx512F.FusedMultiplyAdd(l, x, x);
            }
            Keep(Vector512.Sum(a + b + c + d + e + f + g + h + i + j + k + l));
            return 2.0 * 16 * 12 * rounds;
        }
        if (Fma.IsSupported)
        {
            var x = Vector256.Create(0.999f);
            Vector256<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
            for (int n = 0; n < rounds; n++)
            {
                a = Fma.MultiplyAdd(a, x, x); b = Fma.MultiplyAdd(b, x, x); c = Fma.MultiplyAdd(c, x, x); d = Fma.MultiplyAdd(d, x, x);
                e = Fma.MultiplyAdd(e, x, x); f = Fma.MultiplyAdd(f, x, x); g = Fma.MultiplyAdd(g, x, x); h = Fma.MultiplyAdd(h, x, x);
                i = Fma.MultiplyAdd(i, x, x); j = Fma.MultiplyAdd(j, x, x); k = Fma.MultiplyAdd(k, x, x); l = Fma.MultiplyAdd(l, x, x);
            }
            Keep(Vector256.Sum(a + b + c + d + e + f + g + h + i + j + k + l));
            return 2.0 * 8 * 12 * rounds;
        }
        if (AdvSimd.IsSupported)
        {
            var x = Vector128.Create(0.999f);
            Vector128<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
            for (int n = 0; n < rounds; n++)
            {
                a = AdvSimd.FusedMultiplyAdd(x, a, x); b = AdvSimd.FusedMultiplyAdd(x, b, x); c = AdvSimd.FusedMultiplyAdd(x, c, x);
                d = AdvSimd.FusedMultiplyAdd(x, d, x); e = AdvSimd.FusedMultiplyAdd(x, e, x); f = AdvSimd.FusedMultiplyAdd(x, f, x);
                g = AdvSimd.FusedMultiplyAdd(x, g, x); h = AdvSimd.FusedMultiplyAdd(x, h, x); i = AdvSimd.FusedMultiplyAdd(x, i, x);
                j = AdvSimd.FusedMultiplyAdd(x, j, x); k = AdvSimd.FusedMultiplyAdd(x, k, x); l = AdvSimd.FusedMultiplyAdd(x, l, x);
            }
            Keep(Vector128.Sum(a + b + c + d + e + f + g + h + i + j + k + l));
            return 2.0 * 4 * 12 * rounds;
        }
        throw new PlatformNotSupportedException("The benchmarks measure peaks with AVX-512, FMA or NEON; this processor has none of them");
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Keep(float value) => GC.KeepAlive(value);
}
