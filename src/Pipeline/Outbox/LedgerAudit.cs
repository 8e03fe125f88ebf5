using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>
/// Whether the books balance at this moment. What waits is what is left over of what was accepted, so the sum alone proves
/// nothing. Each check therefore sets two counts against each other that different code keeps, in different transactions'
/// rows; all of them are read from one snapshot, so they must agree while everything is running.
/// </summary>
internal static class LedgerAudit
{
    private static readonly Statement SelectUndecided = new("""
        SELECT (SELECT coalesce(sum(accepted), 0) FROM accepted_total) - (SELECT coalesce(sum(events), 0) FROM decided_total)
        """);

    private static readonly Statement SelectOffsets = new("""
        SELECT i.next_offset, p.progress FROM inbox_partition i LEFT JOIN ingest_progress p ON p.partition = i.partition
        """);

    private static readonly Statement SelectQueued = new(
        "SELECT coalesce(sum(events), 0) FROM decided_total WHERE connection = @connection AND decision = 1");

    private static readonly Statement SelectEntered = new(
        "SELECT coalesce(sum(events), 0) FROM outbox_partition WHERE connection = @connection");

    private static readonly Statement SelectLeft = new("""
        SELECT coalesce(sum(delivered + suppressed + coalesced + skipped + discarded), 0), coalesce(sum(dead), 0),
            coalesce(sum(closed), 0)
        FROM delivery WHERE connection = @connection
        """);

    /// <summary>By how many events the counts of a connection differ. Call it inside one transaction.</summary>
    public static long Imbalance(Session session, int connection)
    {
        var queued = (long)session.Scalar(SelectQueued, connection)!;
        var entered = (long)session.Scalar(SelectEntered, connection)!;
        var (ended, dead, closed) = session.Query(
            SelectLeft, row => (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2)), connection)[0];
        var letters = LetteredEvents.Sums(session, connection);
        return Undecided(session)
            + Math.Abs(queued - entered)
            + Math.Abs(closed - ended - letters.Closed)
            + Math.Abs(dead - letters.Dead)
            + Open(entered - closed, OutboxStatements.CountWaiting(session, connection));
    }

    /// <summary>An event that has not left the outbox has a message that waits there.</summary>
    private static long Open(long events, long waitingMessages) =>
        Math.Max(0, -events) + Math.Max(0, events - waitingMessages);

    /// <summary>Accepted and not decided, by the counts against by the offsets; of all connections, which share partitions.</summary>
    private static long Undecided(Session session)
    {
        var byCount = (long)session.Scalar(SelectUndecided)!;
        var byOffset = session.Query(
            SelectOffsets,
            row => row.GetInt64(0) - (row.IsDBNull(1) ? 0 : Progress.Decode(row.GetFieldValue<byte[]>(1)).Done)).Sum();
        return Math.Abs(byCount - byOffset);
    }
}
