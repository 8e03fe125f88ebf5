using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using VarianceActors.Harness;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Host.Tests.Views;

/// <summary>The process dies at any moment while views are built: nothing is counted twice, and nothing is lost.</summary>
public sealed class ViewsKillTests(ITestOutputHelper output)
{
    private const int Kills = 8;
    private const int Clients = 4;
    private const int PersonsPerClient = 6;
    private const int EventsPerRequest = 12;
    private readonly ConcurrentDictionary<string, int> _sent = [];
    private int _requests;

    [Fact]
    public async Task Killed_at_any_moment_views_count_every_event_once()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var host = new HostProcess(
            $$"""acme { tokens = ["{{PipelineHarness.Token}}"] }""",
            """views { lag = "00:00:00.001", batch-entries = 16 }""");
        await host.StartAsync();
        using var enough = new CancellationTokenSource();
        var clients = Enumerable.Range(0, Clients).Select(client => SendAsync(host.Http, client, enough.Token)).ToArray();
        for (var kill = 0; kill < Kills; kill++)
        {
            var target = Volatile.Read(ref _requests) + random.Next(1, 80);
            await PipelineHarness.UntilAsync(
                () => Task.FromResult(Volatile.Read(ref _requests) >= target), "requests are acknowledged");
            await host.KillAsync();
            await host.StartAsync();
        }

        await enough.CancelAsync();
        await Task.WhenAll(clients);
        await PipelineHarness.UntilAsync(async () => (await host.LedgerAsync())["pending"] == 0, "nothing is pending");
        var sent = _sent.Values.Sum();
        await PipelineHarness.UntilAsync(async () => await CountedAsync(host) >= sent, "the views are up to date");

        output.WriteLine($"{sent} events, {_requests} requests");
        foreach (var (id, events) in _sent)
        {
            Assert.Equal((id, events), (id, await CountedAsync(host, id)));
        }

        Assert.Equal(sent, await CountedAsync(host));
    }

    private static async Task<int> CountedAsync(HostProcess host, string id)
    {
        var contact = await JsonAsync(host, $"contacts/{id}");
        return contact.ValueKind == JsonValueKind.Undefined
            ? 0
            : contact.GetProperty("activity").EnumerateArray().Sum(day => day.GetProperty("events").GetInt32());
    }

    private static async Task<int> CountedAsync(HostProcess host)
    {
        var account = await JsonAsync(host, "accounts/acme.com");
        return account.ValueKind == JsonValueKind.Undefined || account.GetProperty("activity").ValueKind == JsonValueKind.Null
            ? 0
            : account.GetProperty("activity").GetProperty("events").GetInt32();
    }

    private static async Task<JsonElement> JsonAsync(HostProcess host, string path)
    {
        using var answer = await host.Http.GetAsync(new Uri($"/api/v1/connections/acme/{path}", UriKind.Relative));
        return answer.StatusCode == HttpStatusCode.NotFound ? default : await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    // Each request begins with who the persons are, so that every event is of a contact of the account.
    private async Task SendAsync(HttpClient http, int client, CancellationToken enough)
    {
        var random = new Random(client);
        for (var request = 0; !enough.IsCancellationRequested; request++)
        {
            var id = $"user-{client}-{random.Next(PersonsPerClient)}";
            var events = new List<object>
            {
                new
                {
                    @event = "$identify",
                    distinct_id = id,
                    uuid = Guid.NewGuid(),
                    properties = new Dictionary<string, object>
                    {
                        ["$anon_distinct_id"] = $"device-{id}",
                        ["$set"] = new { email = $"{id}@acme.com" },
                    },
                },
            };
            for (var count = 0; count < EventsPerRequest; count++)
            {
                events.Add(new
                {
                    @event = count % 2 == 0 ? "report" : "$pageview",
                    distinct_id = id,
                    uuid = Guid.NewGuid(),
                    properties = new { n = string.Create(CultureInfo.InvariantCulture, $"{client}.{request}.{count}") },
                });
            }

            if (await SendAsync(http, events, CancellationToken.None))
            {
                _sent.AddOrUpdate(id, EventsPerRequest, (_, before) => before + EventsPerRequest);
                Interlocked.Increment(ref _requests);
            }
        }
    }

    // The same request until it is answered 200: what was accepted without an answer is recognised as a repeat.
    private static async Task<bool> SendAsync(HttpClient http, List<object> events, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                using var answer = await http.PostAsJsonAsync(
                    "/batch", new { api_key = PipelineHarness.Token, batch = events }, cancellation);
                if (answer.IsSuccessStatusCode)
                {
                    return true;
                }
            }
            catch (HttpRequestException)
            {
                // the process is dead; it comes back
            }

            await Task.Yield();
        }
    }
}
