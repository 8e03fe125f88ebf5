namespace VarianceActors.Pipeline.Delivery;

/// <summary>What became of a message in the end. Expected failures are outcomes, not exceptions.</summary>
public abstract record DeliveryOutcome
{
    private DeliveryOutcome()
    {
    }

    /// <summary>Variance answered 2xx.</summary>
    public sealed record Delivered : DeliveryOutcome;

    /// <summary>The connection has no receiver: the message was made and recorded, and is not sent.</summary>
    public sealed record DryRun : DeliveryOutcome;

    /// <summary>The actor stops before the message has an outcome: whoever goes on sends it.</summary>
    public sealed record Abandoned : DeliveryOutcome;

    /// <summary>It cannot be delivered; it is kept whole for an operator.</summary>
    /// <param name="Reason">Why, such as <c>status-400</c> or <c>retry-budget-exhausted</c>.</param>
    /// <param name="Status">The HTTP status of the last answer; null if there was none.</param>
    /// <param name="Response">The first part of the last answer's body, as received.</param>
    /// <param name="Attempts">How often it was sent.</param>
    /// <param name="FirstAttemptAt">When it was sent first.</param>
    /// <param name="LastAttemptAt">When it was sent last.</param>
    public sealed record DeadLettered(
        string Reason,
        int? Status,
        ReadOnlyMemory<byte> Response,
        int Attempts,
        DateTimeOffset FirstAttemptAt,
        DateTimeOffset LastAttemptAt) : DeliveryOutcome;
}
