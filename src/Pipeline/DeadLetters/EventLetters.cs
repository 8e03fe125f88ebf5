using VarianceActors.Pipeline.Delivery;

namespace VarianceActors.Pipeline.DeadLetters;

/// <summary>Where the books have an event that has dead letters.</summary>
internal enum EventStanding
{
    Pending,
    Dead,
    Discarded,
    Coalesced,
    Skipped,
    Suppressed,
    Delivered,
}

/// <summary>How the last message of an event left the outbox.</summary>
internal enum LastMessage
{
    /// <summary>It is still there.</summary>
    Waits = 0,

    /// <summary>Delivered, or as a dead letter.</summary>
    Sent = 1,

    /// <summary>A newer snapshot was sent instead.</summary>
    Coalesced = 2,

    /// <summary>An operator resumed the connection without it.</summary>
    Skipped = 3,

    /// <summary>There is no receiver.</summary>
    Suppressed = 4,
}

/// <summary>The dead letters of one event, and how its last message left the outbox.</summary>
/// <param name="Dead">Letters that wait for an operator.</param>
/// <param name="Replaying">Letters that are in the outbox again.</param>
/// <param name="Discarded">Letters that were given up.</param>
/// <param name="Superseded">Letters that need not be sent any more.</param>
/// <param name="Last">How the event's last message left the outbox.</param>
internal readonly record struct EventLetters(int Dead, int Replaying, int Discarded, int Superseded, LastMessage Last)
{
    /// <summary>One dead letter makes an event dead; what is on its way again makes it pending again.</summary>
    public EventStanding Standing => this switch
    {
        { Dead: > 0 } => EventStanding.Dead,
        { Replaying: > 0 } or { Last: LastMessage.Waits } => EventStanding.Pending,
        { Discarded: > 0 } => EventStanding.Discarded,
        { Superseded: > 0 } or { Last: LastMessage.Coalesced } => EventStanding.Coalesced,
        { Last: LastMessage.Skipped } => EventStanding.Skipped,
        { Last: LastMessage.Suppressed } => EventStanding.Suppressed,
        _ => EventStanding.Delivered,
    };

    /// <summary>Whether nothing can happen to the event any more.</summary>
    public bool IsSettled => this is { Last: not LastMessage.Waits, Dead: 0, Replaying: 0 };

    public EventLetters WithDead() => this with { Dead = Dead + 1 };

    public EventLetters WithReplay() => this with { Dead = Dead - 1, Replaying = Replaying + 1 };

    public EventLetters WithReplayDead() => this with { Dead = Dead + 1, Replaying = Replaying - 1 };

    public EventLetters WithReplayDone() => this with { Replaying = Replaying - 1 };

    public EventLetters WithSuperseded() => this with { Dead = Dead - 1, Superseded = Superseded + 1 };

    public EventLetters WithDiscard() => this with { Dead = Dead - 1, Discarded = Discarded + 1 };

    public EventLetters WithLast(DeliveryOutcome outcome) => this with
    {
        Last = outcome switch
        {
            DeliveryOutcome.Coalesced => LastMessage.Coalesced,
            DeliveryOutcome.Skipped => LastMessage.Skipped,
            DeliveryOutcome.DryRun => LastMessage.Suppressed,
            _ => LastMessage.Sent,
        },
    };
}
