using Hybrid.Bindings;

namespace Hybrid;

/// <summary>One weight of convolutions as the device's kernels read it: a tensor for each way that its inputs took. The shape of an input, the tuning
/// table and <see cref="Numerics.Exact"/> decide on the way, and the way alone on the order of the elements.</summary>
internal sealed class PreparedKernels
{
    /// <summary>What a layer may keep beside its weight, in bytes: linear layers, too.</summary>
    internal const long MostBytes = 64L << 20;

    readonly Tensor?[] byWay = new Tensor?[(int)HyConvWay.Packed + 1];

    /// <summary>The weight for this very convolution, made once for the same elements and way; null where the device gains nothing, or it would take
    /// too much memory. Puts the way into the parameters, so that it is not chosen again.</summary>
    internal static unsafe Tensor? For(ref HyConv2dParams p, Tensor x, Tensor weight, Tensor y, Derived<PreparedKernels> kept)
    {
        long elements;
        int way;
        fixed (HyConv2dParams* pp = &p)
        fixed (HyTensor* px = x, pw = weight, py = y)
        {
            Native.Conv2dPrepare(x.Device.Handle, pp, px, pw, py, &way, &elements, null);
            p.Way = way;
            if (elements == 0)
            {
                return null;
            }
            var kernels = kept.Find([weight]) ?? kept.Keep([weight], new PreparedKernels());
            if (kernels.byWay[way] is { } known)
            {
                return known;
            }
            if (kernels.Bytes() + elements * weight.DType.Size() > MostBytes)
            {
                return null;
            }
            using var suspended = TensorScope.Suspend();
            var prepared = Tensor.NewResult(new Shape(elements), weight.DType, weight.Device);
            fixed (HyTensor* to = prepared)
            {
                Native.Conv2dPrepare(x.Device.Handle, pp, px, pw, py, &way, &elements, to);
            }
            return kernels.byWay[way] = prepared;
        }
    }

    long Bytes()
    {
        long bytes = 0;
        foreach (var prepared in byWay)
        {
            bytes += prepared is null ? 0 : prepared.NumElements * prepared.DType.Size();
        }
        return bytes;
    }
}
