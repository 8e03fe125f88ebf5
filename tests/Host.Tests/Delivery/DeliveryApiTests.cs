using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using VarianceActors.Host.Http;
using VarianceActors.Pipeline.Delivery;
using Xunit;

namespace VarianceActors.Host.Tests.Delivery;

/// <summary>What operators see of a connection's delivery and do with it.</summary>
public sealed class DeliveryApiTests
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task A_paused_connection_keeps_everything_through_a_restart_and_sends_it_when_it_is_resumed()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var paused = await CallAsync(pipeline, HttpMethod.Post, "pause");
        Assert.Equal(("paused", "paused"), (Text(paused, "state"), Text(paused, "reason")));
        Assert.NotEqual("", Text(paused, "hint"));
        await pipeline.CaptureAsync(Event(1), Event(2), Event(3));
        await WaitingAsync(pipeline, 3);
        await pipeline.RestartAsync();

        var kept = await WaitingAsync(pipeline, 3);
        Assert.Equal("paused", Text(kept, "state"));
        Assert.Equal("3 waiting, paused", Text(kept.GetProperty("estimate"), "text"));
        Assert.Equal(JsonValueKind.Null, kept.GetProperty("estimate").GetProperty("done_at").ValueKind);
        Assert.Empty(pipeline.Variance.Received);
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((3, 0, 3, 0), (ledger["accepted"], ledger["pending"], ledger["parked"], ledger["imbalance"]));
        var resumed = await CallAsync(pipeline, HttpMethod.Post, "resume");
        Assert.Equal(("running", "", ""), (Text(resumed, "state"), Text(resumed, "reason"), Text(resumed, "hint")));
        await pipeline.SettledAsync();

        Assert.Equal(3, pipeline.Variance.Received.Length);
        Assert.Equal("nothing is waiting", Text((await ShowAsync(pipeline)).GetProperty("estimate"), "text"));
    }

    [Fact]
    public async Task What_a_resume_leaves_out_is_in_the_books_and_in_the_events_story()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        await CallAsync(pipeline, HttpMethod.Post, "pause");
        var old = Event(1);
        await pipeline.CaptureAsync(old);
        await WaitingAsync(pipeline, 1);
        pipeline.Clock.Advance(TimeSpan.FromHours(1));
        var since = pipeline.Clock.GetUtcNow();
        await pipeline.CaptureAsync(Event(2));
        await WaitingAsync(pipeline, 2);
        await CallAsync(pipeline, HttpMethod.Post, "resume", new { mode = "since", since });
        await pipeline.SettledAsync();

        Assert.Single(pipeline.Variance.Received);
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((2, 1, 1, 0), (ledger["accepted"], ledger["delivered"], ledger["skipped"], ledger["imbalance"]));
        using var story = await pipeline.ApiAsync($"events/{old["uuid"]}");
        Assert.Equal("skipped", Text(await story.Content.ReadFromJsonAsync<JsonElement>(), "state"));
    }

    [Theory]
    [InlineData("since")]
    [InlineData("latest")]
    public async Task A_replay_is_never_left_out_by_a_resume(string mode)
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        pipeline.Variance.Answer = _ => ValueTask.FromResult(new StandInAnswer(400));
        await pipeline.CaptureAsync(Event(1));
        await pipeline.SettledAsync();
        pipeline.Variance.Answer = _ => ValueTask.FromResult(StandInAnswer.Ok);
        pipeline.Clock.Advance(TimeSpan.FromHours(1));
        await CallAsync(pipeline, HttpMethod.Post, "pause");
        DateTimeOffset? since = mode == "since" ? pipeline.Clock.GetUtcNow() : null;
        await CallAsync(pipeline, HttpMethod.Post, "resume", new { mode, since });
        await CallAsync(pipeline, HttpMethod.Post, "dead-letters/1/replay");
        await pipeline.SettledAsync();

        Assert.Equal([400, 200], pipeline.Variance.Received.Select(message => message.Status));
        Assert.Equal(1, (await pipeline.LedgerAsync())["delivered"]);
    }

    [Theory]
    [InlineData("dead-letters?unknown=1", "There is no such query parameter here")]
    [InlineData("dead-letters?status=bad", "status")]
    [InlineData("dead-letters?since=yesterday", "since")]
    [InlineData("delivery?verbose=true", "no query parameters")]
    public async Task A_question_that_cannot_be_read_is_told_what_is_wrong(string path, string says)
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        using var answer = await pipeline.ApiAsync(path);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Contains(says, problem.GetRawText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_document_says_how_to_call_and_what_every_parameter_is()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var document = await pipeline.Http.GetFromJsonAsync<JsonElement>(new Uri("/openapi/v1.json", UriKind.Relative));
        var scheme = document.GetProperty("components").GetProperty("securitySchemes").GetProperty("admin-key");
        Assert.Equal("bearer", scheme.GetProperty("scheme").GetString());
        foreach (var path in document.GetProperty("paths").EnumerateObject().Where(path => path.Name.StartsWith("/api/", StringComparison.Ordinal)))
        {
            foreach (var call in path.Value.EnumerateObject())
            {
                Assert.True(call.Value.TryGetProperty("security", out _), $"{call.Name} {path.Name} needs the key");
                Assert.True(call.Value.TryGetProperty("summary", out _), $"{call.Name} {path.Name} has a summary");
            }
        }
    }

    [Theory]
    [InlineData("latest")]
    [InlineData("since")]
    public async Task What_waits_for_one_of_few_places_goes_on_after_a_resume(string mode)
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions("plugin", "variance.delivery.in-flight-max = 1"));
        var (begun, letGo) = (0, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        pipeline.Variance.Answer = async _ =>
        {
            Interlocked.Increment(ref begun);
            await letGo.Task;
            return StandInAnswer.Ok;
        };
        await pipeline.CaptureAsync(
            [.. Enumerable.Range(0, 200).Select(number => new { @event = "seen", distinct_id = $"person-{number}" })]);
        await PipelineHarness.UntilAsync(() => Task.FromResult(Volatile.Read(ref begun) == 1), "one is on its way");
        await CallAsync(pipeline, HttpMethod.Post, "pause");
        letGo.SetResult();
        pipeline.Clock.Advance(TimeSpan.FromSeconds(1));
        object resume = mode == "since" ? new { mode, since = pipeline.Clock.GetUtcNow() } : new { mode };
        using var resumed = await pipeline.ApiAsync(HttpMethod.Post, "resume", resume);
        Assert.Equal(HttpStatusCode.OK, resumed.StatusCode);
        await pipeline.CaptureAsync(new { @event = "seen", distinct_id = "late" });
        await TurnUntilSettledAsync(pipeline);
    }

    [Theory]
    [InlineData("POST", "resume", """{"mode":"some"}""")]
    [InlineData("POST", "resume", """{"mode":"since"}""")]
    [InlineData("POST", "resume", """{"modes":"latest"}""")]
    [InlineData("POST", "dead-letters/discard", """{"filter":{"type":"track","distinctid":"nobody"},"reason":"test"}""")]
    [InlineData("POST", "dead-letters/replay?forse=true", """{"all":true}""")]
    [InlineData("PUT", "rate", """{"per_second":5.5,"burst":1}""")]
    [InlineData("POST", "resume", """{"mode":"all","since":"2026-03-01T00:00:00Z"}""")]
    [InlineData("POST", "resume", """{"mode":"since","since":"2999-03-01T00:00:00Z"}""")]
    [InlineData("PUT", "rate", """{"per_second":-1,"burst":1}""")]
    [InlineData("PUT", "rate", """{"per_second":1,"burst":0}""")]
    [InlineData("PUT", "rate", """{"per_second":1000001,"burst":1}""")]
    [InlineData("PUT", "rate", "{}")]
    [InlineData("PUT", "rate", """{"burst":100}""")]
    public async Task A_wish_that_makes_no_sense_is_refused_and_changes_nothing(string method, string path, string body)
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var before = await ShowAsync(pipeline);
        using var answer = await pipeline.ApiAsync(
            HttpMethod.Parse(method), path, JsonDocument.Parse(body).RootElement);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.NotEqual("", problem.GetProperty("detail").GetString());
        var after = await ShowAsync(pipeline);
        Assert.Equal(before.GetProperty("rate").GetRawText(), after.GetProperty("rate").GetRawText());
        Assert.Equal("running", Text(after, "state"));
    }

    [Fact]
    public async Task A_rate_that_is_set_holds_at_once_and_through_a_restart()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var set = await CallAsync(pipeline, HttpMethod.Put, "rate", new { per_second = 7, burst = 3 });
        Assert.Equal((7, 3), RateOf(set));
        await pipeline.RestartAsync();
        Assert.Equal((7, 3), RateOf(await ShowAsync(pipeline)));
    }

    [Fact]
    public async Task Errors_are_grouped_with_a_hint_and_latencies_are_told_as_percentiles()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        Assert.Equal(JsonValueKind.Null, (await ShowAsync(pipeline)).GetProperty("latency").ValueKind);
        pipeline.Variance.Answer = message => ValueTask.FromResult(message.Sequence switch
        {
            <= 3 => new StandInAnswer(503),
            4 => new StandInAnswer(413),
            _ => StandInAnswer.Ok,
        });
        await pipeline.CaptureAsync(Event(1));
        await TurnUntilSettledAsync(pipeline);
        await pipeline.CaptureAsync(Event(2), Event(3));
        await TurnUntilSettledAsync(pipeline);
        var shown = default(JsonElement);
        await PipelineHarness.UntilAsync(
            async () =>
            {
                shown = await ShowAsync(pipeline);
                var latency = shown.GetProperty("latency");
                return latency.ValueKind == JsonValueKind.Object && latency.GetProperty("messages").GetInt32() == 2;
            },
            "both latencies are counted");

        var errors = shown.GetProperty("errors").EnumerateArray().ToArray();
        Assert.Equal(["status-413", "status-503"], errors.Select(error => Text(error, "reason")).Order());
        Assert.Equal([1, 3], errors.OrderBy(error => Text(error, "reason")).Select(error => error.GetProperty("attempts").GetInt32()));
        Assert.All(errors, error => Assert.NotEqual("", Text(error, "hint")));
        Assert.True(shown.GetProperty("latency").GetProperty("p50_ms").GetInt64() >= 0);
        Assert.Equal(1, shown.GetProperty("backlog").GetProperty("dead_events").GetInt32());
        pipeline.Clock.Advance(TimeSpan.FromHours(26));
        Assert.Empty((await ShowAsync(pipeline)).GetProperty("errors").EnumerateArray());
    }

    [Theory]
    [InlineData(4812, 12.4, "4,812 waiting, 12/s, done 12:06")]
    [InlineData(9, 0.5, "9 waiting, 0.5/s, done 12:00")]
    [InlineData(1_000_000, 5, "1,000,000 waiting, 5/s, done 2026-03-03 19:33")]
    [InlineData(3, 0, "3 waiting, 0/s")]
    [InlineData(0, 3, "nothing is waiting")]
    public void The_estimate_says_when_the_backlog_is_done(long waiting, double perSecond, string text) =>
        Assert.Equal(text, EstimateView.Of(Status(DeliveryMode.Running, "", perSecond), Report(waiting), Noon).Text);

    [Fact]
    public void The_estimate_of_a_connection_that_the_receiver_holds_begins_when_it_may_go_on()
    {
        var held = Status(DeliveryMode.Running, "", 10) with { HoldUntil = Noon.AddHours(1) };
        var estimate = EstimateView.Of(held, Report(600), Noon);
        Assert.Equal("600 waiting, held by the receiver until 13:00, 10/s, done 13:01", estimate.Text);
    }

    [Theory]
    [InlineData(DeliveryMode.Paused, "paused", "3 waiting, paused")]
    [InlineData(DeliveryMode.Open, "status-401", "3 waiting, stopped by the breaker (status-401)")]
    [InlineData(DeliveryMode.HalfOpen, "failing", "3 waiting, stopped by the breaker (failing)")]
    public void The_estimate_of_a_stopped_connection_names_no_time(DeliveryMode mode, string reason, string text)
    {
        var estimate = EstimateView.Of(Status(mode, reason, 12), Report(3), Noon);
        Assert.Equal((text, null), (estimate.Text, estimate.DoneAt));
    }

    private static DeliveryStatus Status(DeliveryMode mode, string reason, double perSecond) =>
        new("acme", mode, reason, Noon, 10, 1, 10, IsAdaptive: false, ProbeAt: null, LastDeliveredAt: null)
        {
            DeliveredPerSecond = perSecond,
        };

    private static DeliveryReport Report(long waiting) => new(0, waiting, 0, 0, []);

    private static Dictionary<string, object> Event(int number) => new()
    {
        ["uuid"] = Guid.NewGuid(),
        ["event"] = "order placed",
        ["distinct_id"] = $"person-{number}",
        ["properties"] = new { n = number },
    };

    private static async Task<JsonElement> CallAsync(
        PipelineHarness pipeline, HttpMethod method, string path, object? body = null)
    {
        using var answer = await pipeline.ApiAsync(method, path, body);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    private static Task<JsonElement> ShowAsync(PipelineHarness pipeline) =>
        CallAsync(pipeline, HttpMethod.Get, "delivery");

    /// <summary>The delivery once so many messages wait in the outbox.</summary>
    private static async Task<JsonElement> WaitingAsync(PipelineHarness pipeline, int messages)
    {
        var shown = default(JsonElement);
        await PipelineHarness.UntilAsync(
            async () =>
            {
                shown = await ShowAsync(pipeline);
                return shown.GetProperty("backlog").GetProperty("waiting_messages").GetInt32() == messages;
            },
            "the messages wait");
        return shown;
    }

    private static (int PerSecond, int Burst) RateOf(JsonElement delivery) => (
        delivery.GetProperty("rate").GetProperty("per_second").GetInt32(),
        delivery.GetProperty("rate").GetProperty("burst").GetInt32());

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private static Task TurnUntilSettledAsync(PipelineHarness pipeline) => PipelineHarness.UntilAsync(
        async () =>
        {
            pipeline.Clock.Advance(TimeSpan.FromMilliseconds(500));
            return await pipeline.WaitingAsync() == 0;
        },
        "nothing is pending");
}
