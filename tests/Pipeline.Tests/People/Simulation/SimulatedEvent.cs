using System.Collections.Immutable;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Tests.Accounts;

namespace VarianceActors.Pipeline.Tests.People.Simulation;

/// <summary>A merge by the numbers of its ids.</summary>
internal sealed record SimulatedMerge(MergeKind Kind, int Source, int Target);

/// <summary>An event that will happen to one id.</summary>
/// <param name="At">The event and its offset.</param>
/// <param name="MakesFact">True if it changes the person whatever came before.</param>
/// <param name="Set">The one property that it sets.</param>
/// <param name="Merge">The merge that it asks for.</param>
internal sealed record SimulatedEvent(
    EventAt At,
    bool MakesFact,
    (string Name, JsonValue Value)? Set,
    SimulatedMerge? Merge);

/// <summary>What happens to each id in one run, drawn from a seed.</summary>
internal static class Script
{
    private static readonly PersonId[] Pool = [.. Enumerable.Range(0, 96).Select(at => Homes.Home($"id-{at}"))];

    public static ImmutableArray<PersonId> DrawHomes(Random random)
    {
        var count = random.Next(16) == 0 ? random.Next(9, 14) : random.Next(2, 8);
        var homes = Pool.ToArray();
        random.Shuffle(homes);
        return [.. homes[..count]];
    }

    public static PersonRules DrawRules(Random random)
    {
        var rules = new PersonRules(
            false,
            random.Next(4) == 0 ? AttachUnseen.Guarded : AttachUnseen.Posthog,
            MergeGuards.None with
            {
                DistinctIdsMax = random.Next(6) == 0 ? random.Next(2, 6) : 0,
                KeepWorkDomainsApart = random.Next(3) == 0,
            });
        return rules.Guards.KeepWorkDomainsApart
            ? rules with
            {
                Contacts = ContactRules.Of(AccountMatchingTests.Options(), "", StageRules.None, StageRules.None),
            }
            : rules;
    }

    /// <summary>Some events for every id, among them chains, rings and opposite pairs of merges.</summary>
    public static SimulatedEvent[][] Draw(Random random, ImmutableArray<PersonId> homes, PersonRules rules)
    {
        var plan = new List<(int Id, SimulatedMerge? Merge)>();
        switch (random.Next(4))
        {
            case 0:
                AddRing(plan, random, homes.Length);
                break;
            case 1:
                AddChain(plan, random, homes.Length);
                break;
            default:
                break;
        }

        for (var extra = random.Next(1, homes.Length + 2); extra > 0; extra--)
        {
            AddPair(plan, random, homes.Length);
        }

        for (var seen = random.Next(0, 2 * homes.Length); seen > 0; seen--)
        {
            plan.Add((random.Next(homes.Length), null));
        }

        if (rules.Guards.KeepWorkDomainsApart)
        {
            AddQuarrel(plan, random, homes.Length);
        }

        var order = plan.ToArray();
        random.Shuffle(order);
        return Happenings(order, random, homes, rules);
    }

    private static SimulatedEvent[][] Happenings(
        (int Id, SimulatedMerge? Merge)[] plan,
        Random random,
        ImmutableArray<PersonId> homes,
        PersonRules rules)
    {
        var events = homes.Select(_ => new List<SimulatedEvent>()).ToArray();
        foreach (var (id, merge) in plan)
        {
            // Offsets leave gaps, as they do where many ids share a partition.
            var offset = (events[id].Count == 0 ? 0 : events[id][^1].At.Offset) + random.Next(1, 4);
            events[id].Add(merge is null ? Seen(random, homes, id, offset, rules) : Asked(merge, homes, offset));
        }

        return [.. events.Select(list => list.ToArray())];
    }

    private static SimulatedEvent Seen(
        Random random,
        ImmutableArray<PersonId> homes,
        int id,
        long offset,
        PersonRules rules)
    {
        var distinctId = homes[id].DistinctId;
        if (random.Next(4) == 0)
        {
            return new SimulatedEvent(
                new EventAt(offset, Captured.Event("seen", distinctId, """{"$process_person_profile":false}""")),
                false,
                null,
                null);
        }

        // Names are shared between ids, so that it shows which side of a merge won; values are not.
        var (name, value) = ($"p{random.Next(3)}", $"\"{distinctId} {offset}\"");
        if (rules.Guards.KeepWorkDomainsApart)
        {
            (name, value) = (OraclePerson.Email, $"\"{distinctId}-{offset}@{(random.Next(2) == 0 ? "acme" : "other")}.test\"");
        }

        return new SimulatedEvent(
            new EventAt(offset, Captured.Event("seen", distinctId, $$$"""{"$set":{"{{{name}}}":{{{value}}}}}""")),
            true,
            (name, new JsonValue(value)),
            null);
    }

    private static SimulatedEvent Asked(SimulatedMerge merge, ImmutableArray<PersonId> homes, long offset)
    {
        var (source, target) = (homes[merge.Source].DistinctId, homes[merge.Target].DistinctId);
        var (name, other) = merge.Kind switch
        {
            MergeKind.Identify => ("$identify", "$anon_distinct_id"),
            MergeKind.Alias => ("$create_alias", "alias"),
            _ => ("$merge_dangerously", "alias"),
        };
        var value = $"\"{target} {offset}\"";
        var properties = $$$"""{"{{{other}}}":"{{{source}}}","$set":{"m":{{{value}}}}}""";
        return new SimulatedEvent(
            new EventAt(offset, Captured.Event(name, target, properties)),
            true,
            ("m", new JsonValue(value)),
            merge);
    }

    private static void AddRing(List<(int Id, SimulatedMerge? Merge)> plan, Random random, int count)
    {
        for (var at = 0; at < count; at++)
        {
            Add(plan, random, at, (at + 1) % count);
        }
    }

    private static void AddChain(List<(int Id, SimulatedMerge? Merge)> plan, Random random, int count)
    {
        for (var at = 1; at < count; at++)
        {
            Add(plan, random, at - 1, at);
        }
    }

    // Addresses come and go, so that what was refused might be admitted a moment later.
    private static void AddQuarrel(List<(int Id, SimulatedMerge? Merge)> plan, Random random, int count)
    {
        for (var times = 2 * count; times > 0; times--)
        {
            var source = random.Next(count);
            var target = (source + random.Next(1, count)) % count;
            plan.Add((target, new SimulatedMerge(MergeKind.Dangerous, source, target)));
            plan.Add((source, null));
            plan.Add((target, null));
        }
    }

    // Half of the pairs are asked for in both directions at once.
    private static void AddPair(List<(int Id, SimulatedMerge? Merge)> plan, Random random, int count)
    {
        var source = random.Next(count);
        var target = (source + random.Next(1, count)) % count;
        Add(plan, random, source, target);
        if (random.Next(2) == 0)
        {
            Add(plan, random, target, source);
        }
    }

    private static void Add(List<(int Id, SimulatedMerge? Merge)> plan, Random random, int source, int target)
    {
        var kind = random.Next(10) switch
        {
            < 5 => MergeKind.Identify,
            < 7 => MergeKind.Alias,
            _ => MergeKind.Dangerous,
        };
        plan.Add((target, new SimulatedMerge(kind, source, target)));
    }
}
