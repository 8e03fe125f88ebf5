using System.Collections.Frozen;
using Akka.Actor;
using Akka.Streams;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>How this node delivers the messages of each connection. A connection without a URL is a dry run.</summary>
public sealed class Receivers : IDisposable
{
    private readonly FrozenDictionary<string, WebhookSender> _senders;

    /// <summary>Makes a sender and a rate gate for each connection that has a URL.</summary>
    public Receivers(ActorSystem system, PipelineOptions options, TimeProvider time)
    {
        var materializer = system.Materializer();
        _senders = options.Connections
            .Where(connection => connection.Value.Url.Length > 0)
            .ToFrozenDictionary(
                connection => connection.Key,
                connection => Sender(connection.Value, options.Delivery, materializer, time));
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
        ConnectionOptions connection, DeliveryOptions options, ActorMaterializer materializer, TimeProvider time) => new(
        new Uri(connection.Url),
        connection.Authorization,
        connection.AllowPrivateNetwork,
        options,
        new RateGate(connection.Rate.PerSecond, connection.Rate.Burst, materializer),
        time);

    private static Task<DeliveryOutcome> DryRunAsync(OutboxEntry entry, CancellationToken cancellationToken) =>
        Task.FromResult<DeliveryOutcome>(new DeliveryOutcome.DryRun());
}
