using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using VarianceActors.Host.Http;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Host.Tests.Http;

/// <summary>A real Kestrel with nothing but the doors, and an inbox that remembers.</summary>
internal sealed class DoorsHost : IAsyncDisposable
{
    public const string Token = "phc_public";
    public const string Secret = "a-webhook-secret";

    public static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly WebApplication _app;

    private DoorsHost(WebApplication app, ConcurrentQueue<(string ConnectionId, CaptureEvent Event)> stored)
    {
        _app = app;
        Stored = stored;
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        Client = new HttpClient(new SocketsHttpHandler { RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8 })
        {
            BaseAddress = new Uri(address),
        };
    }

    public HttpClient Client { get; }

    /// <summary>How many bytes of bodies the doors hold now.</summary>
    public long HeldBytes => _app.Services.GetRequiredService<BodyBudget>().HeldBytes;

    public ConcurrentQueue<(string ConnectionId, CaptureEvent Event)> Stored { get; }

    public static async Task<DoorsHost> StartAsync(
        AppendOutcome outcome = AppendOutcome.Committed, int bodiesBytesMax = 64 << 20)
    {
        var stored = new ConcurrentQueue<(string, CaptureEvent)>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddSingleton<TimeProvider>(new FakeTimeProvider(Now));
        builder.Services.AddSingleton(new ConnectionDirectory(
        [
            new ConnectionKeys("acme", [Token], [ConnectionDirectory.DigestOf(Secret)]),
            new ConnectionKeys("other", ["phc_other"], [ConnectionDirectory.DigestOf("another-secret")]),
        ]));
        builder.Services.AddSingleton<AppendEvents>((connectionId, events, _) =>
        {
            if (outcome == AppendOutcome.Committed)
            {
                foreach (var captured in events)
                    stored.Enqueue((connectionId, captured));
            }

            return ValueTask.FromResult(outcome);
        });
        builder.Services.AddSingleton<BodyBudget>();
        builder.Services.Configure<SourcesOptions>(SetLimits);
        builder.Services.Configure<SourcesOptions>(limits => limits.BodiesBytesMax = bodiesBytesMax);

        var app = builder.Build();
        app.MapCaptureDoor();
        app.MapWebhookDoor();
        app.MapSdkDoor();
        await app.StartAsync();
        return new DoorsHost(app, stored);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
    }

    private static void SetLimits(SourcesOptions limits)
    {
        limits.BodyBytesMax = 20 << 20;
        limits.EventBodyBytesMax = 2 << 20;
        limits.InflatedBytesMax = 100 << 20;
        limits.EventBytesMax = 1_000_000;
        limits.JsonDepthMax = 64;
        limits.EventsMax = 10_000;
        limits.WebhookBodyBytesMax = 2 << 20;
        limits.RetryAfter = TimeSpan.FromMilliseconds(1500);
    }
}
