using System.Net;
using System.Net.Http.Headers;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Sources;
using Xunit;

namespace VarianceActors.Host.Tests.Http;

public sealed class WebhookDoorTests
{
    private const string Body = """{"event":{"event":"e","distinct_id":"d","uuid":"0198c2a0-1111-7000-8000-000000000001"},"person":null}""";

    [Theory]
    [InlineData(DoorsHost.Secret, "acme")]
    [InlineData("another-secret", "other")]
    public async Task The_secret_selects_the_connection(string secret, string connectionId)
    {
        await using var host = await DoorsHost.StartAsync();
        using var answer = await Post(host, Body, "Bearer " + secret);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("{\"status\":\"Ok\"}", await answer.Content.ReadAsStringAsync());
        var stored = Assert.Single(host.Stored);
        Assert.Equal((connectionId, "e", Door.Webhook), (stored.ConnectionId, stored.Event.Event, stored.Event.Door));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("Bearer")]
    [InlineData("Bearer ")]
    [InlineData("Bearer wrong")]
    [InlineData("Basic " + DoorsHost.Secret)]
    [InlineData(DoorsHost.Secret)]
    [InlineData("Bearer " + DoorsHost.Token)]
    public async Task Without_a_known_secret_nothing_is_read(string? authorization)
    {
        await using var host = await DoorsHost.StartAsync();
        using var answer = await Post(host, new string('x', 3 << 20), authorization);

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.Single().Scheme);
        Assert.Equal(
            "Send the connection's webhook secret in the header Authorization: Bearer <secret>.",
            await answer.Content.ReadAsStringAsync());
        Assert.Empty(host.Stored);
    }

    [Theory]
    [InlineData("""{"person":{}}""", HttpStatusCode.BadRequest)]
    [InlineData("nonsense", HttpStatusCode.BadRequest)]
    public async Task A_body_without_an_event_is_refused(string body, HttpStatusCode status)
    {
        await using var host = await DoorsHost.StartAsync();

        Assert.Equal(status, (await Post(host, body, "Bearer " + DoorsHost.Secret)).StatusCode);
    }

    [Fact]
    public async Task A_body_over_the_limit_is_refused()
    {
        await using var host = await DoorsHost.StartAsync();
        using var answer = await Post(host, new string(' ', (2 << 20) + 1), "Bearer " + DoorsHost.Secret);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
    }

    [Theory]
    [InlineData(AppendOutcome.Full)]
    [InlineData(AppendOutcome.Unavailable)]
    public async Task What_is_not_on_disk_is_asked_for_again(AppendOutcome outcome)
    {
        await using var host = await DoorsHost.StartAsync(outcome);
        using var answer = await Post(host, Body, "Bearer " + DoorsHost.Secret);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(2), answer.Headers.RetryAfter!.Delta);
    }

    [Fact]
    public async Task Only_POST_is_allowed()
    {
        await using var host = await DoorsHost.StartAsync();

        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await host.Client.GetAsync("/webhooks/posthog")).StatusCode);
    }

    private static async Task<HttpResponseMessage> Post(DoorsHost host, string body, string? authorization)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/webhooks/posthog") { Content = new StringContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        if (authorization is not null)
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        return await host.Client.SendAsync(request);
    }
}
