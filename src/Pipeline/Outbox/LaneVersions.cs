using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>Everything that is said to the table of the newest state of each person that the outbox has.</summary>
internal static class LaneVersions
{
    private static readonly Statement Select = new(
        "SELECT version FROM lane_version WHERE connection = @connection AND lane = @lane");

    private static readonly Statement Upsert = new("""
        INSERT INTO lane_version (connection, lane, version, told_at) VALUES (@connection, @lane, @version, @told_at)
        ON CONFLICT (connection, lane) DO UPDATE SET version = excluded.version, told_at = excluded.told_at
        WHERE lane_version.version <= excluded.version
        """);

    private static readonly Statement DeleteOld = new("""
        DELETE FROM lane_version WHERE (connection, lane) IN (
            SELECT connection, lane FROM lane_version WHERE told_at < @told_before LIMIT @rows)
        """);

    /// <summary>Those of some lanes of whose persons the outbox has a newer state than this.</summary>
    public static IEnumerable<(int Connection, ulong Lane)> Passed(
        Session session, IEnumerable<((int Connection, ulong Lane) Lane, long Version)> told)
    {
        var lanes = told.ToList();
        return session
            .Scalars(Select, lanes.Select(one => new object?[] { one.Lane.Connection, unchecked((long)one.Lane.Lane) }))
            .Zip(lanes, (found, one) => (IsPassed: found is long version && version > one.Version, one.Lane))
            .Where(pair => pair.IsPassed)
            .Select(pair => pair.Lane);
    }

    /// <summary>The version of the newest state of a lane's person in the outbox; 0 if none is known.</summary>
    public static long Find(Session session, int connection, ulong lane) =>
        session.Scalar(Select, connection, unchecked((long)lane)) is long version ? version : 0;

    /// <summary>A state of this version is in the outbox.</summary>
    public static void Put(Session session, int connection, ulong lane, long version, DateTimeOffset now) =>
        session.Post(Upsert, connection, unchecked((long)lane), version, now.ToUnixTimeMilliseconds());

    /// <summary>Forgets lanes that nothing was told of for so long that no older answer can be under way.</summary>
    /// <returns>How many rows went.</returns>
    public static int DeleteOldest(Session session, int rows, DateTimeOffset toldBefore) =>
        session.Execute(DeleteOld, toldBefore.ToUnixTimeMilliseconds(), rows);
}
