using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>Everything that is said to the table of closed lanes.</summary>
internal static class LaneStatements
{
    private static readonly Statement CloseLane = new("""
        INSERT INTO closed_lane (connection, lane, closed_at, into_lane)
        VALUES (@connection, @lane, @closed_at, @into_lane) ON CONFLICT DO NOTHING
        """);

    private static readonly Statement MoveOn = new(
        "UPDATE closed_lane SET into_lane = @into_lane WHERE connection = @connection AND into_lane = @lane");

    private static readonly Statement SelectInto = new(
        "SELECT into_lane FROM closed_lane WHERE connection = @connection AND lane = @lane");

    private static readonly Statement SelectClosed = new(
        "SELECT 1 FROM closed_lane WHERE connection = @connection AND lane = @lane");

    private static readonly Statement DeleteOld = new("""
        DELETE FROM closed_lane WHERE (connection, lane) IN (
            SELECT c.connection, c.lane FROM closed_lane c
            WHERE c.connection = @connection AND c.closed_at < @closed_before AND NOT EXISTS (
                SELECT 1 FROM dead_letter d WHERE d.connection = c.connection AND d.lane = c.lane AND d.state <= 2)
            LIMIT @rows)
        """);

    /// <summary>The person of a lane became part of the person of another one.</summary>
    public static void Close(Session session, int connection, ulong lane, ulong into, DateTimeOffset now)
    {
        var (closed, open) = (unchecked((long)lane), unchecked((long)into));
        session.Post(CloseLane, connection, closed, now.ToUnixTimeMilliseconds(), open);
        session.Post(MoveOn, open, connection, closed);
        DeadLetterStatements.ChangeLane(session, connection, lane, into);
    }

    /// <summary>The lane that the person of a lane has now.</summary>
    public static ulong Current(Session session, int connection, ulong lane) =>
        session.Scalar(SelectInto, connection, unchecked((long)lane)) is long into ? unchecked((ulong)into) : lane;

    /// <summary>The lanes that the persons of some lanes have now.</summary>
    public static Dictionary<ulong, ulong> Current(Session session, int connection, IReadOnlyCollection<ulong> lanes) => session
        .Scalars(SelectInto, lanes.Select(lane => new object?[] { connection, unchecked((long)lane) }))
        .Zip(lanes, (found, lane) => (Lane: lane, Into: found is long into ? unchecked((ulong)into) : lane))
        .ToDictionary(one => one.Lane, one => one.Into);

    /// <summary>Those of some lanes that are closed.</summary>
    public static IEnumerable<(int Connection, ulong Lane)> Closed(
        Session session, IReadOnlyCollection<(int Connection, ulong Lane)> lanes) => session
        .Scalars(SelectClosed, lanes.Select(one => new object?[] { one.Connection, unchecked((long)one.Lane) }))
        .Zip(lanes, (found, one) => (IsFound: found is not null, One: one))
        .Where(pair => pair.IsFound)
        .Select(pair => pair.One);

    /// <summary>Forgets lanes of a connection that were closed so long ago that nothing for them is under way any more.</summary>
    /// <returns>How many rows went.</returns>
    public static int DeleteOldest(Session session, int connection, int rows, DateTimeOffset closedBefore) =>
        session.Execute(DeleteOld, connection, closedBefore.ToUnixTimeMilliseconds(), rows);
}
