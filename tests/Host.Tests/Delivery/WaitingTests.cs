using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Text.Json;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using VarianceActors.Pipeline.Stores;
using Xunit;

namespace VarianceActors.Host.Tests.Delivery;

/// <summary>Messages that must wait: where, how long, and who waits with them.</summary>
public sealed class WaitingTests
{
    private const int MoreThanAWindow = 2_000;

    [Fact]
    public async Task Backfill_has_its_share_of_the_requests_in_flight_over_all_slices_of_a_slow_receiver()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var (begun, backfill, most) = (0, 0, 0);
        var places = new SemaphoreSlim(0);
        pipeline.Variance.Answer = async message =>
        {
            var one = message.Body.GetProperty("userId").GetString()!.StartsWith("old-", StringComparison.Ordinal) ? 1 : 0;
            most = Math.Max(Volatile.Read(ref most), Interlocked.Add(ref backfill, one));
            Interlocked.Increment(ref begun);
            await places.WaitAsync();
            Interlocked.Add(ref backfill, -one);
            return StandInAnswer.Ok;
        };
        using (await pipeline.ApiAsync(HttpMethod.Post, "pause"))
        {
        }

        var old = Enumerable.Range(0, 300).Select(number => new { @event = "seen", distinct_id = $"old-{number}" });
        using (await pipeline.Http.PostAsJsonAsync(
            "/batch", new { api_key = PipelineHarness.Token, historical_migration = true, batch = old }))
        {
        }

        await pipeline.CaptureAsync(
            [.. Enumerable.Range(0, 300).Select(number => new { @event = "seen", distinct_id = $"new-{number}" })]);
        await PipelineHarness.UntilAsync(async () => (await pipeline.LedgerAsync())["parked"] == 600, "all is in the outbox");
        using (await pipeline.ApiAsync(HttpMethod.Post, "resume"))
        {
        }

        for (var answered = 0; answered < 100; answered++)
        {
            var taken = 64 + answered;
            await PipelineHarness.UntilAsync(() => Task.FromResult(Volatile.Read(ref begun) == taken), "all places are taken");
            places.Release();
        }

