using System.Text.Json;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>What makes two accepted events the same event.</summary>
/// <param name="Connection">The number of the connection.</param>
/// <param name="Uuid">The event's uuid.</param>
/// <param name="Fingerprint">The hash of its content.</param>
public readonly record struct EventKey(int Connection, Guid Uuid, ulong Fingerprint);

/// <summary>The ledger's row of one event.</summary>
/// <param name="Key">Which event.</param>
/// <param name="Partition">Its partition.</param>
/// <param name="Offset">Its offset in the partition.</param>
/// <param name="Door">Through which door it came.</param>
/// <param name="ReceivedAt">When it was received.</param>
/// <param name="Decision">What became of it.</param>
/// <param name="Reason">Why; empty when queued.</param>
/// <param name="DeliveryPartition">Where its messages lie; null without messages.</param>
/// <param name="FirstPosition">The position of its first message; null without messages.</param>
/// <param name="MessageCount">How many messages, one behind the other.</param>
/// <param name="Warnings">PostHog's ingestion warnings as a JSON array; null without warnings.</param>
/// <param name="DistinctId">Under which id it was captured; null if it names nobody, or somebody erased, or in rows of earlier
/// versions.</param>
/// <param name="Event">Its name, cut if it is long; null as above, and of corrections.</param>
public sealed record LedgerRow(
    EventKey Key,
    int Partition,
    long Offset,
    Door Door,
    DateTimeOffset ReceivedAt,
    LedgerDecision Decision,
    string Reason,
    int? DeliveryPartition,
    long? FirstPosition,
    int MessageCount,
    string? Warnings,
    string? DistinctId,
    string? Event);

/// <summary>Everything that is said to the ledger tables.</summary>
internal static class LedgerStatements
{
    private static readonly Statement AddRow = new("""
        INSERT INTO ledger (connection, uuid, fingerprint, partition, event_offset, door, received_at, decision, reason,
            delivery_partition, first_position, message_count, warnings, distinct_id, event)
        VALUES (@connection, @uuid, @fingerprint, @partition, @event_offset, @door, @received_at, @decision, @reason,
            @delivery_partition, @first_position, @message_count, @warnings, @distinct_id, @event)
        """);

    private static readonly Statement SelectExists = new(
        "SELECT 1 FROM ledger WHERE connection = @connection AND uuid = @uuid AND fingerprint = @fingerprint");

    private static readonly Statement SelectByUuid = new("""
        SELECT connection, uuid, fingerprint, partition, event_offset, door, received_at, decision, reason,
            delivery_partition, first_position, message_count, warnings, distinct_id, event
        FROM ledger WHERE connection = @connection AND uuid = @uuid ORDER BY id
        """);

    private static readonly Statement AddDecided = new("""
        INSERT INTO decided_total (connection, partition, decision, events)
        VALUES (@connection, @partition, @decision, @events)
        ON CONFLICT (connection, partition, decision) DO UPDATE SET events = decided_total.events + excluded.events
        """);

    private static readonly Statement SelectAccepted = new(
        "SELECT coalesce(sum(accepted), 0) FROM accepted_total WHERE connection = @connection");

    private static readonly Statement SelectDecided = new(
        "SELECT decision, sum(events) FROM decided_total WHERE connection = @connection GROUP BY decision");

    private static readonly Statement SelectDelivery = new("""
        SELECT coalesce(sum(delivered), 0), coalesce(sum(dead), 0), coalesce(sum(suppressed), 0),
            coalesce(sum(coalesced), 0), coalesce(sum(skipped), 0), coalesce(sum(discarded), 0)
        FROM delivery WHERE connection = @connection
        """);

    private static readonly Statement SelectOld = new("""
        SELECT id, received_at FROM ledger WHERE id > @after ORDER BY id LIMIT @rows
        """);

    private static readonly Statement DeleteOld = new("""
        DELETE FROM ledger WHERE id > @after AND id <= @until AND received_at < @received_before
        AND NOT EXISTS (
            SELECT 1 FROM lettered_event e
            WHERE e.connection = ledger.connection AND e.delivery_partition = ledger.delivery_partition
            AND e.uuid = ledger.uuid AND e.fingerprint = ledger.fingerprint)
        AND NOT EXISTS (
            SELECT 1 FROM outbox o
            WHERE o.connection = ledger.connection AND o.delivery_partition = ledger.delivery_partition
            AND o.first_position + o.message_count > ledger.first_position
            AND o.first_position = (
                SELECT max(before.first_position) FROM outbox before
                WHERE before.connection = ledger.connection AND before.delivery_partition = ledger.delivery_partition
                AND before.first_position <= ledger.first_position))
        """);

