namespace Hybrid;

/// <summary>An error that Hybrid reports; its message is one sentence: the operation, what was given, what was expected.</summary>
public class HybridException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">the sentence</param>
    /// <param name="inner">what caused it, if anything</param>
    public HybridException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}

/// <summary>Shapes or strides do not fit the operation or one another.</summary>
public class ShapeException : HybridException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">one sentence: the operation, the shapes given, the shapes expected</param>
    public ShapeException(string message) : base(message)
    {
    }
}

/// <summary>The operation does not take this dtype, or dtypes do not match.</summary>
public class DTypeException : HybridException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">one sentence: the operation, the dtype given, the dtype expected</param>
    public DTypeException(string message) : base(message)
    {
    }
}

/// <summary>A tensor lives on another device than the operation, or there is no such device.</summary>
public class DeviceException : HybridException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">one sentence: the operation, the device given, the device expected</param>
    public DeviceException(string message) : base(message)
    {
    }
}

/// <summary>A device cannot supply the memory asked for, or the limit set on it forbids it.</summary>
public class DeviceOutOfMemoryException : OutOfMemoryException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">one sentence: what was asked, what is live, what is cached</param>
    public DeviceOutOfMemoryException(string message) : base(message)
    {
    }
}
