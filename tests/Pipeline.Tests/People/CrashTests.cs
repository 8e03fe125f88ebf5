using System.Text;
using Akka.Actor;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Pipeline.Tests.People;

public sealed class CrashTests
{
    private const int Never = int.MaxValue;

    [Fact]
    public async Task A_crash_at_any_write_changes_neither_answers_nor_persons()
    {
        var options = PeopleHost.Options(options => options.MergeRetry = TimeSpan.FromMilliseconds(100));
        var list = new UnfinishedList();
        await using var host = await PeopleHost.StartOn(CrashingJournal.Config, options, list.Merges);
        var calm = new Crash(Never, false);
        var expected = await Play(host, "calm", calm, list);

        var crashed = await Task.WhenAll(Enumerable
            .Range(1, calm.Writes)
            .SelectMany(at => new[] { (at, afterIt: false), (at, afterIt: true) })
            .Select(async run =>
            {
                var crash = new Crash(run.at, run.afterIt);
                return (run, crash, Told: await Play(host, $"crash-{run.at}-{run.afterIt}", crash, list));
            }));

        Assert.InRange(calm.Writes, 15, 60);
        Assert.All(crashed, outcome => Assert.Equal(expected, outcome.Told));
        Assert.All(crashed, outcome => Assert.True(outcome.crash.Writes >= outcome.run.at, "the crash never happened"));
        Assert.All(crashed, outcome => Assert.Equal(0, outcome.crash.Unlisted));
        await WakeUntilEmpty(host, list);
    }

    [Fact]
    public async Task A_home_that_must_leave_memory_with_a_merge_under_way_comes_back_and_finishes_it()
    {
        var options = PeopleHost.Options(options => options.IdleTimeout = TimeSpan.FromMilliseconds(300));
        await using var host = await PeopleHost.StartOn(CrashingJournal.Config, options);
        PersonId[] homes = [new("idle", "acc"), new("idle", "dev")];
        var (lower, higher) = homes[0].Priority < homes[1].Priority ? (homes[0], homes[1]) : (homes[1], homes[0]);
        var gate = new TaskCompletionSource();
        CrashingJournal.HoldUntil(gate.Task, higher);
        var identify = Captured.Event(
            "$identify",
            lower.DistinctId,
            $$"""{"$anon_distinct_id":"{{higher.DistinctId}}"}""");
        host.People.Tell(new ApplyEvents(lower, lower.DistinctId, [new EventAt(1, identify)]));
        var first = await host.ActorOf(lower);

        // Its target cannot answer, so it is sealed and idle; nobody asks it again, and it has to leave.
        await first.WatchAsync();
        Assert.NotEqual(first, await host.ActorOf(lower));
        gate.SetResult();
        var found = await host.Ask<PersonFound>(new GetPerson(higher));
        while (found.Person.DistinctIds.Length < 2)
        {
            found = await host.Ask<PersonFound>(new GetPerson(higher));
        }

        Assert.Equal(lower.DistinctId, found.Person.UserId);
    }

    // What a crash left on the list without business leaves it when it is woken.
    private static async Task WakeUntilEmpty(PeopleHost host, UnfinishedList list)
    {
        foreach (var home in list.Homes)
        {
            host.People.Tell(new ResumeMerge(home));
        }

        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (list.Homes.Any())
        {
            Assert.True(await ticks.WaitForNextTickAsync(deadline.Token));
        }
    }

    // Births, a merge, an attachment, a refusal, opposite merges of the same pair, and events afterwards.
    private static async Task<IEnumerable<string>> Play(
        PeopleHost host, string connection, Crash crash, UnfinishedList list)
    {
        string[] ids = ["dev", "acc", "other", "late", "third"];
        CrashingJournal.Plan(crash, ids.Select(id => new PersonId(connection, id)), list);
        var told = new List<string>();
        var offset = 0L;
        foreach (var captured in Happenings())
        {
            var id = captured.DistinctId;
            var command = new ApplyEvents(new PersonId(connection, id), id, [new EventAt(++offset, captured)]);
            var result = Assert.Single((await host.Apply(command)).Results);
            told.Add(string.Join(' ', result.Messages.Select(message => Encoding.UTF8.GetString(message.Body.Span))));
            told.AddRange(result.Warnings.Select(warning => warning.Type));
        }

        foreach (var id in ids)
        {
            var found = await host.Ask<PersonFound>(new GetPerson(new PersonId(connection, id)));
            var properties = found.Person.Properties
                .Where(property => property.Key != PersonProperties.CreatorEventUuid)
                .OrderBy(property => property.Key, StringComparer.Ordinal)
                .Select(property => $"{property.Key}={property.Value.Json}");
            told.Add($"{id}: {string.Join(',', found.Person.DistinctIds.Order())} {string.Join(' ', properties)}");
        }

        return told;
    }

    private static IEnumerable<CaptureEvent> Happenings() =>
    [
        Captured.Event("seen", "dev", """{"$set":{"cart":3,"who":"dev"}}"""),
        Captured.Event("seen", "acc", """{"$set":{"who":"acc"}}"""),
        Captured.Event("$identify", "acc", """{"$anon_distinct_id":"dev","$set":{"n":1}}"""),
        Captured.Event("seen", "dev", """{"$set":{"n":2}}"""),
        Captured.Event("$create_alias", "acc", """{"alias":"late"}"""),
        Captured.Event("seen", "other", """{"$set":{"who":"other"}}"""),
        Captured.Event("$identify", "other", """{"$anon_distinct_id":"dev","$set":{"n":3}}"""),
        Captured.Event("$merge_dangerously", "other", """{"alias":"acc"}"""),
        Captured.Event("$merge_dangerously", "acc", """{"alias":"other","$set":{"n":4}}"""),
        Captured.Event("seen", "third", """{"$set":{"third":true}}"""),
        Captured.Event("$identify", "late", """{"$anon_distinct_id":"third","$unset":["cart"]}"""),
        Captured.Event("seen", "dev", """{"$set":{"end":true}}"""),
    ];
}
