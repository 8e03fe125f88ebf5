using System.Data.Common;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Event;
using Akka.Hosting;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>Run an erasure; answered by <see cref="ErasureAnswered"/> when all is done, or when the patience is over.</summary>
/// <param name="ConnectionId">Its connection.</param>
/// <param name="Number">Its number.</param>
/// <param name="Patience">How long to wait for the end.</param>
public sealed record RunErasure(string ConnectionId, long Number, TimeSpan Patience);

/// <summary>Asks for what Variance still holds, while an erasure runs on this node and shortly after it; answered by
/// <see cref="ErasureAnswered"/>.</summary>
/// <param name="Number">The erasure.</param>
public sealed record AskHeld(long Number);

/// <summary>What is known of an erasure.</summary>
/// <param name="Held">The ids under which Variance still holds a contact, as far as they were met; null if none is known: not
/// yet, not any more, or not here.</param>
public sealed record ErasureAnswered(IReadOnlyList<string>? Held);

/// <summary>
/// Runs the erasures of this node, side by side and step by step, and those that a node left behind which has stopped half
/// way. It also keeps the node's knowledge of the erased ids fresh.
/// </summary>
public sealed class ErasureRunner : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongRest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongAgo = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan HeldKept = TimeSpan.FromMinutes(10);
    private const int FailuresPerWarning = 10;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Dictionary<long, Running> _running = [];
    private readonly Dictionary<long, IReadOnlyList<string>> _ended = [];
    private readonly PipelineParts _parts;
    private readonly ErasureRegions _regions;
    private readonly PersonJournal _people = new(Context.System);
    private readonly JournalErasing _journal;
    private bool _isFirst = true;

    /// <summary>Runs the erasures that the database of <paramref name="parts"/> lists.</summary>
    /// <param name="parts">The pipeline.</param>
    /// <param name="registry">Where the regions are.</param>
    public ErasureRunner(PipelineParts parts, IReadOnlyActorRegistry registry)
    {
        _parts = parts;
        var cluster = Akka.Cluster.Cluster.Get(Context.System);
        _regions = new ErasureRegions(
            registry.Get<PeopleRegion>(),
            registry.Get<AccountsRegion>(),
            registry.Get<DeliveryRegion>(),
            () => cluster.State.Members.Count);
        _journal = new JournalErasing(parts.Options);
        Receive<RunErasure>(Run);
        Receive<AskHeld>(ask => Sender.Tell(new ErasureAnswered(HeldOf(ask.Number))));
        Receive<PatienceOver>(over => Put(over.Number, over.Asking));
        Receive<Forget>(forget => _ended.Remove(forget.Number));
        Receive<Stepped>(GoOn);
        Receive<Failed>(TryAgain);
        Receive<Resumed>(resumed => Step(resumed.Number));
        Receive<Look>(_ => LookForLeft());
        Receive<LeftFound>(Adopt);
        Receive<Truncated>(NoteTruncated);
        Receive<Learn>(_ => Refresh());
        Receive<Learnt>(_ => Timers.StartSingleTimer(nameof(Learn), Learn.Instance, LongRest));
        Receive<NotLearnt>(NoteNotLearnt);
    }

    /// <inheritdoc />
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc />
    protected override void PreStart()
    {
        var self = Self;
        Self.Tell(Learn.Instance);
        Akka.Cluster.Cluster.Get(Context.System).RegisterOnMemberUp(() => self.Tell(Look.Instance));
    }

    /// <inheritdoc />
    protected override void PostStop() => _journal.DisposeAsync().AsTask();

    private void Run(RunErasure run)
    {
        Run(run.ConnectionId, run.Number);
        _running[run.Number].Asking.Add(Sender);
        var over = new PatienceOver(run.Number, Sender);
        Timers.StartSingleTimer(over, over, run.Patience);
    }

    private void Run(string connectionId, long number)
    {
        if (_running.TryAdd(
            number, new Running(new ErasureSteps(_parts, _regions, _people, _journal, connectionId, number))))
        {
            Step(number);
        }
    }

    // Whoever asked has waited long enough for the end.
    private void Put(long number, IActorRef asking)
    {
        if (_running.TryGetValue(number, out var running) && running.Asking.Remove(asking))
        {
            asking.Tell(new ErasureAnswered(HeldOf(number)));
        }
    }

    private IReadOnlyList<string>? HeldOf(long number) =>
        _running.TryGetValue(number, out var running) ? running.Steps.Held : _ended.GetValueOrDefault(number);

    // Whoever asked may have gone away: for a while the ids are told to who fetches the receipt, too.
    private void End(long number)
    {
        if (!_running.Remove(number, out var ended))
        {
            return;
        }

        foreach (var asking in ended.Asking)
        {
            Timers.Cancel(new PatienceOver(number, asking));
            asking.Tell(new ErasureAnswered(ended.Steps.Held));
        }

        if (ended.Steps.Held is { } held)
        {
            _ended[number] = held;
            Timers.StartSingleTimer(new Forget(number), new Forget(number), HeldKept);
        }
    }

    private void Step(long number)
    {
        if (_running.TryGetValue(number, out var running))
        {
            running.Steps.StepAsync().PipeTo(
                Self, success: next => new Stepped(number, next), failure: cause => new Failed(number, cause));
        }
    }

    private void GoOn(Stepped stepped)
    {
        if (_running.TryGetValue(stepped.Number, out var running))
        {
            running.Failures = 0;
        }

        switch (stepped.Next)
        {
            case ErasureNext.Step:
                Step(stepped.Number);
                break;
            case ErasureNext.Wait:
                Timers.StartSingleTimer(stepped.Number, new Resumed(stepped.Number), Rest);
                break;
            default:
                End(stepped.Number);
                break;
        }
    }

    // Nothing personal is in the failures of the databases and of those who are asked. They pass, most of the time.
    private void TryAgain(Failed failed)
    {
        var failures = _running.TryGetValue(failed.Number, out var running) ? ++running.Failures : 0;
        if (failed.Cause is not (AskTimeoutException or DbException or TimeoutException or ChannelClosedException)
            || failures % FailuresPerWarning == 0)
        {
            _log.Warning(failed.Cause, "A step of erasure {Number} did not happen; it is tried again.", failed.Number);
        }

        Timers.StartSingleTimer(failed.Number, new Resumed(failed.Number), LongRest);
    }

    private void LookForLeft()
    {
        var before = _isFirst ? DateTimeOffset.MaxValue : _parts.Time.GetUtcNow() - LongAgo;
        _parts.Database
            .ReadAsync(session => ErasureStatements.Unfinished(session, before))
            .PipeTo(Self, success: left => new LeftFound(left), failure: _ => new LeftFound([]));
    }

    private void Adopt(LeftFound found)
    {
        _isFirst = false;
        if (_parts.Erased.TakeSuppressed())
        {
            _parts.Database.TruncateLogAsync().PipeTo(
                Self, success: isEmpty => new Truncated(isEmpty), failure: _ => new Truncated(false));
        }

        foreach (var (number, connection) in found.Left)
        {
            if (_parts.Layout.ConnectionByNumber.TryGetValue(connection, out var connectionId))
            {
                Run(connectionId, number);
            }
        }

        Timers.StartSingleTimer(nameof(Look), Look.Instance, BetweenLooks);
    }

    // What came late and was suppressed lies in the log until it is emptied; if somebody was in the way, the next look does it.
    private void NoteTruncated(Truncated truncated)
    {
        if (!truncated.IsEmpty)
        {
            _parts.Erased.NoteSuppressed();
        }
    }

    private void Refresh() => _parts.Erased.RefreshAsync(_parts.Database).PipeTo(
        Self, success: _ => Learnt.Instance, failure: cause => new NotLearnt(cause));

    private void NoteNotLearnt(NotLearnt failed)
    {
        _log.Debug("The erased ids could not be read ({Failure}); they are read again soon.", failed.Cause.GetType().Name);
        Timers.StartSingleTimer(nameof(Learn), Learn.Instance, LongRest);
    }

    private sealed class Running(ErasureSteps steps)
    {
        public ErasureSteps Steps => steps;

        /// <summary>How often the running step did not happen.</summary>
        public int Failures { get; set; }

        public List<IActorRef> Asking { get; } = [];
    }

    private sealed record Stepped(long Number, ErasureNext Next);

    private sealed record Failed(long Number, Exception Cause);

    private sealed record Resumed(long Number);

    private sealed record LeftFound(List<(long Number, int Connection)> Left);

    private sealed record PatienceOver(long Number, IActorRef Asking);

    private sealed record Forget(long Number);

    private sealed record NotLearnt(Exception Cause);

    private sealed record Truncated(bool IsEmpty);

    private sealed record Look
    {
        public static Look Instance { get; } = new();
    }

    private sealed record Learn
    {
        public static Learn Instance { get; } = new();
    }

    private sealed record Learnt
    {
        public static Learnt Instance { get; } = new();
    }
}
