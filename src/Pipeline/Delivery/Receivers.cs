using System.Collections.Frozen;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>How this node delivers the messages of one connection.</summary>
/// <param name="Send">Makes one attempt.</param>
/// <param name="Flights">What its slices on this node share.</param>
/// <param name="IsDryRun">Whether there is no receiver: nothing is sent, and no permit is needed for that.</param>
public sealed record Receiver(Send Send, ConnectionFlights Flights, bool IsDryRun);

/// <summary>How this node delivers the messages of each connection: each has sockets and limits of its own. A connection
/// without a URL is a dry run.</summary>
public sealed class Receivers : IDisposable
{
    private readonly List<WebhookSender> _senders = [];
    private readonly FrozenDictionary<string, Receiver> _receivers;

    /// <summary>Makes a sender for each connection that has a URL.</summary>
    public Receivers(PipelineOptions options, TimeProvider time) =>
        _receivers = options.Connections.ToFrozenDictionary(
            connection => connection.Key,
            connection => connection.Value.Url.Length == 0
                ? new Receiver(DryRunAsync, new ConnectionFlights(int.MaxValue), IsDryRun: true)
                : new Receiver(
                    Sender(connection.Value, options.Delivery, time).SendAsync,
                    new ConnectionFlights(options.Delivery.InFlightMax),
                    IsDryRun: false));

    /// <summary>The receiver of a connection.</summary>
    public Receiver For(string connectionId) => _receivers[connectionId];

    /// <inheritdoc />
    public void Dispose() => _senders.ForEach(sender => sender.Dispose());

    private static Task<DeliveryAttempt> DryRunAsync(OutboxEntry entry, int number) =>
        Task.FromResult(DeliveryAttempt.Unanswered("dry-run") with { Verdict = DeliveryVerdict.DryRun, Number = number });

    private WebhookSender Sender(ConnectionOptions connection, DeliveryOptions options, TimeProvider time)
    {
        var sender = new WebhookSender(
            new Uri(connection.Url),
            new PostHeaders(connection),
            connection.AllowPrivateNetwork,
            options,
            time);
        _senders.Add(sender);
        return sender;
    }
}
