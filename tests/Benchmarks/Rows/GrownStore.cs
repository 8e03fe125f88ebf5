using Microsoft.Data.Sqlite;
using VarianceActors.Benchmarks.Measures;
using VarianceActors.Benchmarks.Processes;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Benchmarks.Rows;

/// <summary>
/// A SQLite store that has seen much: the persons, with journal, outbox and lists, come from one event of each, sent to a host in
/// a dry run; the rest of the ledger's rows are copies of those rows with uuids and fingerprints of their own.
/// </summary>
internal sealed class GrownStore : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("variance-grown-");

    private GrownStore(int persons) => Persons = persons;

    /// <summary>How many persons it knows.</summary>
    public int Persons { get; }

    /// <summary>Its data directory.</summary>
    public string Data => _directory.FullName;

    /// <summary>Makes it.</summary>
    public static async Task<GrownStore> MakeAsync(Bench bench, int persons, int ledgerRows, CancellationToken cancellationToken)
    {
        var store = new GrownStore(persons);
        await using (var host = await Contestant.HostAsync(
            HostSettings.For(receiver: null, "contacts") with { Data = store.Data }, "sqlite", cancellationToken))
        {
            await bench.SendAsync(bench.Load(host, persons, 100, persons: persons));
            await host.SettleAsync(cancellationToken);
        }

        store.CopyLedger(ledgerRows - persons);
        return store;
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync()
    {
        _directory.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    private void CopyLedger(int rows)
    {
        var file = SqliteFile.ConnectionString(Path.Combine(Data, "pipeline.db"), TimeSpan.FromSeconds(5));
        using var connection = new SqliteConnection(file);
        connection.Open();
        for (var left = rows; left > 0;)
        {
            using var command = connection.CreateCommand();
            command.CommandTimeout = 0;
            command.CommandText = """
                INSERT INTO ledger (connection, uuid, fingerprint, partition, event_offset, door, received_at, decision, reason,
                    delivery_partition, first_position, message_count, warnings, distinct_id, event)
                SELECT connection, randomblob(16), random(), partition, event_offset, door, received_at, decision, reason,
                    delivery_partition, first_position, message_count, warnings, distinct_id, event
                FROM ledger ORDER BY id LIMIT @rows
                """;
            command.Parameters.AddWithValue("@rows", Math.Min(left, 500_000));
            left -= command.ExecuteNonQuery();
        }
    }
}
