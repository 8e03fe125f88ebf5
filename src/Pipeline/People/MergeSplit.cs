using System.Collections.Immutable;
using VarianceActors.Pipeline.Accounts;

namespace VarianceActors.Pipeline.People;

/// <summary>What taking a merge back comes to.</summary>
/// <param name="Fact">The split.</param>
/// <param name="IsDone">True if it was recorded before.</param>
public sealed record MergeSplit(PersonFact.Split Fact, bool IsDone)
{
    /// <summary>The newest merge of a person that an event asked for and that was not taken back; else the newest one
    /// that was; null if there is neither.</summary>
    /// <param name="found">The person and where it lives.</param>
    /// <param name="facts">All facts of all homes of its root, in the order of the journal.</param>
    /// <param name="mergeEvent">The uuid of the merge's event.</param>
    /// <param name="rules">The connection's.</param>
    public static MergeSplit? Of(
        HistoryFound found,
        ImmutableArray<PersonFact> facts,
        Guid mergeEvent,
        PersonRules rules)
    {
        var ids = found.Person.DistinctIds.ToHashSet();
        var splits = facts.OfType<PersonFact.Split>().ToArray();
        var undone = splits.Select(split => split.Undone.Id).ToImmutableHashSet();
        var joined = facts.Select(Joined).OfType<MergeId>().ToHashSet();
        var merge = facts.OfType<PersonFact.MergeAsked>().Select(asked => asked.Merge).LastOrDefault(pending =>
            pending.Event.Uuid == mergeEvent
            && ids.Contains(pending.Ask.SourceId)
            && ids.Contains(pending.Ask.TargetId)
            && joined.Contains(pending.Merge.Id)
            && !undone.Contains(pending.Merge.Id));
        if (merge is not null)
        {
            return new MergeSplit(Compute(found, facts, merge, undone.Add(merge.Merge.Id), rules), false);
        }

        var done = splits.LastOrDefault(split => split.Event.Uuid == mergeEvent
            && (ids.Contains(split.Undone.Ask.SourceId) || ids.Contains(split.Undone.Ask.TargetId)));
        return done is null ? null : new MergeSplit(done, true);
    }

    private static PersonFact.Split Compute(
        HistoryFound found,
        ImmutableArray<PersonFact> facts,
        PendingMerge merge,
        ImmutableHashSet<MergeId> without,
        PersonRules rules)
    {
        var replayed = PersonHistory.Replay(found.Root, facts, without, rules);
        var known = replayed.Persons.SelectMany(person => person.Ids).ToHashSet();
        var unheard = found.Homes.Where(id => !known.Contains(id)).Select(id => new PersonPart(null, [id]));
        return new PersonFact.Split(
            new UndoneMerge(merge.Merge.Id, merge.Ask),
            merge.Event with { Update = PropertyUpdate.None },
            found.Person.UserId,
            [.. replayed.Persons.OrderBy(person => !person.Ids.Contains(merge.Ask.TargetId)).Concat(unheard)],
            replayed.Aliased)
        {
            Had = [.. found.Person.Properties.Keys.Where(name => !name.StartsWith('$')).Order(StringComparer.Ordinal)],
            Left = found.Person is { IsIdentified: true, Contact.Account.Key: var account }
                ? new AccountLeft(found.Person.PersonUuid, account)
                : null,
            Was = new ContactApart(found.Person.PersonUuid, found.Person.Contact?.Turn, found.Person.Version + 1),
        };
    }

    private static MergeId? Joined(PersonFact fact) => fact switch
    {
        PersonFact.Absorbed { Settled: var settled } => settled.Merge,
        PersonFact.MergeEnded { Settled: { Joins: true } settled } => settled.Merge,
        _ => null,
    };
}
