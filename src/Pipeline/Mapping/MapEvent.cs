using System.Collections.Immutable;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>What a mapping makes of one event.</summary>
/// <param name="Decision">The ledger's word.</param>
/// <param name="Reason">Why, unless queued; else empty. Never personal data.</param>
/// <param name="Messages">In sending order; empty unless queued.</param>
public readonly record struct MappedEvent(
    LedgerDecision Decision,
    string Reason,
    ImmutableArray<OutboundMessage> Messages);

/// <summary>A connection's mapping: a pure function from one event and its person to messages.</summary>
/// <param name="captured">The event.</param>
/// <param name="person">The person after the event; null if there is none (personless, unborn or no distinct
/// id).</param>
/// <param name="change">What the event changed.</param>
public delegate MappedEvent MapEvent(CaptureEvent captured, PersonSnapshot? person, EventChange change);
