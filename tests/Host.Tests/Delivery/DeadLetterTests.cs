using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Host.Tests.Delivery;

/// <summary>What operators see of dead letters and do with them.</summary>
public class DeadLetterTests
{
    [Fact]
    public async Task A_replay_sends_the_same_bytes_under_the_same_id_and_the_books_follow()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        RefuseAll(pipeline);
        var uuid = await CaptureAsync(pipeline, "ada", 1);
        await pipeline.SettledAsync();
        var letter = Assert.Single(await LettersAsync(pipeline, ""));
        Assert.Equal("dead", await StateAsync(pipeline, uuid));

        var hold = HoldAll(pipeline);
        using var replayed = await pipeline.ApiAsync(HttpMethod.Post, $"dead-letters/{Id(letter)}/replay");
        Assert.Equal("replaying", (await replayed.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("state").GetString());
        await AssertLedgerAsync(pipeline, pending: 1);
        Assert.Equal("pending", await StateAsync(pipeline, uuid));
        hold.SetResult();
        await pipeline.SettledAsync();

        var (first, second) = (pipeline.Variance.Received[0], pipeline.Variance.Received[1]);
        Assert.Equal(first.Body.GetRawText(), second.Body.GetRawText());
        await AssertLedgerAsync(pipeline, delivered: 1);
        Assert.Equal("delivered", await StateAsync(pipeline, uuid));
        var detail = await GetAsync(pipeline, $"dead-letters/{Id(letter)}");
        Assert.Equal("delivered", detail.GetProperty("letter").GetProperty("state").GetString());
        Assert.Equal(first.Body.GetRawText(), Text(detail.GetProperty("body_base64")));
        Assert.Equal([400, 200], detail.GetProperty("story").EnumerateArray().Select(a => a.GetProperty("status").GetInt32()));
        Assert.Empty(await LettersAsync(pipeline, ""));
    }

