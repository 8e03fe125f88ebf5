using System.Diagnostics;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.DeadLetters;

/// <summary>Where a dead letter lay in the outbox when it was sent again.</summary>
/// <param name="DeliveryPartition">The delivery partition.</param>
/// <param name="Position">The position there.</param>
/// <param name="At">When it was put there.</param>
/// <param name="Job">The job that did it; null for a single replay.</param>
public sealed record ReplayPlace(int DeliveryPartition, long Position, DateTimeOffset At, long? Job);

/// <summary>Everything that is said to the table of replays.</summary>
internal static class ReplayStatements
{
    private const string NoReceiver = "The connection has no receiver: nothing was sent.";
    internal const string ErasedNote = "erased";

    private static readonly Statement AddReplay = new("""
        INSERT INTO replay (connection, delivery_partition, position, letter, at, job, is_forced)
        VALUES (@connection, @delivery_partition, @position, @letter, @at, @job, @is_forced)
        """);

    private static readonly Statement SelectAt = new("""
        SELECT letter, job, is_forced FROM replay
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND position = @position
        """);

    private static readonly Statement SelectPlaces = new("""
        SELECT delivery_partition, position, at, job FROM replay WHERE letter = @letter ORDER BY at, position
        """);

    public static void Add(Session session, int connection, long letter, ReplayPlace place, bool isForced) => session.Execute(
        AddReplay,
        connection, place.DeliveryPartition, place.Position, letter, place.At.ToUnixTimeMilliseconds(), place.Job, isForced ? 1 : 0);

    /// <summary>Where a letter was sent again, in that order.</summary>
    public static List<ReplayPlace> Places(Session session, long letter) => session.Query(
        SelectPlaces,
        row => new ReplayPlace(
            row.GetInt32(0),
            row.GetInt64(1),
            DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(2)),
            row.IsDBNull(3) ? null : row.GetInt64(3)),
        letter);

    /// <summary>The letter that lies at a place of the outbox.</summary>
    public static (long Letter, long? Job, bool IsForced) At(
        Session session, int connection, int deliveryPartition, long position) => session.Query(
        SelectAt,
        row => (row.GetInt64(0), row.IsDBNull(1) ? (long?)null : row.GetInt64(1), row.GetInt32(2) == 1),
        connection, deliveryPartition, position)[0];

    /// <summary>A replay has its outcome: writes it to its letter, its event's books and its job.</summary>
    public static void Finish(Session session, int connection, int deliveryPartition, FinishedMessage finished)
    {
        var (id, job, _) = At(session, connection, deliveryPartition, finished.Entry.Position);
        var letter = DeadLetterStatements.FindToChange(session, connection, id)!;
        var endedAt = finished.Attempt is { } attempt ? attempt.At + attempt.Latency : letter.ChangedAt;
        switch (finished.Outcome)
        {
            case DeliveryOutcome.DeadLettered dead:
                DeadLetterStatements.DieAgain(session, id, dead);
                DeadLetterJobStatements.CountOutcome(session, job, dead: 1);
                ChangeBooks(session, connection, letter, letters => letters.WithReplayDead());
                break;
            case DeliveryOutcome.DryRun or DeliveryOutcome.Withdrawn:
                var why = finished.Outcome is DeliveryOutcome.DryRun ? NoReceiver : Replay.OvertakenNote;
                DeadLetterStatements.SetState(session, id, DeadLetterState.Dead, why, endedAt);
                DeadLetterJobStatements.CountOutcome(session, job, dead: 1);
                ChangeBooks(session, connection, letter, letters => letters.WithReplayDead());
                break;
            case DeliveryOutcome.Coalesced:
                DeadLetterStatements.SetState(session, id, DeadLetterState.Superseded, Replay.SupersededNote, endedAt);
                DeadLetterJobStatements.CountOutcome(session, job, superseded: 1);
                ChangeBooks(session, connection, letter, letters => letters.WithReplayDead().WithSuperseded());
                break;
            case DeliveryOutcome.Erased:
                DeadLetterStatements.SetState(session, id, DeadLetterState.Discarded, ErasedNote, endedAt);
                DeadLetterJobStatements.CountOutcome(session, job, dead: 1);
                ChangeBooks(session, connection, letter, letters => letters.WithReplayDead().WithDiscard());
                break;
            case DeliveryOutcome.Delivered:
                DeadLetterStatements.SetState(session, id, DeadLetterState.Delivered, note: null, endedAt);
                DeadLetterJobStatements.CountOutcome(session, job, delivered: 1);
                ChangeBooks(session, connection, letter, letters => letters.WithReplayDone());
                break;
            default:
                throw new UnreachableException(finished.Outcome.GetType().Name);
        }
    }

    /// <summary>Changes the books of a letter's event; a correction has none.</summary>
    public static void ChangeBooks(
        Session session, int connection, DeadLetter letter, Func<EventLetters, EventLetters> change)
    {
        if (!letter.IsCorrection)
        {
            var key = new EventKey(connection, letter.Uuid, letter.Fingerprint);
            var counts = LetteredEvents.Change(session, letter.DeliveryPartition, key, change);
            DeliveryStatements.Adjust(session, connection, letter.DeliveryPartition, counts);
        }
    }
}
