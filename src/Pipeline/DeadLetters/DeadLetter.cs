using VarianceActors.Pipeline.Mapping;

namespace VarianceActors.Pipeline.DeadLetters;

/// <summary>What has become of a dead letter.</summary>
public enum DeadLetterState : byte
{
    /// <summary>It could not be delivered and waits for an operator.</summary>
    Dead = 1,

    /// <summary>It is in the outbox again.</summary>
    Replaying = 2,

    /// <summary>A replay was delivered.</summary>
    Delivered = 3,

    /// <summary>An operator gave it up.</summary>
    Discarded = 4,

    /// <summary>It is not sent: the receiver knows something newer that says all that it says.</summary>
    Superseded = 5,
}

/// <summary>A message that could not be delivered.</summary>
/// <param name="Id">Its number; it keeps it through replays.</param>
/// <param name="State">What has become of it.</param>
/// <param name="DeliveryPartition">The delivery partition in which it died first.</param>
/// <param name="Position">Its position there.</param>
/// <param name="Lane">The lane that its person has now.</param>
/// <param name="Uuid">The event it came of.</param>
/// <param name="Fingerprint">The event's fingerprint.</param>
/// <param name="IsCorrection">Whether no accepted event became it.</param>
/// <param name="AcceptedAt">When the event was accepted.</param>
/// <param name="Message">The message, whole.</param>
/// <param name="Event">The name that a track message has; else null.</param>
/// <param name="Reason">Why it is here.</param>
/// <param name="Status">The status of the last answer; null if there was none.</param>
/// <param name="Response">The first part of the last answer's body.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="FirstAttemptAt">When it was sent first.</param>
/// <param name="LastAttemptAt">When it was sent last.</param>
/// <param name="ChangedAt">When its state changed last.</param>
/// <param name="Note">Why it was discarded, or why its last replay was refused; else null.</param>
public sealed record DeadLetter(
    long Id,
    DeadLetterState State,
    int DeliveryPartition,
    long Position,
    ulong Lane,
    Guid Uuid,
    ulong Fingerprint,
    bool IsCorrection,
    DateTimeOffset AcceptedAt,
    OutboundMessage Message,
    string? Event,
    string Reason,
    int? Status,
    byte[] Response,
    int Attempts,
    DateTimeOffset FirstAttemptAt,
    DateTimeOffset LastAttemptAt,
    DateTimeOffset ChangedAt,
    string? Note);

/// <summary>Which dead letters are meant: those that meet every condition that is set.</summary>
/// <param name="Reason">Why it is a dead letter, such as <c>status-400</c>.</param>
/// <param name="Status">The status of the last answer.</param>
/// <param name="Kind">The Segment call.</param>
/// <param name="Event">The name of a track message.</param>
/// <param name="MessageId">The message id.</param>
/// <param name="Uuid">The event.</param>
/// <param name="Lane">The lane of its person.</param>
/// <param name="Since">It was sent last at this time or later.</param>
/// <param name="Until">It was sent last before this time.</param>
public sealed record DeadLetterFilter(
    string? Reason = null,
    int? Status = null,
    MessageKind? Kind = null,
    string? Event = null,
    string? MessageId = null,
    Guid? Uuid = null,
    ulong? Lane = null,
    DateTimeOffset? Since = null,
    DateTimeOffset? Until = null)
{
    /// <summary>No condition at all.</summary>
    public static DeadLetterFilter All { get; } = new();
}
