namespace VarianceActors.Pipeline.Outbox;

/// <summary>The books of a connection: every accepted event is in exactly one of the other columns, at any moment.</summary>
/// <param name="Accepted">Events answered with 200.</param>
/// <param name="Delivered">Events whose last message Variance took.</param>
/// <param name="Pending">Events that wait: in the inbox, at a person, or in the outbox, there also as a replay.</param>
/// <param name="Dead">Events with a dead letter.</param>
/// <param name="Parked">Events that wait in the outbox while their connection is paused or its breaker is open.</param>
/// <param name="Filtered">Events that are not sent by rule.</param>
/// <param name="Suppressed">Events of suppressed persons, and all events of a dry run.</param>
/// <param name="Refused">Events that PostHog's rules drop.</param>
/// <param name="Coalesced">Events whose snapshot was replaced by a newer one before it was sent.</param>
/// <param name="Skipped">Events that an operator skipped when the connection was resumed.</param>
/// <param name="Discarded">Events whose dead letters an operator gave up.</param>
/// <param name="Duplicates">Repeats of an event that was accepted before.</param>
/// <param name="Imbalance">By how many events counts that must agree differ (<see cref="LedgerAudit"/>); 0 when the books
/// balance.</param>
public sealed record LedgerBalance(
    long Accepted,
    long Delivered,
    long Pending,
    long Dead,
    long Parked,
    long Filtered,
    long Suppressed,
    long Refused,
    long Coalesced,
    long Skipped,
    long Discarded,
    long Duplicates,
    long Imbalance)
{
    internal static LedgerBalance Of(
        long accepted, Dictionary<LedgerDecision, long> decided, DeliveredTotals totals, bool isParked, long imbalance)
    {
        var undecided = accepted - decided.Values.Sum();
        var waiting = decided.GetValueOrDefault(LedgerDecision.Queued) - totals.Sum;
        return new LedgerBalance(
            accepted,
            totals.Delivered,
            undecided + (isParked ? 0 : waiting),
            totals.Dead,
            Parked: isParked ? waiting : 0,
            decided.GetValueOrDefault(LedgerDecision.Filtered),
            decided.GetValueOrDefault(LedgerDecision.Suppressed) + totals.DryRun,
            decided.GetValueOrDefault(LedgerDecision.Refused),
            decided.GetValueOrDefault(LedgerDecision.Coalesced) + totals.Coalesced,
            totals.Skipped,
            totals.Discarded,
            decided.GetValueOrDefault(LedgerDecision.Duplicate),
            imbalance);
    }
}

/// <summary>How many queued events of a connection ended in which way.</summary>
internal readonly record struct DeliveredTotals(
    long Delivered, long Dead, long DryRun, long Coalesced, long Skipped, long Discarded)
{
    public long Sum => Delivered + Dead + DryRun + Coalesced + Skipped + Discarded;
}
