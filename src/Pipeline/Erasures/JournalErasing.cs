using System.Data.Common;
using Npgsql;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>
/// Deletes and rewrites rows of the journal and the snapshots, beside the journal's own library, which only marks what it
/// deletes and reads whole what it rewrites. Nobody may write to the homes concerned meanwhile.
/// </summary>
internal sealed class JournalErasing : IAsyncDisposable
{
    private readonly NpgsqlDataSource? _source;
    private readonly string _connectionString = "";
    private readonly string _schema = "";

    /// <summary>The journal that the configuration names.</summary>
    public JournalErasing(PipelineOptions options)
    {
        if (options.Store == StoreKind.Postgres)
        {
            (_source, _schema) = (PostgresAddress.OpenJournal(options.Postgres), "journal.");
        }
        else
        {
            _connectionString = JournalHosting.SqliteConnectionString(options.DataDir);
        }
    }

    /// <summary>Deletes the facts and snapshots of homes, or all before a fact.</summary>
    /// <param name="persistenceIds">Whose.</param>
    /// <param name="below">Facts and snapshots with lower numbers go; all if null.</param>
    /// <returns>How many rows went.</returns>
    public Task<int> DeleteAsync(IEnumerable<string> persistenceIds, long? below) => InTransactionAsync(async connection =>
    {
        var rows = 0;
        foreach (var id in persistenceIds)
        {
            foreach (var table in (string[])["journal", "snapshot"])
            {
                await using var command = Command(
                    connection,
                    $"DELETE FROM {_schema}{table} WHERE persistence_id = @id AND sequence_number < @below",
                    ("@id", id),
                    ("@below", below ?? long.MaxValue));
                rows += await command.ExecuteNonQueryAsync().ConfigureAwait(false);
            }
        }

        return rows;
    });

    /// <summary>Takes ids out of the facts and snapshots of others.</summary>
    /// <param name="persistenceIds">Whose.</param>
    /// <param name="standIns">What stands in for each id.</param>
    /// <returns>How many rows were rewritten.</returns>
    public Task<int> ReplaceAsync(
        IEnumerable<string> persistenceIds, IReadOnlyDictionary<string, string> standIns) => InTransactionAsync(async connection =>
    {
        var rows = 0;
        foreach (var id in persistenceIds)
        {
            rows += await ReplaceAsync(connection, "journal", "message", id, standIns).ConfigureAwait(false)
                + await ReplaceAsync(connection, "snapshot", "snapshot", id, standIns).ConfigureAwait(false);
        }

        return rows;
    });

    /// <summary>Writes a SQLite file anew, without the remains of what was deleted. Whoever writes waits meanwhile.</summary>
    /// <exception cref="DbException">It did not happen: somebody writes, or the disk is full.</exception>
    public Task RewriteAsync() => _source is not null
        ? Task.CompletedTask
        : Task.Run(() => SqliteFile.Rewrite(_connectionString));

    /// <summary>Empties the write-ahead log of a SQLite file.</summary>
    /// <returns>False if somebody reads what is in the log: try again.</returns>
    public Task<bool> TruncateLogAsync() => _source is not null
        ? Task.FromResult(true)
        : Task.Run(() => SqliteFile.TruncateLog(_connectionString));

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _source?.DisposeAsync() ?? ValueTask.CompletedTask;

    private static DbCommand Command(DbConnection connection, string text, params (string Name, object Value)[] values)
    {
        var command = connection.CreateCommand();
        command.CommandText = text; // constant text of this assembly; values are always parameters
        foreach (var (name, value) in values)
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value);
            command.Parameters.Add(parameter);
        }

        return command;
    }

    private async Task<int> ReplaceAsync(
        DbConnection connection, string table, string column, string id, IReadOnlyDictionary<string, string> standIns)
    {
        var changed = new List<(long Number, byte[] Json)>();
        await using (var select = Command(
            connection,
            $"SELECT sequence_number, {column} FROM {_schema}{table} WHERE persistence_id = @id",
            ("@id", id)))
        {
            await using var reader = await select.ExecuteReaderAsync().ConfigureAwait(false);
            while (await reader.ReadAsync().ConfigureAwait(false))
            {
                if (ErasedText.Replace(reader.GetFieldValue<byte[]>(1), standIns) is { } json)
                {
                    changed.Add((reader.GetInt64(0), json));
                }
            }
        }

        foreach (var (number, json) in changed)
        {
            await using var update = Command(
                connection,
                $"UPDATE {_schema}{table} SET {column} = @json WHERE persistence_id = @id AND sequence_number = @number",
                ("@json", json),
                ("@id", id),
                ("@number", number));
            await update.ExecuteNonQueryAsync().ConfigureAwait(false);
        }

        return changed.Count;
    }

    private async Task<int> InTransactionAsync(Func<DbConnection, Task<int>> work)
    {
        await using var connection = await OpenAsync().ConfigureAwait(false);
        await using var transaction = await connection.BeginTransactionAsync().ConfigureAwait(false);
        var rows = await work(connection).ConfigureAwait(false);
        await transaction.CommitAsync().ConfigureAwait(false);
        return rows;
    }

    private async Task<DbConnection> OpenAsync()
    {
        if (_source is not null)
        {
            return await _source.OpenConnectionAsync().ConfigureAwait(false);
        }

        var connection = SqliteFile.OpenConnection(_connectionString);
        await using var command = Command(connection, "PRAGMA busy_timeout = 1000;");
        await command.ExecuteNonQueryAsync().ConfigureAwait(false);
        return connection;
    }
}
