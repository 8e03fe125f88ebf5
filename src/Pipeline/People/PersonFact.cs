using System.Collections.Immutable;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline.People;

/// <summary>How far a distinct id's events are applied.</summary>
/// <param name="DistinctId">The distinct id.</param>
/// <param name="Offset">The highest offset applied.</param>
public readonly record struct Cursor(string DistinctId, long Offset);

/// <summary>An event as a person's history keeps it: its own update whole, so that history can be replayed with other
/// merges.</summary>
/// <param name="DistinctId">The id it came through.</param>
/// <param name="Offset">Its offset in that id's partition.</param>
/// <param name="BatchFrom">The offset of the first event of its command; what was kept for repeats before it is due no
/// more.</param>
/// <param name="Uuid">Its uuid; two events may share one.</param>
/// <param name="Name">Its name.</param>
/// <param name="Timestamp">When it happened.</param>
/// <param name="Update">What it asked of the properties.</param>
public sealed record AppliedEvent(
    string DistinctId,
    long Offset,
    long BatchFrom,
    Guid Uuid,
    string Name,
    DateTimeOffset Timestamp,
    PropertyUpdate Update)
{
    /// <summary>The number of the PostHog project that it came from, of which the uuid of a person that it makes is made; null
    /// if it is not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Project { get; init; }

    /// <summary>The group of the connection's type that it names; null if it names none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Group { get; init; }

    /// <summary>Into which slices of time it is counted.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public TallyUnits Tallied { get; init; }

    /// <summary>When the rules of stages looked at its person; null: at the event's own time, or there were none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? LookedAt { get; init; }
}

/// <summary>How a merge ended and what its event then did to the person that its target has.</summary>
/// <param name="Merge">The merge, pending until this.</param>
/// <param name="Result">The result; with <see cref="MergeResult.Refused"/> the reason follows.</param>
/// <param name="Refusal">Why, if refused.</param>
/// <param name="Won">Positions in the event's update (<see cref="PropertyUpdate.NameAt"/>) that changed the
/// person.</param>
/// <param name="UserId">The person's user id from now on.</param>
/// <param name="UserIdSource">Who asserted it.</param>
/// <param name="Change">What the mapping is told, now and on repeats.</param>
/// <param name="Warnings">Given now and on repeats.</param>
public sealed record SettledMerge(
    MergeId Merge,
    MergeResult Result,
    RefusalReason? Refusal,
    ImmutableArray<int> Won,
    string UserId,
    UserIdSource UserIdSource,
    EventChange Change,
    ImmutableArray<IngestionWarning> Warnings)
{
    /// <summary>What the connection's rules made of the person then; null if they changed nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContactTurn? Turn { get; init; }

    /// <summary>True if two sets of ids became one.</summary>
    internal bool Joins => Result is MergeResult.Created or MergeResult.Attached or MergeResult.Merged;
}

/// <summary>What happened to a home. The journal holds these and nothing else; a change of meaning is a new
/// record.</summary>
public abstract record PersonFact
{
    private PersonFact()
    {
    }

    /// <summary>Whose home this is; only in the first fact of a journal.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PersonId? Home { get; init; }

    /// <summary>All cursors that moved since the fact before this one, this fact's own included.</summary>
    public ImmutableArray<Cursor> Cursors { get; init; } = [];

    /// <summary>An event changed a person or created one.</summary>
    /// <param name="Event">The event.</param>
    /// <param name="Won">Positions in its update that changed the person.</param>
    /// <param name="ContactChanged">As told to the mapping.</param>
    /// <param name="Warnings">That depended on the person.</param>
    public sealed record EventApplied(
        AppliedEvent Event,
        ImmutableArray<int> Won,
        bool ContactChanged,
        ImmutableArray<IngestionWarning> Warnings) : PersonFact
    {
        /// <summary>What the connection's rules made of the person then; null if they changed nothing.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public ContactTurn? Turn { get; init; }

        /// <summary>The merge that it asked for, if one of the ids forbids it; else null.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public BarredMerge? Barred { get; init; }
    }

