using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Akka.Actor;
using Akka.Hosting;
using Microsoft.Extensions.DependencyInjection;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using VarianceActors.Host.Tests.Identity;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Host.Tests.People;

/// <summary>Taking a merge back, through the doors and the API.</summary>
public class SplitTests
{
    private static readonly Statement AddBegun = new("""
        INSERT INTO unfinished_undo (connection, merge_event, distinct_id, since)
        SELECT number, @event, @id, 0 FROM connection WHERE @id <> ''
        """);

    private static readonly Statement CountBegun = new("SELECT count(*) FROM unfinished_undo");

    [Fact]
    public async Task A_merge_is_taken_back_as_if_it_had_never_happened()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var merge = Guid.NewGuid();
        await Settle(pipeline, Seen("dev", new { plan = "free", cart = 3 }));
        await Settle(pipeline, Identify("acc", "acc-phone", Guid.NewGuid(), new { plan = "pro", name = "Ada" }));
        await Settle(pipeline, Identify("acc", "dev", merge, new { city = "Oslo" }));
        await Settle(pipeline, Seen("dev", new { cart = 4 }));
        await Settle(pipeline, Seen("acc", new { cart = 9 }));

        var (status, split) = await Split(pipeline, "dev", merge);
        Assert.Equal(HttpStatusCode.OK, status);
        await pipeline.RestartAsync();

        var (dev, acc) = ((await pipeline.PersonAsync("dev"))!.Value, (await pipeline.PersonAsync("acc"))!.Value);
        Assert.Equal(("dev", false, "4,free"), Told(dev, "cart", "plan"));
        Assert.Equal(("acc,acc-phone", true, "9,pro,Oslo,Ada"), Told(acc, "cart", "plan", "city", "name"));
        Assert.NotEqual(dev.GetProperty("person_id").GetGuid(), acc.GetProperty("person_id").GetGuid());

        await Settle(pipeline, Seen("dev", new { last = "dev" }));
        await Settle(pipeline, Seen("acc-phone", new { last = "acc" }));
        Assert.Equal("dev", Property((await pipeline.PersonAsync("dev"))!.Value, "last"));
        Assert.Equal("acc", Property((await pipeline.PersonAsync("acc"))!.Value, "last"));

        var again = Guid.NewGuid();
        await Settle(pipeline, Identify("acc", "dev", again, new { }));
        using var story = await pipeline.ApiAsync($"events/{again}");
        var warnings = (await story.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("warnings");
        Assert.Equal("merge_undone_before", Assert.Single(warnings.EnumerateArray()).GetProperty("type").GetString());
        Assert.Equal("dev", Told((await pipeline.PersonAsync("dev"))!.Value).Ids);

        using var answer = await pipeline.ApiAsync("persons/dev/timeline");
        var told = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("decisions").EnumerateArray();
        Assert.Equal(
            ["created", "merged", "split", "refused"],
            told.Select(decision => decision.GetProperty("result").GetString()));
        Assert.Equal(2, split.GetProperty("persons").GetArrayLength());
        Assert.Equal(
            [pipeline.Clock.GetUtcNow()],
            told.Select(decision => decision.GetProperty("taken_back_at"))
                .Where(at => at.ValueKind != JsonValueKind.Null)
                .Select(at => at.GetDateTimeOffset()));
    }

    [Fact]
    public async Task A_dangerous_merge_that_was_taken_back_is_refused_when_it_comes_again_but_not_the_other_way_round()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var merge = Guid.NewGuid();
        await Settle(pipeline, Identify("bob", "bob-dev", Guid.NewGuid(), new { team = "red" }));
        await Settle(pipeline, Identify("ann", "ann-dev", Guid.NewGuid(), new { plan = "pro" }));
        await Settle(pipeline, Dangerous("ann", "bob", merge));
        await Split(pipeline, "ann", merge);
        var again = Guid.NewGuid();
        await Settle(pipeline, Dangerous("ann", "bob", again));

        Assert.Equal("ann,ann-dev", Told((await pipeline.PersonAsync("ann"))!.Value).Ids);
        using var answer = await pipeline.ApiAsync($"events/{again}");
        var warnings = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("warnings");
        Assert.Equal("merge_undone_before", warnings[0].GetProperty("type").GetString());

