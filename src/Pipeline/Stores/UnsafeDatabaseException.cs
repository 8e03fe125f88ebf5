using System.Data.Common;

namespace VarianceActors.Pipeline.Stores;

/// <summary>The database is set so that it may lose what it has confirmed.</summary>
public sealed class UnsafeDatabaseException : DbException
{
    /// <summary>With what is to be changed.</summary>
    public UnsafeDatabaseException(string message)
        : base(message)
    {
    }

    /// <summary>With what is to be changed and the cause.</summary>
    public UnsafeDatabaseException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Without a message.</summary>
    public UnsafeDatabaseException()
    {
    }
}
