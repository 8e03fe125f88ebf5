using System.Net;
using System.Net.Http.Headers;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;
using Polly.Timeout;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// Delivers the messages of one connection over HTTP: one POST a message, the same bytes on every attempt, tried until it has
/// an outcome. Success is a 2xx that was seen, and nothing else.
/// </summary>
public sealed partial class WebhookSender : IDisposable
{
    /// <summary>How much of an answer's body is kept for the operator, in bytes.</summary>
    public const int ResponseKeptBytes = 4096;

    private const int AttemptsNotedMax = 100;
    private static readonly TimeSpan BodyPatience = TimeSpan.FromSeconds(1);
    private static readonly ResiliencePropertyKey<Delivery> DeliveryKey = new("delivery");
    private static readonly MediaTypeHeaderValue Json = new("application/json");

    private readonly HttpClient _http;
    private readonly Uri _url;
    private readonly PostHeaders _headers;
    private readonly DeliveryOptions _options;
    private readonly RateGate _gate;
    private readonly TimeProvider _time;
    private readonly string _connectionId;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _inFlight;
    private readonly ResiliencePipeline _attempt;
    private readonly ResiliencePipeline<DeliveryAttempt> _untilDone;
    private long _lastSuccessTicks;
    private string? _heldFor;

    /// <summary>The sender of a connection.</summary>
    /// <param name="url">Where to POST.</param>
    /// <param name="headers">What every post carries.</param>
    /// <param name="allowPrivateNetwork">Whether addresses outside the public internet may be dialled.</param>
    /// <param name="options">Times and sizes.</param>
    /// <param name="gate">The connection's rate.</param>
    /// <param name="time">The clock that waits and timeouts run on.</param>
    /// <param name="connectionId">The connection, for the log.</param>
    /// <param name="log">Told when the connection turns out to be set up wrongly, and when it works again.</param>
    public WebhookSender(
        Uri url,
        PostHeaders headers,
        bool allowPrivateNetwork,
        DeliveryOptions options,
        RateGate gate,
        TimeProvider time,
        string connectionId,
        ILogger log)
    {
        _url = url;
        _headers = headers;
        _options = options;
        _gate = gate;
        _time = time;
        _connectionId = connectionId;
        _log = log;
        _http = new HttpClient(Handler(allowPrivateNetwork)) { Timeout = Timeout.InfiniteTimeSpan };
        _inFlight = new SemaphoreSlim(options.InFlightMax);
        _attempt = new ResiliencePipelineBuilder { TimeProvider = time }.AddTimeout(options.AttemptTimeout).Build();
        _untilDone = new ResiliencePipelineBuilder<DeliveryAttempt> { TimeProvider = time }.AddRetry(Retry()).Build();
    }

    /// <inheritdoc cref="Send" />
    public async Task<DeliveryOutcome> SendAsync(OutboxEntry entry, CancellationToken cancellationToken)
    {
        var delivery = new Delivery(entry, _time.GetUtcNow());
        var context = ResilienceContextPool.Shared.Get(cancellationToken);
        context.Properties.Set(DeliveryKey, delivery);
        try
        {
            var last = await _untilDone
                .ExecuteAsync(
                    static async (resilience, sender) => await sender
                        .AttemptAsync(resilience.Properties.GetValue(DeliveryKey, null!), resilience.CancellationToken)
                        .ConfigureAwait(false),
                    context,
                    this)
                .ConfigureAwait(false);
            return Conclude(delivery, last) with { Made = [.. delivery.Made] };
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return new DeliveryOutcome.Abandoned();
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _http.Dispose();
        _inFlight.Dispose();
    }

    private static SocketsHttpHandler Handler(bool allowPrivateNetwork) => new()
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.None,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        MaxResponseHeadersLength = 32,
        MaxResponseDrainSize = 64 * 1024,
        ConnectCallback = (connect, cancellationToken) =>
            ReceiverAddresses.ConnectAsync(connect.DnsEndPoint, allowPrivateNetwork, cancellationToken),
    };

    /// <summary>Decorrelated jitter between the first and the longest delay; a receiver's own Retry-After goes before it.</summary>
    private RetryStrategyOptions<DeliveryAttempt> Retry() => new()
    {
        MaxRetryAttempts = int.MaxValue,
        BackoffType = DelayBackoffType.Exponential,
        UseJitter = true,
        Delay = _options.Retry.DelayFirst,
        MaxDelay = _options.Retry.DelayMax,
        ShouldHandle = args => ValueTask.FromResult(
            args.Outcome.Result is { } attempt && IsTriedAgain(args.Context.Properties.GetValue(DeliveryKey, null!), attempt)),
        DelayGenerator = args => ValueTask.FromResult(
            args.Outcome.Result?.RetryAfter is { } asked && asked > TimeSpan.Zero
                ? TimeSpan.FromTicks(Math.Min(asked.Ticks, _options.Retry.RetryAfterMax.Ticks))
                : (TimeSpan?)null),
    };

    /// <summary>
    /// A message may not block its lane for ever while others of its connection get through; but as long as none gets
    /// through the receiver is away, and nothing is given up.
    /// </summary>
    private bool IsTriedAgain(Delivery delivery, DeliveryAttempt attempt) => attempt.Verdict switch
    {
        DeliveryVerdict.Hold => true,
        DeliveryVerdict.Retry => !IsBudgetSpent(delivery),
        _ => false,
    };

    private bool IsBudgetSpent(Delivery delivery)
    {
        var now = _time.GetUtcNow();
        if (delivery.FailsAloneSince is null && Volatile.Read(ref _lastSuccessTicks) > delivery.FirstAttemptAt.UtcTicks)
        {
            delivery.FailsAloneSince = now;
        }

        return now - delivery.FailsAloneSince >= _options.Retry.Budget;
    }

