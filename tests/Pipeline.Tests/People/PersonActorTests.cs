using System.Text;
using Akka.Actor;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Tests.Stores;
using Xunit;

namespace VarianceActors.Pipeline.Tests.People;

public sealed class PersonActorTests
{
    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_person_outlives_its_node_and_repeats_are_answered_alike(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var born = Command("vis", (1, Captured.Event("seen", "vis", """{"$set":{"plan":"pro"}}""")));
        EventsApplied first;
        await using (var host = await PeopleHost.Start(store))
        {
            first = await host.Apply(born);
        }

        await using var again = await PeopleHost.Start(store);
        var repeated = await again.Apply(born);
        var person = await again.Find("vis");

        Assert.Equal(LedgerDecision.Queued, Assert.Single(first.Results).Decision);
        Assert.Equal(Bodies(first), Bodies(repeated));
        Assert.Equal("\"pro\"", person!.Properties["plan"].Json);
        Assert.Equal(0, person.Version);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_late_repeat_does_not_undo_a_newer_change(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await using var host = await PeopleHost.Start(store);
        var old = Command("vis", (1, Captured.Event("seen", "vis", """{"$set":{"plan":"free"}}""")));
        await host.Apply(old);
        await host.Apply(Command("vis", (2, Captured.Event("seen", "vis", """{"$set":{"plan":"pro"}}"""))));

        await host.Apply(old);

        Assert.Equal("\"pro\"", (await host.Find("vis"))!.Properties["plan"].Json);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_merge_unites_two_homes_and_outlives_their_node(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        EventsApplied merged;
        var identify = Command("acc", (3, Captured.Event("$identify", "acc", """{"$anon_distinct_id":"dev"}""")));
        await using (var host = await PeopleHost.Start(store))
        {
            await host.Apply(Command("dev", (1, Captured.Event("seen", "dev", """{"$set":{"cart":3}}"""))));
            await host.Apply(Command("acc", (2, Captured.Event("seen", "acc", """{"$set":{"plan":"pro"}}"""))));
            merged = await host.Apply(identify);
        }

        await using var again = await PeopleHost.Start(store);
        var byDevice = await again.Find("dev");
        var byAccount = await again.Find("acc");
        var repeated = await again.Apply(identify);

        Assert.Equal(["acc v1 True gave up dev"], Bodies(merged));
        Assert.Equal(Bodies(merged), Bodies(repeated));
        Assert.Equal(byAccount!.PersonUuid, byDevice!.PersonUuid);
        Assert.Equal("3", byDevice.Properties["cart"].Json);
        Assert.Equal("acc", byDevice.UserId);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Snapshots_bring_a_person_back(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var options = PeopleHost.Options(options => options.SnapshotEvery = 2);
        await using (var host = await PeopleHost.Start(store, options))
        {
            for (var offset = 1; offset <= 7; offset++)
            {
                await host.Apply(Command(
                    "vis",
                    (offset, Captured.Event("seen", "vis", $$$"""{"$set":{"n":{{{offset}}}}}"""))));
            }
        }

        await using var again = await PeopleHost.Start(store, options);
        var person = await again.Find("vis");

        Assert.Equal("7", person!.Properties["n"].Json);
        Assert.Equal(6, person.Version);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task An_idle_person_leaves_memory_and_comes_back(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        var options = PeopleHost.Options(options => options.IdleTimeout = TimeSpan.FromMilliseconds(400));
        await using var host = await PeopleHost.Start(store, options);
        await host.Apply(Command("vis", (1, Captured.Event("seen", "vis", """{"$set":{"plan":"pro"}}"""))));
        var actor = await host.ActorOf(Homes.Home("vis"));

        await actor.WatchAsync();

        Assert.Equal("\"pro\"", (await host.Find("vis"))!.Properties["plan"].Json);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Nobody_is_found_where_nobody_was_born(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await using var host = await PeopleHost.Start(store);
        var personless = Captured.Event("seen", "ghost", """{"$process_person_profile":false}""");

        var applied = await host.Apply(Command("ghost", (1, personless)));

        Assert.Equal(LedgerDecision.Filtered, Assert.Single(applied.Results).Decision);
        Assert.Null(await host.Find("ghost"));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task A_dropped_event_is_refused_with_PostHogs_name_for_it(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await using var host = await PeopleHost.Start(store);
        var dropped = Captured.Event("$identify", "acc", """{"$anon_distinct_id":42}""");

        var result = Assert.Single((await host.Apply(Command("acc", (1, dropped)))).Results);

        Assert.Equal((LedgerDecision.Refused, "invalid_anon_distinct_id"), (result.Decision, result.Reason));
        Assert.Equal(Homes.Home("acc").Priority.Lane, result.Lane);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Scenarios_end_the_same_through_actors_and_a_journal(StoreKind kind)
    {
        await using var store = await TemporaryDatabase.CreateAsync(kind);
        await using var host = await PeopleHost.Start(store);

        await Task.WhenAll(Scenario.All().Select(scenario => Play(host, scenario)));
    }

    private static async Task Play(PeopleHost host, Scenario scenario)
    {
        var warnings = new List<(string Type, int Event)>();
        for (var at = 0; at < scenario.Events.Length; at++)
        {
            var captured = scenario.Events[at];
            var home = new PersonId(scenario.Id, captured.DistinctId);
            var applied = await host.Apply(new ApplyEvents(home, captured.DistinctId, [new EventAt(at, captured)]));
            warnings.AddRange(Assert.Single(applied.Results).Warnings.Select(warning => (warning.Type, at)));
        }

        var persons = new List<PersonSnapshot>();
        foreach (var id in scenario.Ids())
        {
            if (await host.Ask<object>(new GetPerson(new PersonId(scenario.Id, id))) is PersonFound found)
            {
                persons.Add(found.Person);
            }
        }

        Assert.Equal(scenario.Lines(), scenario.Lines(persons, warnings));
    }

    private static ApplyEvents Command(string distinctId, params (long Offset, CaptureEvent Event)[] events) =>
        new(Homes.Home(distinctId), distinctId, [.. events.Select(at => new EventAt(at.Offset, at.Event))]);

    private static IEnumerable<string> Bodies(EventsApplied applied) =>
        applied.Results.SelectMany(result => result.Messages).Select(m => Encoding.UTF8.GetString(m.Body.Span));
}
