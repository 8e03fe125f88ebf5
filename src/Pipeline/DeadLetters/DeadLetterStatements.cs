using System.Data.Common;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.DeadLetters;

/// <summary>Everything that is said to the table of dead letters.</summary>
internal static class DeadLetterStatements
{
    private const string Columns = """
        id, state, delivery_partition, position, lane, uuid, fingerprint, is_correction, accepted_at, kind, message_id, body,
        event, reason, status, response, attempts, first_attempt_at, last_attempt_at, changed_at, note
        """;

    private const string Meets = """
        (reason = @reason OR @reason IS NULL) AND (status = @status OR @status IS NULL)
        AND (kind = @kind OR @kind IS NULL) AND (event = @event OR @event IS NULL)
        AND (message_id = @message_id OR @message_id IS NULL) AND (uuid = @uuid OR @uuid IS NULL)
        AND (lane = @lane OR @lane IS NULL)
        AND (last_attempt_at >= @since OR @since IS NULL) AND (last_attempt_at < @until OR @until IS NULL)
        """;

    private static readonly Statement AddLetter = new("""
        INSERT INTO dead_letter (connection, delivery_partition, position, lane, uuid, fingerprint, is_correction, accepted_at,
            kind, message_id, body, event, reason, status, response, attempts, first_attempt_at, last_attempt_at, state,
            changed_at, entity)
        VALUES (@connection, @delivery_partition, @position, @lane, @uuid, @fingerprint, @is_correction, @accepted_at,
            @kind, @message_id, @body, @event, @reason, @status, @response, @attempts, @first_attempt_at, @last_attempt_at, 1,
            @last_attempt_at, @entity)
        """);

    private static readonly Statement SelectOne = new(
        $"SELECT {Columns} FROM dead_letter WHERE connection = @connection AND id = @id");

    private static readonly Statement SelectOneToChange = new(
        $"SELECT {Columns} FROM dead_letter WHERE connection = @connection AND id = @id", locksRows: true);

    private static readonly Statement SelectAny = new($"""
        SELECT {Columns} FROM dead_letter
        WHERE connection = @connection AND id > @after AND id <= @last AND {Meets} ORDER BY id LIMIT @rows
        """);

    private static readonly Statement SelectInState = new($"""
        SELECT {Columns} FROM dead_letter
        WHERE connection = @connection AND state = @state AND id > @after AND id <= @last AND {Meets} ORDER BY id LIMIT @rows
        """);

    private static readonly Statement SelectDeadToChange = new(
        $"""
        SELECT {Columns} FROM dead_letter
        WHERE connection = @connection AND state = 1 AND id > @after AND id <= @last AND {Meets} ORDER BY id LIMIT @rows
        """,
        locksRows: true);

    private static readonly Statement CountDead = new($"""
        SELECT count(*), coalesce(max(id), 0) FROM dead_letter WHERE connection = @connection AND state = 1 AND {Meets}
        """);

    private static readonly Statement SelectOfEvent = new(
        $"SELECT {Columns} FROM dead_letter WHERE connection = @connection AND uuid = @uuid ORDER BY id");

    private static readonly Statement UpdateState = new("""
        UPDATE dead_letter SET state = @state, note = @note, changed_at = @changed_at WHERE id = @id
        """);

    private static readonly Statement SelectHasStates = new(
        "SELECT 1 FROM dead_letter WHERE connection = @connection AND entity IS NOT NULL AND state <= 2 LIMIT 1");

    private static readonly Statement SelectNewestOf = new(
        "SELECT max(id) FROM dead_letter WHERE connection = @connection AND entity = @entity AND state <= 2");

    private static readonly Statement UpdateNote = new("UPDATE dead_letter SET note = @note WHERE id = @id");

    private static readonly Statement UpdateDead = new("""
        UPDATE dead_letter SET state = 1, reason = @reason, status = @status, response = @response,
            attempts = attempts + @attempts, last_attempt_at = @last_attempt_at, changed_at = @last_attempt_at
        WHERE id = @id
        """);

