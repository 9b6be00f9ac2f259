namespace Hybrid;

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
}
