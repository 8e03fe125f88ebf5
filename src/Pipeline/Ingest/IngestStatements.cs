using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Ingest;

/// <summary>Everything that an ingest actor says to the database, beside its commit.</summary>
internal static class IngestStatements
{
    private static readonly Statement AddProgress = new("""
        INSERT INTO ingest_progress (partition, version, progress) VALUES (@partition, 1, @progress)
        ON CONFLICT DO NOTHING
        """);

    private static readonly Statement SelectProgress = new(
        "SELECT version, progress FROM ingest_progress WHERE partition = @partition");

    private static readonly Statement UpdateProgress = new("""
        UPDATE ingest_progress SET progress = @progress, version = version + 1
        WHERE partition = @partition AND version = @version
        """);

    /// <summary>The progress and its version; version 0 is a partition that never committed.</summary>
    public static (long Version, Progress Progress) ReadProgress(Session session, int partition) => session
        .Query(SelectProgress, row => (row.GetInt64(0), Progress.Decode(row.GetFieldValue<byte[]>(1))), partition)
        is [var found] ? found : (0, Progress.Start());

    /// <exception cref="FencedException">The row has not the version it must have.</exception>
    public static void MoveProgress(Session session, int partition, byte[] progress, long version)
    {
        var rows = version == 0
            ? session.Execute(AddProgress, partition, progress)
            : session.Execute(UpdateProgress, progress, partition, version);
        if (rows == 0)
        {
            throw new FencedException($"The progress of partition {partition} was moved by somebody else.");
        }
    }

    /// <summary>Events of a partition from an offset on, and which of them the ledger already knows.</summary>
    public static EventsRead ReadEvents(Session session, int partition, long fromOffset, int eventsMax, long bytesMax)
    {
        var events = InboxStatements.Read(session, partition, fromOffset, eventsMax, bytesMax);
        var keys = events.Select(IngestActor.KeyOf).ToList();
        return new EventsRead(events, [.. LedgerStatements.Known(session, keys)]);
    }
}
