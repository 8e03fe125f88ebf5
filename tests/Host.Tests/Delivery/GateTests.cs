using System.Net.Http.Json;
using System.Text.Json;
using Akka.Actor;
using Akka.Hosting;
using Microsoft.Extensions.DependencyInjection;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Stores;
using Xunit;
using static VarianceActors.Pipeline.Delivery.ConnectionMessage;

namespace VarianceActors.Host.Tests.Delivery;

/// <summary>A connection that is stopped: by its breaker or by an operator.</summary>
public sealed class GateTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task A_wrong_authorization_stops_a_connection_at_once_and_probes_find_out_when_it_is_mended()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var status = 401;
        pipeline.Variance.Answer = _ => ValueTask.FromResult(new StandInAnswer(status));
        await pipeline.CaptureAsync(Event("ada", 0));
        await PipelineHarness.UntilAsync(async () => (await GetAsync(pipeline)).Mode == DeliveryMode.Open, "it is stopped");
        var open = await GetAsync(pipeline);
        Assert.Equal("status-401", open.Reason);
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 2_000).Select(number => Event($"person-{number}", number))]);
        await PipelineHarness.UntilAsync(async () => await pipeline.WaitingAsync() == 2_001, "all is there");
        await PipelineHarness.UntilAsync(
            () =>
            {
                pipeline.Clock.Advance(TimeSpan.FromSeconds(1));
                return Task.FromResult(pipeline.Variance.Received.Length >= 8);
            },
            "it was probed");
        var minutes = (pipeline.Clock.GetUtcNow() - open.Since).TotalMinutes;
        Assert.True(minutes >= 2, $"8 attempts within {minutes} minutes"); // 2, 4, 8, 16, 32, 60 and 60 seconds
        Assert.Equal(open.Since, (await GetAsync(pipeline)).Since);

        await pipeline.RestartAsync();
        Assert.Contains((await GetAsync(pipeline)).Mode, new[] { DeliveryMode.Open, DeliveryMode.HalfOpen });
        status = 200;
        await TurnUntilSettledAsync(pipeline);
        Assert.Equal(DeliveryMode.Running, (await GetAsync(pipeline)).Mode);
        Assert.Equal(2_001, (await pipeline.LedgerAsync())["delivered"]);
    }

    [Fact]
    public async Task Ten_minutes_of_500_cost_few_attempts_and_nothing_is_lost()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var isDown = true;
        pipeline.Variance.Answer = _ => ValueTask.FromResult(isDown ? new StandInAnswer(500) : StandInAnswer.Ok);
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 1_000).Select(number => Event($"person-{number % 200}", number))]);
        await PipelineHarness.UntilAsync(async () => (await GetAsync(pipeline)).Mode == DeliveryMode.Open, "it is stopped");
        var since = pipeline.Clock.GetUtcNow();
        while (pipeline.Clock.GetUtcNow() < since.AddMinutes(10))
        {
            pipeline.Clock.Advance(TimeSpan.FromSeconds(1));
            await GetAsync(pipeline);
        }

        Assert.InRange(pipeline.Variance.Received.Length, 10, 600);
        isDown = false;
        var back = pipeline.Clock.GetUtcNow();
        await TurnUntilSettledAsync(pipeline);
        Assert.True(pipeline.Clock.GetUtcNow() - back < TimeSpan.FromMinutes(10), "it took too long");
        Assert.Equal(1_000, (await pipeline.LedgerAsync())["delivered"]);
        foreach (var person in pipeline.Variance.Received.Where(message => message.Status == 200).GroupBy(UserOf))
        {
            Assert.Equal(person.Select(NumberOf).Order(), person.Select(NumberOf));
        }
    }

    [Fact]
    public async Task A_pause_outlives_a_restart_and_ends_when_an_operator_ends_it()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        Assert.Equal(DeliveryMode.Paused, (await AskAsync(pipeline, new PauseDelivery(PipelineHarness.Connection))).Mode);
        await pipeline.CaptureAsync(Event("ada", 1));
        await pipeline.RestartAsync();
        pipeline.Clock.Advance(TimeSpan.FromDays(3));
        var status = await GetAsync(pipeline);
        Assert.Equal((DeliveryMode.Paused, "paused"), (status.Mode, status.Reason));
        await PipelineHarness.UntilAsync(async () => await pipeline.WaitingAsync() == 1, "it is there");
        Assert.Empty(pipeline.Variance.Received);
        await ResumeAsync(pipeline, ResumeMode.All);
        await pipeline.SettledAsync();
        Assert.Single(pipeline.Variance.Received);
    }

    [Fact]
    public async Task Another_copy_of_the_gate_that_has_not_read_a_pause_cannot_undo_it()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var parts = pipeline.Services.GetRequiredService<PipelineParts>();
        var copy = pipeline.Services.GetRequiredService<ActorSystem>()
            .ActorOf(Props.Create(() => new ConnectionActor(PipelineHarness.Connection, parts)));
        await copy.Ask<DeliveryStatus>(new GetDelivery(PipelineHarness.Connection), Patience);
        Assert.Equal(DeliveryMode.Paused, (await AskAsync(pipeline, new PauseDelivery(PipelineHarness.Connection))).Mode);

        copy.Tell(new ChangeRate(PipelineHarness.Connection, 2, 1));
        await copy.WatchAsync().WaitAsync(Patience);

        await pipeline.RestartAsync();
        var status = await GetAsync(pipeline);
        Assert.Equal((DeliveryMode.Paused, 0), (status.Mode, status.PerSecond));
    }

    [Fact]
    public async Task A_connection_that_is_resumed_from_a_time_on_skips_what_is_older_and_the_books_say_so()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await AskAsync(pipeline, new PauseDelivery(PipelineHarness.Connection));
        await pipeline.CaptureAsync(Event("ada", 1), Identify("device", "ada", 1), Event("ada", 2));
        pipeline.Clock.Advance(TimeSpan.FromHours(1));
        var from = pipeline.Clock.GetUtcNow();
        await pipeline.CaptureAsync(Event("ada", 3));
        await UntilParkedAsync(pipeline, 4);
        await ResumeAsync(pipeline, ResumeMode.Since, from);
        await TurnUntilSettledAsync(pipeline);
        Assert.Equal(["alias", "track"], pipeline.Variance.Received.Select(message => message.Type));
        Assert.Equal(3, NumberOf(pipeline.Variance.Received[^1]));
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((4, 1, 3), (ledger["accepted"], ledger["delivered"], ledger["skipped"]));
    }

    [Fact]
    public async Task A_connection_that_is_resumed_with_the_latest_state_sends_one_snapshot_and_the_books_say_so()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        await AskAsync(pipeline, new PauseDelivery(PipelineHarness.Connection));
        var last = Guid.NewGuid();
        await pipeline.CaptureAsync(
            Identify("device", "ada", 1), Event("ada", 2), Identify("device", "ada", 3), Identify("device", "ada", 4, last));
        await PipelineHarness.UntilAsync(async () => await IsQueuedAsync(pipeline, last), "all is there");
        await pipeline.RestartAsync();
        pipeline.Clock.Advance(TimeSpan.FromSeconds(1));
        await ResumeAsync(pipeline, ResumeMode.Latest);
        await TurnUntilSettledAsync(pipeline);
        Assert.Equal(["alias", "identify"], pipeline.Variance.Received.Select(message => message.Type));
        Assert.Equal(4, pipeline.Variance.Received[^1].Body.GetProperty("traits").GetProperty("n").GetInt32());
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((4, 1, 1, 2), (ledger["accepted"], ledger["delivered"], ledger["skipped"], ledger["coalesced"]));
    }

    [Fact]
    public async Task With_the_latest_state_each_contact_has_one_snapshot_however_much_waits_also_after_a_restart()
    {
        const int Contacts = 40;
        const int Each = 5;
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions(
                "plugin",
                "variance { delivery { window-messages = 8, lanes-max = 4 }, outbox.delivery-partitions = 2 }"));
        await AskAsync(pipeline, new PauseDelivery(PipelineHarness.Connection));
        for (var round = 1; round <= Each; round++)
        {
            await pipeline.CaptureAsync(
                [.. Enumerable.Range(0, Contacts).Select(person => Identify($"person-{person}", $"person-{person}", round))]);
        }

        await UntilParkedAsync(pipeline, Contacts * Each);
        var (begun, letGo) = (0, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        pipeline.Variance.Answer = async _ =>
        {
            Interlocked.Increment(ref begun);
            await letGo.Task;
            return new StandInAnswer(503);
        };
        await ResumeAsync(pipeline, ResumeMode.Latest);
        await PipelineHarness.UntilAsync(() => Task.FromResult(Volatile.Read(ref begun) > 0), "it is resumed");
        letGo.SetResult();
        await pipeline.RestartAsync();
        pipeline.Variance.Answer = _ => ValueTask.FromResult(StandInAnswer.Ok);
        await TurnUntilSettledAsync(pipeline);

        var sent = pipeline.Variance.Received.Where(message => message.Status == 200).ToList();
        Assert.All(sent, message => Assert.Equal(Each, message.Body.GetProperty("traits").GetProperty("n").GetInt32()));
        Assert.Equal(Contacts, sent.Count);
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((Contacts, Contacts * (Each - 1)), (ledger["delivered"], ledger["coalesced"]));
    }

    [Fact]
    public async Task To_resume_with_everything_takes_back_what_was_to_be_left_out_and_still_waits()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        pipeline.Variance.Answer = _ => ValueTask.FromResult(new StandInAnswer(429, RetryAfter: "60"));
        await pipeline.CaptureAsync(Event("ada", 1), Event("ada", 2), Event("ada", 3));
        await PipelineHarness.UntilAsync(() => Task.FromResult(pipeline.Variance.Received.Length > 0), "one was tried");
        await AskAsync(pipeline, new PauseDelivery(PipelineHarness.Connection));
        pipeline.Clock.Advance(TimeSpan.FromSeconds(1));
        await ResumeAsync(pipeline, ResumeMode.Since, pipeline.Clock.GetUtcNow());

        await ResumeAsync(pipeline, ResumeMode.All);
        await pipeline.RestartAsync();
        pipeline.Variance.Answer = _ => ValueTask.FromResult(StandInAnswer.Ok);
        await TurnUntilSettledAsync(pipeline);

        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((3, 0), (ledger["delivered"], ledger["skipped"]));
    }

    [Fact]
    public async Task To_resume_twice_leaves_out_nothing_that_came_in_between()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        await AskAsync(pipeline, new PauseDelivery(PipelineHarness.Connection));
        await pipeline.CaptureAsync(Event("ada", 1));
        await UntilParkedAsync(pipeline, 1);
        pipeline.Variance.Answer = _ => ValueTask.FromResult(new StandInAnswer(429, RetryAfter: "60"));
        pipeline.Clock.Advance(TimeSpan.FromSeconds(1));
        await ResumeAsync(pipeline, ResumeMode.Latest);
        await pipeline.CaptureAsync(Event("ada", 2));
        await PipelineHarness.UntilAsync(() => Task.FromResult(pipeline.Variance.Received.Length > 0), "it was tried");
        pipeline.Clock.Advance(TimeSpan.FromSeconds(1));

        await ResumeAsync(pipeline, ResumeMode.Latest);
        await ResumeAsync(pipeline, ResumeMode.Since, pipeline.Clock.GetUtcNow());
        pipeline.Variance.Answer = _ => ValueTask.FromResult(StandInAnswer.Ok);
        await TurnUntilSettledAsync(pipeline);

        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((1, 1), (ledger["delivered"], ledger["skipped"]));
    }

    [Theory]
    [InlineData(ResumeMode.Since)]
    [InlineData(ResumeMode.Latest)]
    public async Task What_comes_after_a_resume_is_sent_although_the_clock_was_ahead_at_the_resume(ResumeMode mode)
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        await AskAsync(pipeline, new PauseDelivery(PipelineHarness.Connection));
        await pipeline.CaptureAsync(Event("ada", 1));
        await UntilParkedAsync(pipeline, 1);
        pipeline.Clock.Advance(TimeSpan.FromHours(1));
        await ResumeAsync(pipeline, mode, mode == ResumeMode.Since ? pipeline.Clock.GetUtcNow() : null);
        await TurnUntilSettledAsync(pipeline);

        await pipeline.RestartAsync(() =>
        {
            pipeline.Clock.AdjustTime(pipeline.Clock.GetUtcNow().AddHours(-1));
            return Task.CompletedTask;
        });
        await pipeline.CaptureAsync(Event("ada", 2));
        await TurnUntilSettledAsync(pipeline);

        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((1, 1), (ledger["delivered"], ledger["skipped"]));
        Assert.Equal(2, NumberOf(pipeline.Variance.Received.Single()));
    }

    [Fact]
    public async Task A_rate_that_is_set_by_hand_outlives_a_restart()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        Assert.Equal(0, (await GetAsync(pipeline)).PerSecond);
        await AskAsync(pipeline, new ChangeRate(PipelineHarness.Connection, 2, 1));
        await pipeline.RestartAsync();
        var status = await GetAsync(pipeline);
        Assert.Equal((2, 1, 2.0), (status.PerSecond, status.Burst, status.CurrentPerSecond));
        var from = pipeline.Clock.GetUtcNow();
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 20).Select(number => Event($"person-{number}", number))]);
        await TurnUntilSettledAsync(pipeline);
        Assert.True(pipeline.Clock.GetUtcNow() - from >= TimeSpan.FromSeconds(9.4), "it was faster");
    }

    [Fact]
    public async Task What_is_paused_is_read_no_further_than_a_window_also_backfill_and_after_a_restart()
    {
        const int persons = 2_000;
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            "plugin",
            "variance { outbox.delivery-partitions = 1, delivery { window-messages = 64, window-bytes-max = 16384 } }"));
        await pipeline.CaptureAsync(Event("ada", 1));
        await PipelineHarness.UntilAsync(async () => (await pipeline.LedgerAsync())["delivered"] == 1, "it runs");
        await AskAsync(pipeline, new PauseDelivery(PipelineHarness.Connection));
        for (var first = 0; first < persons; first += 500)
        {
            var batch = Enumerable.Range(first, 500).Select(number => Event($"person-{number}", number));
            using var taken = await pipeline.Http.PostAsJsonAsync(
                "/batch", new { api_key = PipelineHarness.Token, historical_migration = true, batch });
            taken.EnsureSuccessStatusCode();
        }

        await UntilParkedAsync(pipeline, persons);
        await TurnAsync();
        Assert.InRange(Held(), 0, persons / 4);
        await pipeline.RestartAsync();
        await TurnAsync();
        Assert.InRange(Held(), 0, persons / 4);
        await ResumeAsync(pipeline, ResumeMode.All);
        await PipelineHarness.UntilAsync(
            async () =>
            {
                pipeline.Clock.Advance(TimeSpan.FromMilliseconds(500));
                return (await pipeline.LedgerAsync())["delivered"] == persons + 1;
            },
            "all is delivered");

        long Held() => pipeline.Database
            .ReadAsync(session => (long)session.Scalar(new Statement("SELECT count(*) FROM held_message"))!).GetAwaiter().GetResult();

        async Task TurnAsync()
        {
            for (var turn = 0; turn < 40; turn++)
            {
                pipeline.Clock.Advance(TimeSpan.FromSeconds(1));
                await GetAsync(pipeline);
            }
        }
    }

    /// <summary>Returns when so many events wait in the outbox of the stopped connection, and no other does before it.</summary>
    private static Task UntilParkedAsync(PipelineHarness pipeline, long events) => PipelineHarness.UntilAsync(
        async () => await pipeline.LedgerAsync() is var ledger && ledger["parked"] == events && ledger["pending"] == 0,
        "all is in the outbox");

    /// <summary>Whether an event has its messages, and with it those before it.</summary>
    private static async Task<bool> IsQueuedAsync(PipelineHarness pipeline, Guid uuid)
    {
        using var answer = await pipeline.ApiAsync($"events/{uuid}");
        return answer.IsSuccessStatusCode
            && (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("messages").GetArrayLength() > 0;
    }

    private static Task<DeliveryStatus> GetAsync(PipelineHarness pipeline) =>
        AskAsync(pipeline, new GetDelivery(PipelineHarness.Connection));

    private static Task<DeliveryStatus> ResumeAsync(PipelineHarness pipeline, ResumeMode mode, DateTimeOffset? since = null) =>
        AskAsync(pipeline, new ResumeDelivery(PipelineHarness.Connection, mode, since));

    private static Task<DeliveryStatus> AskAsync(PipelineHarness pipeline, ConnectionMessage message) =>
        pipeline.Services.GetRequiredService<IRequiredActor<ConnectionRegion>>().ActorRef.Ask<DeliveryStatus>(message, Patience);

    private static object Event(string distinctId, int number) => new
    {
        uuid = Guid.NewGuid(),
        @event = "order placed",
        distinct_id = distinctId,
        properties = new { n = number },
    };

    private static object Identify(string device, string user, int number, Guid? uuid = null) => new
    {
        uuid = uuid ?? Guid.NewGuid(),
        @event = "$identify",
        distinct_id = user,
        properties = new Dictionary<string, object> { ["$set"] = new { n = number }, ["$anon_distinct_id"] = device },
    };

    private static string UserOf(ReceivedMessage message) => message.Body.GetProperty("userId").GetString()!;

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
