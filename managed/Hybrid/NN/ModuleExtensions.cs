namespace Hybrid.NN;

/// <summary>What one does with a module as a whole; each returns the very module, in its own type, so that calls can be chained.</summary>
public static class ModuleExtensions
{
    /// <summary>Moves all parameters and buffers to a device, with their gradients. They stay the same objects, so that an optimiser keeps
    /// its hold of them.</summary>
    /// <typeparam name="T">The module's type.</typeparam>
    /// <param name="module">The module.</param>
    /// <param name="device">The device.</param>
    /// <returns>The module.</returns>
    public static T To<T>(this T module, Device device) where T : Module
    {
        ArgumentNullException.ThrowIfNull(device);
        module.ConvertTo(t => t.To(device));
        return module;
    }

    /// <summary>Converts all floating parameters and buffers, and their gradients, to a dtype; integers stay. They stay the same
    /// objects.</summary>
    /// <typeparam name="T">The module's type.</typeparam>
    /// <param name="module">The module.</param>
    /// <param name="dtype">A floating dtype.</param>
    /// <returns>The module.</returns>
    /// <exception cref="DTypeException">The dtype is not floating.</exception>
    public static T To<T>(this T module, DType dtype) where T : Module
    {
        if (!dtype.IsFloating())
        {
            throw new DTypeException($"Module.To: dtype is {dtype.Name()}, expected a floating dtype");
        }
        module.ConvertTo(t => t.DType.IsFloating() ? t.To(dtype) : t);
        return module;
    }

    /// <summary>Sets the module and all below it to training, or with false to evaluation.</summary>
    /// <typeparam name="T">The module's type.</typeparam>
    /// <param name="module">The module.</param>
    /// <param name="mode">The value of <see cref="Module.Training"/>.</param>
    /// <returns>The module.</returns>
    public static T Train<T>(this T module, bool mode = true) where T : Module
    {
        module.SetTraining(mode);
        return module;
    }

    /// <summary>Sets the module and all below it to evaluation: Dropout passes through, BatchNorm uses its running statistics.</summary>
    /// <typeparam name="T">The module's type.</typeparam>
    /// <param name="module">The module.</param>
    /// <returns>The module.</returns>
    public static T Eval<T>(this T module) where T : Module => module.Train(false);
}