    private static DeliveryOutcome Conclude(Delivery delivery, DeliveryAttempt last)
    {
        if (last.Verdict == DeliveryVerdict.Delivered)
        {
            return new DeliveryOutcome.Delivered();
        }

        var reason = last.Verdict == DeliveryVerdict.Retry ? "retry-budget-exhausted" : last.Reason;
        return new DeliveryOutcome.DeadLettered(
            reason, last.Status, last.Response, delivery.Attempts, delivery.FirstAttemptAt, delivery.LastAttemptAt);
    }

    private async Task<DeliveryAttempt> AttemptAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        var attempt = await TryAsync(delivery, cancellationToken).ConfigureAwait(false);
        var made = attempt with
        {
            Number = delivery.Attempts,
            At = delivery.LastAttemptAt,
            Latency = _time.GetUtcNow() - delivery.LastAttemptAt,
        };
        if (delivery.Made.Count < AttemptsNotedMax)
        {
            delivery.Made.Add(made);
        }

        return made;
    }

    private async Task<DeliveryAttempt> TryAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        await _inFlight.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
            delivery.Attempts++;
            delivery.LastAttemptAt = _time.GetUtcNow();
            var attempt = await _attempt
                .ExecuteAsync(
                    static async (state, token) => await state.Sender.PostAsync(state.Entry, token).ConfigureAwait(false),
                    (Sender: this, delivery.Entry),
                    CancellationToken.None) // what is under way is finished: the receiver may have taken it already
                .ConfigureAwait(false);
            Note(attempt);
            return attempt;
        }
        catch (TimeoutRejectedException)
        {
            return DeliveryAttempt.Unanswered("timeout");
        }
        catch (HttpRequestException failure) when (failure.GetBaseException() is ReceiverAddressException)
        {
            var refused = DeliveryAttempt.Unanswered("receiver-address-not-public") with { Verdict = DeliveryVerdict.Hold };
            Note(refused);
            return refused;
        }
        catch (HttpRequestException failure)
        {
            return DeliveryAttempt.Unanswered($"network-{failure.HttpRequestError}");
        }
        catch (IOException)
        {
            return DeliveryAttempt.Unanswered("network-reset");
        }
        finally
        {
            _inFlight.Release();
        }
    }

    [LoggerMessage(
        LogLevel.Warning,
        "Connection {Connection} is set up wrongly ({Reason}); its messages are kept and tried again until it is mended.")]
    private static partial void LogHeld(ILogger logger, string connection, string reason);

    [LoggerMessage(LogLevel.Information, "Connection {Connection} delivers again.")]
    private static partial void LogDelivers(ILogger logger, string connection);

    /// <summary>Tells once what is wrong with the connection, and once that it is mended.</summary>
    private void Note(DeliveryAttempt attempt)
    {
        if (attempt.Verdict == DeliveryVerdict.Delivered)
        {
            Volatile.Write(ref _lastSuccessTicks, _time.GetUtcNow().UtcTicks);
            if (Interlocked.Exchange(ref _heldFor, null) is not null)
            {
                LogDelivers(_log, _connectionId);
            }
        }
        else if (attempt.Verdict == DeliveryVerdict.Hold
            && Interlocked.Exchange(ref _heldFor, attempt.Reason) != attempt.Reason)
        {
            LogHeld(_log, _connectionId, attempt.Reason);
        }
    }

    private async Task<DeliveryAttempt> PostAsync(OutboxEntry entry, CancellationToken cancellationToken)
    {
        using var content = new ReadOnlyMemoryContent(entry.Message.Body);
        content.Headers.ContentType = Json;
        using var request = new HttpRequestMessage(HttpMethod.Post, _url) { Content = content };
        _headers.Apply(request, entry, _time.GetUtcNow());
        using var response = await _http
            .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken)
            .ConfigureAwait(false);
        var status = (int)response.StatusCode;
        var head = await ReadHeadAsync(response, cancellationToken).ConfigureAwait(false);
        return DeliveryAttempt.Answered(status, RetryAfter(response), head);
    }

    private TimeSpan? RetryAfter(HttpResponseMessage response) =>
        response.Headers.RetryAfter?.Delta ?? (response.Headers.RetryAfter?.Date - _time.GetUtcNow());

    /// <summary>
    /// The first part of a refusal's body, as far as it comes in time: the status has been seen and stands, whatever the body
    /// does. The handler drains or drops the rest.
    /// </summary>
    private async Task<ReadOnlyMemory<byte>> ReadHeadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.IsSuccessStatusCode)
        {
            return default;
        }

        using var patience = new CancellationTokenSource(BodyPatience, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        var head = new byte[ResponseKeptBytes];
        var kept = 0;
        try
        {
            using var stream = await response.Content.ReadAsStreamAsync(either.Token).ConfigureAwait(false);
            for (var read = 1; read > 0 && kept < head.Length; kept += read)
            {
                read = await stream.ReadAsync(head.AsMemory(kept), either.Token).ConfigureAwait(false);
            }
        }
        catch (IOException)
        {
            return head.AsMemory(0, kept);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested)
        {
            return head.AsMemory(0, kept);
        }

        return head.AsMemory(0, kept);
    }

    private sealed class Delivery(OutboxEntry entry, DateTimeOffset startedAt)
    {
        public OutboxEntry Entry { get; } = entry;

        public DateTimeOffset FirstAttemptAt { get; } = startedAt;

        public DateTimeOffset LastAttemptAt { get; set; } = startedAt;

        public int Attempts { get; set; }

        public List<DeliveryAttempt> Made { get; } = [];

        /// <summary>Since when it fails although others succeed; null while nothing succeeds.</summary>
        public DateTimeOffset? FailsAloneSince { get; set; }
    }
}
