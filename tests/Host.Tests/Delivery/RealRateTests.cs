using System.Globalization;
using System.Net.Http.Json;
using VarianceActors.Harness;
using Xunit;
using Xunit.Abstractions;

namespace VarianceActors.Host.Tests.Delivery;

/// <summary>A rate on the real clock, measured where the messages arrive. VARIANCE_RATE_SECONDS plays it longer, such as 60.</summary>
public sealed class RealRateTests(ITestOutputHelper output)
{
    private const int PerSecond = 200;
    private const int EventsPerRequest = 200;
    private static readonly int Seconds = int.TryParse(
        Environment.GetEnvironmentVariable("VARIANCE_RATE_SECONDS"), CultureInfo.InvariantCulture, out var seconds) ? seconds : 6;

    // What a hiccup of the machine holds up was sent within the rate, and arrives together.
    private static readonly int Burst = Seconds >= 60 ? PerSecond / 2 : PerSecond;

    [Fact]
    public async Task No_second_sees_more_than_rate_and_burst_and_a_backlog_uses_the_rate()
    {
        await using var receiver = await ScriptedReceiver.StartAsync();
        await using var host = new HostProcess($$"""
            acme {
              tokens = ["{{PipelineHarness.Token}}"]
              url = "{{receiver.Url}}"
              mapping = plugin
              allow-private-network = on
              rate { per-second = {{PerSecond}}, burst = {{Burst}} }
            }
            """);
        await host.StartAsync();
        const int longer = 2; // than is measured, so that there is always something to send
        for (var first = 0; first < (Seconds + longer) * PerSecond; first += EventsPerRequest)
        {
            var batch = Enumerable.Range(first, EventsPerRequest).Select(number => new
            {
                uuid = Guid.NewGuid(),
                @event = "order placed",
                distinct_id = $"person-{number % 100}",
                properties = new { n = number, script = "200" },
            });
            using var answer = await host.Http.PostAsJsonAsync("/batch/", new { api_key = PipelineHarness.Token, batch });
            answer.EnsureSuccessStatusCode();
        }

        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30 + (2 * Seconds)), TimeProvider.System);
        while (receiver.Posts.Length < (Seconds + 1) * PerSecond)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, patience.Token);
        }

        var arrivals = receiver.Posts.Select(post => post.ArrivedAt).Order().ToArray();
        var from = arrivals[0] + TimeSpan.FromSeconds(0.5);
        var used = arrivals.Count(at => at >= from && at < from + TimeSpan.FromSeconds(Seconds)) / (double)(PerSecond * Seconds);
        var most = arrivals.Select((at, first) => CountWithin(arrivals, first, at + TimeSpan.FromSeconds(1))).Max();
        output.WriteLine($"{arrivals.Length} messages, {used:P1} of the rate used, at most {most} in a second");
        Assert.True(most <= PerSecond + Burst, $"{most} within a second");

        // Of a few seconds, one hiccup of a machine that others use too is some percent.
        Assert.True(used >= (Seconds >= 60 ? 0.98 : 0.9), $"only {used:P1} of the rate was used");
    }

    private static int CountWithin(TimeSpan[] arrivals, int first, TimeSpan until)
    {
        var found = Array.BinarySearch(arrivals, first, arrivals.Length - first, until);
        return (found < 0 ? ~found : found) - first;
    }
}
