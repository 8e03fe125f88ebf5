using System.Collections.Immutable;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>What a mapping made of an event.</summary>
/// <param name="Messages">In sending order; empty exactly when there is a reason.</param>
/// <param name="Reason">Why there is nothing to send, one of <see cref="FilterReasons"/>; else empty.</param>
public sealed record MappingOutcome(ImmutableArray<OutboundMessage> Messages, string Reason)
{
    internal static MappingOutcome Filtered(string reason) => new([], reason);

    internal static MappingOutcome Send(ImmutableArray<OutboundMessage> messages) => new(messages, "");
}

/// <summary>The ledger's words for events that become no message.</summary>
public static class FilterReasons
{
    /// <summary>One of PostHog's own events (its name begins with <c>$</c>) that the mapping does not
    /// forward.</summary>
    public const string UnsupportedEvent = "unsupported-event";

    /// <summary>The webhook's event has no name.</summary>
    public const string NoEventName = "no-event-name";

    /// <summary>The webhook's event has no uuid.</summary>
    public const string NoUuid = "no-uuid";

    /// <summary>The webhook's event has no timestamp.</summary>
    public const string NoTimestamp = "no-timestamp";

    /// <summary>The connection's options do not let events of this name through.</summary>
    public const string EventNotAllowed = "event-not-allowed";

    /// <summary>A merge event that was refused or taught nothing new.</summary>
    public const string NothingNew = "nothing-new";

    /// <summary>A group of another type than the one that stands for accounts.</summary>
    public const string OtherGroupType = "other-group-type";

    /// <summary>A group call without a key that could name the account.</summary>
    public const string NoGroupKey = "no-group-key";

    /// <summary>There is neither a person nor a distinct id that a message could name.</summary>
    public const string NoDistinctId = "no-distinct-id";
}