        await Settle(pipeline, Dangerous("bob", "ann", Guid.NewGuid()));
        Assert.Equal("ann,ann-dev,bob,bob-dev", Told((await pipeline.PersonAsync("ann"))!.Value).Ids);
    }

    [Fact]
    public async Task A_wish_that_names_no_event_is_refused()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await Settle(pipeline, Seen("ann", new { }));
        using var answer = await pipeline.ApiAsync(HttpMethod.Post, "persons/ann/split", new { });
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task Where_the_mapping_tells_no_contacts_there_is_nothing_to_correct()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var merge = Guid.NewGuid();
        await Settle(pipeline, Identify("bob", "bob-dev", Guid.NewGuid(), new { team = "red" }));
        await Settle(pipeline, Dangerous("ann", "bob", merge));
        var (status, split) = await Split(pipeline, "ann", merge);
        Assert.Equal((HttpStatusCode.OK, JsonValueKind.Null), (status, split.GetProperty("corrections").ValueKind));
    }

    [Fact]
    public async Task The_contacts_are_corrected_once_and_the_books_do_not_count_it()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var merge = Guid.NewGuid();
        await Settle(pipeline, Identify("bob", "bob-dev", Guid.NewGuid(), new { team = "red" }));
        await Settle(pipeline, Identify("ann", "ann-dev", Guid.NewGuid(), new { plan = "pro" }));
        await Settle(pipeline, Dangerous("ann", "bob", merge));
        var before = await pipeline.LedgerAsync();
        var sent = pipeline.Variance.Received.Length;

        var (_, split) = await Split(pipeline, "bob-dev", merge);
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(pipeline.Variance.Received.Length == sent + 2), "the corrections arrive");
        var (status, repeated) = await Split(pipeline, "ann", merge);
        await Settle(pipeline, Seen("ann", new { last = 1 }));

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(split.GetProperty("corrections").GetGuid(), repeated.GetProperty("corrections").GetGuid());
        var corrections = pipeline.Variance.Received.Skip(sent).Take(2).ToArray();
        Assert.Equal(["identify bob red gone", "identify ann gone pro"], corrections.Select(Correction));
        Assert.Equal(sent + 4, pipeline.Variance.Received.Length); // and what the last event became
        var after = await pipeline.LedgerAsync();
        Assert.Equal(before["accepted"] + 1, after["accepted"]);
        Assert.Equal(before["delivered"] + 1, after["delivered"]);
        using var answer = await pipeline.ApiAsync($"events/{split.GetProperty("corrections").GetGuid()}");
        var story = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal("delivered", story.GetProperty("state").GetString());
        Assert.Equal(2, story.GetProperty("messages").GetArrayLength());
    }

    [Fact]
    public async Task A_correction_that_is_refused_for_good_leaves_the_books_balanced()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var merge = Guid.NewGuid();
        await Settle(pipeline, Identify("bob", "bob-dev", Guid.NewGuid(), new { team = "red" }));
        await Settle(pipeline, Identify("ann", "ann-dev", Guid.NewGuid(), new { plan = "pro" }));
        await Settle(pipeline, Dangerous("ann", "bob", merge));
        var before = await pipeline.LedgerAsync();
        pipeline.Variance.Answer = _ => ValueTask.FromResult(new StandInAnswer(400));

        await Split(pipeline, "ann", merge);
        await PipelineHarness.UntilAsync(
            async () =>
            {
                using var answer = await pipeline.ApiAsync("dead-letters");
                var page = await answer.Content.ReadFromJsonAsync<JsonElement>();
                return page.GetProperty("items").GetArrayLength() == 2;
            },
            "both corrections are dead letters");

        Assert.Equal(before, await pipeline.LedgerAsync());
    }

    [Fact]
    public async Task Only_a_merge_of_the_person_can_be_taken_back()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var (seen, merge) = (Guid.NewGuid(), Guid.NewGuid());
        await Settle(pipeline, new { uuid = seen, @event = "seen", distinct_id = "eve" });
        await Settle(pipeline, Identify("acc", "dev", merge, new { }));

        Assert.Equal(HttpStatusCode.NotFound, (await Split(pipeline, "eve", seen)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Split(pipeline, "eve", merge)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Split(pipeline, "ghost", merge)).Status);
    }

    [Fact]
    public async Task A_person_that_is_never_quiet_can_be_split()
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions(Hocon: $"variance.connections.{PipelineHarness.Connection}.rate.burst = 1000000"));
        var merge = Guid.NewGuid();
        await Settle(pipeline, Identify("acc", "dev-0", Guid.NewGuid(), new { plan = "pro" }));
        await Settle(pipeline, Seen("other", new { team = "red" }));
        await Settle(pipeline, Dangerous("acc", "other", merge));
        for (var device = 1; device < 40; device++)
        {
            await pipeline.CaptureAsync(Identify("acc", $"dev-{device}", Guid.NewGuid(), new { device }));
        }

        await pipeline.SettledAsync();
        using var enough = new CancellationTokenSource();
        var talking = TalkAsync(pipeline, enough.Token);
        var (status, _) = await Split(pipeline, "acc", merge);
        await enough.CancelAsync();

        Assert.InRange(await talking, 1, int.MaxValue);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("other", Told((await pipeline.PersonAsync("other"))!.Value).Ids);
    }

    [Fact]
    public async Task What_was_begun_when_the_node_stopped_is_finished_by_itself()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var merge = Guid.NewGuid();
        await Settle(pipeline, Identify("bob", "bob-dev", Guid.NewGuid(), new { team = "red" }));
        await Settle(pipeline, Identify("ann", "ann-dev", Guid.NewGuid(), new { plan = "pro" }));
        await Settle(pipeline, Dangerous("ann", "bob", merge));
        var sent = pipeline.Variance.Received.Length;

        await BegunAsync(pipeline, "ann", merge); // all that a node leaves which stops before the split is recorded
        await pipeline.RestartAsync();
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(pipeline.Variance.Received.Length == sent + 2), "the corrections arrive");

        Assert.Equal(
            ["identify bob red gone", "identify ann gone pro"], pipeline.Variance.Received.Skip(sent).Select(Correction));
        Assert.Equal("ann,ann-dev", Told((await pipeline.PersonAsync("ann"))!.Value).Ids);
        Assert.Equal(0, await BegunAsync(pipeline));
    }

    [Fact]
    public async Task What_a_person_says_while_it_is_corrected_is_what_the_receiver_keeps()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var merge = Guid.NewGuid();
        await Settle(pipeline, Identify("bob", "bob-dev", Guid.NewGuid(), new { team = "red" }));
        await Settle(pipeline, Identify("ann", "ann-dev", Guid.NewGuid(), new { plan = "pro" }));
        await Settle(pipeline, Dangerous("ann", "bob", merge));
        var region = await pipeline.Services.GetRequiredService<IRequiredActor<PeopleRegion>>().GetAsync();
        var said = 0;
        Func<Task> say = SayAsync;
        var people = pipeline.Services.GetRequiredService<ActorSystem>()
            .ActorOf(Props.Create(() => new Interrupter(region, say)));

        var answer = await pipeline.Services.GetRequiredService<MergeUndo>().UndoAsync(
            people, new PersonId(PipelineHarness.Connection, "ann"), merge, CancellationToken.None);
        await pipeline.SettledAsync();

        Assert.Equal(UndoResult.Done, answer.Result);
        Assert.True(said >= 2);
        Assert.Equal("\"green 2\"", VarianceModel.Of(pipeline.Variance.Received).Contacts["bob"]["team"]);

        Task SayAsync() =>
            ++said <= 2 ? Settle(pipeline, Seen("bob", new { team = $"green {said}" })) : Task.CompletedTask;
    }

    [Fact]
    public async Task Account_and_stage_that_only_the_merge_gave_are_taken_away_from_the_contact()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Hocon: $$"""
            variance.connections.{{PipelineHarness.Connection}}.stages.contacts = ["paying: plan = 'pro'"]
            """));
        var merge = Guid.NewGuid();
        await Settle(pipeline, Seen("dev", new { email = "dev@acme.example", plan = "pro" }));
        await Settle(pipeline, Identify("ann", "ann-dev", Guid.NewGuid(), new { city = "Bern" }));
        await Settle(pipeline, Identify("ann", "dev", merge, new { }));
        var asOne = VarianceModel.Of(pipeline.Variance.Received).Contacts["ann"];
        Assert.Equal("\"paying\"", asOne["stage"]);
        Assert.True(asOne.ContainsKey("company"));

        await Split(pipeline, "ann", merge);
        await pipeline.SettledAsync();

        Assert.Equal(["city"], VarianceModel.Of(pipeline.Variance.Received).Contacts["ann"].Keys);
    }

    [Fact]
    public async Task Who_becomes_part_of_another_person_while_it_is_corrected_is_what_it_is_then()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var merge = Guid.NewGuid();
        await Settle(pipeline, Identify("bob", "bob-dev", Guid.NewGuid(), new { team = "red" }));
        await Settle(pipeline, Identify("ann", "ann-dev", Guid.NewGuid(), new { plan = "pro" }));
        await Settle(pipeline, Dangerous("ann", "bob", merge));
        var highest = ((string[])["bob", "bob-dev", "ann", "ann-dev"])
            .Select(id => new PersonId(PipelineHarness.Connection, id).Priority).Max()!;
        var zed = Enumerable.Range(0, 1000).Select(n => $"zed-{n}")
            .First(id => new PersonId(PipelineHarness.Connection, id).Priority > highest);
        await Settle(pipeline, Seen(zed, new { lang = "C#" }));
        var region = await pipeline.Services.GetRequiredService<IRequiredActor<PeopleRegion>>().GetAsync();
        var asked = 0;
        Func<Task> join = JoinAsync;
        var people = pipeline.Services.GetRequiredService<ActorSystem>()
            .ActorOf(Props.Create(() => new Interrupter(region, join)));

        var answer = await pipeline.Services.GetRequiredService<MergeUndo>().UndoAsync(
            people, new PersonId(PipelineHarness.Connection, "ann"), merge, CancellationToken.None);
        await pipeline.SettledAsync();

        Assert.Equal(UndoResult.Done, answer.Result);
        Assert.Contains(zed, Told((await pipeline.PersonAsync("bob"))!.Value).Ids.Split(','));
        Assert.Equal("\"green\"", VarianceModel.Of(pipeline.Variance.Received).Contacts["bob"]["team"]);

        // The second question of ann is the one for what it has become: bob has been asked by then.
        Task JoinAsync() => ++asked == 2
            ? Settle(pipeline, Identify("bob", zed, Guid.NewGuid(), new { team = "green" }))
            : Task.CompletedTask;
    }

    [Fact]
    public async Task Where_the_split_changes_who_a_contact_is_the_former_one_is_not_left_behind()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var merge = Guid.NewGuid();
        await Settle(pipeline, Seen("dev", new { plan = "free" }));
        await Settle(pipeline, Identify("ann", "dev", merge, new { city = "Bern" }));
        await Settle(pipeline, new { @event = "$create_alias", distinct_id = "ann", properties = new { alias = "crm-1" } });
        Assert.Equal(["ann"], VarianceModel.Of(pipeline.Variance.Received).Contacts.Keys);

        await Split(pipeline, "ann", merge);
        await pipeline.SettledAsync();

        Assert.Equal("crm-1", (await pipeline.PersonAsync("ann"))!.Value.GetProperty("user_id").GetString());
        var contacts = VarianceModel.Of(pipeline.Variance.Received).Contacts;
        Assert.Equal(["crm-1"], contacts.Keys);
        Assert.Equal(["city"], contacts["crm-1"].Keys);
    }

    [Fact]
    public async Task A_third_person_of_the_same_place_that_came_apart_before_stays_as_it_is()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var (earlier, merge) = (Guid.NewGuid(), Guid.NewGuid());
        await Settle(pipeline, Identify("cy", "cy-dev", Guid.NewGuid(), new { email = "cy@beta.io" }));
        await Settle(pipeline, Identify("gus", "gus-dev", Guid.NewGuid(), new { email = "gus@gamma.io" }));
        await Settle(pipeline, Identify("bob", "bob-dev", Guid.NewGuid(), new { email = "bob@acme.com" }));
        await Settle(pipeline, Identify("ann", "ann-dev", Guid.NewGuid(), new { email = "ann@acme.com" }));
        await Settle(pipeline, Dangerous("ann", "cy", earlier));
        await Split(pipeline, "ann", earlier);
        using var merged = await pipeline.ApiAsync(
            HttpMethod.Post, "accounts/beta.io/merge", new { into = "gamma.io", by = "eve" });
        Assert.True(merged.IsSuccessStatusCode);
        await Settle(pipeline, Seen("cy", new { last = 1 }));
        await Settle(pipeline, Dangerous("ann", "bob", merge));
        await Split(pipeline, "ann", merge);
        await pipeline.SettledAsync();

        await Settle(pipeline, new { @event = "$pageview", distinct_id = "cy" });

        var page = pipeline.Variance.Received[^1].Body;
        Assert.Equal("gamma.io", page.GetProperty("context").GetProperty("groupId").GetString());
    }

    private static async Task<int> TalkAsync(PipelineHarness pipeline, CancellationToken enough)
    {
        var said = 0;
        for (; !enough.IsCancellationRequested; said++)
        {
            await pipeline.CaptureAsync(Seen("acc", new { said }));
        }

        return said;
    }

    private static object Seen(string id, object set) =>
        new { @event = "seen", distinct_id = id, properties = new Dictionary<string, object> { ["$set"] = set } };

    private static object Identify(string id, string anonymous, Guid uuid, object set) => new
    {
        uuid,
        @event = "$identify",
        distinct_id = id,
        properties = new Dictionary<string, object> { ["$anon_distinct_id"] = anonymous, ["$set"] = set },
    };

    private static object Dangerous(string id, string alias, Guid uuid) =>
        new { uuid, @event = "$merge_dangerously", distinct_id = id, properties = new { alias } };

    private static async Task Settle(PipelineHarness pipeline, object happening)
    {
        await pipeline.CaptureAsync(happening);
        await pipeline.SettledAsync();
    }

    private static async Task<(HttpStatusCode Status, JsonElement Body)> Split(
        PipelineHarness pipeline,
        string id,
        Guid merge)
    {
        using var request = new HttpRequestMessage(
            HttpMethod.Post,
            $"/api/v1/connections/{PipelineHarness.Connection}/persons/{id}/split");
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {PipelineHarness.AdminKey}");
        request.Content = JsonContent.Create(new { @event = merge });
        using var answer = await pipeline.Http.SendAsync(request);
        return (answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>());
    }

    /// <summary>Puts an undo on the list, if one is given.</summary>
    /// <returns>How many are on the list.</returns>
    private static Task<long> BegunAsync(PipelineHarness pipeline, string id = "", Guid merge = default) =>
        pipeline.Database.WriteAsync(session =>
        {
            session.Execute(AddBegun, merge.ToByteArray(bigEndian: true), id);
            return (long)session.Scalar(CountBegun)!;
        });

    private static (string Ids, bool IsIdentified, string Values) Told(JsonElement person, params string[] names) => (
        string.Join(',', person.GetProperty("distinct_ids").EnumerateArray().Select(id => id.GetString())),
        person.GetProperty("is_identified").GetBoolean(),
        string.Join(',', names.Select(name => Property(person, name))));

    private static string Property(JsonElement person, string name) =>
        person.GetProperty("properties").GetProperty(name).ToString();

    private static string Correction(ReceivedMessage message) =>
        $"{message.Type} {message.Body.GetProperty("userId").GetString()} "
        + $"{Trait(message, "team")} {Trait(message, "plan")}";

    private static string? Trait(ReceivedMessage message, string name) =>
        message.Body.GetProperty("traits").TryGetProperty(name, out var value) ? value.GetString() ?? "gone" : "";

    // In front of all persons: whatever asks for ann after a split waits until something else has happened.
    private sealed class Interrupter : ReceiveActor
    {
        public Interrupter(IActorRef region, Func<Task> happen)
        {
            var isSplit = false;
            ReceiveAnyAsync(async message =>
            {
                isSplit |= message is SplitPerson;
                var asksForAnn = message is GetPerson { DistinctId: "ann" }
                    or GetHistory { DistinctId: "ann" }
                    or TellAccount { DistinctId: "ann" };
                if (isSplit && asksForAnn)
                {
                    await happen();
                }

                region.Tell(message, Sender);
            });
        }
    }
}