    private static readonly Statement UpdateLane = new(
        "UPDATE dead_letter SET lane = @into_lane WHERE connection = @connection AND lane = @lane");

    private static readonly Statement SelectSettled = new("""
        SELECT id, connection, delivery_partition, position FROM dead_letter
        WHERE state > 2 AND changed_at < @changed_before LIMIT @rows
        """);

    private static readonly Statement Delete = new("DELETE FROM dead_letter WHERE id = @id");

    /// <summary>Writes a dead letter down, in the lane that its person has now.</summary>
    public static void Add(
        Session session, int connection, int deliveryPartition, OutboxEntry entry, DeliveryOutcome.DeadLettered dead) =>
        session.Post(
            AddLetter,
            connection,
            deliveryPartition,
            entry.Position,
            unchecked((long)LaneStatements.Current(session, connection, entry.Lane)),
            entry.Uuid.ToByteArray(bigEndian: true),
            unchecked((long)entry.Fingerprint),
            entry.IsCorrection ? 1 : 0,
            entry.AcceptedAt.ToUnixTimeMilliseconds(),
            (int)entry.Message.Kind,
            entry.Message.MessageId,
            entry.Message.Body.ToArray(),
            MessageFields.EventOf(entry.Message),
            dead.Reason,
            dead.Status,
            dead.Response.ToArray(),
            dead.Attempts,
            dead.FirstAttemptAt.ToUnixTimeMilliseconds(),
            dead.LastAttemptAt.ToUnixTimeMilliseconds(),
            Snapshots.EntityOf(entry.Message));

    /// <summary>A dead letter by its number; null if there is none.</summary>
    public static DeadLetter? Find(Session session, int connection, long id) =>
        session.Query(SelectOne, Read, connection, id) is [var letter] ? letter : null;

    /// <summary>A dead letter by its number, which nobody else changes until the transaction ends; null if there is none.</summary>
    public static DeadLetter? FindToChange(Session session, int connection, long id) =>
        session.Query(SelectOneToChange, Read, connection, id) is [var letter] ? letter : null;

    /// <summary>The dead letters of the events of a uuid.</summary>
    public static List<DeadLetter> OfEvent(Session session, int connection, Guid uuid) =>
        session.Query(SelectOfEvent, Read, connection, uuid.ToByteArray(bigEndian: true));

    /// <summary>Hands over dead letters in the order they came, behind the one numbered <c>After</c> and up to the one numbered
    /// <c>Last</c>, until <paramref name="each"/> has had enough.</summary>
    public static void Scan(
        Session session,
        int connection,
        DeadLetterState? state,
        DeadLetterFilter filter,
        (long After, long Last) ids,
        int rows,
        Func<DeadLetter, bool> each)
    {
        if (state is { } only)
        {
            object?[] values = [connection, (int)only, ids.After, ids.Last, .. Values(filter), rows];
            session.Scan(SelectInState, row => each(Read(row)), values);
        }
        else
        {
            object?[] values = [connection, ids.After, ids.Last, .. Values(filter), rows];
            session.Scan(SelectAny, row => each(Read(row)), values);
        }
    }

    /// <summary>Hands over letters that are dead, as <see cref="Scan"/> does; nobody else changes them until the transaction
    /// ends.</summary>
    public static void ScanDeadToChange(
        Session session,
        int connection,
        DeadLetterFilter filter,
        (long After, long Last) ids,
        int rows,
        Func<DeadLetter, bool> each)
    {
        object?[] values = [connection, ids.After, ids.Last, .. Values(filter), rows];
        session.Scan(SelectDeadToChange, row => each(Read(row)), values);
    }

    /// <summary>How many dead letters wait for an operator, and the number of the newest of them.</summary>
    public static (long Letters, long Newest) Count(Session session, int connection, DeadLetterFilter filter)
    {
        object?[] values = [connection, .. Values(filter)];
        return session.Query(CountDead, row => (row.GetInt64(0), row.GetInt64(1)), values)[0];
    }

