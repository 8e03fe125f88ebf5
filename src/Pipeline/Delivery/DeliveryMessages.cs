using System.Collections.Immutable;
using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>What may be said to a delivery actor, from anywhere in the cluster.</summary>
public abstract record DeliveryMessage
{
    private DeliveryMessage(DeliveryId id) => Id = id;

    /// <summary>The slice that is meant.</summary>
    public DeliveryId Id { get; }

    /// <summary>There may be new messages: look. Also starts the actor if it is not running. May be lost or repeated.</summary>
    public sealed record Poke : DeliveryMessage
    {
        /// <summary>To the actor of a slice.</summary>
        public Poke(DeliveryId id)
            : base(id)
        {
        }
    }

    /// <summary>Some ids were erased: see to it that nothing of theirs is under way. Answered with <see cref="SliceSettled"/>
    /// once that is so; may be lost or repeated.</summary>
    public sealed record Settle : DeliveryMessage
    {
        /// <summary>To the actor of a slice.</summary>
        public Settle(DeliveryId id)
            : base(id)
        {
        }
    }
}

/// <summary>The answer to <see cref="DeliveryMessage.Settle"/>: what was under way for erased persons is over and on disk, and
/// nothing more will be sent for them.</summary>
public sealed record SliceSettled;

/// <summary>A message and its outcome.</summary>
/// <param name="Entry">The message.</param>
/// <param name="Outcome">What became of it.</param>
public sealed record FinishedMessage(OutboxEntry Entry, DeliveryOutcome Outcome)
{
    /// <summary>The attempt that brought the outcome; null if nothing was sent.</summary>
    public DeliveryAttempt? Attempt { get; init; }
}

/// <summary>Where the slice stands, when the actor starts.</summary>
internal sealed record DeliveryState(long Version, Progress Progress, HashSet<EventKey> DeadEvents)
{
    /// <summary>The lanes that wait.</summary>
    public IReadOnlyList<HeldLane> HeldLanes { get; init; } = [];
}

/// <summary>A lane with held messages.</summary>
/// <param name="Lane">Which.</param>
/// <param name="Messages">How many.</param>
/// <param name="LastPosition">The position of the last one.</param>
/// <param name="History">What the first one has been through; null if it was never sent.</param>
/// <param name="IsBackfill">Whether the first one is backfill.</param>
/// <param name="IsWanted">Whether one of them is not.</param>
internal sealed record HeldLane(
    ulong Lane, long Messages, long LastPosition, LaneHistory? History, bool IsBackfill, bool IsWanted);

/// <summary>What a read of the outbox brought.</summary>
internal sealed record EntriesRead(ImmutableArray<OutboxEntry> Entries);

/// <summary>Held messages of some lanes.</summary>
internal sealed record LanesRead(ImmutableArray<LaneRead> Lanes);

/// <summary>The first held messages of a lane.</summary>
/// <param name="Lane">Which lane.</param>
/// <param name="Entries">At least one, in order; a replay that must be looked at comes first or not at all.</param>
/// <param name="Fate">What is to be done with the first one, if it is such a replay.</param>
internal sealed record LaneRead(ulong Lane, ImmutableArray<OutboxEntry> Entries, LetterFate Fate);

/// <summary>A commit is on disk.</summary>
internal sealed record DeliveryCommitted(SliceChanges Changes);

/// <summary>Which of the places that lanes wait for are done.</summary>
internal sealed record BarriersRead(HashSet<(int DeliveryPartition, long Position)> Done);

/// <summary>There is room for a request again.</summary>
internal sealed record RoomFree(RoomWaiter Waiter);

/// <summary>It is time for something that was waited for.</summary>
internal sealed record WakeUp
{
    public static WakeUp Instance { get; } = new();
}
