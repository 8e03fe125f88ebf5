using System.Collections.Immutable;
using System.Text.Json;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Tests.Accounts;
using Xunit;

namespace VarianceActors.Pipeline.Tests.People;

/// <summary>Taking a merge back, through the pure functions.</summary>
public sealed class SplitTests
{
    private const int Seeds = 3_000;
    private static readonly string[] Ids = ["a", "b", "c", "d", "e"];
    private static readonly string[] Names = ["plan", "email", "$browser", "$geoip_time_zone"];

    private static readonly PersonRules Rules = PersonRules.Posthog with
    {
        Contacts = ContactRules.Of(
            AccountMatchingTests.Options(),
            "company",
            StageRuleReader.ReadContacts(
                ["lead: always", "active: event 'login' at least 2 times within 7 days"], StagePolicy.ForwardOnly).Rules!,
            StageRules.None),
    };

    [Fact]
    public void What_one_id_repeated_while_they_were_one_is_its_own_after_the_split()
    {
        var homes = new Homes();
        var merge = Guid.NewGuid();
        homes.Apply(Captured.Event("seen", "dev", """{"$set":{"plan":"pro"}}"""));
        homes.Apply(Captured.Event("seen", "acc", """{"$set":{"city":"Bern"}}"""));
        homes.Apply(Captured.Event("$identify", "acc", """{"$anon_distinct_id":"dev"}""", uuid: merge));
        homes.Apply(Captured.Event("seen", "acc", """{"$set":{"plan":"pro"}}"""));

        Assert.Equal(["city", "plan"], homes.PlanSplit("dev", merge)!.Split.Had!.Value.AsEnumerable());
        Assert.True(homes.Split("dev", merge));

        Assert.Equal("\"pro\"", homes.Person("acc")!.Properties["plan"].Json);
        Assert.Equal(["dev"], homes.Person("dev")!.DistinctIds.Order());
        Assert.False(homes.Person("dev")!.Properties.ContainsKey("city"));
    }

    [Fact]
    public void The_same_alias_is_refused_with_a_warning_unless_it_is_dangerous()
    {
        var homes = new Homes();
        var merge = Guid.NewGuid();
        homes.Apply(Captured.Event("seen", "dev"));
        homes.Apply(Captured.Event("$identify", "acc", """{"$anon_distinct_id":"dev"}""", uuid: merge));
        homes.Split("acc", merge);

        var again = homes.Apply(Captured.Event("$identify", "acc", """{"$anon_distinct_id":"dev"}"""));
        var turned = homes.Apply(Captured.Event("$create_alias", "dev", """{"alias":"acc"}"""));

        Assert.Equal(["merge_undone_before"], again.Warnings.Select(warning => warning.Type));
        Assert.Equal(["merge_undone_before"], turned.Warnings.Select(warning => warning.Type));
        Assert.NotEqual(homes.Person("acc")!.PersonUuid, homes.Person("dev")!.PersonUuid);

        homes.Apply(Captured.Event("$merge_dangerously", "acc", """{"alias":"dev"}"""));
        Assert.Equal(homes.Person("acc")!.PersonUuid, homes.Person("dev")!.PersonUuid);
    }

    [Fact]
    public void Only_the_person_of_the_merge_joins_another_root()
    {
        foreach (var other in new[] { "x", "y", "z", "w" })
        {
            var homes = new Homes();
            var merge = Guid.NewGuid();
            homes.Apply(Captured.Event("seen", "dev"));
            homes.Apply(Captured.Event("seen", "acc"));
            homes.Apply(Captured.Event("seen", other));
            homes.Apply(Captured.Event("$identify", "acc", """{"$anon_distinct_id":"dev"}""", uuid: merge));
            homes.Split("acc", merge);

            homes.Apply(Captured.Event("$identify", other, """{"$anon_distinct_id":"dev"}"""));
            homes.Crash();

            Assert.Equal(["dev", other], homes.Person("dev")!.DistinctIds.Order(StringComparer.Ordinal));
            Assert.Equal(["acc"], homes.Person("acc")!.DistinctIds.Order());
        }
    }

