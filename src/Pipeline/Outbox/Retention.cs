using System.Collections.Frozen;
using Akka.Actor;
using Akka.Event;
using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>
/// Deletes what is older than its retention, in small steps, so that no step holds up the pipeline: ledger rows of finished
/// events, the marks of messages that were not sent, warnings, outbox rows whose messages all have an outcome, their attempts,
/// and ids that were given up. Dead letters stay until an operator decides. Waits on every node and works on the one that leads
/// the cluster; a step done twice deletes nothing more.
/// </summary>
public sealed class Retention : ReceiveActor, IWithTimers
{
    private const int RowsPerStep = 500;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly PipelineParts _parts;
    private FrozenDictionary<(int Connection, int DeliveryPartition), long> _attemptsReached =
        FrozenDictionary<(int, int), long>.Empty;

    private long _ledgerReached;

    /// <summary>Works on the stores of <paramref name="parts"/>.</summary>
    public Retention(PipelineParts parts)
    {
        _parts = parts;
        Receive<Step>(_ => DeleteStepIfLeading());
        Receive<Deleted>(deleted => Next(deleted));
        Receive<Status.Failure>(Fail);
    }

    /// <inheritdoc />
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc />
    protected override void PreStart() => Wait();

    private void Wait() => Timers.StartSingleTimer(nameof(Step), Step.Instance, _parts.Options.Retention.Interval);

    private void DeleteStepIfLeading()
    {
        if (_cluster.State.Leader == _cluster.SelfAddress)
        {
            DeleteStep();
        }
        else
        {
            Wait();
        }
    }

    private void DeleteStep()
    {
        var now = _parts.Time.GetUtcNow();
        var (ledgerBefore, outboxBefore) = (now - _parts.Options.Retention.Ledger, now - _parts.Options.Retention.Outbox);
        var (attemptsReached, ledgerReached) = (_attemptsReached, _ledgerReached);
        _parts.Database
            .WriteAsync(session =>
            {
                var attempts = DeleteAttempts(session, attemptsReached);
                var ledger = LedgerStatements.DeleteOldest(session, ledgerReached, RowsPerStep, ledgerBefore);
                var rows = attempts.Rows
                    + ledger.Rows
                    + ToldStates.DeleteOldest(session, RowsPerStep)
                    + LaneVersions.DeleteOldest(session, RowsPerStep, outboxBefore)
                    + WarningStatements.DeleteOldest(session, RowsPerStep, ledgerBefore)
                    + DeadLetterStatements.DeleteOldest(session, RowsPerStep, ledgerBefore)
                    + DeadLetterJobStatements.DeleteOldest(session, RowsPerStep, ledgerBefore)
                    + DeliveryErrors.DeleteOldest(session, outboxBefore)
                    + _parts.Layout.NumberByConnection.Values.Sum(
                        connection => DeleteOutbox(session, connection, outboxBefore)
                            + DeleteLanes(session, connection, outboxBefore)
                            + DeleteUnsent(session, connection, ledgerBefore)
                            + DeleteGivenUp(session, connection))
                    + ViewRetention.DeleteOldest(session, _parts, RowsPerStep, now);
                return new Deleted(rows, attempts.Reached, ledger.Reached);
            })
            .PipeTo(Self);
    }

    private int DeleteOutbox(Session session, int connection, DateTimeOffset before) =>
        Enumerable.Range(0, _parts.Layout.DeliveryPartitions).Sum(partition => OutboxStatements.DeleteOldest(
            session,
            connection,
            partition,
            RowsPerStep,
            DeliveryStatements.ReadProgress(session, connection, partition).Next,
            before));

    // As long as a message waits, it may become a dead letter, which goes to the lane that its person has then.
    private int DeleteLanes(Session session, int connection, DateTimeOffset before)
    {
        var oldest = Enumerable.Range(0, _parts.Layout.DeliveryPartitions)
            .Min(partition => OutboxStatements.OldestAt(session, connection, partition));
        return LaneStatements.DeleteOldest(session, connection, RowsPerStep, oldest < before ? oldest.Value : before);
    }

    private int DeleteUnsent(Session session, int connection, DateTimeOffset before) =>
        Enumerable.Range(0, _parts.Layout.DeliveryPartitions).Sum(partition => DeliveryStatements.DeleteOldestUnsent(
            session, connection, partition, RowsPerStep, before));

    private int DeleteGivenUp(Session session, int connection) =>
        Enumerable.Range(0, _parts.Layout.DeliveryPartitions).Sum(partition => GivenUpIds.DeleteOldest(
            session,
            connection,
            partition,
            OutboxStatements.FirstPosition(session, connection, partition),
            RowsPerStep));

    /// <summary>Goes on where the last step ended, because the attempts of dead letters stay and would be met every time.</summary>
    private (int Rows, FrozenDictionary<(int, int), long> Reached) DeleteAttempts(
        Session session, FrozenDictionary<(int Connection, int DeliveryPartition), long> reached)
    {
        var (rows, now) = (0, new Dictionary<(int, int), long>());
        foreach (var connection in _parts.Layout.NumberByConnection.Values)
        {
            for (var partition = 0; partition < _parts.Layout.DeliveryPartitions; partition++)
            {
                var step = AttemptStatements.DeleteOldest(
                    session,
                    connection,
                    partition,
                    reached.GetValueOrDefault((connection, partition), -1),
                    OutboxStatements.FirstPosition(session, connection, partition),
                    RowsPerStep);
                rows += step.Rows;
                now[(connection, partition)] = step.Reached;
            }
        }

        return (rows, now.ToFrozenDictionary());
    }

    /// <summary>While a step finds much, or has not looked at all old rows of the ledger, the next one follows at once.</summary>
    private void Next(Deleted deleted)
    {
        (_attemptsReached, _ledgerReached) = (deleted.AttemptsReached, deleted.LedgerReached);
        if (deleted.Rows >= RowsPerStep || _ledgerReached > 0)
        {
            Self.Tell(Step.Instance);
        }
        else
        {
            Wait();
        }
    }

    private void Fail(Status.Failure failure)
    {
        _log.Warning(failure.Cause, "A step of the retention did not happen; it is tried again at the next interval.");
        Wait();
    }

    private sealed record Step
    {
        public static Step Instance { get; } = new();
    }

    private sealed record Deleted(int Rows, FrozenDictionary<(int, int), long> AttemptsReached, long LedgerReached);
}
