using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>Everything that is said to the table of closed lanes.</summary>
internal static class LaneStatements
{
    private static readonly Statement CloseLane = new("""
        INSERT INTO closed_lane (connection, lane, closed_at) VALUES (@connection, @lane, @closed_at)
        ON CONFLICT DO NOTHING
        """);

    private static readonly Statement SelectClosed = new(
        "SELECT 1 FROM closed_lane WHERE connection = @connection AND lane = @lane");

    private static readonly Statement DeleteOld = new("""
        DELETE FROM closed_lane WHERE (connection, lane) IN (
            SELECT connection, lane FROM closed_lane WHERE closed_at < @closed_before LIMIT @rows)
        """);

    public static void Close(Session session, int connection, ulong lane, DateTimeOffset now) =>
        session.Execute(CloseLane, connection, unchecked((long)lane), now.ToUnixTimeMilliseconds());

    public static bool IsClosed(Session session, int connection, ulong lane) =>
        session.Scalar(SelectClosed, connection, unchecked((long)lane)) is not null;

    /// <summary>Forgets lanes that were closed so long ago that nothing for them can be under way any more.</summary>
    /// <returns>How many rows went.</returns>
    public static int DeleteOldest(Session session, int rows, DateTimeOffset closedBefore) =>
        session.Execute(DeleteOld, closedBefore.ToUnixTimeMilliseconds(), rows);
}
