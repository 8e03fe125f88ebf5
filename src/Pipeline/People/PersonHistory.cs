using System.Collections.Immutable;

namespace VarianceActors.Pipeline.People;

/// <summary>Replays everything that happened to the members of a root, with some merges left out: what its persons
/// would be had those never happened and everything else been decided as it was.</summary>
/// <remarks>The event of a merge that is left out counts as an ordinary event of its distinct id. A merge between ids
/// that were one person already, and are not without the merge that is left out, joins nothing.</remarks>
public sealed class PersonHistory
{
    private readonly PersonId _home;
    private readonly PersonRules _rules;
    private readonly ImmutableHashSet<MergeId> _without;
    private readonly Dictionary<string, PersonRoot> _persons = [];
    private readonly Dictionary<MergeId, PendingMerge> _asked = [];

    private PersonHistory(PersonId home, PersonRules rules, ImmutableHashSet<MergeId> without)
    {
        _home = home;
        _rules = rules;
        _without = without;
    }

    /// <summary>The persons of a root without some merges.</summary>
    /// <param name="home">Any home of the connection.</param>
    /// <param name="facts">All facts of all homes of the root, in the order of the journal.</param>
    /// <param name="without">The merges to leave out.</param>
    /// <param name="rules">The connection's.</param>
    public static PersonsReplayed Replay(
        PersonId home,
        IEnumerable<PersonFact> facts,
        ImmutableHashSet<MergeId> without,
        PersonRules rules)
    {
        var history = new PersonHistory(home, rules, without);
        foreach (var fact in facts)
        {
            history.Follow(fact);
        }

        var persons = history._persons.Values.DistinctBy(person => person.Ids[0]).ToArray();
        return new PersonsReplayed(
            [.. persons.Select(person => new PersonPart(person.Profile, person.Ids))],
            [.. persons.SelectMany(person => person.Members).Where(one => one.Value.IsAliased).Select(one => one.Key)]);
    }

    private void Follow(PersonFact fact)
    {
        switch (fact)
        {
            case PersonFact.EventApplied { Event: var by }:
                Keep(Person.Learn(_home, PersonOf(by.DistinctId), by, _rules));
                break;
            case PersonFact.Rewritten { Rest.Root: var root }:
                Begin(root);
                break;
            case PersonFact.StagePinned pinned:
                Keep(Person.PinAgain(_home, PersonOf(pinned.DistinctId), pinned, _rules));
                break;
            case PersonFact.WindowEnded ended:
                Keep(Person.LookAgain(PersonOf(ended.DistinctId), ended, _rules));
                break;
            case PersonFact.MergeAsked { Merge: var pending }:
                _asked[pending.Merge.Id] = pending;
                break;
            case PersonFact.MergeEnded { Settled: var settled }:
                Settle(settled);
                break;
            case PersonFact.Absorbed { Settled: var settled }:
                Settle(settled);
                break;
            case PersonFact.Unsealed { Settled: { } settled }:
                Settle(settled);
                break;
            case PersonFact.AbsorbRefused { Settled: { } settled }:
                Settle(settled);
                break;
            default:
                break;
        }
    }

    // What was before is erased: the persons begin as they were left.
    private void Begin(PersonRoot root)
    {
        foreach (var id in root.FirstIds)
        {
            var person = root.SeenFrom(id);
            var members = root.Members.Where(member => person.Ids.Contains(member.Key)).ToImmutableDictionary();
            Keep(person with
            {
                Members = members,
                Pending = [],
                Refused = PersonRoot.Empty.Refused,
                Apart = null,
            });
        }
    }

    private void Settle(SettledMerge settled)
    {
        var pending = _asked[settled.Merge];
        var target = PersonOf(pending.Ask.TargetId);
        if (_without.Contains(settled.Merge))
        {
            Keep(Person.Learn(_home, target, pending.Event, _rules));
            return;
        }

        var isOne = target.Members.ContainsKey(pending.Ask.SourceId);
        var joins = settled.Joins && !isOne;
        var source = joins ? PersonOf(pending.Ask.SourceId) : target; // that of a refusal is of another root
        var result = joins ? MergePolicy.Admit(source, target) : isOne ? MergeResult.Same : MergeResult.Refused;
        var root = (joins ? MergePolicy.Join(source, target) : target) with { Pending = [pending] };
        var held = target.Profile?.Contact?.Turn;
        Keep(MergePolicy.Apply(_home, root, MergePolicy.Settle(root, pending, result, _rules, held)));
    }

    private PersonRoot PersonOf(string distinctId) => _persons.TryGetValue(distinctId, out var person)
        ? person
        : _persons[distinctId] = PersonState.Unborn(_home.Beside(distinctId)).Root;

    private void Keep(PersonRoot person)
    {
        foreach (var id in person.Ids)
        {
            _persons[id] = person;
        }
    }
}

/// <summary>The persons that a replay leaves.</summary>
/// <param name="Persons">All of them; of every member that took part in anything.</param>
/// <param name="Aliased">The ids that were given up.</param>
public sealed record PersonsReplayed(ImmutableArray<PersonPart> Persons, ImmutableArray<string> Aliased);
