using Akka.Actor;
using Akka.Event;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline;

/// <summary>
/// Looks again at contacts for whom a window of time has ended, so that a stage ends although nothing happens, and at everybody
/// once when the rules have changed. Runs on every node, in small steps; what two nodes do, or one does again after a crash, is
/// done once.
/// </summary>
public sealed class StageSweep : ReceiveActor, IWithTimers
{
    private const int ContactsPerStep = 100;
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(10);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly PipelineParts _parts;
    private readonly ContactLook _look;
    private readonly RulesWalk _walk;
    private readonly Dictionary<int, DueContact> _after = [];

    /// <summary>Sweeps the connections of <paramref name="parts"/>.</summary>
    /// <param name="parts">The pipeline.</param>
    /// <param name="people">The region of persons.</param>
    /// <param name="accounts">The region of accounts.</param>
    public StageSweep(PipelineParts parts, IActorRef people, IActorRef accounts)
    {
        (_parts, _look) = (parts, new ContactLook(parts, people));
        _walk = new RulesWalk(parts, _look, accounts);
        Receive<Step>(_ => SweepAsync().PipeTo(Self));
        Receive<Swept>(GoOn);
        Receive<Status.Failure>(Fail);
    }

    /// <inheritdoc />
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc />
    protected override void PreStart() => Wait();

    private void Wait() => Timers.StartSingleTimer(nameof(Step), Step.Instance, _parts.Options.Views.StageSweep);

    private void Fail(Status.Failure failure)
    {
        _log.Warning(failure.Cause, "A sweep of stages was not finished; the next one goes on.");
        Wait();
    }

    // Windows of days all end at midnight: a step that was full is followed by one behind it, so that those who cannot be looked at
    // hold up nobody. Who was looked at is due until the lists have learnt of it; twice does no harm. Half of the time is for others,
    // and no step waits longer than a sweep does, however long the clock says that the one before took.
    private void GoOn(Swept swept)
    {
        var rest = _parts.Options.Views.StageSweep;
        var pause = swept.Took > Soon ? swept.Took : Soon;
        Timers.StartSingleTimer(nameof(Step), Step.Instance, swept.IsFull && pause < rest ? pause : rest);
    }

    private async Task<Swept> SweepAsync()
    {
        var (now, began, isFull) = (_parts.Time.GetUtcNow(), _parts.Time.GetTimestamp(), false);
        foreach (var (connectionId, connection) in _parts.Layout.NumberByConnection)
        {
            var due = await _parts.Database
                .ReadAsync(session => DueStatements.List(
                    session, connection, now, _after.TryGetValue(connection, out var after) ? after : null, ContactsPerStep))
                .ConfigureAwait(false);
            var rules = _parts.Options.Connections[connectionId].ToContactRules().Fingerprint;
            await ContactLook.EachAsync(due, _log, one => _look.LookAsync(
                new PersonId(connectionId, one.DistinctId),
                new LookReason(one.At, one.Account, rules),
                now,
                () => _parts.Database.WriteAsync(session => DueStatements.Remove(session, connection, one))))
                .ConfigureAwait(false);
            _after.Remove(connection);
            if (due.Count == ContactsPerStep)
            {
                _after[connection] = due[^1];
                isFull = true;
            }

            isFull |= await _walk.StepAsync(connectionId, connection, now, _log).ConfigureAwait(false);
        }

        return new Swept(isFull, _parts.Time.GetElapsedTime(began));
    }

    private sealed record Step
    {
        public static Step Instance { get; } = new();
    }

    private sealed record Swept(bool IsFull, TimeSpan Took);
}
