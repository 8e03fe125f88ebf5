using System.IO.Hashing;
using System.Text;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>Everything that is said to the table of ids that were given up by an alias.</summary>
internal static class GivenUpIds
{
    private static readonly Statement Put = new("""
        INSERT INTO given_up_id (connection, id, delivery_partition, position)
        VALUES (@connection, @id, @delivery_partition, @position)
        ON CONFLICT (connection, id) DO UPDATE SET
            delivery_partition = excluded.delivery_partition, position = excluded.position
        """);

    private static readonly Statement Delete = new("DELETE FROM given_up_id WHERE connection = @connection AND id = @id");

    private static readonly Statement DeleteOld = new("""
        DELETE FROM given_up_id WHERE connection = @connection AND id IN (
            SELECT id FROM given_up_id
            WHERE connection = @connection AND delivery_partition = @delivery_partition AND position < @below LIMIT @rows)
        AND NOT EXISTS (SELECT 1 FROM dead_letter WHERE connection = @connection AND state IN (1, 2))
        """);

    private static readonly Statement SelectGivenUp = new("""
        SELECT 1 FROM given_up_id g WHERE g.connection = @connection AND g.id = @id AND NOT EXISTS (
            SELECT 1 FROM dead_letter d
            WHERE d.connection = g.connection AND d.delivery_partition = g.delivery_partition AND d.position = g.position
            AND d.state IN (1, 4))
        """);

    /// <summary>How the table knows an id; not to be turned round.</summary>
    public static ulong HashOf(string id) => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(id));

    /// <summary>The alias at this place gives the id up.</summary>
    public static void Add(Session session, int connection, ulong id, int deliveryPartition, long position) =>
        session.Post(Put, connection, unchecked((long)id), deliveryPartition, position);

    /// <summary>The id has a contact of its own again.</summary>
    public static void Remove(Session session, int connection, ulong id) =>
        session.Post(Delete, connection, unchecked((long)id));

    /// <summary>Forgets ids whose alias the outbox does not hold any more: all that was to be sent before it has its outcome. Only
    /// dead letters may still bring such a contact back, so nothing is forgotten while any of the connection waits.</summary>
    /// <param name="session">The transaction.</param>
    /// <param name="connection">The number of the connection.</param>
    /// <param name="deliveryPartition">The delivery partition.</param>
    /// <param name="below">The first position that the outbox holds.</param>
    /// <param name="rows">At most so many.</param>
    /// <returns>How many rows went.</returns>
    public static int DeleteOldest(Session session, int connection, int deliveryPartition, long below, int rows) =>
        session.Execute(DeleteOld, connection, deliveryPartition, below, rows);

    /// <summary>Whether an alias gave the id up, unless that alias is itself a dead letter, or was discarded.</summary>
    public static bool Contains(Session session, int connection, ulong id) =>
        session.Scalar(SelectGivenUp, connection, unchecked((long)id)) is not null;
}