    [Fact]
    public void Whoever_was_refused_by_a_person_is_no_part_of_it_after_a_split()
    {
        foreach (var other in new[] { "x", "y", "z", "w" })
        {
            var homes = new Homes();
            var merge = Guid.NewGuid();
            homes.Apply(Captured.Event("$identify", other, $$"""{"$anon_distinct_id":"{{other}}-dev"}"""));
            homes.Apply(Captured.Event("$identify", "acc", """{"$anon_distinct_id":"dev"}""", uuid: merge));
            homes.Apply(Captured.Event("$identify", "acc", $$"""{"$anon_distinct_id":"{{other}}"}"""));
            homes.Split("acc", merge);

            homes.Apply(Captured.Event("$merge_dangerously", "acc", $$"""{"alias":"{{other}}"}"""));
            homes.Apply(Captured.Event("seen", "dev", """{"$set":{"plan":"free"}}"""));
            homes.Apply(Captured.Event("seen", other, """{"$set":{"plan":"pro"}}"""));

            Assert.Equal(homes.Person("acc")!.PersonUuid, homes.Person(other)?.PersonUuid);
            Assert.Equal("\"pro\"", homes.Person("acc")!.Properties["plan"].Json);
        }
    }

    [Fact]
    public void A_split_that_was_computed_from_an_older_history_does_not_happen()
    {
        var homes = new Homes();
        var merge = Guid.NewGuid();
        homes.Apply(Captured.Event("$identify", "acc", """{"$anon_distinct_id":"dev"}""", uuid: merge));
        var late = homes.PlanSplit("acc", merge)!;
        homes.Apply(Captured.Event("seen", "acc", """{"$set":{"city":"Bern"}}"""));

        Assert.Empty(HomeNode.Handle(homes.State(late.To), late, PersonRules.Posthog).Facts);
        Assert.True(homes.Split("acc", merge));
        Assert.Null(homes.Person("dev"));
    }

    [Fact]
    public void Split_after_merge_equals_never_merged()
    {
        var compared = 0;
        var joinedLater = 0;
        for (var seed = 0; seed < Seeds; seed++)
        {
            var random = new Random(seed);
            var script = Enumerable.Range(0, random.Next(4, 24)).Select(place => Draw(random, place)).ToArray();
            var merges = script.Where(one => one.Other is not null).ToArray();
            if (merges.Length == 0)
            {
                continue;
            }

            var undone = merges[random.Next(merges.Length)];
            var (merged, never) = (new Homes(Rules), new Homes(Rules));
            Play(merged, script, one => one.Event);
            if (!merged.Split(undone.Event.DistinctId, undone.Event.Uuid))
            {
                continue;
            }

            Play(never, script, one => one == undone ? one.Ordinary : one.Event);
            if (!Decided(merged, undone).SequenceEqual(Decided(never, undone)))
            {
                continue; // without it, another merge would have been decided differently
            }

            compared++;
            Compare(seed, "at the split", merged, never);
            var after = Enumerable.Range(script.Length, random.Next(1, 12)).Select(place => Draw(random, place))
                .Where(one => !IsAgain(one, undone)).ToArray();
            joinedLater += after.Count(one => one.Other is not null);
            Play(merged, after, one => one.Event);
            Play(never, after, one => one.Event);
            Compare(seed, "later", merged, never);
            merged.Crash();
            Compare(seed, "after a crash", merged, never);
        }

        Assert.True(compared > Seeds / 4, $"only {compared} histories could be compared");
        Assert.True(joinedLater > Seeds / 4, $"only {joinedLater} merges came later");
    }

    private static void Compare(int seed, string when, Homes merged, Homes never)
    {
        foreach (var id in Ids)
        {
            Assert.Equal($"{seed} {when} {id}: {Told(never, id)}", $"{seed} {when} {id}: {Told(merged, id)}");
        }
    }

    private static string Told(Homes homes, string id)
    {
        if (homes.Person(id) is not { } person)
        {
            return "nobody";
        }

        var properties = person.Properties.OrderBy(pair => pair.Key, StringComparer.Ordinal)
            .Select(pair => $"{pair.Key}={pair.Value.Json}");
        return $"{person.PersonUuid} {string.Join(',', person.DistinctIds.Order(StringComparer.Ordinal))} "
            + $"{person.UserId} {person.IsIdentified} {person.CreatedAt:O} {string.Join(' ', properties)} "
            + $"{person.Contact?.Group} {person.Contact?.Account?.Key} {person.Contact?.Stage} "
            + $"{person.Contact?.Tallies.Sum(tally => tally.Buckets.Sum(bucket => bucket.Count))}";
    }

