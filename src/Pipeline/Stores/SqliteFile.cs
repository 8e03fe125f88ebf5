using Microsoft.Data.Sqlite;

namespace VarianceActors.Pipeline.Stores;

/// <summary>How this project opens a SQLite file: write-ahead log, an fsync for every commit, foreign keys on.</summary>
public static class SqliteFile
{
    /// <summary>The connection string of a file.</summary>
    /// <param name="path">The file; made when first opened.</param>
    /// <param name="busyTimeout">How long a statement waits for another writer; whole seconds count.</param>
    public static string ConnectionString(string path, TimeSpan busyTimeout) => new SqliteConnectionStringBuilder
    {
        DataSource = Path.GetFullPath(path),
        ForeignKeys = true,
        DefaultTimeout = (int)Math.Ceiling(busyTimeout.TotalSeconds),
        Pooling = true,
    }.ToString();

    /// <summary>Makes the file if it is not there and puts it into write-ahead-log mode, which the file then keeps.</summary>
    public static void Prepare(string connectionString)
    {
        using var connection = OpenConnection(connectionString);
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA journal_mode = WAL;";
        command.ExecuteNonQuery();
    }

    /// <summary>Writes the log into the file and empties it.</summary>
    /// <returns>False if somebody reads what is in the log.</returns>
    internal static bool TruncateLog(string connectionString)
    {
        using var connection = OpenConnection(connectionString);
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA busy_timeout = 1000;";
        command.ExecuteNonQuery();
        command.CommandText = "PRAGMA wal_checkpoint(TRUNCATE);"; // its first column: whether somebody was in the way
        return command.ExecuteScalar() is 0L;
    }

    /// <summary>
    /// Writes the file anew, without anything that was deleted. Overwriting deleted content (<c>secure_delete</c>) is not enough
    /// for that: when rows move to another page, their old place keeps a copy, which no later deletion reaches.
    /// </summary>
    /// <exception cref="SqliteException">Somebody else writes for longer than the busy timeout, or the disk is full.</exception>
    internal static void Rewrite(string connectionString)
    {
        using var connection = OpenConnection(connectionString);
        using var command = connection.CreateCommand();
        command.CommandText = "VACUUM;";
        command.ExecuteNonQuery();
    }

    internal static SqliteConnection OpenConnection(string connectionString)
    {
        var connection = new SqliteConnection(connectionString);
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;";
        command.ExecuteNonQuery();
        return connection;
    }
}
