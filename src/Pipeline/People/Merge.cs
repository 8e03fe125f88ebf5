using System.Text.Json.Serialization;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.People;

/// <summary>Which event asked for a merge.</summary>
public enum MergeKind : byte
{
    /// <summary><c>$identify</c> with <c>$anon_distinct_id</c>.</summary>
    Identify = 1,

    /// <summary><c>$create_alias</c>.</summary>
    Alias = 2,

    /// <summary><c>$merge_dangerously</c>: merges identified persons too.</summary>
    Dangerous = 3,
}

/// <summary>What became of a merge (posthog.md A3).</summary>
public enum MergeResult : byte
{
    /// <summary>Neither id had a person: one was born with both.</summary>
    Created = 1,

    /// <summary>One id had a person: the other id joined it.</summary>
    Attached = 2,

    /// <summary>Two persons became one.</summary>
    Merged = 3,

    /// <summary>Both ids had the same person already.</summary>
    Same = 4,

    /// <summary>The two stay apart.</summary>
    Refused = 5,

    /// <summary>Not a result, but what a timeline tells of a merge that was taken back.</summary>
    TakenBack = 6,
}

/// <summary>Why two persons stay apart.</summary>
public enum RefusalReason : byte
{
    /// <summary>The source is identified (posthog.md A3.7).</summary>
    AlreadyIdentified = 1,

    /// <summary>The source is identified, the target unseen, and the connection guards against that quirk
    /// (A4).</summary>
    AttachToIdentified = 2,

    /// <summary>The connection's limit of distinct ids for one person.</summary>
    TooManyIds = 3,

    /// <summary>The two e-mail addresses are of different companies.</summary>
    OtherWorkDomain = 4,

    /// <summary>The merge was settled before: a late copy of a message asked.</summary>
    Settled = 5,

    /// <summary>A merge of the two ids was taken back.</summary>
    UndoneBefore = 6,

    /// <summary>The properties of both are more than may be stored (posthog.md A6).</summary>
    TooLarge = 7,

    /// <summary>One of the ids must not be merged by PostHog's rules (posthog.md A5).</summary>
    IllegalId = 8,

    /// <summary>The connection bars one of the ids from merges.</summary>
    BlockedId = 9,
}

/// <summary>A merge by the event that asked for it: that event's distinct id and its offset, which no other event
/// has.</summary>
/// <remarks>Not the event's uuid: posthog.md A9 lets two merges share one.</remarks>
public readonly record struct MergeId(string DistinctId, long Offset);

/// <summary>Two ids that an event says are one person's (posthog.md A3).</summary>
/// <param name="Kind">The event.</param>
/// <param name="SourceId">The other id, whose person is absorbed in PostHog's sense.</param>
/// <param name="TargetId">The event's distinct id, whose person stays.</param>
public readonly record struct MergeAsk(MergeKind Kind, string SourceId, string TargetId)
{
    /// <summary>True if an event must reach its person alone, because the merge it asks for takes time.</summary>
    public static bool IsIn(CaptureEvent captured) =>
        EventReading.IsMergeEvent(captured.Event) && EventReading.Of(captured).Merge is not null;
}

/// <summary>A merge that one of its ids forbids: its event is an ordinary one.</summary>
public sealed record BarredMerge(MergeAsk Ask, RefusalReason Reason);

/// <summary>A merge as messages name it.</summary>
public readonly record struct Merge(MergeId Id, MergeAsk Ask);

/// <summary>A merge that is asked for and not settled, with the event that asked.</summary>
public sealed record PendingMerge(MergeAsk Ask, AppliedEvent Event)
{
    /// <summary>The merge as messages name it.</summary>
    internal Merge Merge => new(new MergeId(Event.DistinctId, Event.Offset), Ask);
}

/// <summary>Why two persons stay apart, and PostHog's warning for it; none for
/// <see cref="RefusalReason.Settled"/>.</summary>
public sealed record MergeRefusal(RefusalReason Reason, IngestionWarning? Warning)
{
    /// <summary>The merge, without its event's update, for the history of the person that did not ask; null for
    /// <see cref="RefusalReason.Settled"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PendingMerge? Asked { get; init; }
}