    [Fact]
    public async Task A_letter_that_is_replayed_many_times_at_once_is_sent_once()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        RefuseAll(pipeline);
        await CaptureAsync(pipeline, "ada", 1);
        await pipeline.SettledAsync();
        var id = Id(Assert.Single(await LettersAsync(pipeline, "")));
        TakeAll(pipeline);

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(async number =>
        {
            using var answer = number % 2 == 0
                ? await pipeline.ApiAsync(HttpMethod.Post, $"dead-letters/{id}/replay")
                : await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/replay", new { all = true });
            return answer.StatusCode;
        }));
        await pipeline.SettledAsync();

        Assert.True(answers.Count(status => status == HttpStatusCode.OK) <= 1);
        Assert.Equal(2, pipeline.Variance.Received.Length);
        await AssertLedgerAsync(pipeline, delivered: 1);
    }

    [Fact]
    public async Task A_replay_leaves_behind_what_its_person_sent_before_it_and_ahead_of_what_comes_after()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        RefuseAll(pipeline);
        await CaptureAsync(pipeline, "ada", 1);
        await pipeline.SettledAsync();
        var hold = HoldAll(pipeline);
        await CaptureAsync(pipeline, "ada", 2);
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(pipeline.Variance.Received.Length == 1), "the second one is on its way");
        await DecidedAsync(pipeline, 2);
        using var replayed = await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/1/replay");
        await CaptureAsync(pipeline, "ada", 3);
        await DecidedAsync(pipeline, 3);
        hold.SetResult();
        await pipeline.SettledAsync();

        Assert.Equal([1, 2, 1, 3], pipeline.Variance.Received.Select(NumberOf));
    }

    [Fact]
    public async Task A_replay_that_dies_again_is_the_same_letter_with_a_longer_story()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        RefuseAll(pipeline);
        await CaptureAsync(pipeline, "ada", 1);
        await pipeline.SettledAsync();
        pipeline.Variance.Answer = _ => ValueTask.FromResult(new StandInAnswer(422, Body: "still not"));
        using var replayed = await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/1/replay");
        await pipeline.SettledAsync();

        var letter = Assert.Single(await LettersAsync(pipeline, ""));
        Assert.Equal(
            (1, "status-422", 2),
            (Id(letter), letter.GetProperty("reason").GetString(), letter.GetProperty("attempts").GetInt32()));
        var story = (await GetAsync(pipeline, "dead-letters/1")).GetProperty("story").EnumerateArray().ToArray();
        Assert.Equal([400, 422], story.Select(attempt => attempt.GetProperty("status").GetInt32()));
        Assert.Equal("still not", story[1].GetProperty("response").GetString());
        Assert.Equal(JsonValueKind.Null, story[0].GetProperty("replayed_at").ValueKind);
        Assert.NotEqual(JsonValueKind.Null, story[1].GetProperty("replayed_at").ValueKind);
        await AssertLedgerAsync(pipeline, dead: 1);
    }

    [Fact]
    public async Task Filters_narrow_the_list_and_the_replay_alike()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        pipeline.Variance.Answer = message => ValueTask.FromResult(new StandInAnswer(NumberOf(message) < 3 ? 400 : 413));
        var first = await CaptureAsync(pipeline, "ada", 1);
        await CaptureAsync(pipeline, "bob", 2, "cart emptied");
        await pipeline.SettledAsync();
        pipeline.Clock.Advance(TimeSpan.FromHours(1));
        var noon = pipeline.Clock.GetUtcNow();
        await CaptureAsync(pipeline, "ada", 3);
        await pipeline.SettledAsync();
        var since = Uri.EscapeDataString(noon.ToString("O"));

        await AssertNumbersAsync(pipeline, "", 1, 2, 3);
        await AssertNumbersAsync(pipeline, "?reason=status-400", 1, 2);
        await AssertNumbersAsync(pipeline, "?status=413", 3);
        await AssertNumbersAsync(pipeline, "?type=track", 1, 2, 3);
        await AssertNumbersAsync(pipeline, "?type=identify");
        await AssertNumbersAsync(pipeline, "?event=cart%20emptied", 2);
        await AssertNumbersAsync(pipeline, $"?message_id={first}", 1);
        await AssertNumbersAsync(pipeline, $"?uuid={first}", 1);
        await AssertNumbersAsync(pipeline, "?distinct_id=ada", 1, 3);
        await AssertNumbersAsync(pipeline, "?distinct_id=nobody");
        await AssertNumbersAsync(pipeline, $"?since={since}", 3);
        await AssertNumbersAsync(pipeline, $"?until={since}", 1, 2);
        await AssertNumbersAsync(pipeline, $"?until={since}&distinct_id=ada", 1);
        var page = await GetAsync(pipeline, "dead-letters?limit=2");
        Assert.Equal([1, 2], Numbers(page));
        await AssertNumbersAsync(pipeline, $"?limit=2&after={page.GetProperty("next").GetInt64()}", 3);
        foreach (var bad in new[] { "?type=telegram", "?state=lost" })
        {
            using var refused = await pipeline.ApiAsync($"dead-letters{bad}");
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        }

        TakeAll(pipeline);
        await ReplayAsync(pipeline, new { filter = new { distinct_id = "ada", status = 400 } });
        await DoneAsync(pipeline, "replays");
        await pipeline.SettledAsync();
        await AssertNumbersAsync(pipeline, "", 2, 3);
        await AssertNumbersAsync(pipeline, "?state=delivered", 1);
        await AssertNumbersAsync(pipeline, "?state=any", 1, 2, 3);
    }

    [Fact]
    public async Task An_empty_filter_does_not_mean_all_by_mistake()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        foreach (var body in new object[] { new { }, new { filter = new { } }, new { all = true, filter = new { status = 400 } } })
        {
            using var answer = await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/replay", body);
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        }
    }

    [Fact]
    public async Task A_letter_whose_values_were_all_told_anew_is_superseded_and_not_sent()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        pipeline.Variance.Answer = message => ValueTask.FromResult(new StandInAnswer(message.Type == "identify" ? 400 : 200));
        var old = await SetAsync(pipeline, ("plan", "free"));
        await pipeline.SettledAsync();
        TakeAll(pipeline);
        var newer = await SetAsync(pipeline, ("plan", "team"), ("seats", "3"));
        await pipeline.SettledAsync();
        Assert.Equal("dead", await StateAsync(pipeline, old));
        var sent = pipeline.Variance.Received.Length;

        await ReplayAsync(pipeline, new { all = true });
        await DoneAsync(pipeline, "replays");
        var job = await JobAsync(pipeline, "replays", 1);
        Assert.Equal(
            (1, 0, 1, 0), (Count(job, "done"), Count(job, "delivered"), Count(job, "superseded"), Count(job, "waiting")));
        Assert.Equal("superseded", Assert.Single(await LettersAsync(pipeline, "?state=any")).GetProperty("state").GetString());
        Assert.Equal("coalesced", await StateAsync(pipeline, old));
        Assert.Equal("delivered", await StateAsync(pipeline, newer));
        Assert.Equal(sent, pipeline.Variance.Received.Length);
        await AssertLedgerAsync(pipeline, delivered: 1, coalesced: 1);
        using var late = await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/1/replay?force=true");
        Assert.Equal(HttpStatusCode.Conflict, late.StatusCode);
    }

    [Fact]
    public async Task A_letter_that_was_overtaken_in_part_is_sent_only_when_it_is_forced()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        RefuseAll(pipeline);
        await SetAsync(pipeline, ("plan", "free"), ("seats", "3"));
        await pipeline.SettledAsync();
        TakeAll(pipeline);
        await SetAsync(pipeline, ("plan", "team"));
        await pipeline.SettledAsync();

        using var refused = await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/1/replay");
        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        await ReplayAsync(pipeline, new { all = true });
        await DoneAsync(pipeline, "replays");
        var job = await JobAsync(pipeline, "replays", 1);
        Assert.Equal((0, 1), (Count(job, "done"), Count(job, "refused")));
        Assert.Equal(2, pipeline.Variance.Received.Length);
        await AssertLedgerAsync(pipeline, delivered: 1, dead: 1);

        using var forced = await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/1/replay?force=true");
        await pipeline.SettledAsync();
        Assert.Equal(HttpStatusCode.OK, forced.StatusCode);
        Assert.Equal(3, pipeline.Variance.Received.Length);
        await AssertLedgerAsync(pipeline, delivered: 2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_replay_that_is_overtaken_in_part_while_it_waits_is_a_letter_again_unless_it_was_forced(bool force)
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        RefuseAll(pipeline);
        await SetAsync(pipeline, ("plan", "free"), ("seats", "3"));
        await pipeline.SettledAsync();
        using var paused = await pipeline.ApiAsync(HttpMethod.Post, "pause");
        await SetAsync(pipeline, ("plan", "team"));
        await DecidedAsync(pipeline, 2);
        using var replayed = await pipeline.ApiAsync(HttpMethod.Post, $"dead-letters/1/replay?force={force}");
        Assert.Equal(HttpStatusCode.OK, replayed.StatusCode);
        TakeAll(pipeline);
        using var resumed = await pipeline.ApiAsync(HttpMethod.Post, "resume");
        await pipeline.SettledAsync();

        var letter = Assert.Single(await LettersAsync(pipeline, "?state=any"));
        Assert.Equal(force ? "delivered" : "dead", letter.GetProperty("state").GetString());
        Assert.Equal(force, letter.GetProperty("note").ValueKind == JsonValueKind.Null);
        Assert.Equal(force ? 3 : 2, pipeline.Variance.Received.Length);
        await AssertLedgerAsync(pipeline, delivered: force ? 2 : 1, dead: force ? 0 : 1);
    }

    [Fact]
    public async Task Letters_that_make_contacts_members_of_one_account_are_all_sent_whoever_else_joins_meanwhile()
    {
        const int Members = 30;
        await using var pipeline = await PipelineHarness.StartAsync();
        pipeline.Variance.Answer = message => ValueTask.FromResult(new StandInAnswer(message.Type == "group" ? 400 : 200));
        await pipeline.CaptureAsync([.. Enumerable.Range(0, Members).SelectMany(number => Joins($"member-{number}"))]);
        await pipeline.SettledAsync();
        Assert.NotEmpty(await LettersAsync(pipeline, ""));
        TakeAll(pipeline);
        await pipeline.CaptureAsync([.. Joins("late")]);
        await pipeline.SettledAsync();
        await ReplayAsync(pipeline, new { all = true });
        await DoneAsync(pipeline, "replays");
        await pipeline.SettledAsync();

        var joined = pipeline.Variance.Received
            .Where(message => message.Type == "group" && message.Status == 200)
            .Select(message => message.Body.TryGetProperty("userId", out var member) ? member.GetString() : null)
            .OfType<string>()
            .ToHashSet();
        Assert.Equal(
            [.. Enumerable.Range(0, Members).Select(number => $"member-{number}").Append("late").Order(StringComparer.Ordinal)],
            joined.Order(StringComparer.Ordinal));
        Assert.Empty(await LettersAsync(pipeline, ""));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_replay_that_is_overtaken_while_it_waits_is_not_sent(bool restarts)
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        pipeline.Variance.Answer = message => ValueTask.FromResult(new StandInAnswer(message.Type == "identify" ? 400 : 200));
        await SetAsync(pipeline, ("plan", "free"));
        await pipeline.SettledAsync();
        var died = pipeline.Variance.Received.Length;
        using var paused = await pipeline.ApiAsync(HttpMethod.Post, "pause");
        await SetAsync(pipeline, ("plan", "team"));
        await DecidedAsync(pipeline, 2);
        using var replayed = await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/1/replay");
        Assert.Equal(HttpStatusCode.OK, replayed.StatusCode);
        await CaptureAsync(pipeline, "ada", 3);
        await DecidedAsync(pipeline, 3);
        if (restarts)
        {
            await pipeline.RestartAsync();
        }

        TakeAll(pipeline);
        using var resumed = await pipeline.ApiAsync(HttpMethod.Post, "resume");
        await pipeline.SettledAsync();

        var sent = pipeline.Variance.Received.Skip(died).ToArray();
        Assert.Equal(["identify", "track"], sent.Select(message => message.Type));
        Assert.Equal("team", sent[0].Body.GetProperty("traits").GetProperty("plan").GetString());
        Assert.Equal("superseded", Assert.Single(await LettersAsync(pipeline, "?state=any")).GetProperty("state").GetString());
        await AssertLedgerAsync(pipeline, delivered: 2, coalesced: 1);
    }

    [Fact]
    public async Task A_job_that_is_cancelled_leaves_the_rest_as_it_is()
    {
        const int Letters = 1_000;
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        RefuseAll(pipeline);
        await pipeline.CaptureAsync([.. Enumerable.Range(0, Letters).Select(number => Event($"p-{number % 40}", number))]);
        await pipeline.SettledAsync();
        TakeAll(pipeline);
        await ReplayAsync(pipeline, new { all = true });
        using var cancelled = await pipeline.ApiAsync(HttpMethod.Post, "replays/1/cancel");
        var job = await cancelled.Content.ReadFromJsonAsync<JsonElement>();
        await pipeline.SettledAsync();

        Assert.Equal("cancelled", job.GetProperty("state").GetString());
        Assert.InRange(Count(job, "done"), 0, Letters - 1);
        Assert.Equal(Count(job, "done"), Count(await JobAsync(pipeline, "replays", 1), "delivered"));
        await AssertLedgerAsync(pipeline, delivered: Count(job, "done"), dead: Letters - Count(job, "done"));
        using var unknown = await pipeline.ApiAsync(HttpMethod.Post, "discards/1/cancel");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    [Fact]
    public async Task A_job_replays_all_of_thousands_once_through_a_restart_and_shows_how_far_it_is()
    {
        const int Letters = 3_000;
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        RefuseAll(pipeline);
        for (var sent = 0; sent < Letters; sent += 500)
        {
            await pipeline.CaptureAsync([.. Enumerable.Range(sent, 500).Select(number => Event($"p-{number % 40}", number))]);
        }

        await pipeline.SettledAsync();
        await AssertLedgerAsync(pipeline, dead: Letters);
        var died = pipeline.Variance.Received.Length;
        TakeAll(pipeline);
        var job = await ReplayAsync(pipeline, new { all = true });
        Assert.Equal(Letters, job.GetProperty("total").GetInt64());
        await pipeline.RestartAsync();
        await DoneAsync(pipeline, "replays");
        await pipeline.SettledAsync();

        job = await JobAsync(pipeline, "replays", 1);
        Assert.Equal(
            (Letters, 0, Letters, 0, 0),
            (Count(job, "done"), Count(job, "refused"), Count(job, "delivered"), Count(job, "dead"), Count(job, "waiting")));
        var replayed = pipeline.Variance.Received.Skip(died).ToArray();
        Assert.Equal(Letters, replayed.DistinctBy(message => message.MessageId).Count());
        Assert.True(replayed.Length <= Letters + 512, $"{replayed.Length} posts"); // some may be on the wire at the restart
        foreach (var person in replayed.DistinctBy(m => m.MessageId).GroupBy(m => m.Body.GetProperty("userId").GetString()))
        {
            Assert.Equal(person.Select(NumberOf).Order(), person.Select(NumberOf));
        }

        await AssertLedgerAsync(pipeline, delivered: Letters);
        var jobs = (await GetAsync(pipeline, "replays")).GetProperty("items").EnumerateArray();
        Assert.Equal([1], jobs.Select(Id));
        foreach (var unknown in new[] { "replays/2", "discards/1", "dead-letters/99999" })
        {
            using var answer = await pipeline.ApiAsync(unknown);
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        }
    }

    [Fact]
    public async Task A_discarded_letter_stays_in_the_books_with_its_reason_and_is_never_sent()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        RefuseAll(pipeline);
        var uuid = await CaptureAsync(pipeline, "ada", 1);
        await CaptureAsync(pipeline, "bob", 2);
        await pipeline.SettledAsync();
        foreach (var reason in new[] { "", "  ", "two\nlines", new string('x', 501) })
        {
            using var refused = await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/1/discard", new { reason });
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        }

        using var discarded = await pipeline.ApiAsync(
            HttpMethod.Post, $"dead-letters/{await IdOfAsync(pipeline, uuid)}/discard", new { reason = "a test order" });
        Assert.Equal(HttpStatusCode.OK, discarded.StatusCode);
        await AssertLedgerAsync(pipeline, dead: 1, discarded: 1);
        Assert.Equal("discarded", await StateAsync(pipeline, uuid));
        using var again = await pipeline.ApiAsync(HttpMethod.Post, $"dead-letters/{await IdOfAsync(pipeline, uuid)}/replay");
        Assert.Equal(HttpStatusCode.Conflict, again.StatusCode);

        using var rest = await pipeline.ApiAsync(
            HttpMethod.Post, "dead-letters/discard", new { reason = "nobody needs them", filter = new { reason = "status-400" } });
        Assert.Equal(HttpStatusCode.Accepted, rest.StatusCode);
        await DoneAsync(pipeline, "discards");
        await AssertLedgerAsync(pipeline, discarded: 2);
        var letters = (await GetAsync(pipeline, "dead-letters?state=discarded")).GetProperty("items").EnumerateArray();
        Assert.Equal(
            ["a test order", "nobody needs them"], letters.Select(letter => letter.GetProperty("note").GetString()).Order());
        Assert.Equal(2, pipeline.Variance.Received.Length);
    }

    [Fact]
    public async Task A_letter_of_an_id_that_was_given_up_since_is_refused_unless_it_is_forced()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        RefuseAll(pipeline);
        await pipeline.CaptureAsync(new { @event = "looked around", distinct_id = "device-1" });
        await pipeline.SettledAsync();
        TakeAll(pipeline);
        await IdentifyAsync(pipeline, "ada", "device-1");

        var id = Id(Assert.Single(await LettersAsync(pipeline, "")));
        using var refused = await pipeline.ApiAsync(HttpMethod.Post, $"dead-letters/{id}/replay");
        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        Assert.Contains("given up by an alias", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var job = await ReplayAsync(pipeline, new { all = true });
        await DoneAsync(pipeline, "replays");
        job = await JobAsync(pipeline, "replays", 1);
        Assert.Equal((0, 1), (Count(job, "done"), Count(job, "refused")));
        var letter = Assert.Single(await LettersAsync(pipeline, ""));
        Assert.Contains("given up by an alias", letter.GetProperty("note").GetString(), StringComparison.Ordinal);
        var before = pipeline.Variance.Received.Length;

        using var forced = await pipeline.ApiAsync(HttpMethod.Post, $"dead-letters/{id}/replay?force=true");
        Assert.Equal(HttpStatusCode.OK, forced.StatusCode);
        await pipeline.SettledAsync();
        Assert.Equal(before + 1, pipeline.Variance.Received.Length);
    }

    [Fact]
    public async Task When_the_alias_died_too_all_are_replayed_in_the_order_they_died()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        RefuseAll(pipeline);
        await pipeline.CaptureAsync(new { @event = "looked around", distinct_id = "device-1" });
        await pipeline.SettledAsync();
        await IdentifyAsync(pipeline, "ada", "device-1");
        await pipeline.CaptureAsync(new { @event = "bought", distinct_id = "ada" });
        await pipeline.SettledAsync();
        var died = pipeline.Variance.Received.Select(message => message.MessageId).ToArray();
        Assert.Equal(["track", "alias", "identify", "track"], pipeline.Variance.Received.Select(message => message.Type));

        TakeAll(pipeline);
        await ReplayAsync(pipeline, new { all = true });
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(pipeline.Variance.Received.Length == 2 * died.Length), "all are sent again");
        await pipeline.SettledAsync();

        Assert.Equal(died, pipeline.Variance.Received.Skip(died.Length).Select(message => message.MessageId));
        Assert.Equal(3, (await pipeline.LedgerAsync())["delivered"]);
    }

    [Fact]
    public async Task A_split_gives_an_id_its_contact_back_and_its_letters_may_be_sent_again()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await IdentifyAsync(pipeline, "ada", "device-1");
        await IdentifyAsync(pipeline, "bob", "device-2");
        RefuseAll(pipeline);
        await pipeline.CaptureAsync(new { @event = "bought", distinct_id = "bob" });
        await pipeline.SettledAsync();
        TakeAll(pipeline);
        var merge = Guid.NewGuid();
        await pipeline.CaptureAsync(new
        {
            uuid = merge,
            @event = "$merge_dangerously",
            distinct_id = "ada",
            properties = new { alias = "bob" },
        });
        await pipeline.SettledAsync();
        using var refused = await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/1/replay");
        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);

        using var split = await pipeline.ApiAsync(HttpMethod.Post, "persons/ada/split", new { @event = merge });
        Assert.Equal(HttpStatusCode.OK, split.StatusCode);
        using var taken = await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/1/replay");
        Assert.Equal(HttpStatusCode.OK, taken.StatusCode);
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task An_id_that_was_given_up_is_forgotten_with_its_alias_unless_a_dead_letter_waits(StoreKind store)
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions(Hocon: """variance.retention.interval = "00:00:01" """, Store: store));
        await IdentifyAsync(pipeline, "bob", "device-2");
        await pipeline.SettledAsync();
        await SweptAsync(pipeline);
        await PipelineHarness.UntilAsync(
            async () => await TurnAndCountAsync(pipeline, "given_up_id") == 0, "the id is forgotten");

        pipeline.Variance.Answer = message => ValueTask.FromResult(
            message.Type == "track" ? new StandInAnswer(400) : StandInAnswer.Ok);
        await CaptureAsync(pipeline, "ada", 1);
        await IdentifyAsync(pipeline, "ada", "device-1");
        await pipeline.SettledAsync();
        await SweptAsync(pipeline);
        await TurnAndCountAsync(pipeline, "given_up_id");
        Assert.Equal(1, await TurnAndCountAsync(pipeline, "given_up_id"));

        using var discarded = await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/1/discard", new { reason = "test orders" });
        await PipelineHarness.UntilAsync(
            async () => await TurnAndCountAsync(pipeline, "given_up_id") == 0, "the id is forgotten");
    }

    [Fact]
    public async Task What_dies_after_it_waited_for_long_is_its_persons_letter_whatever_the_person_became_part_of()
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions(Hocon: """variance.retention.interval = "00:00:01" """));
        await IdentifyAsync(pipeline, "bob", "bob-phone");
        using var paused = await pipeline.ApiAsync(HttpMethod.Post, "pause");
        var waiting = await CaptureAsync(pipeline, "visitor", 1);
        await DecidedAsync(pipeline, 2);
        await pipeline.CaptureAsync(new
        {
            @event = "$identify",
            distinct_id = "bob",
            properties = new Dictionary<string, object> { ["$anon_distinct_id"] = "visitor" },
        });
        await PipelineHarness.UntilAsync(
            async () => await TurnAndCountAsync(pipeline, "closed_lane") == 1, "the two are one");
        pipeline.Clock.Advance(TimeSpan.FromDays(8));
        for (var sweep = 0; sweep < 5; sweep++)
        {
            await TurnAndCountAsync(pipeline, "closed_lane");
        }

        RefuseAll(pipeline);
        using var resumed = await pipeline.ApiAsync(HttpMethod.Post, "resume", new { });
        await pipeline.SettledAsync();

        var letters = await LettersAsync(pipeline, "?distinct_id=bob");
        Assert.Contains(waiting, letters.Select(letter => letter.GetProperty("uuid").GetGuid()));
    }

    [Fact]
    public async Task A_body_that_is_deeper_than_any_event_is_refused_coalesced_replayed_and_shown_like_any_other()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        RefuseAll(pipeline);
        var seen = Guid.NewGuid();
        await DeepAsync("seen", "device", $$"""{"uuid":"{{seen}}",""", "");
        await DeepAsync("$identify", "ada", "{", ""","$anon_distinct_id":"device","$set":{"plan":"pro"}""");
        await pipeline.SettledAsync();
        Assert.Contains(seen, (await LettersAsync(pipeline, "")).Select(letter => letter.GetProperty("uuid").GetGuid()));
        Assert.Equal("dead", await StateAsync(pipeline, seen));

        using var paused = await pipeline.ApiAsync(HttpMethod.Post, "pause");
        await DeepAsync("$identify", "ada", "{", ""","$set":{"city":"Oslo"}""");
        await DeepAsync("$identify", "ada", "{", ""","$set":{"city":"Bern"}""");
        await DecidedAsync(pipeline, 4);
        pipeline.Clock.Advance(TimeSpan.FromMinutes(1));
        TakeAll(pipeline);
        using var resumed = await pipeline.ApiAsync(HttpMethod.Post, "resume", new { mode = "latest" });
        Assert.Equal(HttpStatusCode.OK, resumed.StatusCode);
        await ReplayAsync(pipeline, new { all = true });
        await pipeline.SettledAsync();
        await PipelineHarness.UntilAsync(async () => (await LettersAsync(pipeline, "")).Length == 0, "nothing is dead");
        Assert.Equal(0, (await pipeline.LedgerAsync())["imbalance"]);

        // With the event and its properties these are the 64 levels that the doors take.
        async Task DeepAsync(string name, string id, string begins, string properties)
        {
            var deep = new string('[', 62) + new string(']', 62);
            var says = $$"""{{begins}}"api_key":"{{PipelineHarness.Token}}","event":"{{name}}","distinct_id":"{{id}}",""";
            using var content = new StringContent(
                $"{says}\"properties\":{{\"$os\":{deep}{properties}}}}}", Encoding.UTF8, "application/json");
            using var taken = await pipeline.Http.PostAsync("/e", content);
            Assert.Equal(HttpStatusCode.OK, taken.StatusCode);
        }
    }

    private static readonly JsonSerializerOptions Deep = new() { MaxDepth = 1_024 };

    private static async Task SweptAsync(PipelineHarness pipeline)
    {
        Assert.Equal(1, await TurnAndCountAsync(pipeline, "given_up_id"));
        pipeline.Clock.Advance(TimeSpan.FromDays(8));
        await PipelineHarness.UntilAsync(
            async () => await TurnAndCountAsync(pipeline, "outbox") == 0, "the outbox is swept");
    }

    private static Task<long> TurnAndCountAsync(PipelineHarness pipeline, string table)
    {
        pipeline.Clock.Advance(TimeSpan.FromSeconds(2));
        return pipeline.Database.ReadAsync(
            session => (long)session.Scalar(new Statement($"SELECT count(*) FROM {table}"))!);
    }

    private static void RefuseAll(PipelineHarness pipeline) =>
        pipeline.Variance.Answer = _ => ValueTask.FromResult(new StandInAnswer(400));

    private static void TakeAll(PipelineHarness pipeline) =>
        pipeline.Variance.Answer = _ => ValueTask.FromResult(StandInAnswer.Ok);

    /// <summary>The receiver takes everything, but answers only when it is let go.</summary>
    private static TaskCompletionSource HoldAll(PipelineHarness pipeline)
    {
        var letGo = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        pipeline.Variance.Answer = async _ =>
        {
            await letGo.Task;
            return StandInAnswer.Ok;
        };
        return letGo;
    }

    /// <summary>Ada is identified, and has these properties from then on.</summary>
    private static async Task<Guid> SetAsync(PipelineHarness pipeline, params (string Name, string Value)[] properties)
    {
        var uuid = Guid.NewGuid();
        await pipeline.CaptureAsync(new Dictionary<string, object>
        {
            ["uuid"] = uuid,
            ["event"] = "$identify",
            ["distinct_id"] = "ada",
            ["properties"] = new Dictionary<string, object>
            {
                ["$set"] = properties.ToDictionary(property => property.Name, property => property.Value),
            },
        });
        return uuid;
    }

    private static async Task<Guid> CaptureAsync(
        PipelineHarness pipeline, string distinctId, int number, string name = "order placed")
    {
        var sent = Event(distinctId, number, name);
        await pipeline.CaptureAsync(sent);
        return (Guid)sent["uuid"];
    }

    private static Dictionary<string, object> Event(string distinctId, int number, string name = "order placed") => new()
    {
        ["uuid"] = Guid.NewGuid(),
        ["event"] = name,
        ["distinct_id"] = distinctId,
        ["properties"] = new { n = number },
    };

    private static IEnumerable<object> Joins(string distinctId) =>
    [
        new
        {
            @event = "$identify",
            distinct_id = distinctId,
            properties = new Dictionary<string, object> { ["$anon_distinct_id"] = $"{distinctId}-device" },
        },
        new
        {
            @event = "$groupidentify",
            distinct_id = distinctId,
            properties = new Dictionary<string, object>
            {
                ["$group_type"] = "company",
                ["$group_key"] = "north",
                ["$group_set"] = new { name = "North" },
            },
        },
    ];

    private static async Task IdentifyAsync(PipelineHarness pipeline, string distinctId, string anonymousId)
    {
        await pipeline.CaptureAsync(new
        {
            @event = "$identify",
            distinct_id = distinctId,
            properties = new Dictionary<string, object> { ["$anon_distinct_id"] = anonymousId },
        });
        await pipeline.SettledAsync();
    }

    /// <summary>Returns when so many events have left the inbox.</summary>
    private static Task DecidedAsync(PipelineHarness pipeline, int events) => PipelineHarness.UntilAsync(
        async () => (await MetricAsync(pipeline)) >= events, "the events are in the outbox");

    private static Task<int> MetricAsync(PipelineHarness pipeline) => pipeline.Database.ReadAsync(
        session => (int)(long)session.Scalar(new Statement("SELECT count(*) FROM ledger"))!);

    private static async Task<JsonElement> ReplayAsync(PipelineHarness pipeline, object body)
    {
        using var answer = await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/replay", body);
        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        var job = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.EndsWith($"/replays/{job.GetProperty("id").GetInt64()}", answer.Headers.Location!.ToString(), StringComparison.Ordinal);
        return job;
    }

    private static Task DoneAsync(PipelineHarness pipeline, string kind) => PipelineHarness.UntilAsync(
        async () => (await JobAsync(pipeline, kind, 1)).GetProperty("state").GetString() == "done", "the job is done");

    private static Task<JsonElement> JobAsync(PipelineHarness pipeline, string kind, long id) =>
        GetAsync(pipeline, $"{kind}/{id}");

    private static async Task<JsonElement> GetAsync(PipelineHarness pipeline, string path)
    {
        using var answer = await pipeline.ApiAsync(path);
        return await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Deep);
    }

    private static async Task<JsonElement[]> LettersAsync(PipelineHarness pipeline, string query) =>
        [.. (await GetAsync(pipeline, $"dead-letters{query}")).GetProperty("items").EnumerateArray()];

    private static async Task AssertNumbersAsync(PipelineHarness pipeline, string query, params int[] expected) =>
        Assert.Equal(expected, Numbers(await GetAsync(pipeline, $"dead-letters{query}")));

    private static int[] Numbers(JsonElement page) =>
        [
            .. page.GetProperty("items").EnumerateArray()
                .Select(letter => letter.GetProperty("body").GetProperty("properties").GetProperty("n").GetInt32())
                .Order(),
        ];

    private static async Task<long> IdOfAsync(PipelineHarness pipeline, Guid uuid) =>
        Id(Assert.Single(await LettersAsync(pipeline, $"?state=any&uuid={uuid}")));

    private static async Task<string?> StateAsync(PipelineHarness pipeline, Guid uuid) =>
        (await GetAsync(pipeline, $"events/{uuid}")).GetProperty("state").GetString();

    private static int Id(JsonElement letter) => letter.GetProperty("id").GetInt32();

    private static int Count(JsonElement job, string name) => job.GetProperty(name).GetInt32();

    private static string Text(JsonElement base64) => Encoding.UTF8.GetString(base64.GetBytesFromBase64());

    private static int NumberOf(ReceivedMessage message) =>
        message.Body.GetProperty("properties").GetProperty("n").GetInt32();

    private static async Task AssertLedgerAsync(
        PipelineHarness pipeline, int pending = 0, int delivered = 0, int dead = 0, int discarded = 0, int coalesced = 0)
    {
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal(
            (pending + delivered + dead + discarded + coalesced, pending, delivered, dead, discarded, coalesced, 0),
            (ledger["accepted"], ledger["pending"], ledger["delivered"], ledger["dead"], ledger["discarded"],
                ledger["coalesced"], ledger["imbalance"]));
    }
}