    // What became of every merge but the one that is taken back, without the reasons.
    private static List<(Guid Event, bool Joined, bool Refused)> Decided(Homes homes, Happening undone)
    {
        var states = new Dictionary<PersonId, PersonState?>();
        var decided = new List<(Guid, bool, bool)>();
        foreach (var (home, fact) in homes.History)
        {
            var before = states.GetValueOrDefault(home);
            var told = fact is PersonFact.Split ? null : IdentityDecision.Of(before, fact);
            states[home] = Person.Evolve(before, fact);
            if (told is { Merge: not null, IsHeardOf: false } && told.Event.Uuid != undone.Event.Uuid)
            {
                var joined = told.Result is MergeResult.Created or MergeResult.Attached or MergeResult.Merged;
                decided.Add((told.Event.Uuid, joined, told.Result is MergeResult.Refused));
            }
        }

        return decided;
    }

    private static bool IsAgain(Happening one, Happening undone) =>
        (one.Other == undone.Other && one.Event.DistinctId == undone.Event.DistinctId)
        || (one.Other == undone.Event.DistinctId && one.Event.DistinctId == undone.Other);

    private static void Play(Homes homes, Happening[] script, Func<Happening, CaptureEvent> choose)
    {
        foreach (var one in script)
        {
            homes.Apply(choose(one));
        }
    }

    // Received one after the other, and some of them late.
    private static Happening Draw(Random random, int place)
    {
        var id = Ids[random.Next(Ids.Length)];
        var received = Captured.Nine.AddHours(12 * place);
        var at = received.AddDays(-5 * random.Next(3));
        var updates = string.Join(',', new[] { "$set", "$set_once" }.Where(_ => random.Next(3) > 0).Select(kind =>
            $"{JsonSerializer.Serialize(kind)}:{{{Pairs(random)}}}"));
        if (random.Next(8) == 0)
        {
            updates += (updates.Length > 0 ? "," : "") + $"\"$unset\":[\"{Names[random.Next(Names.Length)]}\"]";
        }

        var bytes = new byte[16];
        random.NextBytes(bytes);
        var uuid = new Guid(bytes);
        if (random.Next(3) > 0)
        {
            string[] names = ["seen", "$set", "$pageview", "$exception", "login", "login"];
            if (random.Next(4) == 0)
            {
                updates += $"{(updates.Length > 0 ? "," : "")}\"$groups\":{{\"company\":\"g{random.Next(2)}\"}}";
            }

            var seen = Captured.Event(names[random.Next(names.Length)], id, $"{{{updates}}}", at: at, uuid: uuid) with
            {
                ReceivedAt = received,
            };
            return new Happening(seen, seen, null);
        }

        var other = Ids[random.Next(Ids.Length)];
        if (other == id)
        {
            return Draw(random, place);
        }

        var (name, key) = random.Next(4) switch
        {
            0 => ("$create_alias", "alias"),
            1 => ("$merge_dangerously", "alias"),
            _ => ("$identify", "$anon_distinct_id"),
        };
        var asks = $"{{\"{key}\":\"{other}\"{(updates.Length > 0 ? "," : "")}{updates}}}";
        return new Happening(
            Captured.Event(name, id, asks, at: at, uuid: uuid),
            Captured.Event(name, id, $"{{{updates}}}", at: at, uuid: uuid),
            other);
    }

    private static string Pairs(Random random) => string.Join(',', Names.Where(_ => random.Next(2) == 0).Select(name =>
        $"\"{name}\":{Value(random, name)}"));

    private static string Value(Random random, string name) => name == "email"
        ? $"\"x@c{random.Next(2)}.com\""
        : random.Next(6) == 0 ? $"[{random.Next(2)}]" : $"\"{random.Next(2)}\"";

    private sealed record Happening(CaptureEvent Event, CaptureEvent Ordinary, string? Other);
}
