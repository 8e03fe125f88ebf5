using System.Collections.Immutable;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>Everything that is said to the outbox tables.</summary>
internal static class OutboxStatements
{
    private const int RowsMax = 1_000;

    private static readonly Statement RaisePosition = new("""
        INSERT INTO outbox_partition (connection, delivery_partition, next_position, events)
        VALUES (@connection, @delivery_partition, @messages, @events)
        ON CONFLICT (connection, delivery_partition)
        DO UPDATE SET next_position = outbox_partition.next_position + excluded.next_position,
            events = outbox_partition.events + excluded.events
        RETURNING next_position
        """);

    private static readonly Statement AddRow = new("""
        INSERT INTO outbox (connection, delivery_partition, first_position, message_count, created_at, payload)
        VALUES (@connection, @delivery_partition, @first_position, @messages, @created_at, @payload)
        """);

    private static readonly Statement SelectRowStart = new("""
        SELECT max(first_position) FROM outbox
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND first_position <= @from_position
        """);

    private static readonly Statement SelectSizes = new("""
        SELECT first_position, length(payload) FROM outbox
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND first_position >= @from_position
        ORDER BY first_position LIMIT @rows
        """);

    private static readonly Statement SelectFromTo = new("""
        SELECT first_position, message_count, payload FROM outbox
        WHERE connection = @connection AND delivery_partition = @delivery_partition
        AND first_position >= @from_position AND first_position <= @to_position
        ORDER BY first_position
        """);

    private static readonly Statement SelectFirst = new("""
        SELECT coalesce(
            (SELECT min(first_position) FROM outbox
             WHERE connection = @connection AND delivery_partition = @delivery_partition),
            (SELECT next_position FROM outbox_partition
             WHERE connection = @connection AND delivery_partition = @delivery_partition),
            0)
        """);

    private static readonly Statement SelectProgress = new("""
        SELECT p.next_position, d.progress FROM outbox_partition p LEFT JOIN delivery d
            ON d.connection = p.connection AND d.delivery_partition = p.delivery_partition
        WHERE p.connection = @connection
        """);

    private static readonly Statement SelectNext = new("""
        SELECT delivery_partition, next_position FROM outbox_partition WHERE connection = @connection
        """);

    private static readonly Statement CountHeld = new("SELECT count(*) FROM held_message WHERE connection = @connection");

    private static readonly Statement SelectSizesBack = new("""
        SELECT length(payload) FROM outbox
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND first_position <= @position
        ORDER BY first_position DESC LIMIT @rows
        """);

    private static readonly Statement SelectBack = new("""
        SELECT first_position, message_count, payload FROM outbox
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND first_position <= @position
        ORDER BY first_position DESC LIMIT @rows
        """);

    private static readonly Statement SelectOldestAt = new("""
        SELECT created_at FROM outbox WHERE connection = @connection AND delivery_partition = @delivery_partition
        ORDER BY first_position LIMIT 1
        """);

    private static readonly Statement DeleteOld = new("""
        DELETE FROM outbox WHERE connection = @connection AND delivery_partition = @delivery_partition
        AND first_position IN (
            SELECT first_position FROM outbox
            WHERE connection = @connection AND delivery_partition = @delivery_partition
            AND NOT EXISTS (
                SELECT 1 FROM held_message
                WHERE held_message.connection = outbox.connection
                AND held_message.delivery_partition = outbox.delivery_partition
                AND held_message.position >= outbox.first_position
                AND held_message.position < outbox.first_position + outbox.message_count)
            ORDER BY first_position LIMIT @rows)
        AND first_position + message_count <= @done_below AND created_at < @created_before
        """);

    /// <summary>Makes room for entries at the end of a delivery partition.</summary>
    /// <param name="session">The transaction.</param>
    /// <param name="connection">The number of the connection.</param>
    /// <param name="deliveryPartition">The delivery partition.</param>
    /// <param name="entries">How many entries come.</param>
    /// <param name="events">How many of them are the last message of an accepted event.</param>
    /// <returns>The position of the first of them.</returns>
    public static long Raise(Session session, int connection, int deliveryPartition, int entries, int events) =>
        (long)session.Scalar(RaisePosition, connection, deliveryPartition, entries, events)! - entries;

    /// <summary>Makes room in several delivery partitions; give them in order, so that two nodes never wait for each other.</summary>
    /// <returns>The first position in each.</returns>
    public static IEnumerable<long> Raise(
        Session session, IReadOnlyCollection<(int Connection, int DeliveryPartition, int Entries, int Events)> rooms) => session
        .Scalars(RaisePosition, rooms.Select(room =>
            new object?[] { room.Connection, room.DeliveryPartition, room.Entries, room.Events }))
        .Zip(rooms, (next, room) => (long)next! - room.Entries);

    /// <summary>Nobody else puts anything into the delivery partition until the transaction ends.</summary>
    public static void Hold(Session session, int connection, int deliveryPartition) =>
        Raise(session, connection, deliveryPartition, entries: 0, events: 0);

    /// <summary>Adds a row of entries in the room made for them.</summary>
    public static void Add(
        Session session,
        int connection,
        int deliveryPartition,
        long firstPosition,
        int entries,
        DateTimeOffset now,
        byte[] payload) =>
        session.Post(
            AddRow, connection, deliveryPartition, firstPosition, entries, now.ToUnixTimeMilliseconds(), payload);

