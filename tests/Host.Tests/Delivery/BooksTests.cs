using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using VarianceActors.Pipeline.Stores;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Host.Tests.Delivery;

/// <summary>The books balance at every moment, whatever happens; and when they do not, somebody is told.</summary>
public class BooksTests(ITestOutputHelper output)
{
    private const int Persons = 12;
    private int _sent;

    [Fact]
    public async Task Under_random_load_with_merges_repeats_replays_and_discards_every_sample_balances()
    {
        var seed = Environment.GetEnvironmentVariable("BOOKS_SEED") is { Length: > 0 } given
            ? int.Parse(given, CultureInfo.InvariantCulture)
            : Environment.TickCount;
        output.WriteLine($"seed {seed}; BOOKS_SEED={seed} plays it again");
        await using var pipeline = await PipelineHarness.StartAsync(
            new HarnessOptions(Hocon: """variance.delivery.retry { delay-first = "00:00:00.001", delay-max = "00:00:00.002" } """));
        var random = new Random(seed);
        pipeline.Variance.Answer = _ => ValueTask.FromResult(AnswerOf(random));
        using var enough = new CancellationTokenSource();
        var samples = SampleAsync(pipeline, enough.Token);
        var turning = TurnAsync(pipeline, enough.Token);
        for (var round = 0; round < 3; round++)
        {
            await Task.WhenAll(
                LoadAsync(pipeline, new Random(seed + round), 60),
                LoadAsync(pipeline, new Random(seed - round - 1), 60),
                OperateAsync(pipeline, new Random(seed + 100 + round), 40));
            await pipeline.RestartAsync();
        }

        await PipelineHarness.UntilAsync(async () => await BalancedAsync(pipeline) is var books && books["pending"] + books["parked"] == 0,
            "no event waits");
        await enough.CancelAsync();
        await turning;
        var (sampled, pending, dead, discarded) = await samples;
        output.WriteLine($"{sampled} samples; at most {pending} pending, {dead} dead, {discarded} discarded");
        Assert.Equal(_sent, (await BalancedAsync(pipeline))["accepted"]);
        Assert.True(sampled > 100 && pending > 0 && dead > 0 && discarded > 0, "the load was too mild to show anything");
    }

    [Fact]
    public async Task An_event_that_is_lost_from_a_book_is_seen_and_the_health_says_so()
    {
        (string Damage, string Repair)[] faults =
        [
            ("UPDATE delivery SET delivered = delivered + 1", "UPDATE delivery SET delivered = delivered - 1"),
            ("UPDATE delivery SET dead = dead + 1", "UPDATE delivery SET dead = dead - 1"),
            ("UPDATE decided_total SET events = events - 1", "UPDATE decided_total SET events = events + 1"),
            ("UPDATE accepted_total SET accepted = accepted + 1", "UPDATE accepted_total SET accepted = accepted - 1"),
            ("UPDATE outbox_partition SET events = events + 1", "UPDATE outbox_partition SET events = events - 1"),
            ("UPDATE delivery SET closed = closed - 1, delivered = delivered - 1",
                "UPDATE delivery SET closed = closed + 1, delivered = delivered + 1"),
            ("UPDATE lettered_event SET dead = 0", "UPDATE lettered_event SET dead = 1"),
            ("UPDATE lettered_event SET closed = 0", "UPDATE lettered_event SET closed = 1"),
        ];
        await using var pipeline = await PipelineHarness.StartAsync();
        pipeline.Variance.Answer = message => ValueTask.FromResult(
            message.Body.GetProperty("event").GetString() == "bad" ? new StandInAnswer(400) : StandInAnswer.Ok);
        await pipeline.CaptureAsync(
            new { @event = "good", distinct_id = "ada" },
            new { @event = "bad", distinct_id = "ada" });
        await pipeline.SettledAsync();
        Assert.Equal("ready", await HealthAsync(pipeline));
        foreach (var (damage, repair) in faults)
        {
            await ExecuteAsync(pipeline, damage);
            Assert.True((await pipeline.LedgerAsync())["imbalance"] > 0, damage);
            await ExecuteAsync(pipeline, repair);
            Assert.Equal(0, (await pipeline.LedgerAsync())["imbalance"]);
        }

        await ExecuteAsync(pipeline, faults[0].Damage);
        await PipelineHarness.UntilAsync(async () => await HealthAsync(pipeline) == "degraded", "the health is degraded");
        using var ready = await pipeline.Http.GetAsync(new Uri("/health/ready", UriKind.Relative));
        Assert.True(ready.IsSuccessStatusCode, "a node with wrong books goes on working");
    }

    private static async Task ExecuteAsync(PipelineHarness pipeline, string statement) => Assert.True(
        await pipeline.Database.WriteAsync(session => session.Execute(new Statement(statement))) > 0, statement);

