using System.Collections.Immutable;
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
}

/// <summary>A message and its outcome.</summary>
/// <param name="Entry">The message.</param>
/// <param name="Outcome">What became of it.</param>
public sealed record FinishedMessage(OutboxEntry Entry, DeliveryOutcome Outcome)
{
    /// <summary>The attempt that brought the outcome; null if nothing was sent.</summary>
    public DeliveryAttempt? Attempt { get; init; }

    /// <summary>The attempts that are not written down yet.</summary>
    internal ImmutableArray<DeliveryAttempt> Attempts => Attempt is { } attempt ? [attempt] : Outcome.Made;
}

/// <summary>Where the slice stands, when the actor starts.</summary>
internal sealed record DeliveryState(long Version, Progress Progress, HashSet<EventKey> DeadEvents);

/// <summary>What a read of the outbox brought.</summary>
internal sealed record EntriesRead(ImmutableArray<OutboxEntry> Entries);

/// <summary>A commit is on disk.</summary>
internal sealed record DeliveryCommitted(ImmutableArray<FinishedMessage> Finished);

/// <summary>How far the slices are that heads wait for.</summary>
internal sealed record BarriersRead(Dictionary<int, Progress> Progress);
