using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// What one commit of a delivery actor writes: the outcomes as progress, the lanes that wait, every attempt, the dead letters,
/// and the counts of the ledger, all or nothing.
/// </summary>
internal sealed class DeliveryCommit
{
    private readonly SliceChanges _changes;
    private readonly int _connection;
    private readonly DateTimeOffset _now;
    private readonly HashSet<EventKey> _closesWithLetters = [];
    private readonly DeliveryCounts _counts;

    /// <summary>Sorts outcomes into the books.</summary>
    /// <param name="connection">The number of the connection.</param>
    /// <param name="changes">What has changed since the last commit.</param>
    /// <param name="openDeadEvents">Events with a dead letter that have further messages; brought up to date here.</param>
    /// <param name="now">When.</param>
    public DeliveryCommit(
        int connection, SliceChanges changes, HashSet<EventKey> openDeadEvents, DateTimeOffset now)
    {
        (_connection, _changes, _now) = (connection, changes, now);
        foreach (var (entry, outcome) in changes.Finished.Where(IsCounted))
        {
            var key = KeyOf(entry);
            var isDead = outcome is DeliveryOutcome.DeadLettered;
            if (isDead && !entry.Closes)
            {
                openDeadEvents.Add(key);
            }
            else if (entry.Closes && (openDeadEvents.Remove(key) || isDead))
            {
                _closesWithLetters.Add(key);
            }
            else if (entry.Closes)
            {
                _counts += Close(outcome);
            }
        }
    }

    /// <summary>Writes everything into the running transaction.</summary>
    /// <exception cref="FencedException">Somebody else has moved the position: another copy of the actor lives.</exception>
    public void Run(Session session, int deliveryPartition, byte[] progress, long version)
    {
        var counts = _counts;
        if (_changes.Finished.Any(one => one.Outcome is DeliveryOutcome.DeadLettered))
        {
            // A dead letter gets the lane that its person has now: nobody may close that lane meanwhile.
            OutboxStatements.Hold(session, _connection, deliveryPartition);
        }

        var told = new List<(OutboxEntry, long)>();
        var mayHaveLetters = DeadLetterStatements.HasStates(session, _connection);
        foreach (var finished in _changes.Finished)
        {
            if (UnsentAs(finished.Outcome) is { } reason)
            {
                DeliveryStatements.AddUnsent(
                    session, _connection, deliveryPartition, finished.Entry.Position, reason, _now);
            }

            if (finished.Entry.IsReplay)
            {
                ReplayStatements.Finish(session, _connection, deliveryPartition, finished);
            }
            else
            {
                counts += Count(session, deliveryPartition, finished);
            }

            mayHaveLetters |= finished.Outcome is DeliveryOutcome.DeadLettered;
            if (mayHaveLetters && ToldStates.NewestBefore(session, _connection, finished) is { } newest)
            {
                told.Add((finished.Entry, newest));
            }
        }

        ToldStates.Note(session, _connection, deliveryPartition, told);
        var sent = _changes.Sent.ToList();
        foreach (var (position, attempt) in sent)
        {
            AttemptStatements.Add(session, _connection, deliveryPartition, position, attempt);
        }

        HeldStatements.Write(session, _connection, deliveryPartition, _changes);
        DeliveryStatements.MoveState(session, _connection, deliveryPartition, version, progress, counts);
        DeliveryErrors.Add(session, _connection, sent.Select(one => one.Attempt));
    }

    private static bool IsCounted(FinishedMessage finished) =>
        finished.Entry is { IsCorrection: false, IsReplay: false, Barrier: null };

    private static UnsentReason? UnsentAs(DeliveryOutcome outcome) => outcome switch
    {
        DeliveryOutcome.Coalesced => UnsentReason.Coalesced,
        DeliveryOutcome.Skipped => UnsentReason.Skipped,
        DeliveryOutcome.Erased => UnsentReason.Erased,
        DeliveryOutcome.DryRun => UnsentReason.DryRun,
        _ => null,
    };

    private static DeliveryCounts Close(DeliveryOutcome outcome) => outcome switch
    {
        DeliveryOutcome.DryRun or DeliveryOutcome.Erased => new DeliveryCounts { Suppressed = 1, Closed = 1 },
        DeliveryOutcome.Coalesced => new DeliveryCounts { Coalesced = 1, Closed = 1 },
        DeliveryOutcome.Skipped => new DeliveryCounts { Skipped = 1, Closed = 1 },
        _ => new DeliveryCounts { Delivered = 1, Closed = 1 },
    };

    /// <summary>An event with a dead letter is dead from that moment on, and what becomes of it depends on its letters.</summary>
    private DeliveryCounts Count(Session session, int deliveryPartition, FinishedMessage finished)
    {
        var (counts, key) = (default(DeliveryCounts), KeyOf(finished.Entry));
        if (finished.Outcome is DeliveryOutcome.DeadLettered dead)
        {
            DeadLetterStatements.Add(session, _connection, deliveryPartition, finished.Entry, dead);
            if (!finished.Entry.IsCorrection)
            {
                counts += LetteredEvents.Change(session, deliveryPartition, key, letters => letters.WithDead());
            }
        }

        if (finished.Entry.Closes && _closesWithLetters.Contains(key))
        {
            counts += LetteredEvents.Change(session, deliveryPartition, key, letters => letters.WithLast(finished.Outcome));
            counts += new DeliveryCounts { Closed = 1 };
        }

        return counts;
    }

    private EventKey KeyOf(OutboxEntry entry) => new(_connection, entry.Uuid, entry.Fingerprint);
}
