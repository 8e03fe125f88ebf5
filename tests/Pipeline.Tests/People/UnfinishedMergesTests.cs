using Akka.Actor;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.People;

public sealed class UnfinishedMergesTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task After_a_crash_a_sealed_home_that_nobody_calls_is_woken_and_comes_to_rest(StoreKind kind)
    {
        var connection = $"crash-{Guid.NewGuid():n}"[..16];
        PersonId[] homes = [new(connection, "acc"), new(connection, "dev")];
        var (lower, higher) = homes[0].Priority < homes[1].Priority ? (homes[0], homes[1]) : (homes[1], homes[0]);
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var layout = await PipelineLayout.ReadAsync(store.Database, 4, 1, [connection]);
        var unfinished = UnfinishedMerges.In(store.Database, layout, TimeProvider.System);
        var askedToAbsorb = FailingJournal.Fail(higher);
        await using (var first = await PeopleHost.StartOnFailing(store, unfinished))
        {
            var identify = Captured.Event(
                "$identify", lower.DistinctId, $$"""{"$anon_distinct_id":"{{higher.DistinctId}}"}""");
            first.People.Tell(new ApplyEvents(lower, lower.DistinctId, [new EventAt(1, identify)]));
            await askedToAbsorb.WaitAsync(Patience);
        }

        Assert.Equal([lower.DistinctId], (await ListAsync(store)).Select(home => home.DistinctId));

        await using var second = await PeopleHost.Start(store, unfinished: unfinished);
        second.System.ActorOf(Props.Create(
            () => new MergeWaker(second.People, store.Database, layout, TimeProvider.System)));
        await UntilAsync(async () => (await ListAsync(store)).Count == 0);

        var found = await second.Ask<PersonFound>(new GetPerson(higher));
        Assert.Equal(lower.DistinctId, found.Person.UserId);
        Assert.Equal(2, found.Person.DistinctIds.Length);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_late_end_does_not_take_away_a_newer_beginning(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var layout = await PipelineLayout.ReadAsync(store.Database, 4, 1, ["acme"]);
        var unfinished = UnfinishedMerges.In(store.Database, layout, TimeProvider.System);
        var home = new PersonId("acme", "acc");

        await unfinished.Begin(home, 3);
        await unfinished.Begin(home, 8);
        await unfinished.Begin(home, 5);
        await unfinished.End(home, 7);
        Assert.Single(await ListAsync(store));

        await unfinished.End(home, 8);
        Assert.Empty(await ListAsync(store));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task The_list_is_walked_page_by_page_over_all_connections(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var layout = await PipelineLayout.ReadAsync(store.Database, 4, 1, ["acme", "globex"]);
        var unfinished = UnfinishedMerges.In(store.Database, layout, TimeProvider.System);
        PersonId[] homes = [new("acme", "b"), new("globex", "a"), new("acme", "a"), new("globex", "c"), new("acme", "c")];
        foreach (var home in homes)
        {
            await unfinished.Begin(home, 1);
        }

        var walked = new List<UnfinishedMerge>();
        var (connection, distinctId) = (0, "");
        while (await ListAsync(store, connection, distinctId, rows: 2) is { Count: > 0 } page)
        {
            walked.AddRange(page);
            (connection, distinctId, _) = page[^1];
        }

        var expected = homes.Select(home => (layout.NumberByConnection[home.ConnectionId], home.DistinctId)).Order();
        Assert.Equal(expected, walked.Select(home => (home.Connection, home.DistinctId)));
    }

    private static Task<List<UnfinishedMerge>> ListAsync(
        TemporaryDatabase store, int connection = 0, string distinctId = "", int rows = 100) =>
        store.Database.ReadAsync(session => UnfinishedMergeStatements.List(session, connection, distinctId, rows));

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var deadline = new CancellationTokenSource(Patience);
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!await condition())
        {
            Assert.True(await ticks.WaitForNextTickAsync(deadline.Token));
        }
    }
}
