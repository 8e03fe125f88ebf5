using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Host.Tests.Durability;

/// <summary>The process dies at any moment under load: what was answered 200 is delivered, once in the outbox, in order.</summary>
public sealed class KillTests(ITestOutputHelper output)
{
    private const int Kills = 12;
    private const int Clients = 6;
    private const int PersonsPerClient = 8;
    private const int EventsPerRequest = 10;
    private const string Authorization = "Basic dGVzdDp0ZXN0";
    private readonly ConcurrentDictionary<string, string> _acknowledged = [];

    [Fact]
    public async Task Killed_at_any_moment_under_load_it_loses_nothing_doubles_nothing_and_keeps_the_order()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var variance = await VarianceStandIn.StartAsync(Authorization);
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
        using var enough = new CancellationTokenSource();
        var clients = Enumerable.Range(0, Clients).Select(client => SendAsync(host.Http, client, enough.Token)).ToArray();
        var acknowledgedBetween = new List<int>();
        for (var kill = 0; kill < Kills; kill++)
        {
            var before = _acknowledged.Count;
            var target = before + random.Next(1, 1500);
            await PipelineHarness.UntilAsync(() => Task.FromResult(_acknowledged.Count >= target), "events are acknowledged");
            acknowledgedBetween.Add(_acknowledged.Count - before);
            await host.KillAsync();
            await host.StartAsync();
        }

        await enough.CancelAsync();
        await Task.WhenAll(clients);
        await PipelineHarness.UntilAsync(async () => await host.WaitingAsync() == 0, "everything is delivered");
        var ledger = await host.LedgerAsync();
        await host.KillAsync();

        output.WriteLine($"acknowledged {_acknowledged.Count}, between kills {string.Join(' ', acknowledgedBetween)}");
        output.WriteLine($"wire duplicates {variance.Received.Length - variance.Received.DistinctBy(m => m.MessageId).Count()}");
        Assert.Equal(_acknowledged.Keys.Order(), Delivered(variance).Where(_acknowledged.ContainsKey).Order());
        Assert.Equal(ledger["accepted"], ledger["delivered"] + ledger["duplicates"]);
        Assert.Equal(Delivered(variance).Count, ledger["delivered"]);
        Assert.Equal(ledger["delivered"], MessagesInOutbox(host));
        AssertOrder(variance);
    }

    private static HashSet<string> Delivered(VarianceStandIn variance) =>
        [.. variance.Received.Select(message => message.MessageId)];

    private static long MessagesInOutbox(HostProcess host)
    {
        using var connection = host.OpenTables();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT sum(next_position) FROM outbox_partition";
        return Convert.ToInt64(command.ExecuteScalar(), CultureInfo.InvariantCulture);
    }

    /// <summary>First deliveries of one distinct id are in the order in which they were sent.</summary>
    private static void AssertOrder(VarianceStandIn variance)
    {
        foreach (var person in variance.Received.DistinctBy(message => message.MessageId)
            .GroupBy(message => message.Body.GetProperty("userId").GetString()))
        {
            var numbers = person.Select(message => message.Body.GetProperty("properties").GetProperty("n").GetInt32()).ToList();
            Assert.Equal(numbers.Order(), numbers);
        }
    }

    /// <summary>Sends batches as an SDK does: the same batch again until it is acknowledged.</summary>
    private async Task SendAsync(HttpClient http, int client, CancellationToken enough)
    {
        for (var number = 0; !enough.IsCancellationRequested; number++)
        {
            var events = Enumerable.Range(0, EventsPerRequest)
                .Select(index => new
                {
                    uuid = Guid.NewGuid().ToString(),
                    @event = "order placed",
                    distinct_id = $"person-{client}-{index % PersonsPerClient}",
                    properties = new { n = (number * EventsPerRequest) + index },
                    timestamp = "2026-03-01T09:00:00Z",
                })
                .ToArray();
            while (!await TryPostAsync(http, events))
            {
                await Task.Yield();
            }

            foreach (var sent in events)
            {
                _acknowledged[sent.uuid] = sent.distinct_id;
            }
        }
    }

    private static async Task<bool> TryPostAsync(HttpClient http, object[] events)
    {
        try
        {
            using var answer = await http.PostAsJsonAsync("/batch/", new { api_key = PipelineHarness.Token, batch = events });
            Assert.True(answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.ServiceUnavailable, answer.StatusCode.ToString());
            return answer.StatusCode == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            return false; // the process is away; the outcome is unknown, so the batch is sent again
        }
    }
}