        Assert.InRange(most, 6, 20); // 20 of 100 are 12; slices that begin at once do not see each other's
        places.Release(600);
        await pipeline.SettledAsync();
        Assert.Equal(600, (await pipeline.LedgerAsync())["delivered"]);
    }

    [Fact]
    public async Task A_person_that_fails_with_more_messages_than_fit_into_memory_holds_up_nobody_and_keeps_its_order()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var isWell = false;
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            !isWell && UserOf(message) == "ada" ? new StandInAnswer(503) : StandInAnswer.Ok);
        for (var first = 0; first < MoreThanAWindow; first += 500)
        {
            await pipeline.CaptureAsync([.. Enumerable.Range(first, 500).Select(number => Event("ada", number))]);
        }

        await pipeline.CaptureAsync([.. Enumerable.Range(0, 300).Select(number => Event($"person-{number}", number))]);
        await PipelineHarness.UntilAsync(
            async () => (await pipeline.LedgerAsync())["delivered"] == 300, "everybody else is served");
        Assert.Equal(MoreThanAWindow, await pipeline.WaitingAsync());

        isWell = true;
        await pipeline.RestartAsync();
        await TurnUntilSettledAsync(pipeline);
        Assert.Equal(
            Enumerable.Range(0, MoreThanAWindow),
            pipeline.Variance.Received.Where(message => UserOf(message) == "ada" && message.Status == 200).Select(NumberOf));
        Assert.Equal(MoreThanAWindow + 300, (await pipeline.LedgerAsync())["delivered"]);
    }

    [Fact]
    public async Task Persons_whose_receiver_hangs_take_no_place_from_the_others()
    {
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions("plugin", "variance.outbox.delivery-partitions = 1, variance.delivery.lanes-max = 8"));
        var never = new TaskCompletionSource();
        pipeline.Variance.Answer = async message =>
        {
            if (UserOf(message).StartsWith("slow", StringComparison.Ordinal))
            {
                await never.Task;
            }

            return StandInAnswer.Ok;
        };
        for (var person = 0; person < 7; person++)
        {
            await pipeline.CaptureAsync([.. Enumerable.Range(0, 300).Select(number => Event($"slow-{person}", number))]);
        }

        // Who is slow makes room as time goes by.
        var step = TimeSpan.FromMilliseconds(50);
        await UntilAsync(
            pipeline, () => Task.FromResult(pipeline.Variance.Begun >= 7), "all the slow ones are on their way", step);
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 300).Select(number => Event($"person-{number}", number))]);
        await UntilAsync(
            pipeline, async () => (await pipeline.LedgerAsync())["delivered"] == 300, "everybody else is served", step);
        never.SetResult();
        await TurnUntilSettledAsync(pipeline);
    }

    // More persons than there are requests in flight, in all partitions.
    [Fact]
    public async Task Persons_whose_receiver_hangs_again_and_again_leave_room_for_the_others_in_every_partition()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            "plugin",
            "variance.delivery { in-flight-max = 8, breaker { failure-percent = 100, attempts-min = 1000000, quiet-attempts-min = 1000000 } }"));
        var hangs = new ConcurrentDictionary<TaskCompletionSource, bool>();
        var isWell = false;
        pipeline.Variance.Answer = async message =>
        {
            if (!UserOf(message).StartsWith("slow", StringComparison.Ordinal) || isWell)
            {
                return StandInAnswer.Ok;
            }

            var never = new TaskCompletionSource();
            hangs[never] = true;
            await never.Task;
            return StandInAnswer.Ok;
        };
        const int slow = 20;
        await pipeline.CaptureAsync([.. Enumerable.Range(0, slow).Select(number => Event($"slow-{number}", number))]);
        await UntilAsync(
            pipeline,
            () => Task.FromResult(HeldLanes(pipeline, "attempts > 0") == slow),
            "each of the slow ones was tried",
            TimeSpan.FromSeconds(3));
        await UntilAsync(
            pipeline, () => Task.FromResult(pipeline.Variance.Begun > slow + 5), "they are tried again", TimeSpan.FromSeconds(3));

        // The clock stands still: no attempt ends by itself.
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 40).Select(number => Event($"person-{number}", number))]);
        await PipelineHarness.UntilAsync(
            async () => (await pipeline.LedgerAsync())["delivered"] == 40, "everybody else is served");
        isWell = true;
        hangs.Keys.ToList().ForEach(never => never.TrySetResult());
        await TurnUntilSettledAsync(pipeline);
        Assert.Equal(40 + slow, (await pipeline.LedgerAsync())["delivered"]);
    }

    [Fact]
    public async Task A_restart_neither_forgets_nor_shortens_a_wait_and_goes_on_counting_attempts()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions("plugin"));
        var answers = new Queue<StandInAnswer>([new(503), new(429, RetryAfter: "600"), new(400)]);
        pipeline.Variance.Answer = _ => ValueTask.FromResult(answers.Dequeue());
        await pipeline.CaptureAsync(Event("ada", 1));
        await UntilAsync(pipeline, () => pipeline.Variance.Received.Length == 2, "it was asked to wait");
        var asked = pipeline.Clock.GetUtcNow();
        await PipelineHarness.UntilAsync(() => Task.FromResult(HeldLanes(pipeline, "attempts = 2") == 1), "the wait is on disk");

        await pipeline.RestartAsync();
        while (pipeline.Clock.GetUtcNow() < asked.AddSeconds(598))
        {
            pipeline.Clock.Advance(TimeSpan.FromSeconds(20) < asked.AddSeconds(598.5) - pipeline.Clock.GetUtcNow()
                ? TimeSpan.FromSeconds(20)
                : asked.AddSeconds(598.5) - pipeline.Clock.GetUtcNow());
            await pipeline.LedgerAsync();
        }

        Assert.Equal(2, pipeline.Variance.Received.Length);
        await TurnUntilSettledAsync(pipeline);
        using var answer = await pipeline.ApiAsync("dead-letters");
        var letter = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("items")[0];
        Assert.Equal(3, letter.GetProperty("attempts").GetInt32());
        Assert.Equal(0, HeldLanes(pipeline, "1 = 1"));
    }

    [Fact]
    public async Task What_waits_is_not_swept_away()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            "plugin",
            """
            variance.retention { outbox = "01:00:00", interval = "00:00:01" }
            variance.delivery.retry { delay-first = "01:00:00", delay-max = "03:00:00", budget = "10.00:00:00" }
            """));
        var isWell = false;
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            !isWell && UserOf(message) == "ada" ? new StandInAnswer(503) : StandInAnswer.Ok);
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 50).Select(number => Event("ada", number))]);
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 50).Select(number => Event($"person-{number}", number))]);
        await PipelineHarness.UntilAsync(
            async () => (await pipeline.LedgerAsync())["delivered"] == 50, "everybody else is served");
        var before = OutboxRows(pipeline);
        pipeline.Clock.Advance(TimeSpan.FromHours(2));
        await PipelineHarness.UntilAsync(() => Task.FromResult(OutboxRows(pipeline) < before), "delivered ones are swept away");
        isWell = true;
        await UntilAsync(
            pipeline, async () => await pipeline.WaitingAsync() == 0, "it is delivered", TimeSpan.FromMinutes(10));
        Assert.Equal(100, (await pipeline.LedgerAsync())["delivered"]);
    }

    [Fact]
    public async Task Who_joins_a_person_leaves_behind_what_still_waits_of_it_also_after_a_restart()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var isWell = false;
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            !isWell && message.Type == "track" && message.Body.GetProperty("event").GetString() == "before"
                ? new StandInAnswer(503)
                : StandInAnswer.Ok);
        await pipeline.CaptureAsync(Named("before", "device"));
        await PipelineHarness.UntilAsync(() => Task.FromResult(HeldLanes(pipeline, "1 = 1") == 1), "it waits");
        await pipeline.CaptureAsync(new
        {
            uuid = Guid.NewGuid(),
            @event = "$identify",
            distinct_id = "ada",
            properties = new Dictionary<string, object> { ["$anon_distinct_id"] = "device" },
        });
        await pipeline.CaptureAsync(Named("after", "ada"), Named("elsewhere", "bob"));
        await PipelineHarness.UntilAsync(
            async () => (await pipeline.LedgerAsync())["delivered"] == 1, "others are served");
        Assert.DoesNotContain(pipeline.Variance.Received, message => message.Type == "alias");
        await pipeline.RestartAsync();
        pipeline.Clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.DoesNotContain(pipeline.Variance.Received, message => message.Type == "alias");

        isWell = true;
        await TurnUntilSettledAsync(pipeline);
        Assert.Equal(
            ["before", "alias", "identify", "after"],
            pipeline.Variance.Received
                .Where(message => message.Status == 200)
                .Select(message => message.Type == "track" ? message.Body.GetProperty("event").GetString()! : message.Type)
                .Where(name => name != "elsewhere"));
    }

    [Fact]
    public async Task Who_waits_for_another_person_holds_up_nobody_after_the_rate_was_changed()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var isWell = false;
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            !isWell && message.Type == "track" && message.Body.GetProperty("event").GetString() == "before"
                ? new StandInAnswer(503)
                : StandInAnswer.Ok);
        await pipeline.CaptureAsync(Named("before", "device"));
        await PipelineHarness.UntilAsync(() => Task.FromResult(HeldLanes(pipeline, "1 = 1") == 1), "it waits");
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 50).Select(number => Named("early", $"person-{number}"))]);
        await pipeline.CaptureAsync(new
        {
            uuid = Guid.NewGuid(),
            @event = "$identify",
            distinct_id = "ada",
            properties = new Dictionary<string, object> { ["$anon_distinct_id"] = "device" },
        });
        await pipeline.CaptureAsync(Named("after", "ada"));
        await PipelineHarness.UntilAsync(
            async () => (await pipeline.LedgerAsync())["delivered"] == 50, "others are served");
        using (var changed = await pipeline.ApiAsync(HttpMethod.Put, "rate", new { per_second = 1000, burst = 1000 }))
        {
            changed.EnsureSuccessStatusCode();
        }

        await pipeline.CaptureAsync([.. Enumerable.Range(0, 50).Select(number => Named("late", $"person-{number}"))]);
        await UntilAsync(
            pipeline,
            async () => (await pipeline.LedgerAsync())["delivered"] == 100,
            "they are served again",
            TimeSpan.FromMilliseconds(10));
        isWell = true;
        await TurnUntilSettledAsync(pipeline);
    }

    [Fact]
    public async Task Waiting_snapshots_shrink_to_the_newest_and_the_books_say_so()
    {
        await using var pipeline = await PipelineHarness.StartAsync();
        var isWell = false;
        pipeline.Variance.Answer = _ => ValueTask.FromResult(isWell ? StandInAnswer.Ok : new StandInAnswer(503));
        await pipeline.CaptureAsync(Identify("ada", 0));
        await PipelineHarness.UntilAsync(() => Task.FromResult(pipeline.Variance.Received.Length > 0), "it was tried");
        var uuid = Guid.NewGuid();
        await pipeline.CaptureAsync(Identify("ada", 1, uuid), Named("one", "ada"), Identify("ada", 2), Identify("ada", 3));
        await PipelineHarness.UntilAsync(async () => await pipeline.WaitingAsync() == 5, "all is there");
        await PipelineHarness.UntilAsync(() => Task.FromResult(HeldMessages(pipeline) == 5), "all waits");
        pipeline.Clock.Advance(TimeSpan.FromMinutes(1));
        isWell = true;
        await TurnUntilSettledAsync(pipeline);

        Assert.Equal(
            ["one", "3"],
            pipeline.Variance.Received.Where(message => message.Status == 200).Select(message => message.Type == "track"
                ? message.Body.GetProperty("event").GetString()
                : message.Body.GetProperty("traits").GetProperty("n").GetRawText()));
        var ledger = await pipeline.LedgerAsync();
        Assert.Equal((5, 2, 3), (ledger["accepted"], ledger["delivered"], ledger["coalesced"]));
        using var answer = await pipeline.ApiAsync($"events/{uuid}");
        Assert.Equal("coalesced", (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("state").GetString());
    }

    [Fact]
    public async Task Backfill_leaves_the_way_to_others_and_is_delivered_in_order()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            "plugin",
            """
            variance.outbox.delivery-partitions = 1
            variance.connections.acme.rate { per-second = 100, burst = 20 }
            """));
        for (var first = 0; first < MoreThanAWindow; first += 500)
        {
            var batch = Enumerable.Range(first, 500).Select(number => Event($"person-{number % 100}", number));
            using var taken = await pipeline.Http.PostAsJsonAsync(
                "/batch", new { api_key = PipelineHarness.Token, historical_migration = true, batch });
            taken.EnsureSuccessStatusCode();
        }

        await TurnUntilAsync(pipeline, () => pipeline.Variance.Received.Length > 20, "backfill is on its way");
        await pipeline.CaptureAsync([.. Enumerable.Range(0, 200).Select(number => Event($"live-{number}", number))]);
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(Count(pipeline, "SELECT count(*) FROM ledger") == MoreThanAWindow + 200), "all is queued");
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(HeldMessages(pipeline) > MoreThanAWindow - 400), "the others are found behind backfill");
        await TurnUntilAsync(pipeline, () => Live(pipeline) == 200, "the others are served");
        var isLive = pipeline.Variance.Received.Select(IsLive).ToList();
        var meanwhile = isLive[isLive.IndexOf(true)..isLive.LastIndexOf(true)];
        Assert.InRange(meanwhile.Count(live => !live), 30, 80); // 50 are a fifth of all; some were permitted before
        await TurnUntilAsync(
            pipeline, () => pipeline.Variance.Received.Length == MoreThanAWindow + 200, "backfill is delivered");
        foreach (var person in pipeline.Variance.Received.GroupBy(UserOf))
        {
            Assert.Equal(person.Select(NumberOf).Order(), person.Select(NumberOf));
        }
    }

    [Fact]
    public async Task An_import_of_more_persons_than_may_wait_keeps_nobody_else_waiting_also_after_a_restart()
    {
        const int Imported = 1_000;
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(
            "plugin",
            """
            variance.outbox.delivery-partitions = 1
            variance.delivery { window-messages = 64, held-lanes-max = 50 }
            variance.connections.acme.rate { per-second = 100, burst = 20 }
            """));
        var batch = Enumerable.Range(0, Imported).Select(number => Event($"person-{number}", number));
        using var taken = await pipeline.Http.PostAsJsonAsync(
            "/batch", new { api_key = PipelineHarness.Token, historical_migration = true, batch });
        taken.EnsureSuccessStatusCode();
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(HeldMessages(pipeline) > Imported - 200), "all are read");

        foreach (var round in (int[])[1, 2])
        {
            var before = pipeline.Variance.Received.Length;
            await pipeline.CaptureAsync([.. Enumerable.Range(0, 40).Select(number => Event($"live-{round}-{number}", number))]);
            await pipeline.CaptureAsync(Event($"person-{Imported - round}", Imported));
            await TurnUntilAsync(pipeline, () => Live(pipeline) == 40 * round && LiveOf(pipeline, Imported - round), "the others are served");
            Assert.InRange(pipeline.Variance.Received.Length - before, 42, 160);
            await pipeline.RestartAsync();
        }

        await TurnUntilAsync(
            pipeline, () => pipeline.Variance.Received.Length == Imported + 82, "the import is delivered");
        Assert.All(
            pipeline.Variance.Received.GroupBy(UserOf),
            person => Assert.Equal(person.Select(NumberOf).Order(), person.Select(NumberOf)));
    }

    private static bool LiveOf(PipelineHarness pipeline, int person) => pipeline.Variance.Received
        .Any(message => UserOf(message) == $"person-{person}" && NumberOf(message) == 1_000);

    private static int Live(PipelineHarness pipeline) =>
        pipeline.Variance.Received.Count(IsLive);

    private static bool IsLive(ReceivedMessage message) => UserOf(message).StartsWith("live", StringComparison.Ordinal);

    private static object Event(string distinctId, int number) => new
    {
        uuid = Guid.NewGuid(),
        @event = "order placed",
        distinct_id = distinctId,
        properties = new { n = number },
    };

    private static object Named(string name, string distinctId) =>
        new { uuid = Guid.NewGuid(), @event = name, distinct_id = distinctId };

    private static object Identify(string distinctId, int number, Guid? uuid = null) => new
    {
        uuid = uuid ?? Guid.NewGuid(),
        @event = "$identify",
        distinct_id = distinctId,
        properties = new Dictionary<string, object> { ["$set"] = new { n = number }, ["$anon_distinct_id"] = distinctId },
    };

    private static string UserOf(ReceivedMessage message) => message.Body.GetProperty("userId").GetString()!;

    private static int NumberOf(ReceivedMessage message) =>
        message.Body.GetProperty("properties").GetProperty("n").GetInt32();

    private static long HeldLanes(PipelineHarness pipeline, string where) =>
        Count(pipeline, $"SELECT count(*) FROM held_lane WHERE {where}");

    private static long HeldMessages(PipelineHarness pipeline) => Count(pipeline, "SELECT count(*) FROM held_message");

    private static long OutboxRows(PipelineHarness pipeline) => Count(pipeline, "SELECT count(*) FROM outbox");

    private static long Count(PipelineHarness pipeline, string query) =>
        pipeline.Database.ReadAsync(session => (long)session.Scalar(new Statement(query))!).GetAwaiter().GetResult();

    private static Task TurnUntilSettledAsync(PipelineHarness pipeline) => UntilAsync(
        pipeline, async () => await pipeline.WaitingAsync() == 0, "nothing is pending", TimeSpan.FromMilliseconds(500));

    private static Task TurnUntilAsync(PipelineHarness pipeline, Func<bool> condition, string what) =>
        UntilAsync(pipeline, () => Task.FromResult(condition()), what, TimeSpan.FromMilliseconds(20));

    private static Task UntilAsync(PipelineHarness pipeline, Func<bool> condition, string what) =>
        UntilAsync(pipeline, () => Task.FromResult(condition()), what, TimeSpan.FromMilliseconds(500));

    private static Task UntilAsync(
        PipelineHarness pipeline, Func<Task<bool>> condition, string what, TimeSpan step) => PipelineHarness.UntilAsync(
        async () =>
        {
            if (await condition())
            {
                return true;
            }

            pipeline.Clock.Advance(step);
            return false;
        },
        what);
}
