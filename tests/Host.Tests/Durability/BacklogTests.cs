using System.Net.Http.Json;
using VarianceActors.Databases;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Host.Tests.Durability;

/// <summary>The receiver is away and messages wait: they wait on disk, not in memory.</summary>
public sealed class BacklogTests(ITestOutputHelper output)
{
    private const int Waiting = 100_000;
    private const int EventsPerRequest = 500;
    private const long GrowthMax = 48L << 20;
    private const string Authorization = "Basic dGVzdDp0ZXN0";

    [Fact]
    public async Task A_host_with_a_hundred_thousand_waiting_messages_is_as_small_as_one_without_and_drains_when_the_receiver_is_back()
    {
        var port = LoopbackPort.Free();
        await using var host = new HostProcess($$"""
            acme {
              tokens = ["{{PipelineHarness.Token}}"]
              url = "http://127.0.0.1:{{port}}/hook"
              authorization = "{{Authorization}}"
              mapping = plugin
              allow-private-network = on
              rate.per-second = 0
            }
            """);
        await host.StartAsync();
        long without;
        await using (var there = await VarianceStandIn.StartAsync(Authorization, port))
        {
            await SendAsync(host, Waiting);
            await PipelineHarness.UntilAsync(async () => await host.WaitingAsync() == 0, "all is delivered");
            without = await SettledMemoryAsync(host);
        }

        await SendAsync(host, Waiting);
        var with = await SettledMemoryAsync(host);
        output.WriteLine($"resident with nothing waiting {without >> 20} MB, with {Waiting} waiting {with >> 20} MB");
        Assert.Equal(Waiting, await host.WaitingAsync());
        Assert.True(with - without < GrowthMax, $"{Waiting} waiting messages cost {(with - without) >> 20} MB");

        await using var back = await VarianceStandIn.StartAsync(Authorization, port);
        await PipelineHarness.UntilAsync(async () => await host.WaitingAsync() == 0, "the backlog is drained");
        Assert.Equal(2 * Waiting, (await host.LedgerAsync())["delivered"]);
        Assert.Equal(Waiting, back.Received.DistinctBy(message => message.MessageId).Count());
    }

    /// <summary>The memory once everything that can be processed is in the outbox.</summary>
    private static async Task<long> SettledMemoryAsync(HostProcess host)
    {
        var last = long.MaxValue;
        await PipelineHarness.UntilAsync(
            async () =>
            {
                await Task.Yield();
                var now = host.ResidentBytes();
                var calm = Math.Abs(now - last) < 1 << 20;
                last = now;
                return calm;
            },
            "the memory is calm");
        return last;
    }

    private static async Task SendAsync(HostProcess host, int count)
    {
        for (var sent = 0; sent < count; sent += EventsPerRequest)
        {
            var batch = Enumerable.Range(sent, EventsPerRequest).Select(number => new
            {
                uuid = Guid.NewGuid().ToString(),
                @event = "order placed",
                distinct_id = $"person-{number % 500}",
                properties = new { n = number, filler = new string('x', 500) },
                timestamp = "2026-03-01T09:00:00Z",
            });
            using var answer = await host.Http.PostAsJsonAsync("/batch/", new { api_key = PipelineHarness.Token, batch });
            answer.EnsureSuccessStatusCode();
        }
    }
}