    public static void SetState(Session session, long id, DeadLetterState state, string? note, DateTimeOffset now) =>
        session.Post(UpdateState, (int)state, note, now.ToUnixTimeMilliseconds(), id);

    /// <summary>Whether any letter of a connection that is not settled tells a state.</summary>
    public static bool HasStates(Session session, int connection) =>
        session.Scalar(SelectHasStates, connection) is not null;

    /// <summary>The newest of the letters that are not settled and tell the state of an entity
    /// (<see cref="Snapshots.EntityOf"/>); null if there is none.</summary>
    public static long? NewestOf(Session session, int connection, long entity) =>
        session.Scalar(SelectNewestOf, connection, entity) as long?;

    public static void SetNote(Session session, long id, string note) => session.Post(UpdateNote, note, id);

    /// <summary>A replay died: the letter waits for an operator again.</summary>
    public static void DieAgain(Session session, long id, DeliveryOutcome.DeadLettered dead) => session.Post(
        UpdateDead,
        dead.Reason,
        dead.Status,
        dead.Response.ToArray(),
        dead.Attempts,
        dead.LastAttemptAt.ToUnixTimeMilliseconds(),
        id);

    /// <summary>A person became part of another one: its dead letters go with it.</summary>
    public static void ChangeLane(Session session, int connection, ulong lane, ulong into) =>
        session.Post(UpdateLane, unchecked((long)into), connection, unchecked((long)lane));

    /// <summary>Deletes dead letters that were settled before <paramref name="changedBefore"/>, with their attempts.</summary>
    /// <returns>How many went.</returns>
    public static int DeleteOldest(Session session, int rows, DateTimeOffset changedBefore)
    {
        var settled = session.Query(
            SelectSettled,
            row => (Id: row.GetInt64(0), Connection: row.GetInt32(1), Partition: row.GetInt32(2), Position: row.GetInt64(3)),
            changedBefore.ToUnixTimeMilliseconds(), rows);
        foreach (var (id, connection, partition, position) in settled)
        {
            AttemptStatements.Delete(session, connection, partition, position);
            ReplayStatements.Places(session, id)
                .ForEach(place => AttemptStatements.Delete(session, connection, place.DeliveryPartition, place.Position));
            session.Execute(Delete, id);
        }

        return settled.Count;
    }

    private static object?[] Values(DeadLetterFilter filter) =>
    [
        filter.Reason,
        filter.Status,
        (int?)filter.Kind,
        filter.Event,
        filter.MessageId,
        filter.Uuid?.ToByteArray(bigEndian: true),
        filter.Lane is { } lane ? unchecked((long)lane) : null,
        filter.Since?.ToUnixTimeMilliseconds(),
        filter.Until?.ToUnixTimeMilliseconds(),
    ];

    private static DeadLetter Read(DbDataReader row) => new(
        row.GetInt64(0),
        (DeadLetterState)row.GetInt32(1),
        row.GetInt32(2),
        row.GetInt64(3),
        unchecked((ulong)row.GetInt64(4)),
        new Guid(row.GetFieldValue<byte[]>(5), bigEndian: true),
        unchecked((ulong)row.GetInt64(6)),
        row.GetInt32(7) == 1,
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(8)),
        new OutboundMessage((MessageKind)row.GetInt32(9), row.GetString(10), row.GetFieldValue<byte[]>(11)),
        row.IsDBNull(12) ? null : row.GetString(12),
        row.GetString(13),
        row.IsDBNull(14) ? null : row.GetInt32(14),
        row.IsDBNull(15) ? [] : row.GetFieldValue<byte[]>(15),
        row.GetInt32(16),
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(17)),
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(18)),
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(19)),
        row.IsDBNull(20) ? null : row.GetString(20));
}
