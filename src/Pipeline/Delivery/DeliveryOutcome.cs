namespace VarianceActors.Pipeline.Delivery;

/// <summary>What became of a message. Expected failures are outcomes, not exceptions.</summary>
public abstract record DeliveryOutcome
{
    private DeliveryOutcome()
    {
    }

    /// <summary>Variance answered 2xx.</summary>
    public sealed record Delivered : DeliveryOutcome;

    /// <summary>The connection has no receiver: the message was made and recorded, and is not sent.</summary>
    public sealed record DryRun : DeliveryOutcome;

    /// <summary>A newer snapshot of the same contact or account, which says everything that it says, waits behind it or, if it is
    /// a dead letter that was on its way again, was delivered.</summary>
    public sealed record Coalesced : DeliveryOutcome;

    /// <summary>An operator resumed the connection without it.</summary>
    public sealed record Skipped : DeliveryOutcome;

    /// <summary>A dead letter that was on its way again would put old values back: it is a dead letter as before.</summary>
    public sealed record Withdrawn : DeliveryOutcome;

    /// <summary>Not sent: its person was erased.</summary>
    public sealed record Erased : DeliveryOutcome;

    /// <summary>It is not done: its lane waits.</summary>
    /// <param name="History">What it has been through, and when it is sent again.</param>
    /// <param name="Reason">Why, such as <c>status-503</c>.</param>
    /// <param name="WrongSetup">Whether the connection seems to be set up wrongly, so that nothing else can get through.</param>
    public sealed record RetryLater(LaneHistory History, string Reason, bool WrongSetup) : DeliveryOutcome;

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
