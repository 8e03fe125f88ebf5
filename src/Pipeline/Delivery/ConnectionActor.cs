using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>
/// The gate of one connection for the whole cluster: it hands permits to the slices, opens and closes the breaker, and obeys
/// operators. All its rules are in <see cref="ConnectionGate"/>; here are time, disk and addresses. On any failure it stops,
/// and the next slice that needs permits starts it anew: also when another copy of it has written the state meanwhile.
/// </summary>
/// <remarks>Loading: reads the state, keeps what is said meanwhile → Running ↔ looking what waits, when an operator resumes →
/// draining, when its shard moves or the node stops: stops when what it has begun to write is written.</remarks>
public sealed class ConnectionActor : ReceiveActor, IWithStash
{
    private static readonly TimeSpan WakeMax = TimeSpan.FromDays(1);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly string _connectionId;
    private readonly PipelineParts _parts;
    private readonly int _connection;
    private readonly Rate _configured;
    private readonly Dictionary<int, IActorRef> _slices = [];
    private readonly List<IActorRef> _asking = [];
    private readonly List<IActorRef> _answering = [];
    private ConnectionGate _gate = null!;
    private GateState? _kept;
    private long _version;
    private ITimer? _timer;
    private bool _keeping;
    private bool _draining;

    /// <summary>The gate of <paramref name="connectionId"/>.</summary>
    public ConnectionActor(string connectionId, PipelineParts parts)
    {
        _connectionId = connectionId;
        _parts = parts;
        _connection = parts.Layout.NumberByConnection[connectionId];
        var rate = parts.Options.Connections[connectionId].Rate;
        _configured = new Rate(rate.PerSecond, rate.Burst);
        Receive<StateRead>(Start);
        Receive<Status.Failure>(Fail);
        ReceiveAny(_ => Stash.Stash());
    }

    /// <inheritdoc />
    public IStash Stash { get; set; } = null!;

    private DateTimeOffset Now => _parts.Time.GetUtcNow();

