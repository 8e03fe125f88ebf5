using System.Net.Http.Json;
using System.Text.Json;
using Akka.Actor;
using Akka.Hosting;
using Microsoft.Extensions.DependencyInjection;
using VarianceActors.Harness;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Host.Tests.Views;

/// <summary>Stages that end because nothing happens.</summary>
public sealed class StageSweepTests
{
    [Fact]
    public async Task A_stage_ends_with_its_window_although_no_event_comes_and_also_that_of_the_account()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Hocon: """
            variance.views { lag = "00:00:00.001", stage-sweep = "00:00:01" }
            variance.connections.acme.stages {
              contacts = ["lead: always", "active: event 'report' at least 2 times within 2 days"]
              accounts = ["quiet: always", "busy: any contact (event 'report' at least 2 times within 2 days)"]
              contact-policy = free
              account-policy = free
            }
            """));
        await pipeline.CaptureAsync(
            new
            {
                @event = "$identify",
                distinct_id = "ada",
                properties = new Dictionary<string, object>
                {
                    ["$anon_distinct_id"] = "device",
                    ["$set"] = new { email = "ada@acme.com" },
                },
            },
            new { @event = "report", distinct_id = "ada" },
            new { @event = "report", distinct_id = "ada" });
        await pipeline.ViewsSettledAsync();
        Assert.Equal(("active", "busy"), await StagesAsync(pipeline));

        await pipeline.RestartAsync();
        pipeline.Clock.Advance(TimeSpan.FromDays(3));
        await PipelineHarness.UntilAsync(
            async () => await StagesAsync(pipeline) == ("lead", "quiet"), "both stages have ended");
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(pipeline.Variance.Received.Count(IsFallenBack) == 2), "Variance is told of both");
        await pipeline.ViewsSettledAsync();
        var moves = (await JsonAsync(pipeline, "contacts/ada")).GetProperty("moves").EnumerateArray();
        Assert.Equal(["lead", "active", "lead"], moves.Select(move => move.GetProperty("to").GetString()));
    }

    [Fact]
    public async Task A_stage_of_those_who_do_nothing_is_entered_although_nobody_ever_goes_back()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Hocon: """
            variance.views { lag = "00:00:00.001", stage-sweep = "00:00:01" }
            variance.connections.acme.stages {
              contacts = ["lead: always", "dormant: not event 'login' within 7 days"]
              accounts = ["active: always", "quiet: not any contact (event 'login' within 7 days)"]
            }
            """));
        await pipeline.CaptureAsync(
            new { @event = "login", distinct_id = "device" },
            new
            {
                @event = "$identify",
                distinct_id = "ada",
                properties = new Dictionary<string, object>
                {
                    ["$anon_distinct_id"] = "device",
                    ["$set"] = new { email = "ada@acme.com" },
                },
            });
        await pipeline.ViewsSettledAsync();
        Assert.Equal(("lead", "active"), await StagesAsync(pipeline));

        pipeline.Clock.Advance(TimeSpan.FromDays(9));
        await PipelineHarness.UntilAsync(
            async () => await StagesAsync(pipeline) == ("dormant", "quiet"), "both stages are entered");
    }

    [Fact]
    public async Task So_it_is_by_whoever_was_a_contact_before_it_did_anything()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Hocon: """
            variance.views { lag = "00:00:00.001", stage-sweep = "00:00:01" }
            variance.connections.acme.stages.contacts = [
              "lead: always"
              "dormant: event 'login' and not event 'login' within 14 days"
            ]
            """));
        await pipeline.CaptureAsync(Identify("ada", "ada@acme.com"));
        await pipeline.ViewsSettledAsync();
        pipeline.Clock.Advance(TimeSpan.FromDays(1));
        await pipeline.CaptureAsync(new { @event = "login", distinct_id = "ada" });
        await pipeline.ViewsSettledAsync();
        pipeline.Clock.Advance(TimeSpan.FromDays(16));

        await PipelineHarness.UntilAsync(
            async () => Name((await JsonAsync(pipeline, "contacts")).GetProperty("items")[0]) == "dormant", "it is entered");
    }

    [Fact]
    public async Task A_window_that_ended_while_two_were_one_or_just_before_a_pin_is_looked_at_afterwards()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Hocon: $$"""
            variance.views { lag = "00:00:00.001", stage-sweep = "{{NoSweep}}" }
            variance.connections.acme.stages {
              contacts = ["lead: always", "active: event 'report' at least 1 times within 14 days"]
              accounts = ["quiet: always", "busy: any contact (event 'report' at least 1 times within 14 days)"]
              contact-policy = free
              account-policy = free
            }
            """));
        var merge = Guid.NewGuid();
        await pipeline.CaptureAsync(Identify("ada", "ada@acme.com"), Identify("bob", "bob@beta.io"), Identify("cy", "cy@cy.io"));
        await pipeline.CaptureAsync(
            new { @event = "report", distinct_id = "ada" }, new { @event = "report", distinct_id = "cy" });
        await pipeline.ViewsSettledAsync();
        pipeline.Clock.Advance(TimeSpan.FromDays(13));
        await pipeline.CaptureAsync(new { @event = "report", distinct_id = "bob" });
        await pipeline.CaptureAsync(new
        {
            @event = "$merge_dangerously",
            distinct_id = "ada",
            uuid = merge,
            properties = new { alias = "bob" },
        });
        await pipeline.ViewsSettledAsync();
        pipeline.Clock.Advance(TimeSpan.FromDays(1)); // and nobody has looked yet

        using var pinned = await pipeline.ApiAsync(HttpMethod.Post, "persons/cy/stage", new { stage = "active", by = "eve" });
        using var split = await pipeline.ApiAsync(HttpMethod.Post, "persons/ada/split", new { @event = merge });
        Assert.True(pinned.IsSuccessStatusCode && split.IsSuccessStatusCode);
        await pipeline.ViewsSettledAsync();
        Sweep(pipeline, (_, _) => Task.FromResult<object?>(null));

        await PipelineHarness.UntilAsync(
            async () => await StageOfAsync("contacts/ada") == "lead" && await StageOfAsync("accounts/cy.io") == "quiet",
            "both are looked at");
        Assert.Equal("active", await StageOfAsync("contacts/cy"));
        Assert.Equal("active", await StageOfAsync("contacts/bob"));

        async Task<string?> StageOfAsync(string path)
        {
            var found = await JsonAsync(pipeline, path);
            return Name(found.TryGetProperty("contact", out var contact) ? contact : found);
        }
    }

    [Fact]
    public async Task Who_is_in_no_stage_any_more_has_none_at_Variance_either()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Hocon: """
            variance.views { lag = "00:00:00.001", stage-sweep = "00:00:01" }
            variance.connections.acme.stages {
              contacts = ["active: event 'report' within 2 days"]
              accounts = ["busy: any contact (event 'report' within 2 days)"]
              contact-policy = free
              account-policy = free
            }
            """));
        await pipeline.CaptureAsync(Identify("ada", "ada@acme.com"), new { @event = "report", distinct_id = "ada" });
        await pipeline.ViewsSettledAsync();
        pipeline.Clock.Advance(TimeSpan.FromDays(4));

        await PipelineHarness.UntilAsync(
            () => Task.FromResult(pipeline.Variance.Received.Count(IsFallenBack) == 2), "Variance is told of both");
        Assert.Equal(("active", null), (StageOf(pipeline, "identify", 0), StageOf(pipeline, "identify", 1)));
        Assert.Equal(("busy", null), (StageOf(pipeline, "group", 0), StageOf(pipeline, "group", 1)));
    }

    [Fact]
    public async Task New_rules_look_also_at_those_whom_the_lists_do_not_show_yet()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(DryRun: true, Hocon: Rules("lead", "00:01:00")));
        await pipeline.CaptureAsync(Identify("ada"));
        await pipeline.SettledAsync();

        // The first sweep finds empty lists.
        await pipeline.RestartAsync(hocon: Rules("person", "00:00:04"));
        await PipelineHarness.UntilAsync(async () => await StageAsync(pipeline, "ada") == "person", "ada is looked at");
        await PipelineHarness.UntilAsync(async () => await IsWalkedAsync(pipeline), "all are looked at");
    }

    [Fact]
    public async Task Who_cannot_be_looked_at_holds_up_nobody_and_is_looked_at_once_that_has_ended()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            DryRun: true, Hocon: Rules("lead", "00:00:00.001"), Store: StoreKind.Sqlite));
        await pipeline.CaptureAsync(Identify("ada"), Identify("bob"));
        await pipeline.ViewsSettledAsync();
        await PipelineHarness.UntilAsync(async () => await IsWalkedAsync(pipeline), "the first walk has ended");
        await pipeline.Database.WriteAsync(session => session.Execute(new Statement("""
            CREATE TRIGGER no_bob BEFORE INSERT ON view_feed WHEN instr(NEW.payload, CAST('bob' AS BLOB)) > 0
            BEGIN SELECT RAISE(ABORT, 'no bob'); END
            """)));

        await pipeline.RestartAsync(hocon: Rules("person", "00:00:00.001"));
        await PipelineHarness.UntilAsync(
            async () => await ListedStageAsync(pipeline, "ada") == "person", "the other one is looked at");
        await PipelineHarness.UntilAsync(async () => await IsWalkedAsync(pipeline), "all others are looked at");
        Assert.Equal("lead", await ListedStageAsync(pipeline, "bob"));

        await pipeline.Database.WriteAsync(session => session.Execute(new Statement("DROP TRIGGER no_bob")));
        await PipelineHarness.UntilAsync(
            async () => await ListedStageAsync(pipeline, "bob") == "person", "the one who could not be looked at is");
    }

    [Fact]
    public async Task Who_is_on_a_node_with_other_rules_is_looked_at_once_that_has_ended_however_long_it_takes()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            DryRun: true, Hocon: Rules("lead", "00:00:00.001", NoSweep)));
        await pipeline.CaptureAsync(Identify("ada"));
        await pipeline.ViewsSettledAsync();
        await pipeline.RestartAsync(hocon: Rules("person", "00:00:00.001", NoSweep));
        var (looks, isElsewhere) = (0, true);
        Sweep(pipeline, async (people, message) =>
        {
            if (message is not LookAgain look || !Volatile.Read(ref isElsewhere))
            {
                return null;
            }

            var found = await people.Ask<HistoryFound>(new GetHistory(look.To));
            Interlocked.Increment(ref looks);
            return found with { LookedWith = 1 };
        });
        await PipelineHarness.UntilAsync(() => Task.FromResult(Volatile.Read(ref looks) >= 20), "the look is tried on and on");
        await pipeline.ViewsSettledAsync();
        Volatile.Write(ref isElsewhere, false);

        await PipelineHarness.UntilAsync(
            async () => await ListedStageAsync(pipeline, "ada") == "person", "ada is looked at with the new rules");
    }

    [Fact]
    public async Task A_move_by_a_look_is_in_the_history_once_also_if_the_contact_changes_before_it_is_written()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(DryRun: true, Hocon: $$"""
            variance.views { lag = "00:00:00.001", stage-sweep = "{{NoSweep}}" }
            variance.connections.acme.stages {
              contacts = ["lead: always", "active: event 'report' within 2 days"]
              contact-policy = free
            }
            """));
        await pipeline.CaptureAsync(Identify("ada"), new { @event = "report", distinct_id = "ada" });
        await pipeline.ViewsSettledAsync();
        pipeline.Clock.Advance(TimeSpan.FromDays(4));
        var tells = 0;
        Sweep(pipeline, async (_, message) =>
        {
            if (message is TellAccount && ++tells == 1)
            {
                await pipeline.CaptureAsync(new
                {
                    @event = "bought",
                    distinct_id = "ada",
                    properties = new Dictionary<string, object> { ["$set"] = new { seats = 3 } },
                });
                await pipeline.ViewsSettledAsync();
            }

            return null;
        });

        await PipelineHarness.UntilAsync(
            async () => await ListedStageAsync(pipeline, "ada") == "lead" && (await MovesAsync(pipeline, "ada")).Length > 2,
            "the stage has ended");
        await PipelineHarness.UntilAsync(() => Task.FromResult(Volatile.Read(ref tells) > 1), "it is told again");
        await pipeline.ViewsSettledAsync();
        Assert.Equal(["lead", "active", "lead"], await MovesAsync(pipeline, "ada"));
    }

    private const string NoSweep = "1.00:00:00";

    // A sweep of its own, to whose questions something happens or is answered in between.
    private static void Sweep(PipelineHarness pipeline, Func<IActorRef, object, Task<object?>> between)
    {
        var system = pipeline.Services.GetRequiredService<ActorSystem>();
        var parts = pipeline.Services.GetRequiredService<PipelineParts>();
        var (people, accounts) = (ActorRegistry.For(system).Get<PeopleRegion>(), ActorRegistry.For(system).Get<AccountsRegion>());
        parts.Options.Views.StageSweep = TimeSpan.FromMilliseconds(50);
        var asked = system.ActorOf(Props.Create(() => new Between(people, between)));
        system.ActorOf(Props.Create(() => new StageSweep(parts, asked, accounts)));
    }

    private static async Task<string[]> MovesAsync(PipelineHarness pipeline, string id) =>
    [
        .. (await JsonAsync(pipeline, $"contacts/{id}")).GetProperty("moves").EnumerateArray()
            .Select(move => move.GetProperty("to").GetString()!),
    ];

    private static string Rules(string stage, string lag, string sweep = "00:00:01") => $$"""
        variance.views { lag = "{{lag}}", stage-sweep = "{{sweep}}" }
        variance.connections.acme.stages { contacts = ["{{stage}}: always"], contact-policy = free }
        """;

    private static async Task<bool> IsWalkedAsync(PipelineHarness pipeline)
    {
        await pipeline.ViewsSettledAsync();
        return await pipeline.Database.ReadAsync(session => session.Scalar(
            new Statement("SELECT value FROM setting WHERE name LIKE 'rules-walk-%'")) is string walk && walk.Contains("Done", StringComparison.Ordinal));
    }

    private static async Task<string?> StageAsync(PipelineHarness pipeline, string id) =>
        Name((await pipeline.PersonAsync(id))!.Value);

    private static string? StageOf(PipelineHarness pipeline, string type, int number) => pipeline.Variance.Received
        .Where(message => message.Type == type)
        .Select(message => message.Body.GetProperty("traits"))
        .Where(traits => traits.TryGetProperty("stage", out _))
        .ElementAt(number).GetProperty("stage").GetString();

    private static object Identify(string id, string? email = null) => new
    {
        @event = "$identify",
        distinct_id = id,
        properties = new Dictionary<string, object>
        {
            ["$anon_distinct_id"] = $"{id}-device",
            ["$set"] = email is null ? (object)new { } : new { email },
        },
    };

    private static async Task<string?> ListedStageAsync(PipelineHarness pipeline, string id) =>
        Name((await JsonAsync(pipeline, $"contacts/{id}")).GetProperty("contact"));

    private static bool IsFallenBack(Demo.ReceivedMessage message) => message.Type == "track"
        && message.Body.GetProperty("event").GetString() is "Contact Stage Changed" or "Account Stage Changed"
        && message.Body.GetProperty("properties").GetProperty("from").GetString() is "active" or "busy";

    private static async Task<(string?, string?)> StagesAsync(PipelineHarness pipeline)
    {
        var contacts = (await JsonAsync(pipeline, "contacts")).GetProperty("items");
        var accounts = (await JsonAsync(pipeline, "accounts")).GetProperty("items");
        return (Name(contacts[0]), Name(accounts[0]));
    }

    private static string? Name(JsonElement item) => item.GetProperty("stage").GetProperty("name").GetString();

    private static async Task<JsonElement> JsonAsync(PipelineHarness pipeline, string path)
    {
        using var answer = await pipeline.ApiAsync(path);
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    private sealed class Between : ReceiveActor
    {
        public Between(IActorRef people, Func<IActorRef, object, Task<object?>> between) => ReceiveAnyAsync(async message =>
        {
            var asking = Sender;
            if (await between(people, message) is { } answer)
            {
                asking.Tell(answer);
            }
            else
            {
                people.Tell(message, asking);
            }
        });
    }
}
