using System.Net;
using System.Net.Http.Json;
using System.Text;
using VarianceActors.Databases;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using VarianceActors.Pipeline.Stores;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Host.Tests.Http;

/// <summary>Secrets and personal data are planted everywhere, everything goes wrong, and nothing of them is ever shown where
/// it does not belong: in the log, in an error, in the metrics.</summary>
public sealed class SecrecyTests(ITestOutputHelper output)
{
    private const string Canary = "canary";

    [Fact]
    public async Task No_planted_canary_is_found_in_a_log_line_an_error_or_the_metrics()
    {
        var port = LoopbackPort.Free();
        await using var host = new HostProcess($$"""
            acme {
              tokens = ["{{PipelineHarness.Token}}"]
              webhook-secret = "canary-webhook-0123456789"
              url = "http://127.0.0.1:{{port}}/hook?key=canary-url"
              authorization = "Basic canary-authorization"
              signature { form = standard, secret = "canary-signature-0123456789", secret-other = "canary-other-0123456789" }
              headers = ["X-Key: canary-header"]
              mapping = plugin
              allow-private-network = on
            }
            """, store: StoreKind.Sqlite); // somebody else locks its file
        await host.StartAsync();
        var shown = new List<string>();
        await CaptureAsync(host, 20);
        await using (var variance = await VarianceStandIn.StartAsync("Basic canary-authorization", port))
        {
            variance.Answer = message => ValueTask.FromResult((message.Sequence % 4) switch
            {
                0 => new StandInAnswer(400, Body: "canary-answer"),
                1 => new StandInAnswer(503, Body: "canary-answer"),
                2 => new StandInAnswer(200, Reset: true),
                _ => StandInAnswer.Ok,
            });
            await PipelineHarness.UntilAsync(
                () => Task.FromResult(variance.Received.Length > 10), "some messages are on their way");
            await HoldDatabaseAsync(host);
            await CaptureAsync(host, 20);
            await PipelineHarness.UntilAsync(
                () => Task.FromResult(variance.Received.Length > 30), "the database is free again");
        }

        await using (var other = await VarianceStandIn.StartAsync("Basic something-else", port))
        {
            await PipelineHarness.UntilAsync(() => Task.FromResult(other.Unauthorized > 2), "the receiver refuses us");
        }

        foreach (var path in BadPaths())
        {
            using var request = new HttpRequestMessage(path.Method, path.Path) { Content = path.Body };
            using var answer = await host.Http.SendAsync(request);
            Assert.True((int)answer.StatusCode is >= 400 and < 600, $"{path.Path}: {answer.StatusCode}");
            shown.Add($"{path.Path.Split('?')[0].Split('/')[^1].Length}: {await answer.Content.ReadAsStringAsync()}");
        }

        shown.Add(await host.Http.GetStringAsync(new Uri("/metrics", UriKind.Relative)));
        shown.Add(await host.Http.GetStringAsync(new Uri("/health", UriKind.Relative)));
        await host.KillAsync();
        shown.AddRange(host.Output);
        output.WriteLine($"{host.Output.Count()} lines of log, {shown.Count} texts in all");

        Assert.Contains(host.Output, line => line.Contains("warn:", StringComparison.Ordinal));
        Assert.DoesNotContain(shown, text => text.Contains(Canary, StringComparison.OrdinalIgnoreCase));
        Assert.DoesNotContain(shown, text => text.Contains(PipelineHarness.AdminKey, StringComparison.Ordinal));
    }

    private static IEnumerable<(HttpMethod Method, string Path, HttpContent? Body)> BadPaths()
    {
        const string Connection = "/api/v1/connections/acme";
        yield return (HttpMethod.Get, "/api/v1/connections/canary/ledger", null);
        yield return (HttpMethod.Get, $"{Connection}/persons/canary-nobody", null);
        yield return (HttpMethod.Get, $"{Connection}/dead-letters?type=canary", null);
        yield return (HttpMethod.Get, $"{Connection}/dead-letters?since=canary", null);
        yield return (HttpMethod.Post, $"{Connection}/dead-letters/1/discard", Json("{\"reason\": canary}"));
        yield return (HttpMethod.Post, $"{Connection}/dead-letters/replay", Json("{\"filter\":{\"type\":\"canary\"}}"));
        yield return (HttpMethod.Post, "/batch", Json(
            "{\"api_key\":\"phc_canary\",\"batch\":[{\"event\":\"x\",\"distinct_id\":\"canary\"}]}"));
        yield return (HttpMethod.Post, "/batch", Json("{\"api_key\":\"phx_canary\",\"batch\":[]}"));
        yield return (HttpMethod.Post, "/batch", Json("{canary"));
        yield return (HttpMethod.Post, "/webhooks/posthog", Json("{\"event\":\"canary\"}"));
    }

    private static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");

    private static async Task CaptureAsync(HostProcess host, int events)
    {
        var batch = Enumerable.Range(0, events).Select(number => new
        {
            uuid = Guid.NewGuid(),
            @event = "canary-event",
            distinct_id = $"canary-person-{number}",
            properties = new Dictionary<string, object>
            {
                ["email"] = "canary@example.test",
                ["$set"] = new { name = "Canary" },
                ["token"] = "canary-token",
            },
        });
        using var answer = await host.Http.PostAsJsonAsync("/batch", new { api_key = PipelineHarness.Token, batch });
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    /// <summary>Another process has the database for itself for longer than anybody waits for it, so that commits fail.</summary>
    private static async Task HoldDatabaseAsync(HostProcess host)
    {
        await using var connection = host.OpenTables();
        await using var hold = connection.CreateCommand();
        hold.CommandText = "BEGIN EXCLUSIVE";
        await hold.ExecuteNonQueryAsync();
        await PipelineHarness.UntilAsync(
            () => Task.FromResult(host.Output.Any(line => line.Contains("database is locked", StringComparison.Ordinal))),
            "a commit has failed");
    }
}
