using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>Where a message stands, in the words of the API.</summary>
internal static class MessageStanding
{
    public const string Pending = "pending";
    public const string Parked = "parked";
    public const string Delivered = "delivered";
    public const string Dead = "dead";
    public const string Discarded = "discarded";
    public const string Coalesced = "coalesced";
    public const string Skipped = "skipped";
    public const string Suppressed = "suppressed";

    /// <summary>Of a message that became a dead letter.</summary>
    public static string Of(DeadLetter letter) => letter.State switch
    {
        DeadLetterState.Replaying => Pending,
        DeadLetterState.Delivered => Delivered,
        DeadLetterState.Discarded => Discarded,
        DeadLetterState.Superseded => Coalesced,
        _ => Dead,
    };

    /// <summary>Of a message that did not.</summary>
    /// <param name="session">A reading session.</param>
    /// <param name="connection">The number of the connection.</param>
    /// <param name="deliveryPartition">Its delivery partition.</param>
    /// <param name="position">Its position there.</param>
    /// <param name="progress">How far the delivery partition is.</param>
    public static string Of(Session session, int connection, int deliveryPartition, long position, Progress progress) =>
        !progress.IsDone(position) || HeldStatements.IsHeld(session, connection, deliveryPartition, position)
            ? Pending
            : DeliveryStatements.Unsent(session, connection, deliveryPartition, position) ?? Delivered;

    /// <summary>What waits is parked while its connection sends nothing.</summary>
    public static string Of(string standing, bool isParked) => isParked && standing == Pending ? Parked : standing;

    /// <summary>Of an event, by its messages: one dead message makes it dead, one that waits makes it pending.</summary>
    /// <param name="messages">Where its messages stand, in sending order.</param>
    /// <param name="hasSuperseded">Whether one of them is a dead letter that need not be sent any more.</param>
    public static string OfEvent(IReadOnlyList<string> messages, bool hasSuperseded) =>
        messages.Contains(Dead) ? Dead
        : messages.Contains(Pending) ? Pending
        : messages.Contains(Parked) ? Parked
        : messages.Contains(Discarded) ? Discarded
        : hasSuperseded ? Coalesced
        : messages[^1];
}
