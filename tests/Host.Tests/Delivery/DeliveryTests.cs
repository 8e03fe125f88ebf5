using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using Xunit;

namespace VarianceActors.Host.Tests.Delivery;

/// <summary>What leaves the pipeline, how often, in which order, and what becomes of what cannot leave.</summary>
public sealed class DeliveryTests
{
    [Fact]
    public async Task An_event_over_the_limit_is_refused_alone_and_the_ledger_says_so()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var uuids = new[] { Guid.NewGuid(), Guid.NewGuid() };
        object Large(Guid uuid) => new
        {
            uuid,
            @event = "large",
            distinct_id = "ada",
            timestamp = "2026-03-01T09:00:00Z",
            properties = new { n = 0, filler = new string('x', 1_000_000) },
        };
        await pipeline.CaptureAsync(Event("ada", 1), Large(uuids[0]), Event("ada", 2));
        await pipeline.WebhookAsync(JsonSerializer.Serialize(Large(uuids[1])));

        await pipeline.SettledAsync();
        Assert.Equal([1, 2], pipeline.Variance.Received.Select(NumberOf));
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((4, 2, 2), (ledger["accepted"], ledger["delivered"], ledger["refused"]));
        foreach (var uuid in uuids)
        {
            using var answer = await pipeline.ApiAsync($"events/{uuid}");
            var text = await answer.Content.ReadAsStringAsync();
            Assert.Contains("\"state\":\"refused\",\"reason\":\"message_size_too_large\"", text);
            Assert.Contains("\"type\":\"message_size_too_large\"", text);
            Assert.Contains($"\"eventUuid\":\"{uuid}\",\"distinctId\":\"ada\"", text);
        }
    }

    [Fact]
    public async Task A_message_that_is_refused_for_good_becomes_a_dead_letter_and_the_next_ones_follow()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            NumberOf(message) == 2 ? new StandInAnswer(400, Body: "no such thing") : StandInAnswer.Ok);
        for (var number = 1; number <= 4; number++)
        {
            await pipeline.CaptureAsync(Event("ada", number));
        }

        await pipeline.SettledAsync();
        Assert.Equal([1, 2, 3, 4], pipeline.Variance.Received.Select(NumberOf));
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((4, 3, 1), (ledger["accepted"], ledger["delivered"], ledger["dead"]));
        using var answer = await pipeline.ApiAsync("dead-letters");
        var letter = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("items")[0];
        Assert.Equal("status-400", letter.GetProperty("reason").GetString());
        Assert.Equal(400, letter.GetProperty("status").GetInt32());
        Assert.Equal("no such thing", letter.GetProperty("response").GetString());
        Assert.Equal(1, letter.GetProperty("attempts").GetInt32());
        Assert.Equal(2, letter.GetProperty("body").GetProperty("properties").GetProperty("n").GetInt32());
    }

    [Fact]
    public async Task A_failing_receiver_gets_the_same_bytes_again_and_the_order_of_a_person_holds()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var failures = new ConcurrentDictionary<string, int>();
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            failures.AddOrUpdate(message.MessageId, 1, (_, count) => count + 1) switch
            {
                1 => new StandInAnswer(500),
                2 => new StandInAnswer(0, Reset: true),
                _ => StandInAnswer.Ok,
            });
        for (var number = 1; number <= 3; number++)
        {
            await pipeline.CaptureAsync(Event("ada", number), Event("bob", number));
        }

        await TurnUntilSettledAsync(pipeline);
        foreach (var person in pipeline.Variance.Received.GroupBy(message => message.Body.GetProperty("userId").GetString()))
        {
            Assert.Equal([1, 1, 1, 2, 2, 2, 3, 3, 3], person.Select(NumberOf));
        }

        Assert.All(
            pipeline.Variance.Received.GroupBy(message => message.MessageId),
            attempts => Assert.Single(attempts.Select(message => message.Body.GetRawText()).Distinct()));
        Assert.Equal(6, (await pipeline.LedgerAsync())["delivered"]);
    }

    [Fact]
    public async Task A_failing_person_holds_up_nobody_else()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            message.Body.GetProperty("userId").GetString() == "ada" ? new StandInAnswer(503) : StandInAnswer.Ok);
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 200).Select(number => Event("ada", number))]);
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 200).Select(number => Event($"person-{number}", number))]);
        await PipelineHarness.UntilAsync(
            async () => (await pipeline.LedgerAsync())["delivered"] == 200, "everybody else is served");
        Assert.Equal(200, await pipeline.WaitingAsync());
    }

    [Theory]
    [InlineData("99999999999")]
    [InlineData("4294967296")]
    public async Task A_retry_after_beyond_all_reason_is_cut_to_the_cap(string seconds)
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions("plugin", """variance.delivery.retry.retry-after-max = "00:10:00" """));
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            message.Sequence == 1 ? new StandInAnswer(503, seconds) : StandInAnswer.Ok);
        var begun = pipeline.Clock.GetUtcNow();
        await pipeline.CaptureAsync(Event("ada", 1));
        await PipelineHarness.UntilAsync(() => Task.FromResult(pipeline.Variance.Received.Length == 1), "it was tried");
        await TurnUntilSettledAsync(pipeline);
        Assert.InRange(pipeline.Clock.GetUtcNow() - begun, TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(12));
    }

    [Fact]
    public async Task Where_nothing_but_429_comes_back_the_whole_connection_waits_as_long_as_it_is_asked_to()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var begun = pipeline.Clock.GetUtcNow();
        pipeline.Variance.Answer = _ => ValueTask.FromResult(
            pipeline.Clock.GetUtcNow() - begun < TimeSpan.FromSeconds(30) ? new StandInAnswer(429, "30") : StandInAnswer.Ok);
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 100).Select(number => Event($"first-{number}", number))]);
        await PipelineHarness.UntilAsync(
            async () =>
            {
                using var answer = await pipeline.ApiAsync("delivery");
                var delivery = await answer.Content.ReadFromJsonAsync<JsonElement>();
                return delivery.GetProperty("hold_until").ValueKind != JsonValueKind.Null;
            },
            "the gate has heard of it");
        await pipeline.RestartAsync();
        var throttled = pipeline.Variance.Received.Length;
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 100).Select(number => Event($"second-{number}", number))]);
        await TurnUntilSettledAsync(pipeline);

        Assert.Equal(throttled + 200, pipeline.Variance.Received.Length);
    }

    [Theory]
    [InlineData("7")]
    [InlineData("date")]
    public async Task Retry_after_is_obeyed(string form)
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var asked = pipeline.Clock.GetUtcNow().AddSeconds(7);
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            message.Sequence == 1 ? new StandInAnswer(429, form == "date" ? asked.ToString("r") : form) : StandInAnswer.Ok);
        await pipeline.CaptureAsync(Event("ada", 1));
        await PipelineHarness.UntilAsync(() => Task.FromResult(pipeline.Variance.Received.Length == 1), "it was tried");
        await TurnUntilSettledAsync(pipeline);
        Assert.Equal(2, pipeline.Variance.Received.Length);
        Assert.True(pipeline.Clock.GetUtcNow() >= asked.AddSeconds(-1), "it was tried too early");
    }

    [Fact]
    public async Task A_message_whose_retry_budget_is_spent_while_others_succeed_becomes_a_dead_letter()
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions("plugin", """variance.delivery.retry.budget = "00:01:00" """));
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            message.Body.GetProperty("userId").GetString() == "ada" ? new StandInAnswer(503) : StandInAnswer.Ok);
        await pipeline.CaptureAsync(Event("ada", 1));
        await PipelineHarness.UntilAsync(() => Task.FromResult(pipeline.Variance.Received.Length > 0), "it was tried");
        pipeline.Clock.Advance(TimeSpan.FromSeconds(1));
        await pipeline.CaptureAsync(Event("bob", 1));
        await TurnUntilSettledAsync(pipeline);
        using var answer = await pipeline.ApiAsync("dead-letters");
        var letter = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("items")[0];
        Assert.Equal("retry-budget-exhausted", letter.GetProperty("reason").GetString());
        Assert.Equal(503, letter.GetProperty("status").GetInt32());
        Assert.True(letter.GetProperty("attempts").GetInt32() > 3);
    }

    [Fact]
    public async Task An_outage_longer_than_the_budget_spends_nothing_of_it()
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions("plugin", """variance.delivery.retry.budget = "00:01:00" """));
        var outage = true;
        var failures = new ConcurrentDictionary<string, int>();
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            outage || (NumberOf(message) % 2 == 0 && failures.AddOrUpdate(message.MessageId, 1, (_, count) => count + 1) < 3)
                ? new StandInAnswer(503)
                : StandInAnswer.Ok);
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 40).Select(number => Event($"person-{number}", number))]);
        await PipelineHarness.UntilAsync(
            () =>
            {
                pipeline.Clock.Advance(TimeSpan.FromSeconds(1));
                return Task.FromResult(pipeline.Variance.Received.Length >= 100);
            },
            "the outage has lasted");
        pipeline.Clock.Advance(TimeSpan.FromMinutes(5));
        outage = false;
        await TurnUntilSettledAsync(pipeline);
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((40, 0), (ledger["delivered"], ledger["dead"]));
    }

    [Fact]
    public async Task A_wrong_authorization_loses_nothing()
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions("plugin", "variance.connections.acme.authorization = \"Basic d3Jvbmc=\""));
        await pipeline.CaptureAsync(Event("ada", 1));
        await PipelineHarness.UntilAsync(() => Task.FromResult(pipeline.Variance.Unauthorized > 0), "it was tried");
        await PipelineHarness.UntilAsync(
            () =>
            {
                pipeline.Clock.Advance(TimeSpan.FromDays(1));
                return Task.FromResult(pipeline.Variance.Unauthorized > 5);
            },
            "it was tried for days");
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((1, 1, 0), (ledger["accepted"], ledger["parked"], ledger["dead"]));
    }

    [Fact]
    public async Task A_private_receiver_is_not_dialled_unless_it_is_allowed()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            "plugin",
            $"""
            variance.connections.acme.allow-private-network = off
            variance.connections.acme.url = "https://localhost:{((IPEndPoint)listener.LocalEndpoint).Port}/hook"
            """));
        await pipeline.CaptureAsync(Event("ada", 1));
        await PipelineHarness.UntilAsync(
            async () =>
            {
                using var answer = await pipeline.ApiAsync("delivery");
                var shown = await answer.Content.ReadAsStringAsync();
                return shown.Contains("receiver-address-not-public", StringComparison.Ordinal);
            },
            "the reason is shown");
        Assert.Equal(1, await pipeline.WaitingAsync());
        Assert.False(listener.Pending());
    }

    [Fact]
    public async Task A_dry_run_makes_and_shows_messages_and_sends_nothing()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin", DryRun: true));
        var uuid = Guid.NewGuid();
        await pipeline.CaptureAsync(new { uuid, @event = "signed up", distinct_id = "ada" });
        await pipeline.SettledAsync();
        using var answer = await pipeline.ApiAsync($"events/{uuid}");
        var story = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal("suppressed", story.GetProperty("state").GetString());
        Assert.Equal("signed up", story.GetProperty("messages")[0].GetProperty("body").GetProperty("event").GetString());
        Assert.Empty(pipeline.Variance.Received);
        Assert.Equal(1, (await pipeline.LedgerAsync())["suppressed"]);
    }

    [Fact]
    public async Task After_a_restart_the_rest_is_delivered_and_nothing_twice()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        pipeline.Variance.Answer = _ => ValueTask.FromResult(new StandInAnswer(503));
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 50).Select(number => Event($"person-{number}", number))]);
        await PipelineHarness.UntilAsync(() => Task.FromResult(pipeline.Variance.Received.Length >= 50), "all were tried");
        var tried = pipeline.Variance.Received.Length;
        pipeline.Variance.Answer = _ => ValueTask.FromResult(StandInAnswer.Ok);
        await pipeline.RestartAsync();
        await TurnUntilSettledAsync(pipeline);
        Assert.Equal(50, (await pipeline.LedgerAsync())["delivered"]);
        Assert.Equal(50, pipeline.Variance.Received.Skip(tried).Count(message => message.Status == 200));
    }

    private static object Event(string distinctId, int number) => new
    {
        uuid = Guid.NewGuid(),
        @event = "order placed",
        distinct_id = distinctId,
        properties = new { n = number },
    };

    private static int NumberOf(ReceivedMessage message) =>
        message.Body.GetProperty("properties").GetProperty("n").GetInt32();

    private static Task TurnUntilSettledAsync(PipelineHarness pipeline) => PipelineHarness.UntilAsync(
        async () =>
        {
            pipeline.Clock.Advance(TimeSpan.FromMilliseconds(500));
            return await pipeline.WaitingAsync() == 0;
        },
        "nothing is pending");
}
