using VarianceActors.Pipeline.DeadLetters;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>What changes in a slice's books, in events; negative where events leave a column.</summary>
/// <param name="Delivered">Events whose last message was delivered, and none of whose messages is dead.</param>
/// <param name="Dead">Events with a dead letter.</param>
/// <param name="Suppressed">Events of a dry run.</param>
/// <param name="Discarded">Events whose dead letters were given up.</param>
/// <param name="Coalesced">Events whose last message, or a dead letter, was superseded by a newer snapshot.</param>
/// <param name="Skipped">Events whose last message an operator skipped.</param>
/// <param name="Closed">Events whose last message left the outbox, whatever its outcome: what the others are checked
/// against.</param>
internal readonly record struct DeliveryCounts(
    int Delivered, int Dead, int Suppressed, int Discarded, int Coalesced, int Skipped, int Closed)
{
    public static DeliveryCounts operator +(DeliveryCounts left, DeliveryCounts right) => new(
        left.Delivered + right.Delivered,
        left.Dead + right.Dead,
        left.Suppressed + right.Suppressed,
        left.Discarded + right.Discarded,
        left.Coalesced + right.Coalesced,
        left.Skipped + right.Skipped,
        left.Closed + right.Closed);

    public static DeliveryCounts operator -(DeliveryCounts left, DeliveryCounts right) => new(
        left.Delivered - right.Delivered,
        left.Dead - right.Dead,
        left.Suppressed - right.Suppressed,
        left.Discarded - right.Discarded,
        left.Coalesced - right.Coalesced,
        left.Skipped - right.Skipped,
        left.Closed - right.Closed);

    /// <summary>One event that stands so.</summary>
    public static DeliveryCounts Of(EventStanding standing) => standing switch
    {
        EventStanding.Delivered => new DeliveryCounts { Delivered = 1 },
        EventStanding.Dead => new DeliveryCounts { Dead = 1 },
        EventStanding.Discarded => new DeliveryCounts { Discarded = 1 },
        EventStanding.Coalesced => new DeliveryCounts { Coalesced = 1 },
        EventStanding.Skipped => new DeliveryCounts { Skipped = 1 },
        EventStanding.Suppressed => new DeliveryCounts { Suppressed = 1 },
        _ => default,
    };
}
