using System.Collections.Frozen;
using Akka.Actor;
using Akka.Streams;
using Microsoft.Extensions.Logging;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>How this node delivers the messages of each connection. A connection without a URL is a dry run.</summary>
public sealed class Receivers : IDisposable
{
    private readonly FrozenDictionary<string, WebhookSender> _senders;

    /// <summary>Makes a sender and a rate gate for each connection that has a URL.</summary>
    public Receivers(ActorSystem system, PipelineOptions options, TimeProvider time, ILogger log)
    {
        var materializer = system.Materializer();
        _senders = options.Connections
            .Where(connection => connection.Value.Url.Length > 0)
            .ToFrozenDictionary(
                connection => connection.Key,
                connection => Sender(connection.Key, connection.Value, options.Delivery, materializer, time, log));
    }

    /// <summary>The delegate that delivers the messages of a connection.</summary>
    public Send For(string connectionId) =>
        _senders.TryGetValue(connectionId, out var sender) ? sender.SendAsync : DryRunAsync;

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var sender in _senders.Values)
        {
            sender.Dispose();
        }
    }

    private static WebhookSender Sender(
        string connectionId,
        ConnectionOptions connection,
        DeliveryOptions options,
        ActorMaterializer materializer,
        TimeProvider time,
        ILogger log) => new(
        new Uri(connection.Url),
        new PostHeaders(connection),
        connection.AllowPrivateNetwork,
        options,
        new RateGate(connection.Rate.PerSecond, connection.Rate.Burst, materializer),
        time,
        connectionId,
        log);

    private static Task<DeliveryOutcome> DryRunAsync(OutboxEntry entry, CancellationToken cancellationToken) =>
        Task.FromResult<DeliveryOutcome>(new DeliveryOutcome.DryRun());
}
