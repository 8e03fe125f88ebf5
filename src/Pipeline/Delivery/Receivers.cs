using System.Collections.Frozen;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>How this node delivers the messages of one connection.</summary>
/// <param name="Send">Makes one attempt.</param>
/// <param name="Flights">What its slices on this node share.</param>
public sealed record Receiver(Send Send, ConnectionFlights Flights);

/// <summary>How this node delivers the messages of each connection: each has sockets and limits of its own. A connection
/// without a URL is a dry run.</summary>
public sealed class Receivers : IDisposable
{
    private readonly List<WebhookSender> _senders = [];
    private readonly FrozenDictionary<string, Receiver> _receivers;

    /// <summary>Makes a sender for each connection that has a URL.</summary>
    /// <param name="options">The configuration.</param>
    /// <param name="time">The clock.</param>
    /// <param name="maySend">Asked before each attempt: another node may have this one's work by now.</param>
    public Receivers(PipelineOptions options, TimeProvider time, Func<bool> maySend) =>
        _receivers = options.Connections.ToFrozenDictionary(
            connection => connection.Key,
            connection => connection.Value.Url.Length == 0
                ? new Receiver(DryRunAsync, new ConnectionFlights(int.MaxValue, backfillPercent: 100))
                : new Receiver(
                    SendIf(maySend, Sender(connection.Value, options.Delivery, time).SendAsync),
                    new ConnectionFlights(options.Delivery.InFlightMax, options.Delivery.BackfillPercent)));

    /// <summary>The receiver of a connection.</summary>
    public Receiver For(string connectionId) => _receivers[connectionId];

    /// <inheritdoc />
    public void Dispose() => _senders.ForEach(sender => sender.Dispose());

    private static Send SendIf(Func<bool> maySend, Send send) => (entry, number) => maySend()
        ? send(entry, number)
        : throw new InvalidOperationException("This node may have lost its work to others: it sends nothing more.");

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
