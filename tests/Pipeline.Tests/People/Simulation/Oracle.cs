using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Tests.People.Simulation;

/// <summary>An invariant does not hold.</summary>
public sealed class ViolationException(string message) : Exception(message);

/// <summary>The sequential truth: sets of ids, each with at most one person, told every fact at the moment it is
/// durable.</summary>
internal sealed class Oracle(SimulatedEvent[][] events, PersonRules rules, Func<int, PersonId> homeOf)
{
    private readonly int[] _set = [.. Enumerable.Range(0, events.Length)];
    private readonly int[] _size = [.. Enumerable.Repeat(1, events.Length)];
    private readonly OraclePerson?[] _person = new OraclePerson?[events.Length];
    private readonly int[] _applied = new int[events.Length];
    private readonly Dictionary<(int Id, long Offset), MergeResult> _settled = [];
    private readonly HashSet<string> _givenUp = [];
    private readonly HashSet<MergeId> _refused = [];
    private readonly Dictionary<string, int> _index =
        Enumerable.Range(0, events.Length).ToDictionary(at => homeOf(at).DistinctId);

    /// <summary>The ids that were given up by now.</summary>
    public IReadOnlySet<string> GivenUp => _givenUp;

    public int IndexOf(string distinctId) => _index[distinctId];

    public bool AreOne(int left, int right) => Find(left) == Find(right);

    public MergeResult? ResultOf(int id, long offset) =>
        _settled.TryGetValue((id, offset), out var result) ? result : null;

    /// <summary>Checks a fact that just became durable at a home, and follows it.</summary>
    public void Follow(int at, PersonFact fact)
    {
        switch (fact)
        {
            case PersonFact.EventApplied { Event: var applied }:
                Apply(at, applied);
                break;
            case PersonFact.MergeAsked { Merge: var pending }:
                Next(at, pending.Event);
                break;
            case PersonFact.Absorbed absorbed:
                Absorb(at, absorbed);
                break;
            case PersonFact.MergeEnded { Settled: var settled }:
                Settle(at, settled, settled.Refusal);
                break;
            case PersonFact.AbsorbRefused refused:
                Refuse(at, refused);
                break;
            case PersonFact.Unsealed { Settled: { } settled }:
                Settle(at, settled, settled.Refusal);
                break;
            case PersonFact.Linked { Parent: var parent }:
                Check(homeOf(at).Priority < parent.Priority, "I1: linked under a lower priority");
                Check(AreOne(at, IndexOf(parent.DistinctId)), "I3: linked across sets");
                break;
            default:
                break;
        }
    }

    /// <summary>Checks a root against the set that it stands for, once everything has come to rest.</summary>
    public void CheckRoot(int at, PersonState state)
    {
        var members = Enumerable.Range(0, events.Length).Where(other => AreOne(at, other)).ToHashSet();
        Check(members.SetEquals(state.Root.Ids.Select(IndexOf)), "I7: the members differ");
        foreach (var member in members)
        {
            var last = events[member].LastOrDefault(happening => happening.MakesFact)?.At.Offset ?? -1;
            Check(state.Root.Members[homeOf(member).DistinctId].Cursor >= last, "I2: a cursor was lost");
        }

        var (profile, person) = (state.Root.Profile, _person[Find(at)]);
        Check(profile is null == person is null, "I7: born or not");
        if (profile is null || person is null)
        {
            return;
        }

        Check(profile.IsIdentified == person.IsIdentified, "I6: identified or not");
        var held = profile.Properties.Remove(PersonProperties.CreatorEventUuid);
        Check(
            held.Count == person.Properties.Count
            && person.Properties.All(pair => held.TryGetValue(pair.Key, out var value) && value == pair.Value),
            "I7: the properties differ");
        Check(profile.IsIdentified == profile.UserId is not null, "a person is identified without a user id");
        Check(
            !profile.IsIdentified || state.Root.Ids.All(id => id == profile.UserId || _givenUp.Contains(id)),
            "an id was never given up");
        Check(profile.UserId is null || !_givenUp.Contains(profile.UserId), "the user id was given up");
    }

    public static void Check(bool holds, string invariant)
    {
        if (!holds)
        {
            throw new ViolationException(invariant);
        }
    }

    private void Apply(int at, AppliedEvent applied)
    {
        var happening = Next(at, applied);
        var set = Find(at);
        var person = _person[set] ??= new OraclePerson();
        person.Set(happening.Set);
    }

    // I2: every event that must make a fact made one, once and in order. I3: inside its own set.
    private SimulatedEvent Next(int at, AppliedEvent applied)
    {
        var id = IndexOf(applied.DistinctId);
        Check(AreOne(at, id), "I3: applied outside its set");
        var next = _applied[id];
        while (next < events[id].Length && events[id][next].At.Offset < applied.Offset)
        {
            Check(!events[id][next].MakesFact, "I2: an event was skipped");
            next++;
        }

        Check(next < events[id].Length && events[id][next].At.Offset == applied.Offset, "I2: applied twice");
        _applied[id] = next + 1;
        return events[id][next];
    }