    private static StandInAnswer AnswerOf(Random random)
    {
        lock (random)
        {
            return random.Next(10) switch
            {
                < 5 => StandInAnswer.Ok,
                < 7 => new StandInAnswer(503),
                < 8 => new StandInAnswer(200, Reset: true),
                _ => new StandInAnswer(400),
            };
        }
    }

    private static async Task<string?> HealthAsync(PipelineHarness pipeline) =>
        (await pipeline.Http.GetFromJsonAsync<JsonElement>(new Uri("/health", UriKind.Relative))).GetProperty("status").GetString();

    private static async Task<IReadOnlyDictionary<string, long>> BalancedAsync(PipelineHarness pipeline)
    {
        var ledger = await pipeline.LedgerAsync();
        var others = ledger.Where(column => column.Key is not ("accepted" or "imbalance")).Sum(column => column.Value);
        Assert.All(ledger, column => Assert.True(column.Value >= 0, $"{column.Key} is {column.Value}"));
        Assert.Equal(ledger["accepted"], others);
        Assert.Equal(0, ledger["imbalance"]);
        return ledger;
    }

    private static async Task<(int Samples, long Pending, long Dead, long Discarded)> SampleAsync(
        PipelineHarness pipeline, CancellationToken enough)
    {
        var (samples, pending, dead, discarded) = (0, 0L, 0L, 0L);
        while (!enough.IsCancellationRequested)
        {
            try
            {
                var ledger = await BalancedAsync(pipeline);
                samples++;
                pending = Math.Max(pending, ledger["pending"]);
                dead = Math.Max(dead, ledger["dead"]);
                discarded = Math.Max(discarded, ledger["discarded"]);
            }
            catch (Exception failure) when (IsAway(failure))
            {
                await Task.Yield();
            }
        }

        return (samples, pending, dead, discarded);
    }

    /// <summary>While the pipeline starts again there is nobody to answer.</summary>
    private static bool IsAway(Exception failure) =>
        failure is HttpRequestException or ObjectDisposedException or InvalidOperationException or TaskCanceledException
            or JsonException;

    private static async Task TurnAsync(PipelineHarness pipeline, CancellationToken enough)
    {
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (!enough.IsCancellationRequested && await ticks.WaitForNextTickAsync(CancellationToken.None))
        {
            pipeline.Clock.Advance(TimeSpan.FromMilliseconds(20));
        }
    }

    private async Task LoadAsync(PipelineHarness pipeline, Random random, int requests)
    {
        for (var request = 0; request < requests; request++)
        {
            var events = Enumerable.Range(0, random.Next(1, 12)).Select(_ => EventOf(random)).ToList();
            if (random.Next(4) == 0)
            {
                events.Add(events[0]);
            }

            await pipeline.CaptureAsync([.. events]);
            Interlocked.Add(ref _sent, events.Count);
        }
    }

    private static Dictionary<string, object> EventOf(Random random)
    {
        var properties = new Dictionary<string, object> { ["n"] = random.Next() };
        var (name, id) = random.Next(10) switch
        {
            0 => ("$identify", $"user-{random.Next(Persons)}"),
            1 => ("$autocapture", $"user-{random.Next(Persons)}"),
            2 => ("$set", $"user-{random.Next(Persons)}"),
            _ => ("clicked", $"device-{random.Next(3 * Persons)}"),
        };
        if (name == "$identify")
        {
            properties["$anon_distinct_id"] = $"device-{random.Next(3 * Persons)}";
        }
        else if (name == "$set")
        {
            properties["$set"] = new { score = random.Next() };
        }

        return new() { ["uuid"] = Guid.NewGuid(), ["event"] = name, ["distinct_id"] = id, ["properties"] = properties };
    }

    private static async Task OperateAsync(PipelineHarness pipeline, Random random, int actions)
    {
        for (var action = 0; action < actions; action++)
        {
            using var page = await pipeline.ApiAsync("dead-letters?limit=5");
            var letters = (await page.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("items").EnumerateArray()
                .Select(letter => letter.GetProperty("id").GetInt64())
                .ToArray();
            var (path, body) = random.Next(10) switch
            {
                0 => ("dead-letters/replay?force=true", new { all = true }),
                1 => ("dead-letters/discard", new { reason = "some", filter = new { type = "identify" } }),
                < 5 when letters.Length > 0 => ($"dead-letters/{letters[0]}/discard", new { reason = "one" }),
                _ when letters.Length > 0 => ($"dead-letters/{letters[^1]}/replay?force=true", (object?)null),
                _ => ("dead-letters/replay", new { all = true }),
            };
            using var answer = await pipeline.ApiAsync(HttpMethod.Post, path, body);
            Assert.True((int)answer.StatusCode is 200 or 202 or 409, $"{path}: {answer.StatusCode}");
        }
    }
}
