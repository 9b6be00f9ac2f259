using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Hybrid.Bindings;

/// <summary>Turns a status into the exception that C# programmers expect.</summary>
internal static class Status
{
    /// <summary>Throws unless the status is OK.</summary>
    [StackTraceHidden]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Check(int status)
    {
        if (status != 0)
        {
            Throw(status);
        }
    }

    [DoesNotReturn]
    [StackTraceHidden]
    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Throw(int status) => throw ToException((HyStatus)status, Native.LastError());

    /// <summary>The exception for a status and the core's sentence.</summary>
    internal static Exception ToException(HyStatus status, string message) => status switch
    {
        HyStatus.BadArgument => new ArgumentException(message),
        HyStatus.BadShape => new ShapeException(message),
        HyStatus.BadDtype => new DTypeException(message),
        HyStatus.BadDevice => new DeviceException(message),
        HyStatus.OutOfRange => new ArgumentOutOfRangeException(paramName: null, message),
        HyStatus.OutOfMemory => new DeviceOutOfMemoryException(message),
        HyStatus.Unsupported => new NotSupportedException(message),
        HyStatus.Internal => new HybridException(message),
        _ => new HybridException($"the core returned status {(int)status}, which hybrid.h does not list: {message}"),
    };
}