    public static void Add(Session session, LedgerRow row) => session.Post(
        AddRow,
        row.Key.Connection,
        row.Key.Uuid.ToByteArray(bigEndian: true),
        unchecked((long)row.Key.Fingerprint),
        row.Partition,
        row.Offset,
        (int)row.Door,
        row.ReceivedAt.ToUnixTimeMilliseconds(),
        (int)row.Decision,
        row.Reason,
        row.DeliveryPartition,
        row.FirstPosition,
        row.MessageCount,
        row.Warnings,
        row.DistinctId,
        row.Event);

    public static bool Exists(Session session, EventKey key) => session.Scalar(
        SelectExists,
        key.Connection,
        key.Uuid.ToByteArray(bigEndian: true),
        unchecked((long)key.Fingerprint)) is not null;

    /// <summary>Those of some events that the ledger knows.</summary>
    public static IEnumerable<EventKey> Known(Session session, IReadOnlyCollection<EventKey> keys) => session
        .Scalars(SelectExists, keys.Select(key => new object?[]
        {
            key.Connection,
            key.Uuid.ToByteArray(bigEndian: true),
            unchecked((long)key.Fingerprint),
        }))
        .Zip(keys, (found, one) => (IsFound: found is not null, One: one))
        .Where(pair => pair.IsFound)
        .Select(pair => pair.One);

    /// <summary>The rows of a uuid, oldest first: one, unless different events were sent under one uuid.</summary>
    public static List<LedgerRow> Find(Session session, int connection, Guid uuid) => session.Query(
        SelectByUuid,
        row => new LedgerRow(
            new EventKey(
                row.GetInt32(0),
                new Guid(row.GetFieldValue<byte[]>(1), bigEndian: true),
                unchecked((ulong)row.GetInt64(2))),
            row.GetInt32(3),
            row.GetInt64(4),
            (Door)row.GetInt32(5),
            DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(6)),
            (LedgerDecision)row.GetInt32(7),
            row.GetString(8),
            row.IsDBNull(9) ? null : row.GetInt32(9),
            row.IsDBNull(10) ? null : row.GetInt64(10),
            row.GetInt32(11),
            row.IsDBNull(12) ? null : row.GetString(12),
            row.IsDBNull(13) ? null : row.GetString(13),
            row.IsDBNull(14) ? null : row.GetString(14)),
        connection, uuid.ToByteArray(bigEndian: true));

    /// <summary>Counts events as decided.</summary>
    public static void Count(Session session, int connection, int partition, LedgerDecision decision, int events) =>
        session.Post(AddDecided, connection, partition, (int)decision, events);

    /// <summary>How many events of a connection were decided in which way.</summary>
    public static Dictionary<LedgerDecision, long> Decided(Session session, int connection) => session
        .Query(SelectDecided, row => (Decision: (LedgerDecision)row.GetInt32(0), Events: row.GetInt64(1)), connection)
        .ToDictionary(row => row.Decision, row => row.Events);

    /// <summary>The books of a connection at one moment; call it inside one transaction.</summary>
    public static LedgerBalance Balance(Session session, int connection)
    {
        var accepted = (long)session.Scalar(SelectAccepted, connection)!;
        var decided = Decided(session, connection);
        var totals = session.Query(
            SelectDelivery,
            row => new DeliveredTotals(
                row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), row.GetInt64(5)),
            connection)[0];
        var isParked = ConnectionStatements.IsParked(session, connection);
        return LedgerBalance.Of(accepted, decided, totals, isParked, LedgerAudit.Imbalance(session, connection));
    }

    /// <summary>Looks at the next rows and deletes those that are older than <paramref name="receivedBefore"/>, unless the event
    /// is not finished: it has a dead letter, or the outbox still holds a message of it.</summary>
    /// <returns>How many rows went, and the row up to which all were looked at; 0 at the end.</returns>
    public static (int Rows, long Reached) DeleteOldest(
        Session session, long after, int rows, DateTimeOffset receivedBefore)
    {
        var before = receivedBefore.ToUnixTimeMilliseconds();
        var looked = session
            .Query(SelectOld, row => (Id: row.GetInt64(0), ReceivedAt: row.GetInt64(1)), after, rows)
            .TakeWhile(row => row.ReceivedAt < before)
            .ToList();
        return looked.Count == 0
            ? (0, 0)
            : (session.Execute(DeleteOld, after, looked[^1].Id, before), looked.Count < rows ? 0 : looked[^1].Id);
    }

    /// <summary>The warnings as the ledger keeps them, or null for none.</summary>
    public static string? Encode(IReadOnlyCollection<IngestionWarning> warnings)
    {
        if (warnings.Count == 0)
        {
            return null;
        }

        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            writer.WriteStartArray();
            foreach (var warning in warnings)
            {
                writer.WriteStartObject();
                writer.WriteString("type", warning.Type);
                writer.WritePropertyName("details");
                writer.WriteRawValue(warning.Details);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }
}
