using System.Net;
using VarianceActors.Harness;
using VarianceActors.Host.Demo;
using Xunit;

namespace VarianceActors.Host.Tests.Http;

/// <summary>The page that Prometheus reads.</summary>
public sealed class MetricsPageTests
{
    private const string Authorization = "Basic dGVzdDp0ZXN0";

    [Fact]
    public async Task The_page_tells_what_the_books_say_and_how_the_receiver_answers()
    {
        await using var variance = await VarianceStandIn.StartAsync(Authorization);
        variance.Answer = message => ValueTask.FromResult(
            message.Body.GetProperty("event").GetString() == "bad" ? new StandInAnswer(400) : StandInAnswer.Ok);
        await using var host = new HostProcess($$"""
            acme {
              tokens = ["{{PipelineHarness.Token}}"]
              url = "{{variance.Url}}"
              authorization = "{{Authorization}}"
              allow-private-network = on
            }
            """);
        await host.StartAsync();
        using var answer = await host.Http.PostAsync(new Uri("/batch", UriKind.Relative), new StringContent($$"""
            {"api_key":"{{PipelineHarness.Token}}","batch":[
              {"event":"good","distinct_id":"a-person"},{"event":"good","distinct_id":"bob"},
              {"event":"bad","distinct_id":"a-person"},{"event":"$autocapture","distinct_id":"a-person"}]}
            """));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await PipelineHarness.UntilAsync(async () => await host.WaitingAsync() == 0, "no event is pending");

        var page = "";
        await PipelineHarness.UntilAsync(
            async () =>
            {
                page = await host.Http.GetStringAsync(new Uri("/metrics", UriKind.Relative));
                return ValueOf(page, "variance_events", "dead") == 1;
            },
            "the books are read");

        Assert.Equal(4, ValueOf(page, "variance_events_accepted_total", "acme"));
        Assert.Equal(3, ValueOf(page, "variance_events_decided_total", "queued"));
        Assert.Equal(1, ValueOf(page, "variance_events_decided_total", "filtered"));
        Assert.Equal(2, ValueOf(page, "variance_events", "delivered"));
        Assert.Equal(0, ValueOf(page, "variance_ledger_imbalance", "acme"));
        Assert.Equal(0, ValueOf(page, "variance_inbox_lag", "acme"));
        Assert.Equal(0, ValueOf(page, "variance_outbox_backlog", "acme"));
        Assert.Equal(2, ValueOf(page, "variance_delivery_attempts_total", "2xx"));
        Assert.Equal(1, ValueOf(page, "variance_delivery_attempts_total", "4xx"));
        Assert.Equal(1, ValueOf(page, "variance_delivery_messages_total", "dead"));
        Assert.Equal(2, ValueOf(page, "variance_delivery_latency_seconds_count", "acme"));
        Assert.DoesNotContain("a-person", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_page_is_for_those_who_may_call_the_api()
    {
        await using var pipeline = await PipelineHarness.StartAsync(new HarnessOptions(DryRun: true));
        using var refused = await pipeline.Http.GetAsync(new Uri("/metrics", UriKind.Relative));
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {PipelineHarness.AdminKey}");
        using var answer = await pipeline.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    /// <summary>The value of the line of a metric that has a label with the given value.</summary>
    private static double? ValueOf(string page, string metric, string label) => page.Split('\n')
        .Where(line => line.StartsWith(metric + "{", StringComparison.Ordinal)
            && line.Contains($"=\"{label}\"", StringComparison.Ordinal))
        .Select(line => (double?)double.Parse(line.Split("} ")[1].Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture))
        .SingleOrDefault();
}
