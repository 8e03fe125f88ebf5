using System.ComponentModel.DataAnnotations;

namespace VarianceActors.Pipeline.Stores;

/// <summary>Where everything is kept: the key <c>variance.store</c>.</summary>
public enum StoreKind
{
    /// <summary>Two files in the data directory, for one node.</summary>
    Sqlite,

    /// <summary>A PostgreSQL database, for one node or many.</summary>
    Postgres,
}

/// <summary>How the PostgreSQL database is reached: the block <c>variance.postgres</c>.</summary>
public sealed class PostgresOptions
{
    /// <summary>Server and database, as Npgsql writes them. Secret: it may hold a password.</summary>
    public required string ConnectionString { get; set; }

    /// <summary>A file whose first line is the password; empty: the connection string says it all.</summary>
    public required string PasswordFile { get; set; }

    /// <summary>Connections that write to the pipeline's tables.</summary>
    [Range(1, 64)]
    public int WritersMax { get; set; }

    /// <summary>Connections that read from the pipeline's tables.</summary>
    [Range(1, 64)]
    public int ReadersMax { get; set; }

    /// <summary>Connections of the journal and the snapshots.</summary>
    [Range(2, 256)]
    public int JournalConnectionsMax { get; set; }

    /// <summary>How long to wait for a connection.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan ConnectTimeout { get; set; }

    /// <summary>How long a statement may run.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan StatementTimeout { get; set; }

    /// <summary>How long a statement may wait for a row that another transaction holds.</summary>
    [Range(typeof(TimeSpan), "00:00:02", "00:10:00")]
    public TimeSpan LockTimeout { get; set; }
}
