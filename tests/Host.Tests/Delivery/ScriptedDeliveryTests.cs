using System.Globalization;
using System.Net.Http.Json;
using VarianceActors.Harness;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Host.Tests.Delivery;

/// <summary>
/// Fifty persons with forty events each, and a receiver that answers every attempt as the event's script says. VARIANCE_SEED
/// plays one seed again.
/// </summary>
public sealed class ScriptedDeliveryTests(ITestOutputHelper output)
{
    private const int Persons = 50;
    private const int EventsPerPerson = 40;
    private static readonly string[] Scripts =
    [
        "500 500 200", "400", "429 200", "hang 200", "cut 200", "200-cut", "503 cut 429 500 200", "408 400",
    ];

    [Fact]
    public async Task Every_message_is_sent_as_often_as_its_script_says_and_never_after_it_was_done()
    {
        await using var receiver = await ScriptedReceiver.StartAsync();
        await using var host = Host(receiver);
        await host.StartAsync();
        var scripts = await SendAsync(host);
        await SettledAsync(host);

        var posts = receiver.Posts;
        output.WriteLine($"{posts.Length} attempts; " + string.Join(", ", posts.CountBy(post => post.Step)));
        Assert.Equal(
            scripts.Select(one => $"{one.Key}: {one.Value}").Order(),
            posts.GroupBy(post => post.MessageId)
                .Select(one => $"{one.Key}: {string.Join(' ', one.OrderBy(post => post.ArrivedAt).Select(post => post.Step))}")
                .Order());
        AssertOrderAndPatience(posts);
        await AssertBooksAsync(host, scripts);
    }

    [Fact]
    public async Task Killed_in_between_it_repeats_only_what_was_under_way_and_keeps_the_order()
    {
        await using var receiver = await ScriptedReceiver.StartAsync();
        await using var host = Host(receiver);
        await host.StartAsync();
        var scripts = await SendAsync(host);
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(receiver.Posts.Count(post => post.IsDone) > Persons * EventsPerPerson / 2), "half is done");
        await host.KillAsync();
        var killedAt = ScriptedReceiver.Now;
        await host.StartAsync();
        await SettledAsync(host);

        var posts = receiver.Posts;
        var again = posts.GroupBy(post => post.MessageId)
            .Select(one => (DoneAt: one.Where(post => post.IsDone).Min(post => post.AnsweredAt), Posts: one))
            .SelectMany(one => one.Posts.Where(post => post.ArrivedAt > one.DoneAt), (one, post) => (one.DoneAt, Post: post))
            .ToList();
        output.WriteLine($"{posts.Length} attempts, {again.Count} after their message was done");
        Assert.All(again, one =>
        {
            Assert.True(one.Post.ArrivedAt > killedAt, "sent again without need");
            Assert.True(killedAt - one.DoneAt < TimeSpan.FromSeconds(2), "forgotten although there was time to commit it");
        });
        AssertOrderAndPatience(posts);
        await AssertBooksAsync(host, scripts);
    }

    private static HostProcess Host(ScriptedReceiver receiver) => new(
        $$"""
        acme {
          tokens = ["{{PipelineHarness.Token}}"]
          url = "{{receiver.Url}}"
          mapping = plugin
          allow-private-network = on
          rate.per-second = 0
        }
        """,
        """
        delivery {
          attempt-timeout = "00:00:01"
          deadline = "00:00:02"
          retry { delay-first = "00:00:00.050", delay-max = "00:00:00.500" }
          breaker.failure-percent = 100
        }
        """);

    /// <returns>The script of each message.</returns>
    private async Task<Dictionary<string, string>> SendAsync(HostProcess host)
    {
        var seed = int.TryParse(
            Environment.GetEnvironmentVariable("VARIANCE_SEED"), CultureInfo.InvariantCulture, out var given)
                ? given
                : Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var scripts = new Dictionary<string, string>();
        for (var number = 0; number < EventsPerPerson; number++)
        {
            var batch = new List<object>();
            for (var person = 0; person < Persons; person++)
            {
                var uuid = Guid.NewGuid().ToString();
                var script = random.Next(3) == 0 ? Scripts[random.Next(Scripts.Length)] : "200";
                scripts[uuid] = script;
                batch.Add(new
                {
                    uuid,
                    @event = "order placed",
                    distinct_id = $"person-{person}",
                    properties = new { n = number, script },
                    timestamp = "2026-03-01T09:00:00Z",
                });
            }

            using var answer = await host.Http.PostAsJsonAsync("/batch/", new { api_key = PipelineHarness.Token, batch });
            answer.EnsureSuccessStatusCode();
        }

        return scripts;
    }

    private static Task SettledAsync(HostProcess host) => PipelineHarness.UntilAsync(
        async () => (await host.LedgerAsync()) is var ledger && ledger["pending"] == 0 && ledger["accepted"] > 0,
        "nothing is pending");

    /// <summary>A person's next message comes when the one before is done; Retry-After is obeyed; the bytes are the same.</summary>
    private static void AssertOrderAndPatience(IReadOnlyCollection<ScriptedPost> posts)
    {
        foreach (var person in posts.GroupBy(post => post.UserId))
        {
            var messages = person.GroupBy(post => post.MessageId)
                .Select(one => (
                    one.First().Number,
                    Begun: one.Min(post => post.ArrivedAt),
                    Done: one.Where(post => post.IsDone).Min(post => post.ArrivedAt)))
                .OrderBy(one => one.Begun)
                .ToList();
            Assert.Equal(Enumerable.Range(0, EventsPerPerson), messages.Select(one => one.Number));
            Assert.All(messages.Zip(messages.Skip(1)), pair => Assert.True(pair.Item1.Done <= pair.Item2.Begun, "overtaken"));
        }

        foreach (var message in posts.GroupBy(post => post.MessageId))
        {
            Assert.Single(message.Select(post => post.Body).Distinct());
            var attempts = message.OrderBy(post => post.ArrivedAt).ToList();
            Assert.All(
                attempts.Zip(attempts.Skip(1)).Where(pair => pair.Item1.Step == "429"),
                pair => Assert.True(
                    pair.Item2.ArrivedAt - pair.Item1.AnsweredAt >= TimeSpan.FromSeconds(1), "sent before Retry-After"));
        }
    }

    private static async Task AssertBooksAsync(HostProcess host, Dictionary<string, string> scripts)
    {
        var dead = scripts.Values.Count(script => script.EndsWith("400", StringComparison.Ordinal));
        var ledger = await host.LedgerAsync();
        Assert.Equal(
            (scripts.Count, scripts.Count - dead, dead, 0),
            (ledger["accepted"], ledger["delivered"], ledger["dead"], ledger["pending"]));
    }
}
