using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace VarianceActors.Host.Demo;

/// <summary>One POST that the stand-in got.</summary>
/// <param name="Sequence">From 1, in the order of arrival.</param>
/// <param name="Body">The JSON body.</param>
/// <param name="Status">What it was answered.</param>
public sealed record ReceivedMessage(int Sequence, JsonElement Body, int Status)
{
    /// <summary>The Segment call, such as <c>identify</c>.</summary>
    public string Type => Body.GetProperty("type").GetString()!;

    /// <summary>The message id.</summary>
    public string MessageId => Body.GetProperty("messageId").GetString()!;

    /// <summary>What the header <c>X-Source</c> says; empty for none.</summary>
    public string Source { get; init; } = "";
}

/// <summary>What the stand-in answers.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="RetryAfter">The header <c>Retry-After</c>; null for none.</param>
/// <param name="Reset">Whether the connection is cut instead of an answer.</param>
/// <param name="Body">The answer's body; null for none.</param>
public sealed record StandInAnswer(int Status, string? RetryAfter = null, bool Reset = false, string? Body = null)
{
    /// <summary>200.</summary>
    public static StandInAnswer Ok { get; } = new(200);
}

/// <summary>A receiver on loopback that takes messages as Variance does: it checks the Authorization header and records.</summary>
public sealed class VarianceStandIn : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly byte[] _authorization;
    private readonly ConcurrentQueue<ReceivedMessage> _received = [];
    private int _sequence;

    private VarianceStandIn(WebApplication app, string authorization)
    {
        _app = app;
        _authorization = Encoding.UTF8.GetBytes(authorization);
        app.MapPost("/hook", TakeAsync);
    }

    /// <summary>What a message is answered; may be changed at any time. The default takes everything.</summary>
    public Func<ReceivedMessage, ValueTask<StandInAnswer>> Answer { get; set; } =
        _ => ValueTask.FromResult(StandInAnswer.Ok);

    /// <summary>Whether what is received is kept; false where it would be too much.</summary>
    public bool KeepsReceived { get; init; } = true;

    /// <summary>Where to POST.</summary>
    public Uri Url { get; private set; } = null!;

    /// <summary>Every POST with the right Authorization header, also those that were refused, in the order of arrival.</summary>
    public ImmutableArray<ReceivedMessage> Received => [.. _received];

    /// <summary>How many POSTs with the right Authorization header have begun, answered or not.</summary>
    public int Begun => Volatile.Read(ref _sequence);

    /// <summary>How many POSTs came without the right Authorization header.</summary>
    public int Unauthorized { get; private set; }

    /// <summary>Starts it.</summary>
    /// <param name="authorization">The header value that it asks for.</param>
    /// <param name="port">The port; 0 for a free one.</param>
    /// <param name="keepsReceived"><see cref="KeepsReceived"/>.</param>
    public static async Task<VarianceStandIn> StartAsync(string authorization, int port = 0, bool keepsReceived = true)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));
        var standIn = new VarianceStandIn(builder.Build(), authorization) { KeepsReceived = keepsReceived };
        await standIn._app.StartAsync();
        var addresses = standIn._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!;
        standIn.Url = new Uri(new Uri(addresses.Addresses.Single()), "hook");
        return standIn;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private static readonly JsonDocumentOptions Deep = new() { MaxDepth = 1_024 };

    private async Task TakeAsync(HttpContext http)
    {
        var presented = Encoding.UTF8.GetBytes(http.Request.Headers.Authorization.ToString());
        if (!CryptographicOperations.FixedTimeEquals(presented, _authorization))
        {
            Unauthorized++;
            http.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return;
        }

        using var body = await JsonDocument.ParseAsync(http.Request.Body, Deep, http.RequestAborted);
        var message = new ReceivedMessage(
            Interlocked.Increment(ref _sequence), body.RootElement.Clone(), StatusCodes.Status200OK)
        {
            Source = http.Request.Headers["X-Source"].ToString(),
        };
        var answer = await Answer(message);
        if (KeepsReceived)
        {
            _received.Enqueue(message with { Status = answer.Status });
        }

        if (answer.Reset)
        {
            http.Abort();
            return;
        }

        http.Response.StatusCode = answer.Status;
        if (answer.RetryAfter is not null)
        {
            http.Response.Headers.RetryAfter = answer.RetryAfter;
        }

        if (answer.Body is not null)
        {
            await http.Response.WriteAsync(answer.Body, http.RequestAborted);
        }
    }
}
