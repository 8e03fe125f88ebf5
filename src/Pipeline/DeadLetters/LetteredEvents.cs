using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.DeadLetters;

/// <summary>Everything that is said to the table of events with dead letters.</summary>
internal static class LetteredEvents
{
    private static readonly Statement SelectToChange = new(
        """
        SELECT dead, replaying, discarded, superseded, closed FROM lettered_event
        WHERE connection = @connection AND delivery_partition = @delivery_partition
        AND uuid = @uuid AND fingerprint = @fingerprint
        """,
        locksRows: true);

    private static readonly Statement Put = new("""
        INSERT INTO lettered_event (connection, delivery_partition, uuid, fingerprint, dead, replaying, discarded, superseded, closed)
        VALUES (@connection, @delivery_partition, @uuid, @fingerprint, @dead, @replaying, @discarded, @superseded, @closed)
        ON CONFLICT (connection, delivery_partition, uuid, fingerprint) DO UPDATE SET
            dead = excluded.dead, replaying = excluded.replaying, discarded = excluded.discarded,
            superseded = excluded.superseded, closed = excluded.closed
        """);

    private static readonly Statement Remove = new("""
        DELETE FROM lettered_event WHERE connection = @connection AND delivery_partition = @delivery_partition
        AND uuid = @uuid AND fingerprint = @fingerprint
        """);

    private static readonly Statement SelectOpen = new("""
        SELECT uuid, fingerprint FROM lettered_event
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND closed = 0
        """);

    private static readonly Statement SelectSums = new("""
        SELECT count(*) FILTER (WHERE dead > 0), count(*) FILTER (WHERE closed > 0),
            count(*) FILTER (WHERE closed > 0 AND dead = 0)
        FROM lettered_event WHERE connection = @connection
        """);

    /// <summary>Events of a delivery partition that have dead letters and further messages in the outbox.</summary>
    public static List<EventKey> Open(Session session, int connection, int deliveryPartition) => session.Query(
        SelectOpen,
        row => new EventKey(
            connection, new Guid(row.GetFieldValue<byte[]>(0), bigEndian: true), unchecked((ulong)row.GetInt64(1))),
        connection, deliveryPartition);

    /// <summary>How many events have a letter that is dead; how many have left the outbox and are not settled; and how many
    /// of these are on their way again.</summary>
    public static (long Dead, long Closed, long Replaying) Sums(Session session, int connection) => session.Query(
        SelectSums, row => (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2)), connection)[0];

    /// <summary>Changes the letters of an event, first of all those of an event that has none.</summary>
    /// <returns>What that changes in the books.</returns>
    public static DeliveryCounts Change(
        Session session, int deliveryPartition, EventKey key, Func<EventLetters, EventLetters> change)
    {
        var (uuid, fingerprint) = (key.Uuid.ToByteArray(bigEndian: true), unchecked((long)key.Fingerprint));
        var before = session.Query(
            SelectToChange,
            row => new EventLetters(
                row.GetInt32(0), row.GetInt32(1), row.GetInt32(2), row.GetInt32(3), (LastMessage)row.GetInt32(4)),
            key.Connection, deliveryPartition, uuid, fingerprint) is [var found] ? found : default;
        var after = change(before);
        if (after.IsSettled)
        {
            session.Execute(Remove, key.Connection, deliveryPartition, uuid, fingerprint);
        }
        else
        {
            session.Execute(
                Put,
                key.Connection, deliveryPartition, uuid, fingerprint,
                after.Dead, after.Replaying, after.Discarded, after.Superseded, (int)after.Last);
        }

        return DeliveryCounts.Of(after.Standing) - DeliveryCounts.Of(before.Standing);
    }
}
