using System.Collections.Immutable;
using System.Data.Common;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>Everything that is said to the tables of lanes that wait.</summary>
internal static class HeldStatements
{
    private static readonly Statement AddMessage = new("""
        INSERT INTO held_message (connection, delivery_partition, lane, position, backfill)
        VALUES (@connection, @delivery_partition, @lane, @position, @backfill)
        """);

    private static readonly Statement RemoveMessage = new("""
        DELETE FROM held_message WHERE connection = @connection AND delivery_partition = @delivery_partition
        AND lane = @lane AND position = @position
        """);

    private static readonly Statement PutLane = new("""
        INSERT INTO held_lane (connection, delivery_partition, lane, attempts, first_attempt_at, last_attempt_at,
            fails_alone_since, delay, next_attempt_at)
        VALUES (@connection, @delivery_partition, @lane, @attempts, @first_attempt_at, @last_attempt_at,
            @fails_alone_since, @delay, @next_attempt_at)
        ON CONFLICT (connection, delivery_partition, lane) DO UPDATE SET attempts = excluded.attempts,
            first_attempt_at = excluded.first_attempt_at, last_attempt_at = excluded.last_attempt_at,
            fails_alone_since = excluded.fails_alone_since, delay = excluded.delay,
            next_attempt_at = excluded.next_attempt_at
        """);

    private static readonly Statement RemoveLane = new("""
        DELETE FROM held_lane WHERE connection = @connection AND delivery_partition = @delivery_partition AND lane = @lane
        """);

    private static readonly Statement SelectLanes = new("""
        SELECT held.lane, held.messages, held.last_position, attempts, first_attempt_at, last_attempt_at, fails_alone_since,
            delay, next_attempt_at, held.first % 2, held.all_backfill
        FROM (
            SELECT lane, count(*) AS messages, min(position * 2 + backfill) AS first, max(position) AS last_position,
                min(backfill) AS all_backfill
            FROM held_message WHERE connection = @connection AND delivery_partition = @delivery_partition
            GROUP BY lane) AS held
        LEFT JOIN held_lane ON held_lane.connection = @connection
            AND held_lane.delivery_partition = @delivery_partition AND held_lane.lane = held.lane
        ORDER BY held.first
        """);

    private static readonly Statement SelectPositions = new("""
        SELECT position FROM held_message
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND lane = @lane
        AND position > @after ORDER BY position LIMIT @rows
        """);

    private static readonly Statement SelectIsHeld = new("""
        SELECT 1 FROM held_message
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND position = @position
        """);

    private static readonly Statement SelectLastBelow = new("""
        SELECT max(position) FROM held_message
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND position < @below
        """);

    private static readonly Statement SelectFromTo = new("""
        SELECT position FROM held_message
        WHERE connection = @connection AND delivery_partition = @delivery_partition
        AND position >= @from_position AND position <= @to_position
        """);

    /// <summary>Writes which lanes wait, with what, and how long.</summary>
    public static void Write(Session session, int connection, int deliveryPartition, SliceChanges changes)
    {
        foreach (var entry in changes.Stored)
        {
            session.Post(AddMessage, connection, deliveryPartition, unchecked((long)entry.Lane), entry.Position,
                entry.IsBackfill ? 1 : 0);
        }

        foreach (var entry in changes.Removed)
        {
            session.Post(RemoveMessage, connection, deliveryPartition, unchecked((long)entry.Lane), entry.Position);
        }

        foreach (var (lane, history) in changes.Histories)
        {
            Write(session, connection, deliveryPartition, unchecked((long)lane), history);
        }
    }

    /// <summary>The lanes with held messages, those first whose messages came first.</summary>
    public static List<HeldLane> Lanes(Session session, int connection, int deliveryPartition) =>
        session.Query(SelectLanes, ReadLane, connection, deliveryPartition);

    /// <summary>The first held messages of a lane behind a position, in order.</summary>
    public static ImmutableArray<OutboxEntry> Read(
        Session session, int connection, int deliveryPartition, ulong lane, long after, int rows, long bytesMax)
    {
        var positions = session.Query(
            SelectPositions, row => row.GetInt64(0), connection, deliveryPartition, unchecked((long)lane), after, rows);
        return OutboxStatements.ReadAt(session, connection, deliveryPartition, positions, bytesMax);
    }

    /// <summary>Whether a position that the progress has passed has no outcome yet.</summary>
    public static bool IsHeld(Session session, int connection, int deliveryPartition, long position) =>
        session.Scalar(SelectIsHeld, connection, deliveryPartition, position) is not null;

    /// <summary>The last held message below a position; null if there is none.</summary>
    public static long? LastBelow(Session session, int connection, int deliveryPartition, long below) =>
        (long?)session.Scalar(SelectLastBelow, connection, deliveryPartition, below);

    /// <summary>Where messages are held from one position to another.</summary>
    public static List<long> Positions(Session session, int connection, int deliveryPartition, long from, long to) =>
        session.Query(SelectFromTo, row => row.GetInt64(0), connection, deliveryPartition, from, to);

    private static void Write(Session session, int connection, int deliveryPartition, long lane, LaneHistory? history)
    {
        if (history is null)
        {
            session.Post(RemoveLane, connection, deliveryPartition, lane);
            return;
        }

        session.Post(
            PutLane,
            connection,
            deliveryPartition,
            lane,
            history.Attempts,
            history.FirstAttemptAt.ToUnixTimeMilliseconds(),
            history.LastAttemptAt.ToUnixTimeMilliseconds(),
            history.FailsAloneSince?.ToUnixTimeMilliseconds(),
            (long)history.Delay.TotalMilliseconds,
            NotEarlier(history.NextAttemptAt));
    }

    /// <summary>Whole milliseconds, rounded up: a restart does not shorten a wait.</summary>
    private static long NotEarlier(DateTimeOffset at) => at.AddTicks(TimeSpan.TicksPerMillisecond - 1).ToUnixTimeMilliseconds();

    private static HeldLane ReadLane(DbDataReader row) => new(
        unchecked((ulong)row.GetInt64(0)),
        row.GetInt64(1),
        row.GetInt64(2),
        row.IsDBNull(3)
            ? null
            : new LaneHistory(
                row.GetInt32(3),
                DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(4)),
                DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(5)),
                row.IsDBNull(6) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(6)),
                TimeSpan.FromMilliseconds(row.GetInt64(7)),
                DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(8))),
        row.GetInt64(9) == 1,
        row.GetInt64(10) == 0);
}
