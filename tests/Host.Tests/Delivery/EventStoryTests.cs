using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Host.Tests.Delivery;

/// <summary>One call explains one event completely.</summary>
public sealed class EventStoryTests
{
    [Fact]
    public async Task An_event_tells_its_person_and_why_its_messages_to_the_byte_and_every_attempt()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await pipeline.CaptureAsync(new { @event = "looked around", distinct_id = "device-1" });
        await pipeline.SettledAsync();
        pipeline.Clock.Advance(TimeSpan.FromMinutes(1));
        var (receivedAt, refusals) = (pipeline.Clock.GetUtcNow(), 0);
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            message.Type == "alias" && Interlocked.Increment(ref refusals) < 3
                ? new StandInAnswer(503, Body: $"busy {refusals}")
                : StandInAnswer.Ok);
        var uuid = Guid.NewGuid();
        await pipeline.CaptureAsync(new
        {
            uuid,
            @event = "$identify",
            distinct_id = "ada",
            properties = new Dictionary<string, object>
            {
                ["$anon_distinct_id"] = "device-1",
                ["$set"] = new { name = "Ada \u00fc \ud83d\ude00", email = "ada@acme.test" },
            },
        });
        await TurnUntilSettledAsync(pipeline);

        var story = await StoryAsync(pipeline, uuid);
        Assert.Equal(
            ("delivered", "", "capture", "contacts"),
            (Text(story, "state"), Text(story, "reason"), Text(story, "door"), Text(story, "mapping_now")));
        Assert.Equal(("$identify", "ada"), (Text(story, "event"), Text(story, "distinct_id")));
        Assert.Equal(receivedAt, story.GetProperty("received_at").GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));
        var person = story.GetProperty("person");
        Assert.Equal(("ada", "user_id"), (Text(person, "user_id"), Text(person, "why")));
        var decision = Assert.Single(person.GetProperty("decisions").EnumerateArray());
        Assert.Equal(
            ("attached", "target_had_no_person"), (Text(decision, "result"), Text(decision, "reason")));
        var messages = story.GetProperty("messages").EnumerateArray().ToArray();
        Assert.Equal(["alias", "identify", "group"], messages.Select(message => Text(message, "type")));
        foreach (var message in messages)
        {
            var sent = pipeline.Variance.Received.Last(received => received.MessageId == Text(message, "message_id"));
            Assert.Equal(
                sent.Body.GetRawText(), Encoding.UTF8.GetString(message.GetProperty("body_base64").GetBytesFromBase64()));
            Assert.True(JsonElement.DeepEquals(sent.Body, message.GetProperty("body")));
        }

        var attempts = messages[0].GetProperty("attempts").EnumerateArray().ToArray();
        Assert.Equal([1, 2, 3], attempts.Select(attempt => attempt.GetProperty("number").GetInt32()));
        Assert.Equal([503, 503, 200], attempts.Select(attempt => attempt.GetProperty("status").GetInt32()));
        Assert.Equal(["busy 1", "busy 2", ""], attempts.Select(attempt => Text(attempt, "response")));
        Assert.True(attempts[2].GetProperty("at").GetDateTimeOffset() > attempts[0].GetProperty("at").GetDateTimeOffset());
        Assert.All(attempts, attempt => Assert.True(attempt.GetProperty("latency_ms").GetInt64() >= 0));
        Assert.Equal(200, Assert.Single(messages[1].GetProperty("attempts").EnumerateArray()).GetProperty("status").GetInt32());
    }

    [Fact]
    public async Task An_event_of_an_id_that_was_merged_since_names_the_person_it_has_now()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var uuid = Guid.NewGuid();
        await pipeline.CaptureAsync(new { uuid, @event = "looked around", distinct_id = "device-1" });
        await pipeline.SettledAsync();
        var person = (await StoryAsync(pipeline, uuid)).GetProperty("person");
        Assert.Equal(("anonymous", "created"), (Text(person, "why"), Text(person.GetProperty("decisions")[0], "result")));
        await pipeline.CaptureAsync(new
        {
            @event = "$identify",
            distinct_id = "ada",
            properties = new Dictionary<string, object> { ["$anon_distinct_id"] = "device-1" },
        });
        await pipeline.SettledAsync();

        person = (await StoryAsync(pipeline, uuid)).GetProperty("person");
        Assert.Equal(
            ("ada", "device-1", "merged"), (Text(person, "user_id"), Text(person, "found_by"), Text(person, "why")));
    }

    [Fact]
    public async Task An_event_of_an_id_that_was_merged_before_tells_that_id_for_as_long_as_the_ledger_knows_it()
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions(Hocon: """variance.retention.interval = "00:00:01" """));
        await pipeline.CaptureAsync(new { @event = "looked around", distinct_id = "device-1" });
        await pipeline.CaptureAsync(new
        {
            @event = "$identify",
            distinct_id = "ada",
            properties = new Dictionary<string, object> { ["$anon_distinct_id"] = "device-1" },
        });
        await pipeline.SettledAsync();
        var uuid = Guid.NewGuid();
        await pipeline.CaptureAsync(new { uuid, @event = new string('n', 199) + "\ud83d\ude00", distinct_id = "device-1" });
        await pipeline.SettledAsync();
        pipeline.Clock.Advance(TimeSpan.FromDays(8));
        await PipelineHarness.UntilAsync(
            async () => (await StoryAsync(pipeline, uuid)).GetProperty("messages").GetArrayLength() == 0, "the outbox is swept");

        var story = await StoryAsync(pipeline, uuid);
        Assert.Equal((new string('n', 199), "device-1"), (Text(story, "event"), Text(story, "distinct_id")));
        var person = story.GetProperty("person");
        Assert.Equal(
            ("ada", "device-1", "merged"), (Text(person, "user_id"), Text(person, "found_by"), Text(person, "why")));
    }

    [Fact]
    public async Task A_filtered_event_says_why_and_whose_it_is_and_has_neither_messages_nor_attempts()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var uuid = Guid.NewGuid();
        await pipeline.CaptureAsync(new { uuid, @event = "$autocapture", distinct_id = "ada" });
        await pipeline.SettledAsync();

        var story = await StoryAsync(pipeline, uuid);
        Assert.Equal(("filtered", "unsupported-event"), (Text(story, "state"), Text(story, "reason")));
        Assert.Equal(("$autocapture", "ada"), (Text(story, "event"), Text(story, "distinct_id")));
        Assert.Equal("ada", Text(story.GetProperty("person"), "found_by"));
        Assert.Empty(story.GetProperty("messages").EnumerateArray());
    }

    [Fact]
    public async Task Different_events_under_one_uuid_are_all_told()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var uuid = Guid.NewGuid();
        foreach (var name in new[] { "one", "two", "three" })
        {
            await pipeline.CaptureAsync(new { uuid, @event = name, distinct_id = "ada" });
            await pipeline.SettledAsync();
        }

        var story = await StoryAsync(pipeline, uuid);
        Assert.Equal("one", Text(story.GetProperty("messages")[0].GetProperty("body"), "event"));
        Assert.Equal(
            ["two", "three"],
            story.GetProperty("others").EnumerateArray()
                .Select(other => Text(other.GetProperty("messages")[0].GetProperty("body"), "event")));
        using var unknown = await pipeline.ApiAsync($"events/{Guid.NewGuid()}");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    [Fact]
    public async Task Attempts_leave_with_the_outbox_and_those_of_a_dead_letter_stay()
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions("plugin", """variance.retention.interval = "00:00:01" """));
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            message.Body.GetProperty("event").GetString() == "bad" ? new StandInAnswer(400) : StandInAnswer.Ok);
        var (good, bad) = (Guid.NewGuid(), Guid.NewGuid());
        await pipeline.CaptureAsync(
            new { uuid = good, @event = "good", distinct_id = "ada" },
            new { uuid = bad, @event = "bad", distinct_id = "ada" });
        await pipeline.SettledAsync();
        Assert.Single((await StoryAsync(pipeline, good)).GetProperty("messages")[0].GetProperty("attempts").EnumerateArray());

        pipeline.Clock.Advance(TimeSpan.FromDays(8));
        await PipelineHarness.UntilAsync(
            async () => (await StoryAsync(pipeline, good)).GetProperty("messages").GetArrayLength() == 0, "the outbox is swept");
        Assert.Equal("delivered", Text(await StoryAsync(pipeline, good), "state"));

        var story = await StoryAsync(pipeline, bad);
        Assert.Equal("dead", Text(story, "state"));
        Assert.Single(story.GetProperty("messages")[0].GetProperty("attempts").EnumerateArray());
        pipeline.Variance.Answer = _ => ValueTask.FromResult(StandInAnswer.Ok);
        using var replayed = await pipeline.ApiAsync(HttpMethod.Post, "dead-letters/1/replay");
        await pipeline.SettledAsync();
        story = await StoryAsync(pipeline, bad);
        Assert.Equal("delivered", Text(story, "state"));
        Assert.Equal(2, story.GetProperty("messages")[0].GetProperty("attempts").GetArrayLength());
    }

    [Theory]
    [InlineData(StoreKind.Sqlite)]
    [InlineData(StoreKind.Postgres)]
    public async Task What_was_not_sent_is_told_so_for_as_long_as_the_ledger_knows_the_event(StoreKind store)
    {
        const string Sweeps = """variance.retention.interval = "00:00:01" """;
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions("plugin", Sweeps, DryRun: true, Store: store));
        var (tried, skipped) = (Guid.NewGuid(), Guid.NewGuid());
        await pipeline.CaptureAsync(new { uuid = tried, @event = "tried", distinct_id = "ada" });
        await pipeline.SettledAsync();
        await pipeline.RestartAsync(hocon: $"""
            {Sweeps}
            variance.connections.acme.url = "{pipeline.Variance.Url}"
            """);
        using var paused = await pipeline.ApiAsync(HttpMethod.Post, "pause");
        await pipeline.CaptureAsync(new { uuid = skipped, @event = "skipped", distinct_id = "ada" });
        await PipelineHarness.UntilAsync(async () => (await pipeline.LedgerAsync())["parked"] == 1, "it is parked");
        pipeline.Clock.Advance(TimeSpan.FromMinutes(1));
        using var resumed = await pipeline.ApiAsync(
            HttpMethod.Post, "resume", new { mode = "since", since = pipeline.Clock.GetUtcNow() });
        await pipeline.SettledAsync();

        pipeline.Clock.Advance(TimeSpan.FromDays(8));
        await PipelineHarness.UntilAsync(
            async () => (await StoryAsync(pipeline, skipped)).GetProperty("messages").GetArrayLength() == 0,
            "the outbox is swept");
        Assert.Equal("skipped", Text(await StoryAsync(pipeline, skipped), "state"));
        Assert.Equal("suppressed", Text(await StoryAsync(pipeline, tried), "state"));

        pipeline.Clock.Advance(TimeSpan.FromDays(30));
        await PipelineHarness.UntilAsync(
            async () =>
            {
                pipeline.Clock.Advance(TimeSpan.FromSeconds(2));
                return await pipeline.Database.ReadAsync(session => (long)session.Scalar(
                    new Statement("SELECT (SELECT count(*) FROM unsent_message) + (SELECT count(*) FROM ledger)"))!) == 0;
            },
            "the marks leave with the ledger");
    }

    [Fact]
    public async Task The_ledger_keeps_events_that_are_not_finished_however_old_they_are()
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions("plugin", """variance.retention.interval = "00:00:01" """));
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            message.Body.GetProperty("event").GetString() == "bad" ? new StandInAnswer(400) : StandInAnswer.Ok);
        var events = new[] { "good", "bad", "waiting" }
            .Select(name => new { uuid = Guid.NewGuid(), @event = name, distinct_id = name, timestamp = "2026-01-01T00:00:00Z" })
            .ToArray();
        await pipeline.CaptureAsync(events[0], events[1]);
        await pipeline.SettledAsync();
        using var paused = await pipeline.ApiAsync(HttpMethod.Post, "pause");
        await pipeline.CaptureAsync(events[2]);
        await PipelineHarness.UntilAsync(async () => (await pipeline.LedgerAsync())["parked"] == 1, "it is parked");

        pipeline.Clock.Advance(TimeSpan.FromDays(40));
        await PipelineHarness.UntilAsync(
            async () =>
            {
                pipeline.Clock.Advance(TimeSpan.FromSeconds(2));
                return (await pipeline.ApiAsync($"events/{events[0].uuid}")).StatusCode == HttpStatusCode.NotFound;
            },
            "the finished one is swept away");
        Assert.Equal("dead", Text(await StoryAsync(pipeline, events[1].uuid), "state"));
        Assert.Equal("parked", Text(await StoryAsync(pipeline, events[2].uuid), "state"));

        await pipeline.CaptureAsync(events[1], events[2]); // sent again: they are the same events
        using var resumed = await pipeline.ApiAsync(HttpMethod.Post, "resume");
        await PipelineHarness.UntilAsync(
            async () =>
            {
                pipeline.Clock.Advance(TimeSpan.FromMilliseconds(500));
                return await pipeline.WaitingAsync() == 0;
            },
            "all is delivered");
        Assert.Equal(3, pipeline.Variance.Received.Length);
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((2, 1, 2, 0), (ledger["delivered"], ledger["dead"], ledger["duplicates"], ledger["imbalance"]));
    }

    private static async Task<JsonElement> StoryAsync(PipelineHarness pipeline, Guid uuid)
    {
        using var answer = await pipeline.ApiAsync($"events/{uuid}");
        return await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>();
    }

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private static Task TurnUntilSettledAsync(PipelineHarness pipeline) => PipelineHarness.UntilAsync(
        async () =>
        {
            pipeline.Clock.Advance(TimeSpan.FromMilliseconds(500));
            return await pipeline.WaitingAsync() == 0;
        },
        "nothing is pending");
}
