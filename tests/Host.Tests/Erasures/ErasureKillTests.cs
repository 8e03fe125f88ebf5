using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using VarianceActors.Harness;
using Xunit;

namespace VarianceActors.Host.Tests.Erasures;

/// <summary>The process dies at any moment of an erasure: it is done when the process is back, and nobody else loses
/// anything.</summary>
public sealed class ErasureKillTests
{
    private const int Rounds = 8;
    private const string Canary = "canary-51c9";

    [Fact]
    public async Task Killed_at_any_moment_an_erasure_is_done_after_the_restart()
    {
        await using var host = new HostProcess($$"""acme { tokens = ["{{PipelineHarness.Token}}"] }""");
        await host.StartAsync();
        await SendAsync(host, Identify("neighbour", "neighbours-phone", "Nia"));
        for (var round = 0; round < Rounds; round++)
        {
            var (user, device) = ($"ada-{round}+{Canary}", $"phone-{round}+{Canary}");
            await SendAsync(host, Identify(user, device, $"Ada {Canary}"), Identify(user, $"laptop-{round}", $"Ada {Canary}"));
            await PipelineHarness.UntilAsync(async () => await host.WaitingAsync() == 0, "nothing is pending");
            var erasing = EraseAsync(host, device);
            var looks = round * 3;
            await PipelineHarness.UntilAsync(
                async () => await StateAsync(host, round + 1) is { } state && (state == "done" || looks-- <= 0),
                "the erasure is under way");

            await host.KillAsync();
            await Record.ExceptionAsync(() => erasing); // whoever asked hears no more
            await host.StartAsync();

            await PipelineHarness.UntilAsync(
                async () => await StateAsync(host, round + 1) == "done", "the erasure is done");
            Assert.Equal(HttpStatusCode.NotFound, await PersonAsync(host, user));
            Assert.Equal(HttpStatusCode.NotFound, await PersonAsync(host, $"laptop-{round}"));
        }

        Assert.Equal(HttpStatusCode.OK, await PersonAsync(host, "neighbours-phone"));
        Assert.Equal(0, (await host.LedgerAsync())["imbalance"]);
        await host.KillAsync();
        foreach (var file in Directory.EnumerateFiles(host.DataDirectory, "*.db*", SearchOption.AllDirectories))
        {
            Assert.True((await File.ReadAllBytesAsync(file)).AsSpan().IndexOf(Encoding.UTF8.GetBytes(Canary)) < 0, file);
        }
    }

    private static object Identify(string user, string device, string name) => new
    {
        @event = "$identify",
        uuid = Guid.NewGuid(),
        distinct_id = user,
        properties = new Dictionary<string, object>
        {
            ["$anon_distinct_id"] = device,
            ["$set"] = new { name },
        },
    };

    private static async Task SendAsync(HostProcess host, params object[] events)
    {
        using var answer = await host.Http.PostAsJsonAsync("/batch", new { api_key = PipelineHarness.Token, batch = events });
        answer.EnsureSuccessStatusCode();
    }

    private static async Task EraseAsync(HostProcess host, string id)
    {
        using var answer = await host.Http.DeleteAsync(Api($"persons/{Uri.EscapeDataString(id)}"));
        answer.EnsureSuccessStatusCode();
    }

    private static async Task<HttpStatusCode> PersonAsync(HostProcess host, string id)
    {
        using var answer = await host.Http.GetAsync(Api($"persons/{Uri.EscapeDataString(id)}"));
        return answer.StatusCode;
    }

    private static async Task<string?> StateAsync(HostProcess host, int erasure)
    {
        using var answer = await host.Http.GetAsync(Api($"erasures/{erasure}"));
        return answer.IsSuccessStatusCode
            ? (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("state").GetString()
            : null;
    }

    private static Uri Api(string path) => new($"/api/v1/connections/{PipelineHarness.Connection}/{path}", UriKind.Relative);
}
