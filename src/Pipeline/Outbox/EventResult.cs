using System.Collections.Immutable;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>What the ledger says of an accepted event.</summary>
public enum LedgerDecision : byte
{
    /// <summary>It has messages; whether they are delivered follows from the delivery position and the dead letters.</summary>
    Queued = 1,

    /// <summary>Nothing to send by rule; the reason says which.</summary>
    Filtered = 2,

    /// <summary>The person is suppressed (erased); nothing was learnt and nothing is sent.</summary>
    Suppressed = 3,

    /// <summary>PostHog's rules drop the event; the reason is PostHog's warning name.</summary>
    Refused = 4,

    /// <summary>A newer snapshot of the same entity was sent instead.</summary>
    Coalesced = 5,

    /// <summary>The same event was accepted before; a repeat has no ledger row of its own, only a count.</summary>
    Duplicate = 6,
}

/// <summary>One of PostHog's ingestion warnings (posthog.md A11), or a guard's.</summary>
/// <param name="Type">PostHog's name, such as <c>cannot_merge_already_identified</c>.</param>
/// <param name="Details">The details as a JSON object; they name distinct ids, so they never go into a log.</param>
public sealed record IngestionWarning(string Type, string Details);

/// <summary>What one accepted event became: the person's answer to the ingest actor.</summary>
/// <param name="Offset">The event's offset in its partition.</param>
/// <param name="Decision">The ledger's word for it.</param>
/// <param name="Reason">Why, for every decision but <see cref="LedgerDecision.Queued"/>; else empty. Never personal data.</param>
/// <param name="Lane">Key of the person it belongs to (the root at that time): messages of one lane leave in order.</param>
/// <param name="Messages">In sending order; empty unless queued.</param>
/// <param name="Warnings">PostHog's ingestion warnings.</param>
public sealed record EventResult(
    long Offset,
    LedgerDecision Decision,
    string Reason,
    ulong Lane,
    ImmutableArray<OutboundMessage> Messages,
    ImmutableArray<IngestionWarning> Warnings)
{
    /// <summary>Lanes of persons that became part of this one: their waiting messages leave before this event's.</summary>
    public ImmutableArray<ulong> Behind { get; init; } = [];

    /// <summary>How many facts the person was made of that a message shows the state of: an older state never leaves behind a
    /// newer one. Null if no message shows one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Version { get; init; }

    /// <summary>What the views learn of the person; null if there is none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PersonNews? News { get; init; }
}
