using System.Data.Common;

namespace VarianceActors.Pipeline.Stores;

/// <summary>What differs between the databases. Everything else of the pipeline speaks one SQL to both.</summary>
internal abstract class Engine : IAsyncDisposable
{
    /// <summary>How many transactions write side by side.</summary>
    public abstract int WritersMax { get; }

    /// <summary>How many transactions read side by side.</summary>
    public abstract int ReadersMax { get; }

    /// <summary>How many units share a transaction.</summary>
    public abstract int UnitsPerCommitMax { get; }

    /// <summary>How long a reader waits until another one is done.</summary>
    public abstract TimeSpan ReaderPatience { get; }

    /// <summary>Opens a connection.</summary>
    /// <exception cref="DbException">The database cannot be reached.</exception>
    public abstract DbConnection Connect();

    /// <summary>Begins a transaction; one that reads sees one moment.</summary>
    public abstract DbTransaction Begin(DbConnection connection, bool write);

    /// <summary>The statement as this database takes it.</summary>
    public abstract string TextOf(Statement statement);

    /// <summary>Parameters without values, in the statement's order.</summary>
    public abstract IEnumerable<DbParameter> ParametersOf(Statement statement, DbConnection connection);

    /// <summary>The value as this database takes it.</summary>
    public abstract object ValueOf(object? value);

    /// <summary>Whether a transaction that ended so did not happen and may succeed when it is run again: it was the victim
    /// of a deadlock, or of a connection that had been dead for some time.</summary>
    /// <param name="failure">How it ended.</param>
    /// <param name="isReused">Whether the connection had been used before.</param>
    /// <param name="commitSent">Whether the server was told to commit: without its answer nobody knows.</param>
    public abstract bool MayRunAgain(Exception failure, bool isReused, bool commitSent);

    /// <summary>Whether the file under the database is broken, so that what is on disk is unknown.</summary>
    public abstract bool IsBroken(Exception failure);

    /// <summary>Writes the file anew, without anything that was deleted; nobody of this process writes meanwhile.</summary>
    public abstract void Rewrite();

    /// <summary>Empties the write-ahead log, where what was deleted may still be read.</summary>
    /// <returns>False if somebody reads what is in the log: try again.</returns>
    public abstract bool TruncateLog();

    /// <inheritdoc />
    public abstract ValueTask DisposeAsync();
}
