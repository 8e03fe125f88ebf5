using System.Collections.Immutable;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Inbox;

/// <summary>Everything that is said to the inbox tables.</summary>
internal static class InboxStatements
{
    private const int RowsMax = 1_000;
    private const int RowsPerPage = 64;

    private static readonly Statement AddPartition = new(
        "INSERT INTO inbox_partition (partition, next_offset) VALUES (@partition, 0) ON CONFLICT DO NOTHING");

    private static readonly Statement AddTotal = new("""
        INSERT INTO accepted_total (connection, partition, accepted) VALUES (@connection, @partition, @events)
        ON CONFLICT (connection, partition) DO UPDATE SET accepted = accepted_total.accepted + excluded.accepted
        """);

    private static readonly Statement RaiseOffset = new(
        "UPDATE inbox_partition SET next_offset = next_offset + @events WHERE partition = @partition RETURNING next_offset");

    private static readonly Statement AddRow = new("""
        INSERT INTO inbox (partition, first_offset, connection, event_count, payload)
        VALUES (@partition, @first_offset, @connection, @events, @payload)
        """);

    private static readonly Statement SelectSizes = new("""
        SELECT first_offset, event_count, length(payload) FROM inbox
        WHERE partition = @partition AND first_offset >= @from_offset ORDER BY first_offset LIMIT @rows
        """);

    private static readonly Statement SelectFromTo = new("""
        SELECT connection, first_offset, event_count, payload FROM inbox
        WHERE partition = @partition AND first_offset >= @from_offset AND first_offset <= @to_offset ORDER BY first_offset
        """);

    private static readonly Statement SelectPage = new("""
        SELECT partition, first_offset, event_count, payload FROM inbox
        WHERE connection = @connection AND (partition, first_offset) > (@partition, @after)
        ORDER BY partition, first_offset LIMIT @rows
        """);

    private static readonly Statement SelectRowStart = new("""
        SELECT max(first_offset) FROM inbox WHERE partition = @partition AND first_offset <= @from_offset
        """);

    private static readonly Statement DeleteDone = new(
        "DELETE FROM inbox WHERE partition = @partition AND first_offset + event_count <= @done_below");

    public static void AddPartitions(Session session, int partitions)
    {
        for (var partition = 0; partition < partitions; partition++)
        {
            session.Post(AddPartition, partition);
        }
    }

    /// <summary>Puts a row of events into a partition and counts them as accepted.</summary>
    public static void Append(Session session, int partition, int connection, int events, byte[] payload)
    {
        var firstOffset = (long)session.Scalar(RaiseOffset, events, partition)! - events;
        session.Post(AddRow, partition, firstOffset, connection, events, payload);
        session.Post(AddTotal, connection, partition, events);
    }

    /// <summary>The events from <paramref name="fromOffset"/> on, in order: whole rows, until so many events or bytes are read.</summary>
    public static ImmutableArray<InboxEvent> Read(Session session, int partition, long fromOffset, int eventsMax, long bytesMax)
    {
        var start = (long?)session.Scalar(SelectRowStart, partition, fromOffset) ?? fromOffset;
        var end = End(session, partition, start, fromOffset - start + eventsMax, bytesMax);
        var events = ImmutableArray.CreateBuilder<InboxEvent>();
        session.Scan(
            SelectFromTo,
            row =>
            {
                events.AddRange(InboxRow
                    .Read(row.GetInt32(0), row.GetInt64(1), row.GetInt32(2), row.GetFieldValue<byte[]>(3))
                    .SkipWhile(inboxEvent => inboxEvent.Offset < fromOffset));
                return true;
            },
            partition, start, end);
        return events.ToImmutable();
    }

    /// <summary>Events of a connection with a uuid that rows of the inbox hold, also if they are decided already.</summary>
    /// <param name="session">A reading session.</param>
    /// <param name="connection">The number of the connection.</param>
    /// <param name="uuid">The uuid.</param>
    /// <param name="bytesMax">The search ends when so much was read.</param>
    /// <returns>What was found, and whether the search came to the end.</returns>
    public static (List<(int Partition, InboxEvent Event)> Found, bool IsAll) Find(
        Session session, int connection, Guid uuid, long bytesMax)
    {
        var (found, bytes, sought) = (new List<(int, InboxEvent)>(), 0L, uuid.ToByteArray(bigEndian: true));
        var (rows, partition, offset) = (RowsPerPage, -1, -1L);
        while (rows == RowsPerPage && bytes < bytesMax)
        {
            rows = 0;
            session.Scan(
                SelectPage,
                row =>
                {
                    (rows, partition, offset) = (rows + 1, row.GetInt32(0), row.GetInt64(1));
                    var payload = row.GetFieldValue<byte[]>(3);
                    if (payload.AsSpan().IndexOf(sought) >= 0)
                    {
                        found.AddRange(InboxRow.Read(connection, offset, row.GetInt32(2), payload)
                            .Where(inboxEvent => inboxEvent.Event.Uuid == uuid)
                            .Select(inboxEvent => (partition, inboxEvent)));
                    }

                    bytes += payload.Length;
                    return true;
                },
                connection, partition, offset, RowsPerPage);
        }

        return (found, rows < RowsPerPage);
    }

    /// <summary>Where the last row begins that is read: a server sends all that a query finds, wanted or not.</summary>
    private static long End(Session session, int partition, long start, long eventsMax, long bytesMax)
    {
        var (end, events, bytes) = (start, 0L, 0L);
        session.Scan(
            SelectSizes,
            row =>
            {
                end = row.GetInt64(0);
                events += row.GetInt64(1);
                bytes += row.GetInt64(2);
                return bytes < bytesMax && events < eventsMax;
            },
            partition, start, RowsMax);
        return end;
    }

    public static void DeleteBelow(Session session, int partition, long doneBelow) =>
        session.Post(DeleteDone, partition, doneBelow);
}