    /// <summary>An event asked for a merge; until it is settled nothing else is applied here.</summary>
    public sealed record MergeAsked(PendingMerge Merge) : PersonFact;

    /// <summary>A merge ended without anything being absorbed here.</summary>
    public sealed record MergeEnded(SettledMerge Settled) : PersonFact;

    /// <summary>This root froze itself to be absorbed.</summary>
    public sealed record Sealed(Seal Seal) : PersonFact;

    /// <summary>This root's seal was refused; if the merge was pending here, it is settled with that.</summary>
    public sealed record Unsealed(long Number, RefusalReason Reason, SettledMerge? Settled) : PersonFact
    {
        /// <summary>The merge, without its event's update, if it was pending elsewhere.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public PendingMerge? Asked { get; init; }
    }

    /// <summary>This root is a child now.</summary>
    public sealed record Linked(long Number, PersonId Parent) : PersonFact;

    /// <summary>Another root became part of this one: here a merge happens. What was absorbed is kept whole.</summary>
    public sealed record Absorbed(PersonId Child, long Number, PersonRoot Frozen, SettledMerge Settled) : PersonFact;

    /// <summary>Another root was refused; if the merge was pending here, it is settled with that.</summary>
    public sealed record AbsorbRefused(PersonId Child, long Number, MergeRefusal Refusal, SettledMerge? Settled)
        : PersonFact
    {
        /// <summary><see cref="PersonRoot.Forgotten"/> from now on, if it is more than before.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
        public long Forgotten { get; init; }
    }

    /// <summary>The account of a person is merged into another one, or not any more.</summary>
    /// <param name="DistinctId">An id of the person.</param>
    /// <param name="Key">The account.</param>
    /// <param name="Into">The account that speaks for it; null for itself.</param>
    public sealed record AccountRedirected(string DistinctId, string Key, string? Into) : PersonFact;

    /// <summary>An operator pinned the stage of a contact, or took the pin away.</summary>
    /// <param name="DistinctId">An id of the person.</param>
    /// <param name="Turn">What it is from then on.</param>
    public sealed record StagePinned(string DistinctId, ContactTurn Turn) : PersonFact;

    /// <summary>A window of time ended without an event, and the rules make something else of a contact.</summary>
    /// <param name="DistinctId">An id of the person.</param>
    /// <param name="Turn">What it is from then on.</param>
    /// <param name="At">When it was looked at.</param>
    public sealed record WindowEnded(string DistinctId, ContactTurn Turn, DateTimeOffset At) : PersonFact;

    /// <summary>A merge was taken back: the members are these persons now.</summary>
    /// <param name="Undone">The merge.</param>
    /// <param name="Event">Its event, without its update.</param>
    /// <param name="UserId">The user id of the person that came apart; null if it had none.</param>
    /// <param name="Persons">All persons of the root; the first one has the merge's target.</param>
    /// <param name="Aliased">The members that were given up, of all persons.</param>
    public sealed record Split(
        UndoneMerge Undone,
        AppliedEvent Event,
        string? UserId,
        ImmutableArray<PersonPart> Persons,
        ImmutableArray<string> Aliased) : PersonFact
    {
        /// <summary>The account that the person which came apart was a member of; null for none.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public AccountLeft? Left { get; init; }

        /// <summary>The contact that came apart, as it was; null in facts of early builds.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public ContactApart? Was { get; init; }

        /// <summary>The properties that the person had as one, without those whose name begins with <c>$</c>; null in facts of
        /// early builds.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public ImmutableArray<string>? Had { get; init; }

        /// <summary>When; null in facts of early builds.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public DateTimeOffset? At { get; init; }
    }

    /// <summary>Everything before this was erased. It is what is left, whole: the journal begins with it.</summary>
    /// <param name="Rest">The home as it is from now on.</param>
    /// <param name="Number">The number of this fact.</param>
    public sealed record Rewritten(PersonState Rest, long Number) : PersonFact;
}
