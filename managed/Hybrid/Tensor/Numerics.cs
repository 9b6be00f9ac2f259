using Hybrid.Bindings;

namespace Hybrid;

/// <summary>How GPUs compute products of float32: PyTorch's "highest" and "high".</summary>
public enum Float32Precision
{
    /// <summary>In float32 throughout.</summary>
    Highest = HyFloat32Precision.Highest,

    /// <summary>Operands may be rounded to tf32, which keeps 10 bits of fraction, so that tensor cores take them; sums stay float32.</summary>
    High = HyFloat32Precision.High,
}

/// <summary>How much rounding operations may trade for speed.</summary>
public static class Numerics
{
    static volatile bool exact;

    /// <summary>Whether float32 convolutions, and their gradients, are direct sums alone; false by default, for the whole process.</summary>
    /// <remarks>Without it, 3 × 3 convolutions of stride 1 with enough channels are computed by Winograd's minimal filtering, two to three times as
    /// fast. Its error relative to the largest output is about 2e-6 with 64 channels and 5e-6 with 512, where a direct sum's is 1e-6 and 2e-6; an
    /// infinity or NaN of the input reaches every output of its tile of 4 × 4, up to 3 places further than in a direct sum. float64 is always
    /// summed directly. A convolution's gradients follow what was set when it ran. Which way computes a convolution, exact or not,
    /// also depends on the table of <c>hybrid tune</c>, if there is one, and with it the last bits; never on the number of threads.</remarks>
    public static bool Exact
    {
        get => exact;
        set => exact = value;
    }

    /// <summary>How GPUs compute matrix products and convolutions of float32, for the whole process; <see cref="Float32Precision.Highest"/> by
    /// default. PyTorch's <c>set_float32_matmul_precision</c>.</summary>
    /// <remarks>With <see cref="Float32Precision.High"/>, GPUs of compute capability 8.0 or more take them in tf32: an element is off by at most
    /// 2^-10 of the sum of its products' magnitudes, beside what summing loses. Convolutions that run with <see cref="Exact"/> do not, and
    /// neither does the processor.</remarks>
    /// <exception cref="ArgumentException">Set to no such precision.</exception>
    public static Float32Precision Float32MatmulPrecision
    {
        get => (Float32Precision)Native.GetFloat32MatmulPrecision();
        set => Native.SetFloat32MatmulPrecision((HyFloat32Precision)value);
    }

    /// <summary>Whether only kernels run whose sums have one order, for the whole process; false by default. PyTorch's
    /// <c>use_deterministic_algorithms</c>.</summary>
    /// <remarks>All of Hybrid's own kernels have, on every device: the same call on the same device gives the same bits, whatever this says. It
    /// governs the choice of kernels by measuring: set, it keeps cuBLAS out of matrix products on GPUs, so that their bits do not depend on what was
    /// measured, or on which cuBLAS is installed.</remarks>
    public static bool Deterministic
    {
        get => Native.GetDeterministic() != 0;
        set => Native.SetDeterministic(value ? 1 : 0);
    }
}
