using Hybrid.Bindings;

namespace Hybrid;

/// <summary>What an operation's derivative reads besides the gradient of its output.</summary>
[Flags]
internal enum Reads
{
    None = 0,
    Input = 1,
    Output = 2,
    Both = Input | Output,
}

/// <summary>
/// A HY_UNARY row of ops.def: its formula in C, whether it takes floating dtypes only, its parameter if it has one, and the interval that
/// tests draw x from.
/// </summary>
internal sealed record UnaryInfo(
    HyUnaryOp Op, string Name, string Forward, bool IsFloating, Reads Reads, string? Parameter, double Default, double Low, double High);

/// <summary>A HY_BINARY row of ops.def: likewise, and whether its derivatives read a and b.</summary>
internal sealed record BinaryInfo(
    HyBinaryOp Op, string Name, string Forward, bool IsFloating, bool ReadsInputs, double LowA, double HighA, double LowB, double HighB);

/// <summary>A HY_COMPARE row of ops.def, its condition in C.</summary>
internal sealed record CompareInfo(HyCompareOp Op, string Name, string Condition);
