using System.Collections.Immutable;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>How many events a commit finishes, and in which way.</summary>
/// <param name="Delivered">Events whose last message was delivered, and none of whose messages is dead.</param>
/// <param name="Dead">Events that got their first dead letter.</param>
/// <param name="Suppressed">Events of a dry run.</param>
internal readonly record struct DeliveryCounts(int Delivered, int Dead, int Suppressed);

/// <summary>
/// What one commit of a delivery actor writes: the outcomes as progress, the dead letters, and the counts of the ledger, all
/// or nothing.
/// </summary>
internal sealed class DeliveryCommit
{
    private readonly ImmutableArray<FinishedMessage> _finished;
    private readonly int _connection;
    private readonly List<EventKey> _deadOpened = [];
    private readonly List<EventKey> _deadClosed = [];
    private DeliveryCounts _counts;

    /// <summary>Sorts outcomes into the books.</summary>
    /// <param name="connection">The number of the connection.</param>
    /// <param name="finished">Messages and outcomes; those of one event in their order.</param>
    /// <param name="openDeadEvents">Events with a dead letter that have further messages; brought up to date here.</param>
    public DeliveryCommit(int connection, ImmutableArray<FinishedMessage> finished, HashSet<EventKey> openDeadEvents)
    {
        _connection = connection;
        _finished = finished;
        foreach (var (entry, outcome) in finished.Where(one => !one.Entry.IsCorrection))
        {
            Count(entry, outcome, openDeadEvents);
        }
    }

    /// <summary>Writes everything into the running transaction.</summary>
    /// <exception cref="FencedException">Somebody else has moved the position: another copy of the actor lives.</exception>
    public void Run(Session session, int deliveryPartition, byte[] progress, long version)
    {
        DeliveryStatements.MoveState(session, _connection, deliveryPartition, version, progress, _counts);
        foreach (var (entry, outcome) in _finished)
        {
            if (outcome is DeliveryOutcome.DeadLettered dead)
            {
                DeliveryStatements.AddDead(session, _connection, deliveryPartition, entry, dead);
            }
        }

        _deadOpened.ForEach(key => DeliveryStatements.AddOpenDeadEvent(session, deliveryPartition, key));
        _deadClosed.ForEach(key => DeliveryStatements.RemoveOpenDeadEvent(session, deliveryPartition, key));
    }

    /// <summary>An event with a dead letter is dead from that moment on, and stays dead when its last message is delivered.</summary>
    private void Count(OutboxEntry entry, DeliveryOutcome outcome, HashSet<EventKey> openDeadEvents)
    {
        var key = new EventKey(_connection, entry.Uuid, entry.Fingerprint);
        var isDead = openDeadEvents.Contains(key);
        if (outcome is DeliveryOutcome.DeadLettered && !isDead)
        {
            _counts = _counts with { Dead = _counts.Dead + 1 };
            if (!entry.Closes)
            {
                openDeadEvents.Add(key);
                _deadOpened.Add(key);
            }
        }
        else if (entry.Closes && isDead)
        {
            openDeadEvents.Remove(key);
            _deadClosed.Add(key);
        }
        else if (entry.Closes && outcome is DeliveryOutcome.Delivered)
        {
            _counts = _counts with { Delivered = _counts.Delivered + 1 };
        }
        else if (entry.Closes && outcome is DeliveryOutcome.DryRun)
        {
            _counts = _counts with { Suppressed = _counts.Suppressed + 1 };
        }
    }
}
