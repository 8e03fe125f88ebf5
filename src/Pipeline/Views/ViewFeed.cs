using System.Buffers;
using System.Collections.Immutable;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Views;

/// <summary>A row of the feed.</summary>
/// <param name="First">The position of its first entry.</param>
/// <param name="Entries">Its entries.</param>
internal sealed record FeedRow(long First, ImmutableArray<ViewEntry> Entries)
{
    /// <summary>The position behind it.</summary>
    public long Next => First + Entries.Length;
}

/// <summary>Entries on their way into the feed: encoded outside the transaction, in rows for each delivery partition.</summary>
/// <param name="deliveryPartitions">How many delivery partitions a connection has.</param>
internal sealed class FeedBatch(int deliveryPartitions)
{
    private readonly SortedDictionary<(int Connection, int Partition), (ArrayBufferWriter<byte> Buffer, int Count)> _rows = [];

    /// <summary>The delivery partitions that get entries.</summary>
    public IEnumerable<(int Connection, int DeliveryPartition)> Touched => _rows.Keys;

    /// <summary>Adds an entry in the lane of its person or account.</summary>
    public void Add(int connection, ulong lane, ViewEntry entry)
    {
        var key = (connection, (int)(lane % (ulong)deliveryPartitions));
        if (!_rows.TryGetValue(key, out var row))
        {
            row = (new ArrayBufferWriter<byte>(2_048), 0);
            ViewRow.Begin(row.Buffer);
        }

        ViewRow.Append(row.Buffer, entry);
        _rows[key] = (row.Buffer, row.Count + 1);
    }

    /// <summary>Writes the rows.</summary>
    public void Write(Session session, DateTimeOffset now)
    {
        foreach (var ((connection, partition), (buffer, count)) in _rows)
        {
            FeedStatements.Add(session, connection, partition, count, now, buffer.WrittenSpan.ToArray());
        }
    }
}

/// <summary>Everything that is said to the feed's tables.</summary>
internal static class FeedStatements
{
    private static readonly Statement RaisePosition = new("""
        INSERT INTO view_feed_partition (connection, delivery_partition, next_position)
        VALUES (@connection, @delivery_partition, @entries)
        ON CONFLICT (connection, delivery_partition)
        DO UPDATE SET next_position = view_feed_partition.next_position + excluded.next_position
        RETURNING next_position
        """);

    private static readonly Statement AddRow = new("""
        INSERT INTO view_feed (connection, delivery_partition, first_position, entry_count, created_at, payload)
        VALUES (@connection, @delivery_partition, @first_position, @entries, @created_at, @payload)
        """);

    private static readonly Statement SelectFrom = new("""
        SELECT first_position, entry_count, payload FROM view_feed
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND first_position >= @from_position
        ORDER BY first_position LIMIT @rows
        """);

    private static readonly Statement SelectPosition = new("""
        SELECT position FROM view_progress WHERE connection = @connection AND delivery_partition = @delivery_partition
        """);

    private static readonly Statement AddPosition = new("""
        INSERT INTO view_progress (connection, delivery_partition, position)
        VALUES (@connection, @delivery_partition, @position) ON CONFLICT DO NOTHING
        """);

    private static readonly Statement MovePosition = new("""
        UPDATE view_progress SET position = @position
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND position = @from_position
        """);

    private static readonly Statement TakeTurn = new("""
        INSERT INTO view_turn (connection, turn) VALUES (@connection, 1)
        ON CONFLICT (connection) DO UPDATE SET turn = view_turn.turn + 1
        """);

    private static readonly Statement SelectEnds = new("""
        SELECT delivery_partition, next_position FROM view_feed_partition WHERE connection = @connection
        """);

    private static readonly Statement CountWaiting = new("""
        SELECT coalesce(sum(f.next_position - coalesce(p.position, 0)), 0) FROM view_feed_partition f
        LEFT JOIN view_progress p ON p.connection = f.connection AND p.delivery_partition = f.delivery_partition
        WHERE f.connection = @connection
        """);

