using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Clustering;

/// <summary>A node that has been seen a moment ago.</summary>
/// <param name="Address">The address of its actor system.</param>
/// <param name="JoinedAt">Since when it is a member, in milliseconds since 1970; null if it is none.</param>
internal sealed record NodeSeen(string Address, long? JoinedAt);

/// <summary>Everything that is said to the table of nodes, which PostgreSQL alone has.</summary>
internal static class NodeStatements
{
    private const long SeenWithin = 6_000;
    private const long ForgottenAfter = 86_400_000;

    /// <summary>Whoever looks whether it may begin a cluster does so alone.</summary>
    private static readonly Statement Alone = new("UPDATE setting SET value = value WHERE name = 'delivery-partitions'");

    private static readonly Statement SelectNow = new(
        "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)");

    private static readonly Statement Put = new("""
        INSERT INTO node (address, seen_at, joined_at) VALUES (@address, @seen_at, @joined_at)
        ON CONFLICT (address) DO UPDATE SET seen_at = excluded.seen_at, joined_at = excluded.joined_at
        """);

    private static readonly Statement SelectSeen = new(
        "SELECT address, joined_at FROM node WHERE seen_at > @since ORDER BY address");

    private static readonly Statement DeleteOld = new("DELETE FROM node WHERE seen_at < @before");

    /// <summary>Keeps everybody else from here until the transaction ends.</summary>
    /// <returns>The server's time, in milliseconds since 1970.</returns>
    public static long Enter(Session session)
    {
        session.Execute(Alone);
        return Now(session);
    }

    /// <summary>The server's time, in milliseconds since 1970.</summary>
    public static long Now(Session session) => (long)session.Scalar(SelectNow)!;

    /// <summary>Notes that a node is there.</summary>
    public static void Note(Session session, string address, long now, long? joinedAt)
    {
        session.Post(Put, address, now, joinedAt);
        session.Post(DeleteOld, now - ForgottenAfter);
    }

    /// <summary>The nodes that have been there a moment ago, by address.</summary>
    public static List<NodeSeen> Seen(Session session, long now) => session.Query(
        SelectSeen,
        row => new NodeSeen(row.GetString(0), row.IsDBNull(1) ? null : row.GetInt64(1)),
        now - SeenWithin);
}