    private void Absorb(int at, PersonFact.Absorbed absorbed)
    {
        var child = IndexOf(absorbed.Child.DistinctId);
        var merge = MergeOf(absorbed.Settled.Merge);
        var (source, target) = (Find(merge.Source), Find(merge.Target));
        Check(!AreOne(at, child), "I4: absorbed inside its own set");
        Check(
            (source, target) == (Find(child), Find(at)) || (target, source) == (Find(child), Find(at)),
            "I4: the merge is not between these sets");
        Check(Forbids(merge) is null, "I6: admitted what must be refused");
        var (first, second) = (_person[source], _person[target]);
        var result = (first, second) switch
        {
            (null, null) => MergeResult.Created,
            (null, _) or (_, null) => MergeResult.Attached,
            _ => MergeResult.Merged,
        };
        Check(absorbed.Settled.Result == result, "I6: the result is another");
        _set[source] = target;
        _size[target] += _size[source];
        _person[target] = OraclePerson.Join(first, second);
        Finish(merge, absorbed.Settled);
    }

    private void Refuse(int at, PersonFact.AbsorbRefused refused)
    {
        if (refused.Refusal.Reason is RefusalReason.Settled)
        {
            return;
        }

        var merge = refused.Refusal.Asked!.Merge.Id;
        Check(Forbids(MergeOf(merge)) is not null, "I6: refused what must be admitted");
        _refused.Add(merge);
        if (refused.Settled is { } settled)
        {
            Settle(at, settled, refused.Refusal.Reason);
        }
    }

    private void Settle(int at, SettledMerge settled, RefusalReason? refusal)
    {
        var merge = MergeOf(settled.Merge);
        Check(AreOne(at, merge.Target), "I3: settled outside its set");
        if (settled.Result is MergeResult.Same)
        {
            Check(AreOne(merge.Source, merge.Target), "I9: called the same and is not");
        }
        else
        {
            Check(settled.Result is MergeResult.Refused && refusal is not null, "I9: merged without being absorbed");
            Check(_refused.Contains(settled.Merge), "I6: refused without being judged");
        }

        Finish(merge, settled);
    }

    private void Finish(SimulatedMerge merge, SettledMerge settled)
    {
        var key = (merge.Target, settled.Merge.Offset);
        Check(_settled.TryAdd(key, settled.Result), "I9: settled twice");
        foreach (var id in settled.Change.GivenUpIds)
        {
            Check(_givenUp.Add(id), "an id was given up twice");
        }

        var person = _person[Find(merge.Target)] ??= new OraclePerson();
        person.IsIdentified = true;
        person.Set(events[merge.Target].Single(happening => happening.At.Offset == settled.Merge.Offset).Set);
    }

    private RefusalReason? Forbids(SimulatedMerge merge)
    {
        var (source, target) = (_person[Find(merge.Source)], _person[Find(merge.Target)]);
        if (source is { IsIdentified: true } && merge.Kind is not MergeKind.Dangerous)
        {
            if (target is not null)
            {
                return RefusalReason.AlreadyIdentified;
            }

            if (rules.AttachUnseen is AttachUnseen.Guarded)
            {
                return RefusalReason.AttachToIdentified;
            }
        }

        var size = _size[Find(merge.Source)] + _size[Find(merge.Target)];
        if (rules.Guards.DistinctIdsMax > 0 && size > rules.Guards.DistinctIdsMax)
        {
            return RefusalReason.TooManyIds;
        }

        return rules.Guards.KeepWorkDomainsApart
            && source?.WorkDomain is { } first
            && target?.WorkDomain is { } second
            && first != second
                ? RefusalReason.OtherWorkDomain
                : null;
    }

    private SimulatedMerge MergeOf(MergeId merge)
    {
        var id = IndexOf(merge.DistinctId);
        return events[id].Single(happening => happening.At.Offset == merge.Offset).Merge!;
    }

    private int Find(int id)
    {
        while (_set[id] != id)
        {
            id = _set[id];
        }

        return id;
    }
}

/// <summary>A person as the oracle sees it.</summary>
internal sealed class OraclePerson
{
    public const string Email = "email";

    public string? WorkDomain => Properties.TryGetValue(Email, out var address) ? address.Json.Split('@')[^1] : null;

    public bool IsIdentified { get; set; }

    public Dictionary<string, JsonValue> Properties { get; } = [];

    public static OraclePerson? Join(OraclePerson? source, OraclePerson? target)
    {
        if (source is null || target is null)
        {
            return source ?? target;
        }

        foreach (var (name, value) in source.Properties)
        {
            target.Properties.TryAdd(name, value);
        }

        target.IsIdentified |= source.IsIdentified;
        return target;
    }

    public void Set((string Name, JsonValue Value)? property)
    {
        if (property is { } known)
        {
            Properties[known.Name] = known.Value;
        }
    }
}
