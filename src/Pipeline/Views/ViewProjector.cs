using Akka.Actor;
using Akka.Event;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Views;

/// <summary>
/// Folds one slice of a connection's feed into the tables, each step in a transaction that also moves its position: whatever
/// happens, an entry is folded in once. Everything it knows can be read again, so on any failure it stops, and the next poke
/// starts it anew.
/// </summary>
/// <remarks>Resting: a poke starts a wait in which news gather → waiting → stepping: as long as there is much, at once
/// again.</remarks>
public sealed class ViewProjector : ReceiveActor, IWithTimers
{
    private const long BytesPerStep = 4 << 20;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly DeliveryId _id;
    private readonly PipelineParts _parts;
    private readonly SemaphoreSlim _turn;
    private readonly int _connection;
    private bool _isStepping;
    private bool _mayHaveMore;

    /// <summary>The projector of a slice.</summary>
    /// <param name="id">The slice.</param>
    /// <param name="parts">The pipeline.</param>
    /// <param name="turn">Held by the one slice of the connection on this node that folds: the others would wait for it in the
    /// database, each on a connection that the doors and delivery need.</param>
    public ViewProjector(DeliveryId id, PipelineParts parts, SemaphoreSlim turn)
    {
        _id = id;
        _parts = parts;
        _turn = turn;
        _connection = parts.Layout.NumberByConnection[id.ConnectionId];
        Receive<ViewMessage.Poke>(_ => Wait());
        Receive<Due>(_ => Step());
        Receive<ViewsMoved>(GoOn);
        Receive<Status.Failure>(Fail);
    }

    /// <inheritdoc />
    public ITimerScheduler Timers { get; set; } = null!;

    private void Wait()
    {
        if (_isStepping)
        {
            _mayHaveMore = true;
        }
        else if (!Timers.IsTimerActive(nameof(Due)))
        {
            Timers.StartSingleTimer(nameof(Due), Due.Instance, _parts.Options.Views.Lag);
        }
    }

    private void Step()
    {
        (_isStepping, _mayHaveMore) = (true, false);
        StepAsync(_parts, _turn, _connection, _id.Partition).PipeTo(Self);
    }

    private void GoOn(ViewsMoved moved)
    {
        _isStepping = false;
        if (moved.Entries >= _parts.Options.Views.BatchEntries)
        {
            Step();
        }
        else if (_mayHaveMore || moved.Entries > 0)
        {
            Wait();
        }
    }

    private void Fail(Status.Failure failure)
    {
        _log.Warning(
            failure.Cause, "The views of slice {Partition} stop and will go on: their last step did not happen.", _id.Partition);
        Context.Stop(Self);
    }

    private static async Task<ViewsMoved> StepAsync(PipelineParts parts, SemaphoreSlim turn, int connection, int partition)
    {
        var (database, options) = (parts.Database, parts.Options.Views);
        await turn.WaitAsync().ConfigureAwait(false);
        try
        {
            var (from, rows) = await ReadAsync(database, options, connection, partition).ConfigureAwait(false);
            return rows.Count == 0
                ? new ViewsMoved(from, 0)
                : await FoldAsync(database, options, parts.Erased, connection, partition, from, rows).ConfigureAwait(false);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>What the next step folds, read outside of its transaction.</summary>
    internal static Task<(long From, List<FeedRow> Rows)> ReadAsync(
        PipelineDatabase database, ViewsOptions options, int connection, int partition) =>
        database.ReadAsync(session =>
        {
            var from = FeedStatements.Position(session, connection, partition);
            return (from, Read(session, options, connection, partition, from));
        });

    /// <summary>Folds what was read, in a transaction that fails if somebody else was there.</summary>
    internal static async Task<ViewsMoved> FoldAsync(
        PipelineDatabase database,
        ViewsOptions options,
        ErasedIds erased,
        int connection,
        int partition,
        long from,
        List<FeedRow> rows)
    {
        var next = rows[^1].Next;
        await database.WriteAsync(session =>
        {
            FeedStatements.Take(session, connection);
            FeedStatements.Move(session, connection, partition, from, next);
            var fold = new ViewFold(session, connection, options.RecentEvents);

            // Who was erased since the rows were read is not brought back by them.
            var current = erased.Refresh(session).Any(connection)
                ? Read(session, options, connection, partition, from).Where(row => row.Next <= next)
                : rows;
            foreach (var row in current)
            {
                foreach (var entry in row.Entries)
                {
                    fold.Take(entry);
                }
            }

            fold.Write();
            return true;
        }).ConfigureAwait(false);
        return new ViewsMoved(next, (int)Math.Min(int.MaxValue, next - from));
    }

    private static List<FeedRow> Read(Session session, ViewsOptions options, int connection, int partition, long from) =>
        FeedStatements.Read(session, connection, partition, from, options.BatchEntries, BytesPerStep);

    private sealed record Due
    {
        public static Due Instance { get; } = new();
    }
}
