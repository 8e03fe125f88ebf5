using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using VarianceActors.Harness;
using Xunit;

namespace VarianceActors.Host.Tests.Delivery;

/// <summary>What a post looks like on the wire, and where it goes.</summary>
public sealed class PostTests
{
    private const string Secret = "a-signing-secret-0123";
    private const string Other = "the-next-secret-01234";

    [Fact]
    public async Task A_post_carries_a_standard_signature_by_each_secret_and_the_connections_own_headers()
    {
        await using var receiver = await Receiver.StartAsync(_ => Results.Ok());
        await using var pipeline = await StartAsync(receiver, $$"""
            signature { form = standard, secret = "{{Secret}}", secret-other = "{{Other}}" }, headers = ["X-Source: posthog"]
            """);
        await pipeline.CaptureAsync(new { @event = "signed up", distinct_id = "ada" });
        await pipeline.SettledAsync();

        var post = Assert.Single(receiver.Posts);
        var id = post.Headers["webhook-id"].Single();
        var timestamp = post.Headers["webhook-timestamp"].Single();
        byte[] signed = [.. Encoding.UTF8.GetBytes($"{id}.{timestamp}."), .. post.Body];
        Assert.Equal(
            string.Join(' ', new[] { Secret, Other }.Select(secret =>
                $"v1,{Convert.ToBase64String(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), signed))}")),
            post.Headers["webhook-signature"].Single());
        Assert.Equal($"{pipeline.Clock.GetUtcNow().ToUnixTimeSeconds()}", timestamp);
        Assert.Equal("posthog", post.Headers["X-Source"].Single());
        Assert.Equal("application/json", post.Headers.ContentType.Single());
    }

    [Fact]
    public async Task A_post_carries_the_signature_that_Variances_Segment_connection_checks()
    {
        await using var receiver = await Receiver.StartAsync(_ => Results.Ok());
        await using var pipeline = await StartAsync(receiver, $$"""signature.secret = "{{Secret}}" """);
        await pipeline.CaptureAsync(new { @event = "signed up", distinct_id = "ada" });
        await pipeline.SettledAsync();

        var post = Assert.Single(receiver.Posts);
        Assert.Equal(
            Convert.ToHexStringLower(HMACSHA1.HashData(Encoding.UTF8.GetBytes(Secret), post.Body)),
            post.Headers["X-Signature"].Single());
        Assert.False(post.Headers.ContainsKey("webhook-id"));
    }

    [Theory]
    [InlineData(400)]
    [InlineData(200)]
    public async Task A_receiver_that_repeats_the_headers_puts_no_secret_into_the_database_and_the_api(int status)
    {
        await using var receiver = await Receiver.StartAsync(
            _ => Results.Text($"Basic c2VjcmV0; {Secret}; no name{new string('.', 10_000)}", statusCode: status));
        await using var pipeline = await StartAsync(
            receiver, $$"""authorization = "Basic c2VjcmV0", signature.secret = "{{Secret}}" """);
        var uuid = Guid.NewGuid();
        await pipeline.CaptureAsync(new { uuid, @event = "signed up", distinct_id = "ada" });
        await pipeline.SettledAsync();

        using var answer = await pipeline.ApiAsync(status == 200 ? $"events/{uuid}" : "dead-letters/1");
        var story = await answer.Content.ReadAsStringAsync();
        Assert.InRange(story.Count(letter => letter == '.'), 4_000, status == 200 ? 4_200 : 8_400); // the letter has it too
        Assert.Contains("***; ***; no name", story, StringComparison.Ordinal);
        Assert.DoesNotContain("c2VjcmV0", story, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, story, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_redirect_is_not_followed_and_nothing_is_lost()
    {
        await using var elsewhere = await Receiver.StartAsync(_ => Results.Ok());
        await using var receiver = await Receiver.StartAsync(
            number => number == 1 ? Results.Redirect(elsewhere.Url, preserveMethod: true) : Results.Ok());
        await using var pipeline = await StartAsync(receiver, "");
        await pipeline.CaptureAsync(new { @event = "signed up", distinct_id = "ada" });
        await PipelineHarness.UntilAsync(
            async () =>
            {
                pipeline.Clock.Advance(TimeSpan.FromSeconds(1));
                return (await pipeline.LedgerAsync())["delivered"] == 1;
            },
            "it is delivered");

        Assert.Empty(elsewhere.Posts);
        Assert.Equal(2, receiver.Posts.Count);
    }

    private static Task<PipelineHarness> StartAsync(Receiver receiver, string connection) => PipelineHarness.StartAsync(
        new HarnessOptions("plugin", $$"""variance.connections.acme { url = "{{receiver.Url}}", {{connection}} }"""));

    /// <summary>A receiver that keeps what it gets, to the byte.</summary>
    private sealed class Receiver : IAsyncDisposable
    {
        private readonly WebApplication _app;
        private int _posts;

        private Receiver(WebApplication app, Func<int, IResult> answer)
        {
            _app = app;
            app.MapPost("/hook", async (HttpContext http) =>
            {
                using var body = new MemoryStream();
                await http.Request.Body.CopyToAsync(body);
                Posts.Enqueue((new HeaderDictionary(http.Request.Headers.ToDictionary()), body.ToArray()));
                return answer(Interlocked.Increment(ref _posts));
            });
        }

        public ConcurrentQueue<(IHeaderDictionary Headers, byte[] Body)> Posts { get; } = [];

        public string Url { get; private set; } = "";

        public static async Task<Receiver> StartAsync(Func<int, IResult> answer)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
            var receiver = new Receiver(builder.Build(), answer);
            await receiver._app.StartAsync();
            var addresses = receiver._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!;
            receiver.Url = $"{addresses.Addresses.Single()}/hook";
            return receiver;
        }

        public ValueTask DisposeAsync() => _app.DisposeAsync();
    }
}
