using System.Collections.Immutable;

namespace VarianceActors.Pipeline.People;

/// <summary>Which side of a merge gave a property its value.</summary>
public enum MergeSide
{
    /// <summary>The person of the event's own distinct id.</summary>
    Target,

    /// <summary>The event itself, which is applied after the merge.</summary>
    Event,
}

/// <summary>A property that both persons of a merge had, with different values.</summary>
/// <param name="Name">The property.</param>
/// <param name="Winner">Whose value stayed; never the source's (posthog.md A3).</param>
/// <param name="Value">The value that stayed; null if the event removed the property.</param>
/// <param name="SourceValue">What the absorbed person had.</param>
/// <param name="TargetValue">What the person that stayed had.</param>
public sealed record PropertyConflict(
    string Name,
    MergeSide Winner,
    JsonValue? Value,
    JsonValue SourceValue,
    JsonValue TargetValue);

/// <summary>One decision about who a person is: its birth, or a merge and what became of it.</summary>
/// <param name="Result">What became of it; <see cref="MergeResult.Created"/> for a birth without a merge, too.</param>
/// <param name="Reason">Why, in words for programs, such as <c>already_identified</c>.</param>
/// <param name="Event">The event that asked; its update may be left out.</param>
/// <param name="Merge">The two ids; null for a birth without a merge.</param>
/// <param name="StayedUuid">The person that the event's distinct id has from then on.</param>
/// <param name="AbsorbedUuid">The person that ended, or came back by a split; null unless two persons became one or one
/// became two.</param>
/// <param name="JoinedIds">The distinct ids that came to the person, or left it by a split.</param>
/// <param name="BecameIdentified">The user id if the person was not identified before and is now; else null.</param>
/// <param name="Conflicts">Properties that both persons had.</param>
public sealed record IdentityDecision(
    MergeResult Result,
    string Reason,
    AppliedEvent Event,
    MergeAsk? Merge,
    Guid? StayedUuid,
    Guid? AbsorbedUuid,
    ImmutableArray<string> JoinedIds,
    string? BecameIdentified,
    ImmutableArray<PropertyConflict> Conflicts)
{
    /// <summary>When an operator took the merge back; null unless that is what was decided.</summary>
    public DateTimeOffset? TakenBackAt { get; init; }

    /// <summary>True if it is about a person with these ids: a root may hold several persons.</summary>
    public bool Concerns(IReadOnlySet<string> distinctIds) =>
        distinctIds.Contains(Event.DistinctId) || (Merge is { } ask && distinctIds.Contains(ask.SourceId));

    /// <summary>True in the history of the person that did not ask: the same refusal may be told by the other one,
    /// too.</summary>
    internal bool IsHeardOf { get; init; }

    /// <summary>What makes two tellings the same decision.</summary>
    internal MergeId At => new(Event.DistinctId, Event.Offset);

    /// <summary>What a fact decided; null if it decided nothing about identity.</summary>
    /// <param name="before">The home before the fact; null if it is the first of its journal.</param>
    /// <param name="fact">The fact.</param>
    public static IdentityDecision? Of(PersonState? before, PersonFact fact) =>
        Made(before ?? PersonState.Unborn(fact.Home!), fact);

    private static IdentityDecision? Made(PersonState before, PersonFact fact) => fact switch
    {
        PersonFact.EventApplied { Barred: { } barred } applied => Forbidden(before, applied, barred),
        PersonFact.EventApplied applied when before.Root.SeenFrom(applied.Event.DistinctId).Profile is null =>
            Birth(before, applied),
        PersonFact.Absorbed absorbed => Joined(before, absorbed),
        PersonFact.MergeEnded ended => Stayed(before, ended.Settled),
        PersonFact.Unsealed { Settled: { } settled } => Stayed(before, settled),
        PersonFact.Unsealed { Asked: { } asked } unsealed => HeardOf(before, asked, unsealed.Reason),
        PersonFact.AbsorbRefused { Settled: { } settled } => Stayed(before, settled),
        PersonFact.AbsorbRefused { Refusal.Asked: { } asked } refused =>
            HeardOf(before, asked, refused.Refusal.Reason),
        PersonFact.Split split => Parted(split),
        _ => null,
    };

    private static IdentityDecision Birth(PersonState before, PersonFact.EventApplied applied) => new(
        MergeResult.Created,
        "first_event",
        applied.Event,
        null,
        PersonUuid.Of(before.Id.Beside(applied.Event.DistinctId), applied.Event.Project),
        null,
        [applied.Event.DistinctId],
        null,
        []);

    private static IdentityDecision Forbidden(
        PersonState before,
        PersonFact.EventApplied applied,
        BarredMerge barred)
    {
        var person = before.Root.SeenFrom(applied.Event.DistinctId).Profile?.Uuid;
        return Birth(before, applied) with
        {
            Result = MergeResult.Refused,
            Reason = Named(barred.Reason),
            Merge = barred.Ask,
            StayedUuid = person ?? PersonUuid.Of(before.Id.Beside(applied.Event.DistinctId), applied.Event.Project),
            JoinedIds = person is null ? [applied.Event.DistinctId] : [],
        };
    }

    private static IdentityDecision Joined(PersonState before, PersonFact.Absorbed absorbed)
    {
        var pending = before.Root.PendingOf(absorbed.Settled.Merge)
            ?? absorbed.Frozen.PendingOf(absorbed.Settled.Merge)!;
        var (source, target) = HomeNode.Sides(before.Root, absorbed.Frozen, pending.Ask);
        return Settled(before.Id, source, target, pending, absorbed.Settled);
    }

    private static IdentityDecision Stayed(PersonState before, SettledMerge settled)
    {
        var pending = before.Root.PendingOf(settled.Merge)!;
        var source = settled.Joins ? before.Root.SeenFrom(pending.Ask.SourceId) : PersonRoot.Empty;
        return Settled(before.Id, source, before.Root.SeenFrom(pending.Ask.TargetId), pending, settled);
    }

    private static IdentityDecision Parted(PersonFact.Split split)
    {
        var target = split.Persons[0];
        var source = split.Persons.First(person => person.Ids.Contains(split.Undone.Ask.SourceId));
        return new IdentityDecision(
            MergeResult.TakenBack,
            "taken_back",
            split.Event,
            split.Undone.Ask,
            target.Profile?.Uuid,
            source.Profile?.Uuid,
            source.Ids,
            null,
            [])
        {
            TakenBackAt = split.At,
        };
    }

    private static IdentityDecision Settled(
        PersonId home,
        PersonRoot source,
        PersonRoot target,
        PendingMerge pending,
        SettledMerge settled)
    {
        var person = (target.Profile ?? source.Profile)?.Uuid;
        return new IdentityDecision(
            settled.Result,
            Why(source, settled),
            pending.Event,
            pending.Ask,
            person ?? PersonUuid.Of(home.Beside(pending.Event.DistinctId), pending.Event.Project),
            target.Profile is null ? null : source.Profile?.Uuid,
            Came(source, target, settled.Result),
            target.Profile is { IsIdentified: true } || source.Profile is { IsIdentified: true }
                ? null
                : settled.UserId,
            settled.Result is MergeResult.Merged ? Conflicting(source, target, pending, settled) : []);
    }

    private static IdentityDecision HeardOf(PersonState before, PendingMerge asked, RefusalReason reason) => new(
        MergeResult.Refused,
        Named(reason),
        asked.Event,
        asked.Ask,
        before.Root.SeenFrom(before.Root.Members.ContainsKey(asked.Ask.SourceId) ? asked.Ask.SourceId : asked.Ask.TargetId)
            .Profile?.Uuid,
        null,
        [],
        null,
        [])
    {
        IsHeardOf = true,
    };

    // A person that is born takes all ids; one of two keeps its own.
    private static ImmutableArray<string> Came(PersonRoot source, PersonRoot target, MergeResult result) =>
        result switch
        {
            MergeResult.Created => target.Ids.AddRange(source.Ids),
            MergeResult.Attached when target.Profile is null => target.Ids,
            MergeResult.Attached or MergeResult.Merged => source.Ids,
            _ when target.Profile is null => target.Ids,
            _ => [],
        };

    private static ImmutableArray<PropertyConflict> Conflicting(
        PersonRoot source,
        PersonRoot target,
        PendingMerge pending,
        SettledMerge settled)
    {
        var update = pending.Event.Update;
        var written = settled.Won.Select(update.NameAt).ToHashSet();
        var conflicts = ImmutableArray.CreateBuilder<PropertyConflict>();
        var after = PersonProperties.Apply(target.Profile!.Properties, update, settled.Won);
        foreach (var (name, lost) in source.Profile!.Properties)
        {
            if (target.Profile.Properties.TryGetValue(name, out var held) && held != lost)
            {
                var winner = written.Contains(name) ? MergeSide.Event : MergeSide.Target;
                JsonValue? value = after.TryGetValue(name, out var stayed) ? stayed : null;
                conflicts.Add(new PropertyConflict(name, winner, value, lost, held));
            }
        }

        conflicts.Sort((left, right) => string.CompareOrdinal(left.Name, right.Name));
        return conflicts.DrainToImmutable();
    }

    private static string Why(PersonRoot source, SettledMerge settled) => settled.Result switch
    {
        MergeResult.Created => "neither_id_had_a_person",
        MergeResult.Attached when source.Profile is null => "source_had_no_person",
        MergeResult.Attached => "target_had_no_person",
        MergeResult.Merged => "both_ids_had_a_person",
        MergeResult.Same => "both_ids_had_this_person",
        _ => Named(settled.Refusal!.Value),
    };

    private static string Named(RefusalReason reason) => reason switch
    {
        RefusalReason.AlreadyIdentified => "already_identified",
        RefusalReason.AttachToIdentified => "attach_to_identified",
        RefusalReason.TooManyIds => "too_many_ids",
        RefusalReason.OtherWorkDomain => "other_work_domain",
        RefusalReason.TooLarge => "too_large",
        RefusalReason.UndoneBefore => "undone_before",
        RefusalReason.IllegalId => "illegal_id",
        RefusalReason.BlockedId => "blocked_id",
        _ => "settled_before",
    };
}
