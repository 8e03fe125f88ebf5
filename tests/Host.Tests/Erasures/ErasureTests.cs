using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Akka.Actor;
using Akka.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Host.Tests.Erasures;

/// <summary>Erasing a person, through the doors and the API.</summary>
public sealed class ErasureTests
{
    private const string Canary = "canary-7f3a";
    private static readonly Statement SelectPhase = new("SELECT phase FROM erasure");

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Whichever_id_is_named_nothing_of_the_person_is_left_anywhere(StoreKind store)
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Store: store));
        await PlantAsync(pipeline);
        await pipeline.CaptureAsync(Seen("neighbour", new { city = "Oslo" }));
        await pipeline.SettledAsync();
        var uuid = (await pipeline.PersonAsync(Id("ada")))!.Value.GetProperty("person_id").GetString()!;

        var receipt = await EraseAsync(pipeline, Id("phone"));

        Assert.Equal("done", receipt.GetProperty("state").GetString());
        Assert.Equal(3, receipt.GetProperty("ids").GetInt32());
        Assert.True(receipt.GetProperty("journal_rows").GetInt32() > 0);
        Assert.Equal(Id("ada"), receipt.GetProperty("variance").GetProperty("ids")[0].GetString());
        await AssertNothingLeftAsync(pipeline);
        await AssertNothingLeftAsync(pipeline, uuid);
        foreach (var id in (string[])["ada", "phone", "laptop"])
        {
            Assert.Null(await pipeline.PersonAsync(Id(id)));
        }

        Assert.NotNull(await pipeline.PersonAsync("neighbour"));
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task What_comes_late_does_not_bring_the_person_back(StoreKind store)
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Store: store));
        await PlantAsync(pipeline);
        await EraseAsync(pipeline, Id("ada"));
        var sent = pipeline.Variance.Received.Length;

        await pipeline.CaptureAsync(Seen(Id("ada"), new { email = $"{Canary}@work.example" }));
        await pipeline.CaptureAsync(Identify(Id("ada"), Id("new-device"), new { name = Canary }));
        await pipeline.CaptureAsync(Identify("bob", Id("phone"), new { name = "Bob" }));
        await pipeline.CaptureAsync(Alias("carl", Id("laptop")));
        await pipeline.SettledAsync();

        foreach (var id in (string[])["ada", "phone", "laptop", "new-device"])
        {
            Assert.Null(await pipeline.PersonAsync(Id(id)));
        }

        var bob = (await pipeline.PersonAsync("bob"))!.Value;
        Assert.Equal("bob", Assert.Single(bob.GetProperty("distinct_ids").EnumerateArray()).GetString());
        Assert.True(bob.GetProperty("is_identified").GetBoolean());
        Assert.Equal("carl", Assert.Single(
            (await pipeline.PersonAsync("carl"))!.Value.GetProperty("distinct_ids").EnumerateArray()).GetString());
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((2, 0), (ledger["suppressed"], ledger["imbalance"]));
        Assert.DoesNotContain(
            pipeline.Variance.Received.Skip(sent), one => one.Body.GetRawText().Contains(Canary, StringComparison.Ordinal));
        await EraseAsync(pipeline, Id("ada"));
        await AssertNothingLeftAsync(pipeline);
    }

    [Fact]
    public async Task What_waits_is_not_sent_and_what_is_on_the_wire_is_awaited()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await PlantAsync(pipeline);
        var (reached, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        pipeline.Variance.Answer = async message =>
        {
            reached.TrySetResult();
            await release.Task;
            return Echo(500, message);
        };
        await pipeline.CaptureAsync(Track(Id("ada"), "first"));
        await reached.Task;
        await pipeline.CaptureAsync(Track(Id("ada"), "second"));
        await pipeline.CaptureAsync(Track("bob", "third"));
        await UntilWaitingAsync(pipeline, 3);

        var erasing = EraseAsync(pipeline, Id("laptop"));
        await PipelineHarness.UntilAsync(async () => await PhaseAsync(pipeline) == "running", "the erasure runs");
        Assert.False(erasing.IsCompleted);
        release.SetResult();
        var receipt = await erasing;
        var sent = pipeline.Variance.Received.Length;
        pipeline.Variance.Answer = _ => ValueTask.FromResult(new StandInAnswer(200));
        pipeline.Clock.Advance(TimeSpan.FromMinutes(10));
        await pipeline.SettledAsync();

        Assert.Equal(2, receipt.GetProperty("messages_not_sent").GetInt32());
        Assert.All(
            pipeline.Variance.Received.Skip(sent),
            one => Assert.DoesNotContain(Canary, one.Body.GetRawText(), StringComparison.Ordinal));
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((2, 0), (ledger["suppressed"], ledger["imbalance"]));
        await AssertNothingLeftAsync(pipeline);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Dead_letters_and_replays_lose_their_content_and_the_books_balance(StoreKind store)
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Store: store));
        await PlantAsync(pipeline);
        pipeline.Variance.Answer = message => ValueTask.FromResult(Echo(400, message));
        foreach (var (id, dead) in ((string, int)[])[(Id("ada"), 1), (Id("phone"), 2), ("bob", 3)])
        {
            await pipeline.CaptureAsync(Track(id, id));
            await PipelineHarness.UntilAsync(async () => (await pipeline.LedgerAsync())["dead"] == dead, "it is dead");
        }

        using (await pipeline.ApiAsync(HttpMethod.Post, "pause"))
        {
        }

        using (await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/2/replay"))
        {
        }

        var receipt = await EraseAsync(pipeline, Id("ada"));

        Assert.Equal(2, receipt.GetProperty("dead_letters").GetInt32());
        Assert.Equal(0, (await pipeline.LedgerAsync())["imbalance"]);
        await AssertNothingLeftAsync(pipeline);
        pipeline.Variance.Answer = _ => ValueTask.FromResult(new StandInAnswer(200));
        using (await pipeline.ApiAsync(HttpMethod.Post, "resume"))
        {
        }

        await pipeline.SettledAsync();
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((1, 2, 0), (ledger["dead"], ledger["discarded"], ledger["imbalance"]));
        using var letter = await pipeline.ApiAsync("dead-letters/1");
        Assert.Contains("erased", await letter.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public async Task An_account_keeps_its_own_and_forgets_the_member(int project)
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            Hocon: $"variance.connections.{PipelineHarness.Connection}.identity.project-id = {project}"));
        await PlantAsync(pipeline);
        await pipeline.CaptureAsync(Identify("bob", "bob-phone", new { email = "bob@work.example", name = "Bob" }));
        await pipeline.SettledAsync();

        var receipt = await EraseAsync(pipeline, Id("phone"));

        Assert.Equal(1, receipt.GetProperty("accounts").GetInt32());
        using var answer = await pipeline.ApiAsync("accounts/work.example");
        var account = await answer.Content.ReadAsStringAsync();
        Assert.Contains("bob", account, StringComparison.Ordinal);
        Assert.Equal(1, JsonDocument.Parse(account).RootElement.GetProperty("contact_count").GetInt32());
        using var contacts = await pipeline.ApiAsync("contacts");
        var listed = JsonDocument.Parse(await contacts.Content.ReadAsStringAsync()).RootElement.GetProperty("items");
        Assert.Equal("bob", Assert.Single(listed.EnumerateArray()).GetProperty("user_id").GetString());
        await AssertNothingLeftAsync(pipeline);
    }

    [Fact]
    public async Task Somebody_who_was_asked_to_become_one_with_the_person_keeps_everything_but_the_name()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await PlantAsync(pipeline);
        await pipeline.CaptureAsync(Identify("bob", "bob-phone", new { name = "Bob" }));
        await pipeline.SettledAsync();
        await pipeline.CaptureAsync(Identify("bob", Id("ada"), new { plan = "pro" }));
        await pipeline.CaptureAsync(Identify(Id("phone"), "bob-phone", new { last = Canary }));
        await pipeline.SettledAsync();

        var receipt = await EraseAsync(pipeline, Id("ada"));

        Assert.Equal(2, receipt.GetProperty("warnings").GetInt32());
        await AssertNothingLeftAsync(pipeline);
        await pipeline.RestartAsync();
        await pipeline.CaptureAsync(Seen("bob-phone", new { last = "seen" }));
        await pipeline.SettledAsync();
        var bob = (await pipeline.PersonAsync("bob"))!.Value;
        Assert.Equal(2, bob.GetProperty("distinct_ids").GetArrayLength());
        Assert.Equal("seen", bob.GetProperty("properties").GetProperty("last").GetString());
        Assert.Equal("pro", bob.GetProperty("properties").GetProperty("plan").GetString());
        using var timeline = await pipeline.ApiAsync("persons/bob/timeline");
        Assert.Equal(HttpStatusCode.OK, timeline.StatusCode);
        await AssertNothingLeftAsync(pipeline);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task Whatever_word_an_id_is_accounts_and_others_keep_what_is_theirs(StoreKind store)
    {
        string[] ids = ["u42", "event", "at", "set", "pro", PipelineHarness.Connection];
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Store: store));
        await pipeline.CaptureAsync(
            [.. ids.Append("bob").SelectMany(id => (object[])[Identify(id, $"{id}-phone", new { name = id }), InGroup(id, "u42")])]);
        await pipeline.CaptureAsync(GroupIdentify("bob", "u42", new { tier = "pro", kind = "event", u42 = "u42" }));
        await pipeline.SettledAsync();
        await pipeline.CaptureAsync(Identify("bob", "pro", new { plan = "pro", rival = "u42" })); // they stay two
        await pipeline.SettledAsync();

        foreach (var id in ids)
        {
            Assert.Equal(1, (await EraseAsync(pipeline, id)).GetProperty("accounts").GetInt32());
        }

        await pipeline.RestartAsync();
        await pipeline.CaptureAsync(Identify("bob", "bob-phone", new { last = "seen" }));
        await pipeline.SettledAsync();
        using var answer = await pipeline.ApiAsync("accounts/u42");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var account = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
        Assert.Equal("u42", account.GetProperty("id").GetString());
        Assert.Equal(1, account.GetProperty("contact_count").GetInt32());
        Assert.Equal(
            """{"kind":"event","tier":"pro","u42":"u42"}""",
            JsonSerializer.Serialize(account.GetProperty("properties").EnumerateObject()
                .OrderBy(one => one.Name, StringComparer.Ordinal)
                .ToDictionary(one => one.Name, one => one.Value)));
        var bob = (await pipeline.PersonAsync("bob"))!.Value.GetProperty("properties");
        Assert.Equal(
            ("pro", "u42", "seen"),
            (bob.GetProperty("plan").GetString(), bob.GetProperty("rival").GetString(), bob.GetProperty("last").GetString()));
        using var timeline = await pipeline.ApiAsync("persons/bob/timeline");
        Assert.Equal(HttpStatusCode.OK, timeline.StatusCode);
        foreach (var id in ids)
        {
            Assert.Null(await pipeline.PersonAsync(id));
        }
    }

    [Theory]
    [InlineData(StoreKind.Sqlite, false)]
    [InlineData(StoreKind.Sqlite, true)]
    [InlineData(StoreKind.Postgres, true)]
    public async Task What_waits_for_others_keeps_every_word_but_the_id_of_the_erased_visitor(StoreKind store, bool restarts)
    {
        string[] ids = ["ada", "track", "u42"];
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(Store: store));
        await pipeline.CaptureAsync(
            [.. ids.Append("bob").Select(id => Identify(id, $"{id}-phone", new { name = id }))]);
        await pipeline.SettledAsync();
        using (await pipeline.ApiAsync(HttpMethod.Post, "pause"))
        {
        }

        var sent = pipeline.Variance.Received.Length;
        await pipeline.CaptureAsync(
            Identify("bob", "bob-phone", new { invited_by = "ada" }),
            new Dictionary<string, object>
            {
                ["event"] = "visit",
                ["distinct_id"] = "bob",
                ["properties"] = new Dictionary<string, object>
                {
                    ["$device_id"] = "ada-phone",
                    ["$groups"] = new { company = "u42" },
                    ["seen_with"] = "ada",
                },
            },
            GroupIdentify("bob", "u42", new { tier = "pro" }));
        await UntilWaitingAsync(pipeline, 3);

        foreach (var id in ids)
        {
            await EraseAsync(pipeline, id);
        }

        if (restarts)
        {
            await pipeline.RestartAsync(); // they are read anew
        }

        using (await pipeline.ApiAsync(HttpMethod.Post, "resume"))
        {
        }

        await pipeline.SettledAsync();
        var messages = pipeline.Variance.Received.Skip(sent).Select(one => one.Body).ToList();
        Assert.Contains(messages, one => Text(one, "type") == "identify"
            && Text(one.GetProperty("traits"), "invited_by") == "ada");
        var visit = Assert.Single(messages, one => Text(one, "event") == "visit");
        Assert.Equal(
            ("track", "bob", null, "ada", "u42"),
            (Text(visit, "type"), Text(visit, "userId"), Text(visit, "anonymousId"),
                Text(visit.GetProperty("properties"), "seen_with"), Text(visit.GetProperty("context"), "groupId")));
        Assert.Contains(messages, one => Text(one, "groupId") == "u42" && Text(one.GetProperty("traits"), "tier") == "pro");
        Assert.DoesNotContain(messages, one => one.GetRawText().Contains("erased", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_Variance_holds_is_told_while_the_erasure_still_runs()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            Hocon: """variance.views.lag = "00:01:00" """));
        await PlantAsync(pipeline);
        var runner = await pipeline.Services.GetRequiredService<IRequiredActor<ErasureRunner>>().GetAsync();
        var number = await pipeline.Services.GetRequiredService<ErasureDesk>()
            .BeginAsync(new PersonId(PipelineHarness.Connection, Id("phone")), CancellationToken.None);

        IReadOnlyList<string>? held = null;
        await PipelineHarness.UntilAsync(
            async () =>
            {
                var run = new RunErasure(PipelineHarness.Connection, number, TimeSpan.FromMilliseconds(10));
                return (held = (await runner.Ask<ErasureAnswered>(run)).Held) is not null;
            },
            "the messages were looked at");

        Assert.Contains(Id("ada"), held!);
        var running = await ReceiptAsync(pipeline, number);
        Assert.Equal("running", running.GetProperty("state").GetString()); // the lists do not know all yet
        Assert.Equal(held, HeldIn(running)!);
    }

    [Fact]
    public async Task What_Variance_holds_is_in_the_receipt_also_if_the_first_answer_came_too_early()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await PlantAsync(pipeline);
        var (reached, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        pipeline.Variance.Answer = async _ =>
        {
            reached.TrySetResult();
            await release.Task;
            return new StandInAnswer(200);
        };
        await pipeline.CaptureAsync(Track(Id("ada"), "first"));
        await reached.Task;
        var runner = await pipeline.Services.GetRequiredService<IRequiredActor<ErasureRunner>>().GetAsync();
        var number = await pipeline.Services.GetRequiredService<ErasureDesk>()
            .BeginAsync(new PersonId(PipelineHarness.Connection, Id("phone")), CancellationToken.None);

        var early = await runner.Ask<ErasureAnswered>(
            new RunErasure(PipelineHarness.Connection, number, TimeSpan.FromMilliseconds(10)));
        release.SetResult();
        await PipelineHarness.UntilAsync(
            () => pipeline.Database.ReadAsync(session =>
                Convert.ToInt32(session.Scalar(SelectPhase), CultureInfo.InvariantCulture) == (int)ErasurePhase.Done),
            "the erasure is done");

        Assert.Null(early.Held);
        Assert.Contains(Id("ada"), HeldIn(await ReceiptAsync(pipeline, number))!);
        Assert.Contains(Id("ada"), HeldIn(await ReceiptAsync(pipeline, number))!);
        await AssertNothingLeftAsync(pipeline);
    }

    [Fact]
    public async Task What_Variance_holds_of_somebody_who_was_erased_before_is_unknown_and_not_nothing()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await PlantAsync(pipeline);
        await EraseAsync(pipeline, Id("ada"));

        var again = await EraseAsync(pipeline, Id("phone"));

        Assert.Null(HeldIn(again));
        Assert.Contains("not known", again.GetProperty("variance").GetProperty("note").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_person_that_shares_its_place_with_another_one_goes_and_the_other_one_stays()
    {
        foreach (var other in (string[])["ann", "amy", "abe"])
        {
            await using var pipeline = await PipelineHarness.StartAsync();
            await PlantAsync(pipeline);
            await pipeline.CaptureAsync(Identify(other, $"{other}-phone", new { plan = "pro" }));
            await pipeline.SettledAsync();
            var merge = Guid.NewGuid();
            await pipeline.CaptureAsync(Dangerous(other, Id("ada"), merge));
            await pipeline.SettledAsync();
            using var split = await pipeline.ApiAsync(HttpMethod.Post, $"persons/{other}/split", new { @event = merge });
            Assert.Equal(HttpStatusCode.OK, split.StatusCode);
            await pipeline.SettledAsync();
            var uuid = (await pipeline.PersonAsync(Id("ada")))!.Value.GetProperty("person_id").GetString()!;

            var receipt = await EraseAsync(pipeline, Id("ada"));
            await EraseAsync(pipeline, Id("ada"));
            await pipeline.RestartAsync();
            await pipeline.CaptureAsync(Seen($"{other}-phone", new { last = "seen" }));
            await pipeline.CaptureAsync(Seen(other, new { first = "seen" }));
            await pipeline.SettledAsync();

            var stayed = (await pipeline.PersonAsync(other))!.Value;
            Assert.Equal(2, stayed.GetProperty("distinct_ids").GetArrayLength());
            Assert.Equal("pro", stayed.GetProperty("properties").GetProperty("plan").GetString());
            Assert.Equal("seen", stayed.GetProperty("properties").GetProperty("last").GetString());
            using var timeline = await pipeline.ApiAsync($"persons/{other}/timeline");
            Assert.Equal(HttpStatusCode.OK, timeline.StatusCode);
            if (receipt.GetProperty("routing_keys_kept").GetInt32() == 0)
            {
                await AssertNothingLeftAsync(pipeline);
                await AssertNothingLeftAsync(pipeline, uuid);
            }

            Assert.Null(await pipeline.PersonAsync(Id("phone")));
            Assert.Equal(0, (await pipeline.LedgerAsync())["imbalance"]);
        }
    }

    [Fact]
    public async Task Whoever_was_one_with_the_person_keeps_what_it_did_although_the_lists_did_not_know_it_yet()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            Hocon: """variance.views.lag = "00:00:10" """));
        await PlantAsync(pipeline);
        await pipeline.CaptureAsync(Identify("ann", "ann-phone", new { plan = "pro" }));
        await pipeline.CaptureAsync(Seen("ann-phone", new { last = "seen" }));
        await pipeline.SettledAsync();
        var merge = Guid.NewGuid();
        await pipeline.CaptureAsync(Dangerous(Id("ada"), "ann", merge));
        await pipeline.SettledAsync();
        pipeline.Clock.Advance(TimeSpan.FromMinutes(1));
        await pipeline.ViewsSettledAsync();
        using var split = await pipeline.ApiAsync(
            HttpMethod.Post, $"persons/{Uri.EscapeDataString(Id("ada"))}/split", new { @event = merge });
        Assert.Equal(HttpStatusCode.OK, split.StatusCode);

        var erasing = EraseAsync(pipeline, Id("ada"));
        await PipelineHarness.UntilAsync(
            () => pipeline.Database.ReadAsync(session =>
                Convert.ToInt32(session.Scalar(SelectPhase), CultureInfo.InvariantCulture) == (int)ErasurePhase.Views),
            "it is at the lists");
        pipeline.Clock.Advance(TimeSpan.FromMinutes(1));
        await erasing;

        using var answer = await pipeline.ApiAsync("contacts/ann/events");
        var events = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("items");
        Assert.Equal(2, events.GetArrayLength());
    }

    [Fact]
    public async Task An_id_is_not_freed_while_it_is_erased()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await PlantAsync(pipeline);
        await pipeline.Services.GetRequiredService<ErasureDesk>()
            .BeginAsync(new PersonId(PipelineHarness.Connection, Id("ada")), CancellationToken.None);
        var place = $"erasures/ids/{Uri.EscapeDataString(Id("ada"))}";

        using var early = await pipeline.ApiAsync(HttpMethod.Delete, place);
        Assert.Equal(HttpStatusCode.Conflict, early.StatusCode);
        await EraseAsync(pipeline, Id("ada"));
        pipeline.Clock.Advance(TimeSpan.FromHours(1)); // nobody has begun the first one
        await PipelineHarness.UntilAsync(async () => await PhaseAsync(pipeline) == "done", "both are done");
        using var late = await pipeline.ApiAsync(HttpMethod.Delete, place);

        Assert.Equal(HttpStatusCode.OK, late.StatusCode);
    }

    [Fact]
    public async Task An_account_that_was_left_before_the_history_began_anew_forgets_the_person_too()
    {
        foreach (var other in (string[])["ann", "amy", "abe"])
        {
            await using var pipeline = await PipelineHarness.StartAsync();
            await PlantAsync(pipeline);
            await pipeline.CaptureAsync(InGroup(Id("ada"), "club"));
            await pipeline.CaptureAsync(InGroup(Id("ada"), "works"));
            await pipeline.CaptureAsync(Identify(other, $"{other}-phone", new { plan = "pro" }));
            await pipeline.SettledAsync();
            var merge = Guid.NewGuid();
            await pipeline.CaptureAsync(Dangerous(other, Id("ada"), merge));
            await pipeline.SettledAsync();
            using var split = await pipeline.ApiAsync(HttpMethod.Post, $"persons/{other}/split", new { @event = merge });
            Assert.Equal(HttpStatusCode.OK, split.StatusCode);
            await pipeline.ViewsSettledAsync();
            await EraseAsync(pipeline, other);

            var receipt = await EraseAsync(pipeline, Id("ada"));

            Assert.Equal(3, receipt.GetProperty("accounts").GetInt32());
        }
    }

    [Fact]
    public async Task An_erasure_that_is_stopped_at_any_moment_is_done_after_the_restart()
    {
        for (var round = 0; round < 8; round++)
        {
            await using var pipeline = await PipelineHarness.StartAsync();
            await PlantAsync(pipeline);
            using var wish = new HttpRequestMessage(
                HttpMethod.Delete,
                $"/api/v1/connections/{PipelineHarness.Connection}/persons/{Uri.EscapeDataString(Id("ada"))}");
            wish.Headers.TryAddWithoutValidation("Authorization", $"Bearer {PipelineHarness.AdminKey}");
            var erasing = pipeline.Http.SendAsync(wish);
            var delay = round;
            await PipelineHarness.UntilAsync(
                async () => await PhaseAsync(pipeline) is not null && delay-- <= 0, "the erasure is under way");
            await pipeline.RestartAsync();
            await Record.ExceptionAsync(() => erasing); // it may have been done just before

            await PipelineHarness.UntilAsync(async () => await PhaseAsync(pipeline) == "done", "the erasure is done");
            Assert.Null(await pipeline.PersonAsync(Id("phone")));
            await pipeline.SettledAsync();
            await AssertNothingLeftAsync(pipeline);
            Assert.Equal(0, (await pipeline.LedgerAsync())["imbalance"]);
        }
    }

    [Fact]
    public async Task An_id_can_be_erased_before_it_is_known_and_freed_again()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var receipt = await EraseAsync(pipeline, Id("ada"));
        Assert.Equal((1, 0), (receipt.GetProperty("ids").GetInt32(), receipt.GetProperty("journal_rows").GetInt32()));
        await pipeline.CaptureAsync(Seen(Id("ada"), new { cart = 1 }));
        await pipeline.SettledAsync();
        Assert.Null(await pipeline.PersonAsync(Id("ada")));

        var path = $"erasures/ids/{Uri.EscapeDataString(Id("ada"))}";
        using (var lifted = await pipeline.ApiAsync(HttpMethod.Delete, path))
        {
            Assert.Equal(HttpStatusCode.OK, lifted.StatusCode);
        }

        using (var again = await pipeline.ApiAsync(HttpMethod.Delete, path))
        {
            Assert.Equal(HttpStatusCode.NotFound, again.StatusCode);
        }

        await pipeline.CaptureAsync(Seen(Id("ada"), new { cart = 2 }));
        await pipeline.SettledAsync();
        Assert.NotNull(await pipeline.PersonAsync(Id("ada")));
        Assert.Equal(1, (await pipeline.LedgerAsync())["suppressed"]);
        using var unknown = await pipeline.ApiAsync("erasures/77");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    [Fact]
    public async Task Under_load_with_merges_nothing_is_left_and_nobody_else_loses_anything()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        using var stop = new CancellationTokenSource();
        var load = Task.Run(async () =>
        {
            var sent = 0;
            using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
            for (var round = 0; !stop.IsCancellationRequested; round++)
            {
                await pace.WaitForNextTickAsync();
                await pipeline.CaptureAsync(
                    Seen(Id($"dev{round % 5}"), new { cart = $"{Canary}{round}" }),
                    Identify(Id("ada"), Id($"dev{round % 5}"), new { name = Canary, round }),
                    Seen($"other{round % 7}", new { round }),
                    Identify($"user{round % 7}", $"other{round % 7}", new { round }));
                sent += 4;
            }

            return sent;
        });
        await PipelineHarness.UntilAsync(async () => (await pipeline.LedgerAsync())["delivered"] > 40, "some is delivered");
        var erasing = EraseAsync(pipeline, Id("ada"));
        while (!erasing.IsCompleted)
        {
            Assert.Equal(0, (await pipeline.LedgerAsync())["imbalance"]);
        }

        await erasing;
        var received = pipeline.Variance.Received.Length;
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(pipeline.Variance.Received.Length > received + 40), "others are delivered");
        await stop.CancelAsync();
        var accepted = await load;
        await pipeline.SettledAsync();

        Assert.All(
            pipeline.Variance.Received.Skip(received),
            one => Assert.DoesNotContain(Canary, one.Body.GetRawText(), StringComparison.Ordinal));
        for (var device = 0; device < 5; device++)
        {
            Assert.Null(await pipeline.PersonAsync(Id($"dev{device}")));
        }

        for (var other = 0; other < 7; other++)
        {
            Assert.Equal(
                2, (await pipeline.PersonAsync($"user{other}"))!.Value.GetProperty("distinct_ids").GetArrayLength());
        }

        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((accepted, 0), (ledger["accepted"], ledger["imbalance"]));
        await EraseAsync(pipeline, Id("ada"));
        await AssertNothingLeftAsync(pipeline);
    }

    private static async Task<string?> PhaseAsync(PipelineHarness pipeline)
    {
        using var answer = await pipeline.ApiAsync("erasures/1");
        return answer.IsSuccessStatusCode
            ? JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("state").GetString()
            : null;
    }

    private static async Task<JsonElement> ReceiptAsync(PipelineHarness pipeline, long number)
    {
        using var answer = await pipeline.ApiAsync($"erasures/{number}");
        return JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
    }

    private static List<string?>? HeldIn(JsonElement receipt) =>
        receipt.GetProperty("variance").GetProperty("ids") is { ValueKind: JsonValueKind.Array } ids
            ? [.. ids.EnumerateArray().Select(id => id.GetString())]
            : null;

    private static string? Text(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) ? value.GetString() : null;

    private static Task UntilWaitingAsync(PipelineHarness pipeline, long events) =>
        PipelineHarness.UntilAsync(async () => await pipeline.WaitingAsync() == events, "they wait");

    private static Dictionary<string, object> Track(string id, string name) => new()
    {
        ["event"] = name,
        ["distinct_id"] = id,
        ["properties"] = new Dictionary<string, object> { ["what"] = name, ["who"] = $"{id} is here" },
    };

    private static Dictionary<string, object> Dangerous(string id, string other, Guid uuid) => new()
    {
        ["event"] = "$merge_dangerously",
        ["uuid"] = uuid,
        ["distinct_id"] = id,
        ["properties"] = new Dictionary<string, object> { ["alias"] = other },
    };

    private static Dictionary<string, object> InGroup(string id, string group) => new Dictionary<string, object>
    {
        ["event"] = "visit",
        ["distinct_id"] = id,
        ["properties"] = new Dictionary<string, object> { ["$groups"] = new { company = group } },
    };

    private static Dictionary<string, object> GroupIdentify(string id, string group, object set) => new()
    {
        ["event"] = "$groupidentify",
        ["distinct_id"] = id,
        ["properties"] = new Dictionary<string, object>
        {
            ["$group_type"] = "company",
            ["$group_key"] = group,
            ["$group_set"] = set,
        },
    };

    private static string Id(string name) => $"{name}+{Canary}@home.example/\"{name}\"";

    private static async Task PlantAsync(PipelineHarness pipeline)
    {
        await pipeline.CaptureAsync(Seen(Id("phone"), new { cart = Canary }));
        await pipeline.SettledAsync();
        await pipeline.CaptureAsync(Identify(
            Id("ada"), Id("phone"), new { email = $"{Canary}@work.example", name = $"Ada {Canary}" }));
        await pipeline.SettledAsync();
        await pipeline.CaptureAsync(Identify(Id("ada"), Id("laptop"), new { plan = "pro" }));
        await pipeline.CaptureAsync(Seen(Id("laptop"), new { last = Canary }));
        await pipeline.SettledAsync();
    }

    private static async Task<JsonElement> EraseAsync(PipelineHarness pipeline, string distinctId)
    {
        using var answer = await pipeline.ApiAsync(HttpMethod.Delete, $"persons/{Uri.EscapeDataString(distinctId)}");
        var text = await answer.Content.ReadAsStringAsync();
        if (answer.StatusCode == HttpStatusCode.Accepted)
        {
            text = await FollowAsync(pipeline, answer.Headers.Location!);
        }

        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonDocument.Parse(text).RootElement;
    }

    private static async Task<string> FollowAsync(PipelineHarness pipeline, Uri place)
    {
        var text = "";
        await PipelineHarness.UntilAsync(
            async () =>
            {
                using var answer = await pipeline.ApiAsync($"erasures/{place.OriginalString.Split('/')[^1]}");
                text = await answer.Content.ReadAsStringAsync();
                return text.Contains("\"done\"", StringComparison.Ordinal);
            },
            "the receipt is there");
        return text;
    }

    private static StandInAnswer Echo(int status, ReceivedMessage message) =>
        new(status, Body: message.Body.GetRawText().Contains(Canary, StringComparison.Ordinal) ? $"no {Canary}" : "no");

    private static async Task AssertNothingLeftAsync(PipelineHarness pipeline, string what = Canary)
    {
        var options = pipeline.Services.GetRequiredService<PipelineOptions>();
        if (options.Store == StoreKind.Postgres)
        {
            await AssertNothingInTablesAsync(options.Postgres.ConnectionString, what);
            return;
        }

        foreach (var file in Directory.EnumerateFiles(pipeline.DataDirectory, "*.db*", SearchOption.AllDirectories))
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var content = new byte[stream.Length];
            await stream.ReadExactlyAsync(content);
            Assert.True(Left(content, what) is null, $"{Path.GetFileName(file)}: {Left(content, what)}");
        }
    }

    private static string? Left(ReadOnlySpan<byte> content, string what)
    {
        var at = content.IndexOf(Encoding.UTF8.GetBytes(what));
        return at < 0 ? null : Encoding.UTF8.GetString(content[Math.Max(0, at - 400)..Math.Min(at + 400, content.Length)]);
    }

    private static async Task AssertNothingInTablesAsync(string connectionString, string what)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        var tables = new List<string>();
        await using (var select = new NpgsqlCommand(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables "
            + "WHERE table_schema IN ('pipeline', 'journal')", connection))
        {
            await using var reader = await select.ExecuteReaderAsync();
            while (await reader.ReadAsync())
            {
                tables.Add(reader.GetString(0));
            }
        }

        Assert.True(tables.Count > 20);
        var bytes = Convert.ToHexStringLower(Encoding.UTF8.GetBytes(what));
        foreach (var table in tables)
        {
            await using var count = new NpgsqlCommand(
                $"SELECT count(*) FROM {table} t WHERE t::text LIKE '%{what}%' OR t::text LIKE '%{bytes}%'", connection);
            Assert.True(0L.Equals(await count.ExecuteScalarAsync()), table);
        }
    }

    private static Dictionary<string, object> Seen(string id, object set) => new Dictionary<string, object>
    {
        ["event"] = "seen",
        ["distinct_id"] = id,
        ["properties"] = new Dictionary<string, object> { ["$set"] = set },
    };

    private static Dictionary<string, object> Identify(string id, string other, object set) => new Dictionary<string, object>
    {
        ["event"] = "$identify",
        ["distinct_id"] = id,
        ["properties"] = new Dictionary<string, object> { ["$anon_distinct_id"] = other, ["$set"] = set },
    };

    private static Dictionary<string, object> Alias(string id, string other) => new Dictionary<string, object>
    {
        ["event"] = "$create_alias",
        ["distinct_id"] = id,
        ["properties"] = new Dictionary<string, object> { ["alias"] = other },
    };
}
