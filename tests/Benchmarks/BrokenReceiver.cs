using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using VarianceActors.Benchmarks.Processes;

namespace VarianceActors.Benchmarks;

/// <summary>A receiver that is broken in another way at each of its paths.</summary>
internal sealed class BrokenReceiver : IAsyncDisposable
{
    /// <summary>The one that only takes its time.</summary>
    public const string Slow = "slow";

    private readonly WebApplication _app;
    private readonly Uri _root;

    private BrokenReceiver(WebApplication app, Uri root) => (_app, _root) = (app, root);

    /// <summary>Nine receivers by the way in which each is dead, or as good as dead: the slow one takes what comes after five seconds.</summary>
    public IReadOnlyDictionary<string, Uri> Urls => new Dictionary<string, Uri>
    {
        ["refused"] = new($"http://127.0.0.1:{BenchmarkHost.FreePort()}/hook"),
        ["fails"] = new(_root, "status/500"),
        ["unauthorized"] = new(_root, "status/401"),
        [Slow] = new(_root, "slow"),
        ["throttles"] = new(_root, "status/429"),
        ["hangs"] = new(_root, "hang"),
        ["resets"] = new(_root, "reset"),
        ["drips"] = new(_root, "drip"),
        ["endless"] = new(_root, "endless"),
    };

    /// <summary>As many that take everything.</summary>
    public IReadOnlyDictionary<string, Uri> WellUrls =>
        Urls.Keys.ToDictionary(id => $"not-{id}", _ => new Uri(_root, "status/200"));

    public static async Task<BrokenReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        app.MapPost("/status/{status:int}", (int status) => TypedResults.StatusCode(status));
        app.MapPost("/slow", http => Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System, http.RequestAborted));
        app.MapPost("/hang", http => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, http.RequestAborted));
        app.MapPost("/reset", http =>
        {
            http.Abort();
            return Task.CompletedTask;
        });
        app.MapPost("/drip", http => PourAsync(http, "x"u8.ToArray(), TimeSpan.FromSeconds(1)));
        app.MapPost("/endless", http => PourAsync(http, Encoding.ASCII.GetBytes(new string('x', 65_536)), TimeSpan.FromMilliseconds(10)));
        await app.StartAsync();
        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!;
        return new BrokenReceiver(app, new Uri(addresses.Addresses.Single()));
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    // A pause must be one: a loop whose every step is done at once never leaves its thread, also when nobody is there to read any more.
    private static async Task PourAsync(HttpContext http, byte[] bytes, TimeSpan pause)
    {
        http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        http.Features.Get<IHttpResponseBodyFeature>()!.DisableBuffering();
        while (!http.RequestAborted.IsCancellationRequested)
        {
            await http.Response.Body.WriteAsync(bytes, http.RequestAborted);
            await http.Response.Body.FlushAsync(http.RequestAborted);
            await Task.Delay(pause, TimeProvider.System, http.RequestAborted);
        }
    }
}
