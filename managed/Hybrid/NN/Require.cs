namespace Hybrid.NN;

/// <summary>Checks of arguments that are plain numbers; each says what was given and what is expected.</summary>
internal static class Require
{
    public static void Positive(string operation, string name, long value)
    {
        if (value < 1)
        {
            throw new ArgumentOutOfRangeException(null, $"{operation}: {name} is {value}, expected 1 or more");
        }
    }

    public static void PositiveSize(string operation, string name, Size2 value)
    {
        if (value.Height < 1 || value.Width < 1)
        {
            throw new ArgumentOutOfRangeException(null, $"{operation}: {name} is {value}, expected 1 or more each way");
        }
    }

    public static void NotNegativeSize(string operation, string name, Size2 value)
    {
        if (value.Height < 0 || value.Width < 0)
        {
            throw new ArgumentOutOfRangeException(null, $"{operation}: {name} is {value}, expected 0 or more each way");
        }
    }

    public static void PositiveSize(string operation, string name, Size3 value)
    {
        if (value.Depth < 1 || value.Height < 1 || value.Width < 1)
        {
            throw new ArgumentOutOfRangeException(null, $"{operation}: {name} is {value}, expected 1 or more each way");
        }
    }

    public static void NotNegativeSize(string operation, string name, Size3 value)
    {
        if (value.Depth < 0 || value.Height < 0 || value.Width < 0)
        {
            throw new ArgumentOutOfRangeException(null, $"{operation}: {name} is {value}, expected 0 or more each way");
        }
    }

    /// <summary>Channels of a convolution, and the groups that both are split into.</summary>
    public static void Channels(string operation, long inChannels, long outChannels, int groups)
    {
        Positive(operation, nameof(inChannels), inChannels);
        Positive(operation, nameof(outChannels), outChannels);
        Positive(operation, nameof(groups), groups);
        if (inChannels % groups != 0 || outChannels % groups != 0)
        {
            throw new ArgumentException($"{operation}: {groups} groups do not divide {inChannels} input and {outChannels} output channels");
        }
    }

    public static void NotNegative(string operation, string name, double value)
    {
        // The negation catches NaN as well.
        if (!(value >= 0) || double.IsInfinity(value))
        {
            throw new ArgumentOutOfRangeException(null, $"{operation}: {name} is {value}, expected 0 or more");
        }
    }

    public static void Finite(string operation, string name, double value)
    {
        if (!double.IsFinite(value))
        {
            throw new ArgumentOutOfRangeException(null, $"{operation}: {name} is {value}, expected a finite number");
        }
    }

    public static void Fraction(string operation, string name, double value, bool belowOne = false)
    {
        if (!(value >= 0 && (belowOne ? value < 1 : value <= 1)))
        {
            throw new ArgumentOutOfRangeException(null, $"{operation}: {name} is {value}, expected 0 to {(belowOne ? "below 1" : "1")}");
        }
    }
}
