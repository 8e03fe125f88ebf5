using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.DeadLetters;

/// <summary>
/// Dead letters that tell a state of which the receiver has taken a newer one since. One that says nothing else is superseded at
/// once. One that says more is marked: to send it would put old values back, so it takes an operator who means that.
/// </summary>
internal static class OvertakenLetters
{
    private const string SupersededNote = "A newer state, which says all that this one says, was delivered since.";

    /// <summary>Messages of a slice were delivered: looks for letters that they overtake. A replay overtakes older letters only.
    /// </summary>
    public static void Note(Session session, int connection, int deliveryPartition, IEnumerable<FinishedMessage> finished)
    {
        var delivered = finished
            .Where(one => one.Outcome is DeliveryOutcome.Delivered && Snapshots.IsSnapshot(one.Entry.Message.Kind))
            .ToList();
        if (delivered.Count == 0 || !DeadLetterStatements.HasStates(session, connection))
        {
            return;
        }

        foreach (var newer in delivered)
        {
            if (Snapshots.EntityOf(newer.Entry.Message) is { } entity)
            {
                var own = newer.Entry.IsReplay
                    ? ReplayStatements.LetterAt(session, connection, deliveryPartition, newer.Entry.Position)
                    : long.MaxValue;
                foreach (var older in DeadLetterStatements.OfEntity(session, connection, entity).Where(one => one.Id < own))
                {
                    Overtake(session, connection, newer, older);
                }
            }
        }
    }

    /// <summary>Whether the letter that lies at this place of the outbox was overtaken since it was put there.</summary>
    public static bool IsOvertaken(Session session, int connection, OutboxEntry replay, int deliveryPartition) =>
        DeadLetterStatements.Find(
            session, connection, ReplayStatements.LetterAt(session, connection, deliveryPartition, replay.Position))
            is { IsOvertaken: true };

    private static void Overtake(Session session, int connection, FinishedMessage newer, DeadLetter older)
    {
        switch (Snapshots.Overtakes(newer.Entry.Message, older.Message))
        {
            case true when older.State == DeadLetterState.Dead:
                var at = newer.Attempt is { } attempt ? attempt.At + attempt.Latency : older.ChangedAt;
                DeadLetterStatements.SetState(session, older.Id, DeadLetterState.Superseded, SupersededNote, at);
                ReplayStatements.ChangeBooks(session, connection, older, books => books.WithSuperseded());
                break;
            case not null:
                DeadLetterStatements.SetOvertaken(session, older.Id, true);
                break;
        }
    }
}
