using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Host.Tests.Durability;

/// <summary>The process dies while dead letters are sent again: every one arrives, and the books balance after each start.</summary>
public sealed class ReplayKillTests(ITestOutputHelper output)
{
    private const int Letters = 2_000;
    private const int Kills = 5;
    private const int UncommittedMax = 256; // 8 delivery partitions of 32 lanes: on the wire, or answered and not committed
    private const string Authorization = "Basic dGVzdDp0ZXN0";
    private const string Api = $"/api/v1/connections/{PipelineHarness.Connection}";

    [Fact]
    public async Task Killed_while_a_job_replays_it_sends_every_letter_and_none_twice_but_what_was_on_the_wire()
    {
        await using var variance = await VarianceStandIn.StartAsync(Authorization);
        variance.Answer = _ => ValueTask.FromResult(new StandInAnswer(400));
        await using var host = new HostProcess($$"""
            acme {
              tokens = ["{{PipelineHarness.Token}}"]
              url = "{{variance.Url}}"
              authorization = "{{Authorization}}"
              mapping = plugin
              allow-private-network = on
              rate.per-second = 0
            }
            """);
        await host.StartAsync();
        await SendAsync(host);
        await PipelineHarness.UntilAsync(async () => (await BalancedAsync(host))["dead"] == Letters, "all are dead");
        var died = variance.Received.Length;
        variance.Answer = _ => ValueTask.FromResult(StandInAnswer.Ok);
        using (var started = await host.Http.PostAsJsonAsync($"{Api}/dead-letters/replay", new { all = true }))
        {
            Assert.Equal(HttpStatusCode.Accepted, started.StatusCode);
        }

        for (var kill = 1; kill <= Kills; kill++)
        {
            var target = died + (kill * Letters / (Kills + 1));
            await PipelineHarness.UntilAsync(() => Task.FromResult(variance.Received.Length >= target), "some are sent again");
            await host.KillAsync();
            await host.StartAsync();
            await BalancedAsync(host);
        }

        await PipelineHarness.UntilAsync(async () => (await BalancedAsync(host))["delivered"] == Letters, "all are delivered");
        var job = await host.Http.GetFromJsonAsync<JsonElement>($"{Api}/replays/1");
        var again = variance.Received.Skip(died).ToArray();
        output.WriteLine($"{again.Length} posts for {Letters} letters through {Kills} kills; {job}");
        Assert.Equal(
            ("done", Letters, Letters),
            (job.GetProperty("state").GetString(), job.GetProperty("done").GetInt32(), job.GetProperty("delivered").GetInt32()));
        Assert.Equal(Letters, again.DistinctBy(message => message.MessageId).Count());
        Assert.True(again.Length <= Letters + (Kills * UncommittedMax), $"{again.Length} posts");
        foreach (var person in again.DistinctBy(m => m.MessageId).GroupBy(m => m.Body.GetProperty("userId").GetString()))
        {
            Assert.Equal(person.Select(NumberOf).Order(), person.Select(NumberOf));
        }
    }

    private static async Task SendAsync(HostProcess host)
    {
        for (var sent = 0; sent < Letters; sent += 500)
        {
            var batch = Enumerable.Range(sent, 500).Select(number => new
            {
                uuid = Guid.NewGuid(),
                @event = "order placed",
                distinct_id = $"person-{number % 50}",
                properties = new { n = number },
            });
            using var answer = await host.Http.PostAsJsonAsync("/batch", new { api_key = PipelineHarness.Token, batch });
            answer.EnsureSuccessStatusCode();
        }
    }

    private static async Task<Dictionary<string, long>> BalancedAsync(HostProcess host)
    {
        var ledger = await host.LedgerAsync();
        Assert.Equal(0, ledger["imbalance"]);
        Assert.Equal(
            ledger["accepted"], ledger.Where(column => column.Key is not ("accepted" or "imbalance")).Sum(column => column.Value));
        return ledger;
    }

    private static int NumberOf(ReceivedMessage message) =>
        message.Body.GetProperty("properties").GetProperty("n").GetInt32();
}
