using System.Collections.Frozen;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Metering;

/// <summary>The books of every connection at one moment.</summary>
/// <param name="At">The moment.</param>
/// <param name="Connections">By connection id.</param>
public sealed record BooksSample(DateTimeOffset At, FrozenDictionary<string, ConnectionBooks> Connections)
{
    /// <summary>Before the first sample.</summary>
    public static BooksSample None { get; } = new(default, FrozenDictionary<string, ConnectionBooks>.Empty);

    /// <summary>Connections whose books do not balance.</summary>
    public IEnumerable<string> Unbalanced =>
        Connections.Where(one => one.Value.Balance.Imbalance != 0).Select(one => one.Key);

    internal static BooksSample Read(Session session, PipelineLayout layout, DateTimeOffset now) => new(
        now, layout.NumberByConnection.ToFrozenDictionary(one => one.Key, one => ConnectionBooks.Read(session, one.Value)));
}

/// <summary>The books of a connection at one moment.</summary>
/// <param name="Balance">The ledger.</param>
/// <param name="Decided">How many events were decided in which way.</param>
/// <param name="Undecided">Events in the inbox that nobody has decided yet.</param>
/// <param name="WaitingMessages">Messages in the outbox without an outcome.</param>
public sealed record ConnectionBooks(
    LedgerBalance Balance, FrozenDictionary<LedgerDecision, long> Decided, long Undecided, long WaitingMessages)
{
    internal static ConnectionBooks Read(Session session, int connection)
    {
        var decided = LedgerStatements.Decided(session, connection);
        var balance = LedgerStatements.Balance(session, connection);
        return new ConnectionBooks(
            balance,
            decided.ToFrozenDictionary(),
            balance.Accepted - decided.Values.Sum(),
            OutboxStatements.CountWaiting(session, connection));
    }
}