    private static readonly Statement DeleteOld = new("""
        DELETE FROM view_feed WHERE connection = @connection AND delivery_partition = @delivery_partition
        AND first_position IN (
            SELECT first_position FROM view_feed
            WHERE connection = @connection AND delivery_partition = @delivery_partition
            ORDER BY first_position LIMIT @rows)
        AND first_position + entry_count <= @done_below AND created_at < @created_before
        """);

    /// <summary>Adds a row at the end.</summary>
    public static void Add(
        Session session, int connection, int deliveryPartition, int entries, DateTimeOffset now, byte[] payload)
    {
        var next = (long)session.Scalar(RaisePosition, connection, deliveryPartition, entries)!;
        session.Execute(
            AddRow, connection, deliveryPartition, next - entries, entries, now.ToUnixTimeMilliseconds(), payload);
    }

    /// <summary>Rows from a position on, which is the first of a row, until so many entries or bytes are read.</summary>
    public static List<FeedRow> Read(
        Session session, int connection, int deliveryPartition, long from, int entriesMax, long bytesMax)
    {
        var rows = new List<FeedRow>();
        var (entries, bytes) = (0, 0L);
        session.Scan(
            SelectFrom,
            row =>
            {
                var payload = row.GetFieldValue<byte[]>(2);
                rows.Add(new FeedRow(row.GetInt64(0), ViewRow.Read(row.GetInt32(1), payload)));
                entries += row.GetInt32(1);
                bytes += payload.Length;
                return entries < entriesMax && bytes < bytesMax;
            },
            connection, deliveryPartition, from, entriesMax); // a row has one entry at least
        return rows;
    }

    /// <summary>Up to where a partition is folded in.</summary>
    public static long Position(Session session, int connection, int deliveryPartition) =>
        session.Scalar(SelectPosition, connection, deliveryPartition) as long? ?? 0;

    /// <summary>Moves that on.</summary>
    /// <exception cref="FencedException">It was moved by somebody else.</exception>
    public static void Move(Session session, int connection, int deliveryPartition, long from, long to)
    {
        var rows = from == 0
            ? session.Execute(AddPosition, connection, deliveryPartition, to)
            : session.Execute(MovePosition, to, connection, deliveryPartition, from);
        if (rows == 0)
        {
            throw new FencedException(
                $"The position of the views of delivery partition {deliveryPartition} was moved by somebody else.");
        }
    }

    /// <summary>Waits until nobody else writes to the views of a connection, and keeps them for this transaction.</summary>
    public static void Take(Session session, int connection) => session.Execute(TakeTurn, connection);

    /// <summary>Where the feed of each partition ends.</summary>
    public static List<(int DeliveryPartition, long Next)> Ends(Session session, int connection) =>
        session.Query(SelectEnds, row => (row.GetInt32(0), row.GetInt64(1)), connection);

    /// <summary>Whether everything below some ends is folded in.</summary>
    public static bool IsFolded(Session session, int connection, List<(int DeliveryPartition, long Next)> ends) =>
        ends.All(end => Position(session, connection, end.DeliveryPartition) >= end.Next);

    /// <summary>How many entries of a connection are not folded in yet.</summary>
    public static long Waiting(Session session, int connection) =>
        (long)session.Scalar(CountWaiting, connection)!;

    /// <summary>Deletes the oldest rows that are folded in and older than <paramref name="createdBefore"/>.</summary>
    /// <returns>How many rows went.</returns>
    public static int DeleteOldest(
        Session session, int connection, int deliveryPartition, int rows, DateTimeOffset createdBefore) =>
        session.Execute(
            DeleteOld,
            connection,
            deliveryPartition,
            rows,
            Position(session, connection, deliveryPartition),
            createdBefore.ToUnixTimeMilliseconds());
}
