using System.Collections.Immutable;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>What waits for the delivery of a connection, and what it failed at.</summary>
/// <param name="Undecided">Events in the inbox that nobody has decided yet.</param>
/// <param name="Waiting">Messages in the outbox without an outcome.</param>
/// <param name="Held">Of these, messages behind one that failed and is tried again.</param>
/// <param name="DeadEvents">Events with a dead letter.</param>
/// <param name="Errors">What attempts failed at in the last 24 hours, the reason that was met last first.</param>
public sealed record DeliveryReport(
    long Undecided,
    long Waiting,
    long Held,
    long DeadEvents,
    ImmutableArray<DeliveryErrorCount> Errors)
{
    private static readonly TimeSpan ErrorsSince = TimeSpan.FromHours(24);

    internal static DeliveryReport Read(Session session, int connection, DateTimeOffset now)
    {
        var balance = LedgerStatements.Balance(session, connection);
        return new DeliveryReport(
            balance.Accepted - LedgerStatements.Decided(session, connection).Values.Sum(),
            OutboxStatements.CountWaiting(session, connection),
            OutboxStatements.CountHeldMessages(session, connection),
            balance.Dead,
            [.. DeliveryErrors.Since(session, connection, now - ErrorsSince)]);
    }
}
