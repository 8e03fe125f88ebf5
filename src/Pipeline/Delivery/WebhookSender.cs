using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Polly;
using Polly.Timeout;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// Posts the messages of one connection over HTTP, each with the same bytes on every attempt. Success is a 2xx that was seen,
/// and nothing else.
/// </summary>
public sealed class WebhookSender : IDisposable
{
    /// <summary>How much of an answer's body is kept for the operator, in bytes.</summary>
    public const int ResponseKeptBytes = 4096;

    private static readonly TimeSpan BodyPatience = TimeSpan.FromSeconds(1);
    private static readonly MediaTypeHeaderValue Json = new("application/json");

    private readonly HttpClient _http;
    private readonly Uri _url;
    private readonly PostHeaders _headers;
    private readonly TimeProvider _time;
    private readonly ResiliencePipeline _whole;
    private readonly ResiliencePipeline<HttpResponseMessage> _untilStatus;

    /// <summary>The sender of a connection.</summary>
    /// <param name="url">Where to POST.</param>
    /// <param name="headers">What every post carries.</param>
    /// <param name="allowPrivateNetwork">Whether addresses outside the public internet may be dialled.</param>
    /// <param name="options">Times and sizes.</param>
    /// <param name="time">The clock that timeouts run on.</param>
    public WebhookSender(
        Uri url,
        PostHeaders headers,
        bool allowPrivateNetwork,
        DeliveryOptions options,
        TimeProvider time)
    {
        _url = url;
        _headers = headers;
        _time = time;
        _http = new HttpClient(Handler(allowPrivateNetwork)) { Timeout = Timeout.InfiniteTimeSpan };
        _whole = new ResiliencePipelineBuilder { TimeProvider = time }.AddTimeout(options.Deadline).Build();
        _untilStatus = new ResiliencePipelineBuilder<HttpResponseMessage> { TimeProvider = time }
            .AddTimeout(options.AttemptTimeout)
            .Build();
    }

    /// <inheritdoc cref="Send" />
    public async Task<DeliveryAttempt> SendAsync(OutboxEntry entry, int number)
    {
        var at = _time.GetUtcNow();
        var attempt = await AttemptAsync(entry).ConfigureAwait(false);
        return attempt with { Number = number, At = at, Latency = _time.GetUtcNow() - at };
    }

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();

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

    /// <summary>What is under way is finished, also while the node stops: the receiver may have taken it already.</summary>
    private async Task<DeliveryAttempt> AttemptAsync(OutboxEntry entry)
    {
        try
        {
            return await _whole
                .ExecuteAsync(
                    static async (state, token) => await state.Sender.PostAsync(state.Entry, token).ConfigureAwait(false),
                    (Sender: this, Entry: entry))
                .ConfigureAwait(false);
        }
        catch (TimeoutRejectedException)
        {
            return DeliveryAttempt.Unanswered("timeout");
        }
        catch (HttpRequestException failure) when (failure.GetBaseException() is ReceiverAddressException)
        {
            return DeliveryAttempt.Unanswered("receiver-address-not-public") with { Verdict = DeliveryVerdict.Hold };
        }
        catch (HttpRequestException failure) when (IsReset(failure))
        {
            return DeliveryAttempt.Unanswered("network-reset");
        }
        catch (HttpRequestException failure)
        {
            return DeliveryAttempt.Unanswered($"network-{failure.HttpRequestError}");
        }
        catch (IOException)
        {
            return DeliveryAttempt.Unanswered("network-reset");
        }
    }

    /// <summary>A connection that broke while it was used has no name of its own in <see cref="HttpRequestError"/>.</summary>
    private static bool IsReset(HttpRequestException failure) =>
        failure.HttpRequestError == HttpRequestError.Unknown
        && failure.GetBaseException() is SocketException or IOException;

    private async Task<DeliveryAttempt> PostAsync(OutboxEntry entry, CancellationToken cancellationToken)
    {
        using var content = new ReadOnlyMemoryContent(entry.Message.Body);
        content.Headers.ContentType = Json;
        using var request = new HttpRequestMessage(HttpMethod.Post, _url) { Content = content };
        _headers.Apply(request, entry, _time.GetUtcNow());
        using var response = await _untilStatus
            .ExecuteAsync(
                static async (state, token) => await state.Http
                    .SendAsync(state.Request, HttpCompletionOption.ResponseHeadersRead, token)
                    .ConfigureAwait(false),
                (Http: _http, Request: request),
                cancellationToken)
            .ConfigureAwait(false);
        var status = (int)response.StatusCode;
        var head = await ReadHeadAsync(response, cancellationToken).ConfigureAwait(false);
        return DeliveryAttempt.Answered(status, RetryAfter(response), head);
    }

    /// <summary>Seconds or a date. More seconds than a number holds are the longest time there is, for the cap to cut.</summary>
    private TimeSpan? RetryAfter(HttpResponseMessage response)
    {
        if (response.Headers.RetryAfter is { } asked)
        {
            return asked.Delta ?? (asked.Date - _time.GetUtcNow());
        }

        return response.Headers.NonValidated.TryGetValues("Retry-After", out var values)
            && values.ToString() is { Length: > 0 } text
            && text.AsSpan().Trim().ContainsAnyExceptInRange('0', '9') is false
                ? TimeSpan.MaxValue
                : null;
    }

    /// <summary>
    /// The first part of the answer's body, as far as it comes in time: the status has been seen and stands, whatever the body
    /// does. The handler drains or drops the rest. No secret of the connection is in it.
    /// </summary>
    private async Task<ReadOnlyMemory<byte>> ReadHeadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.Content.Headers.ContentLength == 0)
        {
            return default;
        }

        var head = new byte[ResponseKeptBytes + _headers.Secrets.BytesMax];
        var read = await ReadAsync(response, head, cancellationToken).ConfigureAwait(false);
        return _headers.Secrets.Apply(head.AsSpan(0, read), ResponseKeptBytes);
    }

    private async Task<int> ReadAsync(HttpResponseMessage response, Memory<byte> head, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(BodyPatience, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        var kept = 0;
        try
        {
            using var stream = await response.Content.ReadAsStreamAsync(either.Token).ConfigureAwait(false);
            for (var read = 1; read > 0 && kept < head.Length; kept += read)
            {
                read = await stream.ReadAsync(head[kept..], either.Token).ConfigureAwait(false);
            }
        }
        catch (IOException)
        {
            return kept;
        }
        catch (OperationCanceledException)
        {
            return kept; // whichever of the two limits it was
        }

        return kept;
    }
}