    /// <summary>The messages from <paramref name="fromPosition"/> on, in order: whole rows, until <paramref name="bytesMax"/> are read.</summary>
    public static ImmutableArray<OutboxEntry> Read(
        Session session, int connection, int deliveryPartition, long fromPosition, long bytesMax)
    {
        var start = (long?)session.Scalar(SelectRowStart, connection, deliveryPartition, fromPosition) ?? fromPosition;
        var end = End(session, connection, deliveryPartition, start, bytesMax);
        var entries = ImmutableArray.CreateBuilder<OutboxEntry>();
        session.Scan(
            SelectFromTo,
            row =>
            {
                entries.AddRange(OutboxRow.Read(row.GetInt64(0), row.GetInt32(1), row.GetFieldValue<byte[]>(2))
                    .SkipWhile(entry => entry.Position < fromPosition));
                return true;
            },
            connection, deliveryPartition, start, end);
        return entries.ToImmutable();
    }

    /// <summary>The messages from <paramref name="position"/> back to the beginning of a row, the last one first.</summary>
    public static ImmutableArray<OutboxEntry> ReadBack(
        Session session, int connection, int deliveryPartition, long position, long bytesMax)
    {
        var rows = RowsBack(session, connection, deliveryPartition, position, bytesMax);
        return
        [
            .. session
                .Query(
                    SelectBack,
                    row => OutboxRow.Read(row.GetInt64(0), row.GetInt32(1), row.GetFieldValue<byte[]>(2)),
                    connection, deliveryPartition, position, rows)
                .SelectMany(row => row.Reverse())
                .SkipWhile(entry => entry.Position > position),
        ];
    }

    /// <summary>How many rows are read backwards: until so many bytes, and at least one.</summary>
    private static int RowsBack(Session session, int connection, int deliveryPartition, long position, long bytesMax)
    {
        var (rows, bytes) = (0, 0L);
        session.Scan(
            SelectSizesBack,
            row =>
            {
                rows++;
                bytes += row.GetInt64(0);
                return bytes < bytesMax;
            },
            connection, deliveryPartition, position, RowsMax);
        return rows;
    }

    /// <summary>Where the last row begins that is read: a server sends all that a query finds, wanted or not.</summary>
    private static long End(Session session, int connection, int deliveryPartition, long start, long bytesMax)
    {
        var (end, bytes) = (start, 0L);
        session.Scan(
            SelectSizes,
            row =>
            {
                end = row.GetInt64(0);
                bytes += row.GetInt64(1);
                return bytes < bytesMax;
            },
            connection, deliveryPartition, start, RowsMax);
        return end;
    }

    /// <summary>The first position that the outbox still holds; the next one if it holds none.</summary>
    public static long FirstPosition(Session session, int connection, int deliveryPartition) =>
        (long)session.Scalar(SelectFirst, connection, deliveryPartition)!;

    /// <summary>By delivery partition, the position of the next entry to come.</summary>
    public static ImmutableArray<long> NextPositions(Session session, int connection, int deliveryPartitions)
    {
        var next = session.Query(SelectNext, row => (Partition: row.GetInt32(0), Next: row.GetInt64(1)), connection)
            .ToDictionary(one => one.Partition, one => one.Next);
        return [.. Enumerable.Range(0, deliveryPartitions).Select(partition => next.GetValueOrDefault(partition))];
    }

    /// <summary>How many entries of a connection wait behind one that failed.</summary>
    public static long CountHeldMessages(Session session, int connection) => (long)session.Scalar(CountHeld, connection)!;

    /// <summary>How many entries of a connection have no outcome yet; marks between lanes are counted too.</summary>
    public static long CountWaiting(Session session, int connection) => CountHeldMessages(session, connection)
        + session.Query(
            SelectProgress,
            row => row.GetInt64(0) - (row.IsDBNull(1) ? 0 : Progress.Decode(row.GetFieldValue<byte[]>(1)).Done),
            connection).Sum();

    /// <summary>
    /// The messages at <paramref name="positions"/>, which ascend: as many as fit into <paramref name="bytesMax"/>, at least
    /// one. Each has a body of its own, so that one message does not keep the memory of a whole row.
    /// </summary>
    public static ImmutableArray<OutboxEntry> ReadAt(
        Session session, int connection, int deliveryPartition, IEnumerable<long> positions, long bytesMax)
    {
        var entries = ImmutableArray.CreateBuilder<OutboxEntry>();
        var row = ImmutableArray<OutboxEntry>.Empty;
        var bytes = 0L;
        foreach (var position in positions)
        {
            if (row.IsEmpty || position > row[^1].Position)
            {
                row = session.Query(
                    SelectBack,
                    found => OutboxRow.Read(found.GetInt64(0), found.GetInt32(1), found.GetFieldValue<byte[]>(2)),
                    connection, deliveryPartition, position, 1)[0];
            }

            var entry = row[(int)(position - row[0].Position)];
            bytes += entry.Message.Body.Length;
            if (bytes > bytesMax && entries.Count > 0)
            {
                break;
            }

            entries.Add(entry with { Message = entry.Message with { Body = entry.Message.Body.ToArray() } });
        }

        return entries.ToImmutable();
    }

    /// <summary>When the oldest row of a delivery partition was written; null if there is none.</summary>
    public static DateTimeOffset? OldestAt(Session session, int connection, int deliveryPartition) =>
        session.Scalar(SelectOldestAt, connection, deliveryPartition) is long at ? DateTimeOffset.FromUnixTimeMilliseconds(at) : null;

    /// <summary>Deletes the oldest rows whose messages all have an outcome and that are older than <paramref name="createdBefore"/>.</summary>
    /// <returns>How many rows went.</returns>
    public static int DeleteOldest(
        Session session, int connection, int deliveryPartition, int rows, long doneBelow, DateTimeOffset createdBefore) =>
        session.Execute(
            DeleteOld, connection, deliveryPartition, rows, doneBelow, createdBefore.ToUnixTimeMilliseconds());
}
