using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>Why a message that has its outcome was not sent.</summary>
internal enum UnsentReason
{
    /// <summary>A newer snapshot says all that it says.</summary>
    Coalesced = 1,

    /// <summary>An operator skipped it.</summary>
    Skipped = 2,

    /// <summary>Its person was erased.</summary>
    Erased = 3,

    /// <summary>Its connection had no receiver.</summary>
    DryRun = 4,
}

/// <summary>Everything that is said to the delivery tables.</summary>
internal static class DeliveryStatements
{
    private static readonly Statement SelectState = new("""
        SELECT version, progress FROM delivery
        WHERE connection = @connection AND delivery_partition = @delivery_partition
        """);

    private static readonly Statement AddState = new("""
        INSERT INTO delivery (connection, delivery_partition, version, progress, delivered, dead, suppressed, discarded,
            coalesced, skipped, closed)
        VALUES (@connection, @delivery_partition, 1, @progress, @delivered, @dead, @suppressed, @discarded,
            @coalesced, @skipped, @closed)
        ON CONFLICT DO NOTHING
        """);

    private static readonly Statement UpdateState = new("""
        UPDATE delivery SET version = version + 1, progress = @progress, delivered = delivered + @delivered,
            dead = dead + @dead, suppressed = suppressed + @suppressed, discarded = discarded + @discarded,
            coalesced = coalesced + @coalesced, skipped = skipped + @skipped, closed = closed + @closed
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND version = @version
        """);

    private static readonly Statement AddUnsentMessage = new("""
        INSERT INTO unsent_message (connection, delivery_partition, position, reason, at)
        VALUES (@connection, @delivery_partition, @position, @reason, @at)
        """);

    private static readonly Statement SelectUnsent = new("""
        SELECT reason FROM unsent_message
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND position = @position
        """);

    private static readonly Statement SelectOldUnsent = new("""
        SELECT position, at FROM unsent_message
        WHERE connection = @connection AND delivery_partition = @delivery_partition ORDER BY position LIMIT @rows
        """);

    private static readonly Statement DeleteOldUnsent = new("""
        DELETE FROM unsent_message
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND position <= @until
        """);

    private static readonly Statement AdjustState = new("""
        UPDATE delivery SET delivered = delivered + @delivered, dead = dead + @dead, discarded = discarded + @discarded,
            coalesced = coalesced + @coalesced, skipped = skipped + @skipped, suppressed = suppressed + @suppressed
        WHERE connection = @connection AND delivery_partition = @delivery_partition
        """);

    /// <summary>Where a slice stands; version 0 is a slice that never committed.</summary>
    public static DeliveryState ReadState(Session session, int connection, int deliveryPartition)
    {
        var deadEvents = LetteredEvents.Open(session, connection, deliveryPartition);
        var heldLanes = HeldStatements.Lanes(session, connection, deliveryPartition);
        return session.Query(
            SelectState,
            row => new DeliveryState(
                row.GetInt64(0), Progress.Decode(row.GetFieldValue<byte[]>(1)), [.. deadEvents])
            {
                HeldLanes = heldLanes,
            },
            connection, deliveryPartition) is [var found] ? found : new DeliveryState(0, Progress.Start(), []);
    }

    /// <summary>Which positions of a slice are passed: each has an outcome, or is a held message.</summary>
    public static Progress ReadProgress(Session session, int connection, int deliveryPartition) => session.Query(
        SelectState, row => Progress.Decode(row.GetFieldValue<byte[]>(1)), connection, deliveryPartition) is [var found]
            ? found
            : Progress.Start();

    /// <exception cref="FencedException">The row has not the version it must have.</exception>
    public static void MoveState(
        Session session, int connection, int deliveryPartition, long version, byte[] progress, DeliveryCounts counts)
    {
        var (delivered, dead, suppressed, discarded, coalesced, skipped, closed) = counts;
        var rows = version == 0
            ? session.Execute(
                AddState,
                connection, deliveryPartition, progress,
                delivered, dead, suppressed, discarded, coalesced, skipped, closed)
            : session.Execute(
                UpdateState,
                progress, delivered, dead, suppressed, discarded, coalesced, skipped, closed,
                connection, deliveryPartition, version);
        if (rows == 0)
        {
            throw new FencedException($"The position of delivery partition {deliveryPartition} was moved by somebody else.");
        }
    }

    /// <summary>Those of some places that have their outcome.</summary>
    public static IEnumerable<(int DeliveryPartition, long Position)> Finished(
        Session session, int connection, IEnumerable<(int DeliveryPartition, long Position)> places) =>
        from slice in places.GroupBy(place => place.DeliveryPartition)
        let progress = ReadProgress(session, connection, slice.Key)
        from place in slice
        where progress.IsDone(place.Position) && !HeldStatements.IsHeld(session, connection, slice.Key, place.Position)
        select place;

    /// <summary>Writes down that a message was not sent.</summary>
    public static void AddUnsent(
        Session session, int connection, int deliveryPartition, long position, UnsentReason reason, DateTimeOffset now) =>
        session.Post(
            AddUnsentMessage, connection, deliveryPartition, position, (int)reason, now.ToUnixTimeMilliseconds());

    /// <summary>Forgets the first messages that were not sent, as long as that was before <paramref name="before"/>.</summary>
    /// <returns>How many rows went.</returns>
    public static int DeleteOldestUnsent(
        Session session, int connection, int deliveryPartition, int rows, DateTimeOffset before)
    {
        var until = -1L;
        session.Scan(
            SelectOldUnsent,
            row =>
            {
                var isOld = row.GetInt64(1) < before.ToUnixTimeMilliseconds();
                until = isOld ? row.GetInt64(0) : until;
                return isOld;
            },
            connection, deliveryPartition, rows);
        return until < 0 ? 0 : session.Execute(DeleteOldUnsent, connection, deliveryPartition, until);
    }

    /// <summary>Why a message that has its outcome was not sent, as its standing; null if it was sent.</summary>
    public static string? Unsent(Session session, int connection, int deliveryPartition, long position) =>
        session.Scalar(SelectUnsent, connection, deliveryPartition, position) switch
        {
            (long)UnsentReason.Coalesced => MessageStanding.Coalesced,
            (long)UnsentReason.Skipped => MessageStanding.Skipped,
            (long)UnsentReason.Erased or (long)UnsentReason.DryRun => MessageStanding.Suppressed,
            _ => null,
        };

    /// <summary>What happens to the books without the slice's actor: dead letters that are sent again or given up.</summary>
    public static void Adjust(Session session, int connection, int deliveryPartition, DeliveryCounts counts) =>
        session.Post(
            AdjustState,
            counts.Delivered,
            counts.Dead,
            counts.Discarded,
            counts.Coalesced,
            counts.Skipped,
            counts.Suppressed,
            connection,
            deliveryPartition);
}
