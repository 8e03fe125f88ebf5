namespace VarianceActors.Host.Configuration;

/// <summary>One thing that is wrong with the configuration. Never holds the value of a secret.</summary>
/// <param name="Path">HOCON path of the key, such as <c>variance.data-dir</c>; or the file that cannot be read.</param>
/// <param name="Message">What is wrong and what to do about it.</param>
/// <param name="Origin">Where it was written: <c>FILE:LINE</c>, a variable, an option; empty if nowhere.</param>
public sealed record ConfigurationFault(string Path, string Message, string Origin)
{
    /// <summary>One line for a person.</summary>
    public override string ToString() => Origin.Length == 0 ? $"{Path}: {Message}" : $"{Path}: {Message} ({Origin})";
}