    /// <inheritdoc />
    protected override void PreStart()
    {
        var self = Self;
        _timer = _parts.Time.CreateTimer(
            _ => self.Tell(WakeUp.Instance), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _parts.Database
            .ReadAsync(session =>
            {
                var (state, version) = ConnectionStatements.Read(session, _connection, _configured);
                return new StateRead(state, version);
            })
            .PipeTo(Self);
    }

    /// <inheritdoc />
    protected override void PostStop() => _timer?.Dispose();

    private void Running()
    {
        Receive<ConnectionMessage.SliceReport>(Hear);
        Receive<ConnectionMessage.PauseDelivery>(_ => Obey(now => _gate.Pause(now), Sender));
        Receive<ConnectionMessage.ResumeDelivery>(LookWhatWaits);
        Receive<ConnectionMessage.ChangeRate>(
            asked => Obey(now => _gate.ChangeRate(new Rate(asked.PerSecond, asked.Burst), now), Sender));
        Receive<ConnectionMessage.GetDelivery>(_ => Sender.Tell(Status()));
        Receive<WakeUp>(_ => Proceed());
        Receive<StateKept>(_ => GoOn());
        Receive<Drain>(_ => BeginDraining());
        Receive<Status.Failure>(Fail);
    }

    private void Looking()
    {
        Receive<WaitingSeen>(Resume);
        Receive<StateKept>(_ => GoOn());
        Receive<Status.Failure>(Fail);
        ReceiveAny(_ => Stash.Stash());
    }

    private void Start(StateRead read)
    {
        (_kept, _version) = (read.State, read.Version);
        _gate = new ConnectionGate(
            _connectionId,
            _parts.Options.Connections[_connectionId].Rate,
            _parts.Options.Delivery,
            read.State ?? GateState.New(Now),
            Now,
            isDryRun: _parts.Options.Connections[_connectionId].Url.Length == 0);
        _kept ??= _gate.State;
        Become(Running);
        Stash.UnstashAll();
    }

    private void Hear(ConnectionMessage.SliceReport report)
    {
        _slices[report.Partition] = Sender;
        _gate.Hear(report, Now);
        Proceed();
    }

    private DeliveryStatus Status() => _gate.Tell() with
    {
        DeliveredPerSecond = _gate.DeliveredPerSecond(Now),
        Latency = _gate.Latency(Now),
    };

    /// <summary>What waits is told by its places: the clock of the node that accepted an event may be another than this one's.</summary>
    private void LookWhatWaits(ConnectionMessage.ResumeDelivery asked)
    {
        var asking = Sender;
        _parts.Database
            .ReadAsync(session => new WaitingSeen(
                asked, asking, OutboxStatements.NextPositions(session, _connection, _parts.Layout.DeliveryPartitions)))
            .PipeTo(Self);
        BecomeStacked(Looking);
    }

    private void Resume(WaitingSeen seen)
    {
        UnbecomeStacked();
        Stash.UnstashAll();
        Obey(now => _gate.Resume(seen.Asked.Mode, seen.Asked.Since, seen.NextPositions, now), seen.Asking);
    }

    private void Obey(Action<DateTimeOffset> command, IActorRef asking)
    {
        command(Now);
        _asking.Add(asking);
        Proceed();
    }

    private void Proceed()
    {
        var now = Now;
        foreach (var (partition, permits) in _gate.Pump(now))
        {
            _slices[partition].Tell(permits);
        }

        if (_gate.PumpAt(now) is { } at)
        {
            var wait = at > now ? at - now : TimeSpan.Zero;
            _timer!.Change(wait < WakeMax ? wait : WakeMax, Timeout.InfiniteTimeSpan);
        }

        Keep();
    }

    /// <summary>Brings a changed state to disk; operators are answered when it is there.</summary>
    private void Keep()
    {
        if (_keeping || (_gate.State == _kept && _asking.Count == 0))
        {
            return;
        }

        Tell(_kept, _gate.State);
        _keeping = true;
        _kept = _gate.State;
        _answering.AddRange(_asking);
        _asking.Clear();
        var (state, version) = (_gate.State, _version);
        _parts.Database
            .WriteAsync(session =>
            {
                ConnectionStatements.Write(session, _connection, version, state, _configured);
                return StateKept.Instance;
            })
            .PipeTo(Self);
    }

    private void GoOn()
    {
        _keeping = false;
        _version++;
        _answering.ForEach(asking => asking.Tell(Status()));
        _answering.Clear();
        Keep();
        StopWhenDrained();
    }

    private void BeginDraining()
    {
        _draining = true;
        StopWhenDrained();
    }

    private void StopWhenDrained()
    {
        if (_draining && !_keeping)
        {
            Context.Stop(Self);
        }
    }

    private void Tell(GateState? before, GateState after)
    {
        if (before?.Mode != DeliveryMode.Open && before?.Mode != DeliveryMode.HalfOpen && after.Mode == DeliveryMode.Open)
        {
            _log.Warning(
                "Connection {Connection} gets nothing through ({Reason}); its messages are kept until a probe does.",
                _connectionId,
                after.Reason);
        }
        else if (before?.Mode is DeliveryMode.Open or DeliveryMode.HalfOpen && after.Mode == DeliveryMode.Running)
        {
            _log.Info("Connection {Connection} delivers again.", _connectionId);
        }
    }

    private void Fail(Status.Failure failure)
    {
        _log.Warning(failure.Cause, "The gate of connection {Connection} stops and will read again.", _connectionId);
        Context.Stop(Self);
    }

    /// <summary>Asks the actor to finish what it writes, and to stop.</summary>
    internal sealed record Drain
    {
        public static Drain Instance { get; } = new();
    }

    private sealed record StateRead(GateState? State, long Version);

    private sealed record WaitingSeen(
        ConnectionMessage.ResumeDelivery Asked, IActorRef Asking, ImmutableArray<long> NextPositions);

    private sealed record StateKept
    {
        public static StateKept Instance { get; } = new();
    }
}
