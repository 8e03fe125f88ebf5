namespace VarianceActors.Pipeline.DeadLetters;

/// <summary>Where the books have an event that has dead letters.</summary>
internal enum EventStanding
{
    Pending,
    Dead,
    Discarded,
    Delivered,
}

/// <summary>The dead letters of one event, and whether its last message has left the outbox.</summary>
/// <param name="Dead">Letters that wait for an operator.</param>
/// <param name="Replaying">Letters that are in the outbox again.</param>
/// <param name="Discarded">Letters that were given up.</param>
/// <param name="Closed">Whether the event's last message has an outcome.</param>
internal readonly record struct EventLetters(int Dead, int Replaying, int Discarded, bool Closed)
{
    /// <summary>One dead letter makes an event dead; what is on its way again makes it pending again.</summary>
    public EventStanding Standing => this switch
    {
        { Dead: > 0 } => EventStanding.Dead,
        { Replaying: > 0 } or { Closed: false } => EventStanding.Pending,
        { Discarded: > 0 } => EventStanding.Discarded,
        _ => EventStanding.Delivered,
    };

    /// <summary>Whether nothing can happen to the event any more.</summary>
    public bool IsSettled => this is { Closed: true, Dead: 0, Replaying: 0 };

    public EventLetters WithDead() => this with { Dead = Dead + 1 };

    public EventLetters WithReplay() => this with { Dead = Dead - 1, Replaying = Replaying + 1 };

    public EventLetters WithReplayDead() => this with { Dead = Dead + 1, Replaying = Replaying - 1 };

    public EventLetters WithReplayDone() => this with { Replaying = Replaying - 1 };

    public EventLetters WithSuperseded() => this with { Dead = Dead - 1 };

    public EventLetters WithDiscard() => this with { Dead = Dead - 1, Discarded = Discarded + 1 };

    public EventLetters WithClose() => this with { Closed = true };
}
