using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>A message that could not be delivered.</summary>
/// <param name="Id">Its number in the list of dead letters.</param>
/// <param name="Uuid">The event it came of.</param>
/// <param name="Kind">The Segment call.</param>
/// <param name="MessageId">Its message id.</param>
/// <param name="Body">Its body, whole.</param>
/// <param name="Reason">Why it is here.</param>
/// <param name="Status">The status of the last answer; null if there was none.</param>
/// <param name="Response">The first part of the last answer's body.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="FirstAttemptAt">When it was sent first.</param>
/// <param name="LastAttemptAt">When it was sent last.</param>
public sealed record DeadLetter(
    long Id,
    Guid Uuid,
    MessageKind Kind,
    string MessageId,
    byte[] Body,
    string Reason,
    int? Status,
    byte[] Response,
    int Attempts,
    DateTimeOffset FirstAttemptAt,
    DateTimeOffset LastAttemptAt);

/// <summary>Everything that is said to the delivery tables.</summary>
internal static class DeliveryStatements
{
    private static readonly Statement SelectState = new("""
        SELECT version, progress FROM delivery
        WHERE connection = @connection AND delivery_partition = @delivery_partition
        """);

    private static readonly Statement AddState = new("""
        INSERT INTO delivery (connection, delivery_partition, version, progress, delivered, dead, suppressed)
        VALUES (@connection, @delivery_partition, 1, @progress, @delivered, @dead, @suppressed) ON CONFLICT DO NOTHING
        """);

    private static readonly Statement UpdateState = new("""
        UPDATE delivery SET version = version + 1, progress = @progress, delivered = delivered + @delivered,
            dead = dead + @dead, suppressed = suppressed + @suppressed
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND version = @version
        """);

    private static readonly Statement AddDeadLetter = new("""
        INSERT INTO dead_letter (connection, delivery_partition, position, uuid, fingerprint, kind, message_id, body, reason,
            status, response, attempts, first_attempt_at, last_attempt_at)
        VALUES (@connection, @delivery_partition, @position, @uuid, @fingerprint, @kind, @message_id, @body, @reason,
            @status, @response, @attempts, @first_attempt_at, @last_attempt_at)
        """);

    private static readonly Statement SelectDeadLetters = new("""
        SELECT id, uuid, kind, message_id, body, reason, status, response, attempts, first_attempt_at, last_attempt_at
        FROM dead_letter WHERE connection = @connection AND id > @after ORDER BY id LIMIT @rows
        """);

    private static readonly Statement SelectDeadPositions = new(
        "SELECT delivery_partition, position FROM dead_letter WHERE connection = @connection AND uuid = @uuid");

    private static readonly Statement AddDeadEvent = new("""
        INSERT INTO dead_event (connection, delivery_partition, uuid, fingerprint)
        VALUES (@connection, @delivery_partition, @uuid, @fingerprint)
        """);

    private static readonly Statement RemoveDeadEvent = new("""
        DELETE FROM dead_event WHERE connection = @connection AND delivery_partition = @delivery_partition
        AND uuid = @uuid AND fingerprint = @fingerprint
        """);

    private static readonly Statement SelectDeadEvents = new("""
        SELECT uuid, fingerprint FROM dead_event
        WHERE connection = @connection AND delivery_partition = @delivery_partition
        """);

    /// <summary>Where a slice stands; version 0 is a slice that never committed.</summary>
    public static DeliveryState ReadState(Session session, int connection, int deliveryPartition)
    {
        var deadEvents = session.Query(
            SelectDeadEvents,
            row => new EventKey(
                connection,
                new Guid(row.GetFieldValue<byte[]>(0), bigEndian: true),
                unchecked((ulong)row.GetInt64(1))),
            connection, deliveryPartition);
        return session.Query(
            SelectState,
            row => new DeliveryState(
                row.GetInt64(0), Progress.Decode(row.GetFieldValue<byte[]>(1)), [.. deadEvents]),
            connection, deliveryPartition) is [var found] ? found : new DeliveryState(0, Progress.Start(), []);
    }

    /// <exception cref="FencedException">The row has not the version it must have.</exception>
    public static void MoveState(
        Session session, int connection, int deliveryPartition, long version, byte[] progress, DeliveryCounts counts)
    {
        var rows = version == 0
            ? session.Execute(
                AddState, connection, deliveryPartition, progress, counts.Delivered, counts.Dead, counts.Suppressed)
            : session.Execute(
                UpdateState, progress, counts.Delivered, counts.Dead, counts.Suppressed, connection, deliveryPartition, version);
        if (rows == 0)
        {
            throw new FencedException($"The position of delivery partition {deliveryPartition} was moved by somebody else.");
        }
    }

    public static void AddDead(
        Session session, int connection, int deliveryPartition, OutboxEntry entry, DeliveryOutcome.DeadLettered dead) =>
        session.Execute(
            AddDeadLetter,
            connection,
            deliveryPartition,
            entry.Position,
            entry.Uuid.ToByteArray(bigEndian: true),
            unchecked((long)entry.Fingerprint),
            (int)entry.Message.Kind,
            entry.Message.MessageId,
            entry.Message.Body.ToArray(),
            dead.Reason,
            dead.Status,
            dead.Response.ToArray(),
            dead.Attempts,
            dead.FirstAttemptAt.ToUnixTimeMilliseconds(),
            dead.LastAttemptAt.ToUnixTimeMilliseconds());

    public static void AddOpenDeadEvent(Session session, int deliveryPartition, EventKey key) => session.Execute(
        AddDeadEvent,
        key.Connection, deliveryPartition, key.Uuid.ToByteArray(bigEndian: true), unchecked((long)key.Fingerprint));

    public static void RemoveOpenDeadEvent(Session session, int deliveryPartition, EventKey key) => session.Execute(
        RemoveDeadEvent,
        key.Connection, deliveryPartition, key.Uuid.ToByteArray(bigEndian: true), unchecked((long)key.Fingerprint));

    /// <summary>Dead letters of a connection in the order they came, behind the one numbered <paramref name="after"/>.</summary>
    public static List<DeadLetter> List(Session session, int connection, long after, int rows) => session.Query(
        SelectDeadLetters,
        row => new DeadLetter(
            row.GetInt64(0),
            new Guid(row.GetFieldValue<byte[]>(1), bigEndian: true),
            (MessageKind)row.GetInt32(2),
            row.GetString(3),
            row.GetFieldValue<byte[]>(4),
            row.GetString(5),
            row.IsDBNull(6) ? null : row.GetInt32(6),
            row.IsDBNull(7) ? [] : row.GetFieldValue<byte[]>(7),
            row.GetInt32(8),
            DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(9)),
            DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(10))),
        connection, after, rows);

    /// <summary>The places of an event's dead letters.</summary>
    public static HashSet<(int DeliveryPartition, long Position)> DeadPositions(Session session, int connection, Guid uuid) =>
    [
        .. session.Query(
            SelectDeadPositions, row => (row.GetInt32(0), row.GetInt64(1)), connection, uuid.ToByteArray(bigEndian: true)),
    ];
}
