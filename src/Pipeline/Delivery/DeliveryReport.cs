using System.Collections.Immutable;
using VarianceActors.Pipeline.Metering;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>What waits for the delivery of a connection, what it failed at, and how fast it is.</summary>
/// <param name="Undecided">Events in the inbox that nobody has decided yet.</param>
/// <param name="Waiting">Messages in the outbox without an outcome.</param>
/// <param name="Held">Of these, messages behind one that failed and is tried again.</param>
/// <param name="DeadEvents">Events with a dead letter.</param>
/// <param name="Errors">What attempts failed at in the last 24 hours, the reason that was met last first.</param>
/// <param name="Latency">How long messages took lately on this node; null if none was delivered.</param>
/// <param name="RecentPerSecond">Messages delivered per second on this node, over the last minutes.</param>
public sealed record DeliveryReport(
    long Undecided,
    long Waiting,
    long Held,
    long DeadEvents,
    ImmutableArray<DeliveryErrorCount> Errors,
    LatencyPercentiles? Latency,
    double RecentPerSecond)
{
    private static readonly TimeSpan ErrorsSince = TimeSpan.FromHours(24);

    internal static DeliveryReport Read(Session session, int connection, LatencyWindow latencies, DateTimeOffset now)
    {
        var balance = LedgerStatements.Balance(session, connection);
        return new DeliveryReport(
            balance.Accepted - LedgerStatements.Decided(session, connection).Values.Sum(),
            OutboxStatements.CountWaiting(session, connection),
            OutboxStatements.CountHeldMessages(session, connection),
            balance.Dead,
            [.. DeliveryErrors.Since(session, connection, now - ErrorsSince)],
            latencies.Read(now),
            latencies.PerSecond(now));
    }
}
