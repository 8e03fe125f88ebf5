namespace VarianceActors.Pipeline.Stores;

/// <summary>Another copy of the same actor has written since this one read: this one must stop, and whoever goes on reads again.</summary>
public sealed class FencedException : Exception
{
    /// <summary>With a message for the log.</summary>
    public FencedException(string message)
        : base(message)
    {
    }

    /// <summary>With a message for the log and its cause.</summary>
    public FencedException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Without a message.</summary>
    public FencedException()
    {
    }
}
