using System.Data;
using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace VarianceActors.Pipeline.Stores;

/// <summary>
/// A connection to the journal whose reading transactions take no lock. Microsoft.Data.Sqlite begins every transaction as a
/// writer, unless told otherwise by a parameter that the journal's library does not know; each replay would then wait for the
/// writer, 150 ms at a time. The two writers, journal and snapshots, wait for each other in SQLite's own small steps.
/// </summary>
internal sealed class JournalConnection(string connectionString) : SqliteConnection(connectionString)
{
    /// <inheritdoc />
    public override void Open()
    {
        base.Open();
        using var command = CreateCommand();
        command.CommandText = "PRAGMA busy_timeout = 1000; PRAGMA secure_delete = ON;";
        command.ExecuteNonQuery();
    }

    /// <summary>A transaction that is <see cref="IsolationLevel.ReadCommitted"/> is one that only reads.</summary>
    protected override DbTransaction BeginDbTransaction(IsolationLevel isolationLevel) =>
        BeginTransaction(isolationLevel, deferred: isolationLevel == IsolationLevel.ReadCommitted);
}
