using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace VarianceActors.Host.Tests.Delivery;

/// <summary>One POST that a scripted receiver got.</summary>
/// <param name="MessageId">The message.</param>
/// <param name="UserId">Whose it is.</param>
/// <param name="Number">The number in its properties.</param>
/// <param name="Body">Its bytes, as text.</param>
/// <param name="ArrivedAt">When it came, on the process's own clock.</param>
/// <param name="AnsweredAt">When it was answered or cut.</param>
/// <param name="Step">How it was answered.</param>
internal sealed record ScriptedPost(
    string MessageId, string UserId, int Number, string Body, TimeSpan ArrivedAt, TimeSpan AnsweredAt, string Step)
{
    /// <summary>Whether nothing may be sent after it.</summary>
    public bool IsDone => Step is "200" or "400" or "200-cut";
}

/// <summary>
/// A receiver that answers each message as the message's own property <c>script</c> says, step by step: a status, <c>429</c>
/// with Retry-After 1, <c>hang</c>, <c>cut</c> (taken, and the connection cut without an answer), or <c>200-cut</c>.
/// </summary>
internal sealed class ScriptedReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<ScriptedPost> _posts = [];
    private readonly ConcurrentDictionary<string, int> _steps = [];

    private ScriptedReceiver(WebApplication app)
    {
        _app = app;
        app.MapPost("/hook", TakeAsync);
    }

    public Uri Url { get; private set; } = null!;

    public ImmutableArray<ScriptedPost> Posts => [.. _posts];

    /// <summary>The time on the clock that the posts are stamped with.</summary>
    public static TimeSpan Now => Stopwatch.GetElapsedTime(0);

    public static async Task<ScriptedReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var receiver = new ScriptedReceiver(builder.Build());
        await receiver._app.StartAsync();
        var addresses = receiver._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!;
        receiver.Url = new Uri(new Uri(addresses.Addresses.Single()), "hook");
        return receiver;
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task TakeAsync(HttpContext http)
    {
        var arrivedAt = Now;
        using var reader = new StreamReader(http.Request.Body);
        var text = await reader.ReadToEndAsync(http.RequestAborted);
        using var body = JsonDocument.Parse(text);
        var messageId = body.RootElement.GetProperty("messageId").GetString()!;
        var properties = body.RootElement.GetProperty("properties");
        var script = properties.GetProperty("script").GetString()!.Split(' ');
        var step = script[Math.Min(_steps.AddOrUpdate(messageId, 0, (_, last) => last + 1), script.Length - 1)];
        if (step == "hang")
        {
            await UntilGoneAsync(http);
        }

        _posts.Enqueue(new ScriptedPost(
            messageId,
            body.RootElement.GetProperty("userId").GetString()!,
            properties.GetProperty("n").GetInt32(),
            text,
            arrivedAt,
            Now,
            step));
        await AnswerAsync(http, step);
    }

    private static async Task UntilGoneAsync(HttpContext http)
    {
        var gone = new TaskCompletionSource();
        await using var registration = http.RequestAborted.Register(gone.SetResult);
        await gone.Task;
    }

    private static async Task AnswerAsync(HttpContext http, string step)
    {
        switch (step)
        {
            case "hang":
                break;
            case "cut":
                http.Abort();
                break;
            case "200-cut":
                http.Response.ContentLength = 10;
                await http.Response.Body.FlushAsync();
                await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System); // the status is read meanwhile
                http.Abort();
                break;
            default:
                http.Response.StatusCode = int.Parse(step, System.Globalization.CultureInfo.InvariantCulture);
                http.Response.Headers.RetryAfter = step == "429" ? "1" : default;
                break;
        }
    }
}
