using System.Collections.Immutable;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Event;
using Akka.Streams;
using Akka.Streams.Dsl;
using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.Metering;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>What a delivery actor works with.</summary>
/// <param name="Database">Where the outbox is.</param>
/// <param name="Layout">The numbers of the connections.</param>
/// <param name="Options">Sizes and times.</param>
/// <param name="Receivers">How to deliver the messages of a connection.</param>
/// <param name="Wake">Makes another slice look again; must return at once.</param>
/// <param name="Gates">The shard region of the connections' gates.</param>
/// <param name="Time">The clock.</param>
/// <param name="Random">Draws a number from 0 up to 1.</param>
public sealed record DeliveryContext(
    PipelineDatabase Database,
    PipelineLayout Layout,
    DeliveryOptions Options,
    Receivers Receivers,
    Action<DeliveryId> Wake,
    IActorRef Gates,
    TimeProvider Time,
    Func<double> Random)
{
    /// <summary>Told what was committed.</summary>
    public required PipelineMeter Meter { get; init; }

    /// <summary>The erased ids, as far as the node knows them.</summary>
    public required ErasedIds Erased { get; init; }
}

/// <summary>
/// Delivers one slice of a connection's messages: reads the outbox, keeps the order of each person (lane), runs lanes side by
/// side through the stream as the connection's gate permits, and commits outcomes. A message that must wait gives its place
/// up and waits on disk. Everything the actor knows can be read again, so on any failure it stops, and the next poke starts it
/// anew; what was sent and not committed is then sent once more.
/// </summary>
/// <remarks>Loading: reads the position → Running: reads, sends, commits → draining, when its shard moves or the node stops:
/// begins nothing new, finishes and commits what is on the wire, stops.</remarks>
public sealed class DeliveryActor : ReceiveActor
{
    private const int LanesPerLoad = 32;
    private const int EntriesPerLoad = 32;
    private static readonly TimeSpan WakeMax = TimeSpan.FromDays(1);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly DeliveryId _id;
    private readonly DeliveryContext _context;
    private readonly DeliveryOptions _options;
    private readonly Receiver _receiver;
    private readonly int _connection;
    private readonly Channel<Flight> _flights;
    private readonly HashSet<Flight> _inFlight = [];
    private readonly SliceChanges _changes = new();
    private readonly List<Settling> _settling = [];
    private readonly DeliveryLanes _lanes;
    private readonly SliceDemand _demand;
    private readonly int _backfillSendingMax;
    private readonly RoomWaiter _waiter;
    private readonly RoomWaiter _backfillWaiter;
    private readonly RoomWaiter _retryWaiter;
    private readonly RoomWaiter _backfillRetryWaiter;
    private ITimer? _timer;
    private DateTimeOffset? _wakesAt;
    private WaitingPass? _pass;
    private DeliveryState _state = new(0, Progress.Start(), []);
    private long _version;
    private long _committed;
    private long _nextRead;
    private int _backfillSending;
    private int _unsettled; // in flight, or answered and not committed: what a crash makes come twice
    private bool _mayHaveMore = true;
    private bool _reading;
    private bool _loading;
    private bool _checking;
    private bool _checkAgain;
    private bool _committing;
    private bool _draining;

    /// <summary>The actor of a slice.</summary>
    public DeliveryActor(DeliveryId id, DeliveryContext context)
    {
        _id = id;
        _context = context;
        _options = context.Options;
        _receiver = context.Receivers.For(id.ConnectionId);
        _connection = context.Layout.NumberByConnection[id.ConnectionId];
        _flights = Channel.CreateBounded<Flight>(_options.LanesMax);
        _lanes = new DeliveryLanes(
            _changes,
            suspectsMax: Math.Max(1, _options.LanesMax / 4),
            backfillMax: Math.Max(1, _options.WindowMessages / 4),
            RetryRules.LongestWait(_options.Retry),
            new RetryPlaces(TryRetry, _receiver.Flights.EndRetry));
        _demand = new SliceDemand(id, _options.LanesMax, _options.Retry);
        _backfillSendingMax = Math.Max(1, _options.LanesMax * _options.BackfillPercent / 100);
        var self = Self;
        _waiter = new RoomWaiter(isBackfill: false, waiter => self.Tell(new RoomFree(waiter)));
        _backfillWaiter = new RoomWaiter(isBackfill: true, waiter => self.Tell(new RoomFree(waiter)));
        _retryWaiter = new RoomWaiter(isBackfill: false, waiter => self.Tell(new RoomFree(waiter)));
        _backfillRetryWaiter = new RoomWaiter(isBackfill: true, waiter => self.Tell(new RoomFree(waiter)));
        Loading();
    }

    private DateTimeOffset Now => _context.Time.GetUtcNow();

    private bool IsFull => _lanes.InWindow >= _options.WindowMessages
        || _lanes.Bytes >= _options.WindowBytesMax
        || _lanes.Count >= _options.HeldLanesMax
        || _lanes.Shelved >= _options.ShelvedLanesMax;

    /// <summary>Whether what waits must be read once before anything is sent.</summary>
    private bool MustPass => _demand.LatestBelow is { } below && !(_pass is { IsOver: true } && _pass.Below == below);

    /// <inheritdoc />
    protected override void PreStart()
    {
        var self = Self;
        _timer = _context.Time.CreateTimer(
            _ => self.Tell(WakeUp.Instance), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        ChannelSource.FromReader(_flights.Reader)
            .Via(DeliveryGraph.Deliver(_options.LanesMax, _receiver.Send))
            .To(Sink.ActorRef<FlightEnded>(
                Self,
                onCompleteMessage: new Status.Failure(new InvalidOperationException("The delivery stream ended.")),
                onFailureMessage: failure => new Status.Failure(failure)))
            .Run(Context.Materializer());
        _context.Database
            .ReadAsync(session => DeliveryStatements.ReadState(session, _connection, _id.Partition))
            .PipeTo(Self);
    }

    /// <inheritdoc />
    protected override void PostStop()
    {
        _timer?.Dispose();
        foreach (var flight in _inFlight)
        {
            flight.GiveUp();
        }

        (_waiter.IsGone, _backfillWaiter.IsGone, _retryWaiter.IsGone, _backfillRetryWaiter.IsGone) = (true, true, true, true);
        _lanes.Leave();
        _receiver.Flights.PassOn(); // it may have been called for nothing
    }

    private void Loading()
    {
        Receive<DeliveryState>(Start);
        Receive<DeliveryMessage.Poke>(_ => { });
        Receive<DeliveryMessage.Settle>(_ => { });
        Receive<WakeUp>(_ => { });
        Receive<Drain>(_ => Context.Stop(Self));
        Receive<Status.Failure>(Fail);
    }

    private void Running()
    {
        Receive<FlightEnded>(End);
        Receive<PermitsGranted>(Use);
        Receive<DeliveryCommitted>(GoOn);
        Receive<EntriesRead>(FanOut);
        Receive<LanesRead>(Load);
        Receive<WaitingPage>(Pass);
        Receive<BarriersRead>(Unblock);
        Receive<DeliveryMessage.Poke>(_ => Poked());
        Receive<WakeUp>(_ => WokeUp());
        Receive<RoomFree>(UseRoom);
        Receive<DeliveryMessage.Settle>(_ => LearnErased());
        Receive<ErasedIdsKnown>(known => Settle(known.Asking));
        Receive<Drain>(_ => BeginDraining());
        Receive<Status.Failure>(Fail);
    }

    private void Start(DeliveryState state)
    {
        _state = state;
        _version = state.Version;
        _nextRead = state.Progress.Next;
        foreach (var lane in state.HeldLanes)
        {
            _lanes.Restore(lane);
        }

        Become(Running);
        Proceed();
    }

    private void Poked()
    {
        _mayHaveMore = true;
        if (IsFull)
        {
            _lanes.SpillSlow(Now - _options.SlowAfter);
        }

        CheckBlocked();
        _demand.Forget();
        Proceed();
    }

    private void WokeUp()
    {
        _wakesAt = null;
        Proceed();
    }

    private void UseRoom(RoomFree free)
    {
        free.Waiter.IsWaiting = false;
        Proceed();
        _receiver.Flights.PassOn();
    }

    private void Use(PermitsGranted granted)
    {
        _demand.Add(granted, Now);
        Proceed();
    }

    /// <summary>Does whatever can be done now; every message ends here.</summary>
    private void Proceed()
    {
        PassMarks();
        TryPass();
        SendReady();
        TryCommit();
        TryLoad();
        TryRead();
        Report();
        WakeInTime();
        StopWhenDrained();
    }

    private bool TryRetry(bool backfill)
    {
        var waiter = backfill ? _backfillRetryWaiter : _retryWaiter;
        return !waiter.IsWaiting && _receiver.Flights.TryRetry(waiter);
    }

    /// <summary>Reads on in the outbox, unless nothing may leave anyhow: what is read then would only fill memory. It is known to the
    /// end that nothing may leave only while something is ready, since that asks the gate.</summary>
    private void TryRead()
    {
        var isInVain = _demand.IsStopped && _lanes.Ready(backfill: false) + _lanes.Ready(backfill: true) > 0;
        if (_reading || IsFull || _draining || !_mayHaveMore || isInVain)
        {
            return;
        }

        _reading = true;
        _mayHaveMore = false;
        var (from, bytes) = (_nextRead, _options.WindowBytesMax - _lanes.Bytes);
        _context.Database
            .ReadAsync(session => new EntriesRead(
                OutboxStatements.Read(session, _connection, _id.Partition, from, bytes)))
            .PipeTo(Self);
    }

    private void FanOut(EntriesRead read)
    {
        _reading = false;
        foreach (var entry in read.Entries)
        {
            _nextRead = entry.Position + 1;
            if (!_state.Progress.IsDone(entry.Position))
            {
                _lanes.Add(entry);
            }
        }

        _mayHaveMore |= read.Entries.Length > 0;
        Proceed();
    }

    /// <summary>Reads the first held messages of lanes that may go on.</summary>
    private void TryLoad()
    {
        if (_loading || _draining || _lanes.InWindow >= _options.WindowMessages || _lanes.Bytes >= _options.WindowBytesMax)
        {
            return;
        }

        var lanes = _lanes.TakeToLoad(Now, _committed, LanesPerLoad)
            .Select(lane => (lane.Key, lane.DoneUpTo))
            .ToImmutableArray();
        if (lanes.IsEmpty)
        {
            return;
        }

        _loading = true;
        var bytes = _options.WindowBytesMax / LanesPerLoad;
        _context.Database
            .ReadAsync(session => new LanesRead(
                [.. lanes.Select(lane => ReadLane(session, lane.Key, lane.DoneUpTo, bytes))]))
            .PipeTo(Self);
    }

    private LaneRead ReadLane(Session session, ulong lane, long doneUpTo, long bytes)
    {
        var held = HeldStatements.Read(session, _connection, _id.Partition, lane, doneUpTo, EntriesPerLoad, bytes);
        var fate = DeliveryLanes.MustBeLookedAt(held[0])
            ? ToldStates.FateOf(session, _connection, _id.Partition, held[0])
            : LetterFate.Send;
        return new LaneRead(lane, [held[0], .. held.Skip(1).TakeWhile(entry => !DeliveryLanes.MustBeLookedAt(entry))], fate);
    }

    private void Load(LanesRead read)
    {
        _loading = false;
        foreach (var (key, entries, fate) in read.Lanes)
        {
            var lane = _lanes.Load(key, entries);
            if (fate != LetterFate.Send)
            {
                DeliveryOutcome outcome = fate == LetterFate.Superseded
                    ? new DeliveryOutcome.Coalesced()
                    : new DeliveryOutcome.Withdrawn();
                _lanes.End(lane, outcome, attempt: null);
                continue;
            }

            while (lane.Entries.Count > 1 && NotSent(lane) is { } outcome)
            {
                _lanes.EndLoaded(lane, outcome);
            }

            _lanes.Begin(lane);
        }

        Proceed();
    }

    /// <summary>Marks need no permit: an entry that others wait for is over once it is the first of its lane.</summary>
    private void PassMarks()
    {
        while (!_draining && _lanes.TakeMark() is { } lane)
        {
            if (lane.Entries.Peek().Barrier!.After is null)
            {
                _lanes.End(lane, new DeliveryOutcome.Delivered(), attempt: null);
            }
            else
            {
                _lanes.Block(lane, Now);
                _checkAgain = true;
            }
        }

        if (_checkAgain)
        {
            CheckBlocked();
        }
    }

    /// <summary>Where only the newest snapshots are wanted, finds them among all that waits: what is in memory shows hardly any.</summary>
    private void TryPass()
    {
        if (MustPass && _pass is not { IsOver: false })
        {
            _pass = new WaitingPass(_demand.LatestBelow!.Value);
            ReadPage(_pass.From);
        }
    }

    private void ReadPage(long below) => _context.Database
        .ReadAsync(session => WaitingPage.Read(session, _connection, _id.Partition, below, _options.WindowBytesMax))
        .PipeTo(Self);

    private void Pass(WaitingPage page)
    {
        _pass!.Add(page);
        if (!_pass.IsOver)
        {
            ReadPage(_pass.From);
            return;
        }

        Proceed();
    }

    private void SendReady()
    {
        while (!_draining && !MustPass && _unsettled < _options.LanesMax)
        {
            var sent = _backfillSending < _backfillSendingMax && _receiver.Flights.IsBackfillBelowShare
                ? TrySend(backfill: true) || TrySend(backfill: false)
                : TrySend(backfill: false) || (_lanes.Ready(backfill: false) == 0 && TrySend(backfill: true));
            if (!sent)
            {
                return;
            }

            PassMarks();
        }
    }

    /// <summary>Sends the first message of the next lane, or ends it without sending if it need not be sent.</summary>
    /// <returns>Whether there was something to do, and it could be done.</returns>
    private bool TrySend(bool backfill)
    {
        if (_lanes.PeekReady(backfill) is not { } lane)
        {
            return false;
        }

        var now = Now;
        var waiter = WaiterFor(backfill);
        if (waiter.IsWaiting || !_demand.MaySend(backfill, now))
        {
            return false;
        }

        if (NotSent(lane) is { } outcome)
        {
            _lanes.TakeReady(backfill, now);
            _lanes.End(lane, outcome, attempt: null);
            return true;
        }

        if (!_receiver.Flights.TryEnter(waiter))
        {
            return false;
        }

        var isProbe = _demand.Use(backfill, now);
        _lanes.TakeReady(backfill, now);
        if (WithoutVisitor(lane.Entries.Peek()) is { } changed)
        {
            _lanes.Change(lane, changed);
        }

        var flight = new Flight(lane.Entries.Peek(), (lane.History?.Attempts ?? 0) + 1, isProbe, _receiver.Flights);
        _inFlight.Add(flight);
        _unsettled++;
        _backfillSending += backfill ? 1 : 0;
        _flights.Writer.TryWrite(flight); // never more than the channel holds
        return true;
    }

    private OutboxEntry? WithoutVisitor(OutboxEntry entry) =>
        ErasedMessages.WithoutVisitor(_context.Erased.Now, _connection, entry);

    private RoomWaiter WaiterFor(bool backfill) => backfill ? _backfillWaiter : _waiter;

    /// <summary>Why the first message of a lane is not sent at all; null if it is sent.</summary>
    private DeliveryOutcome? NotSent(DeliveryLane lane)
    {
        var first = lane.Entries.Peek();
        if (first.Barrier is not null)
        {
            return null;
        }

        if (first.IsErased || ErasedMessages.AreErased(_context.Erased.Now, _connection, first))
        {
            return new DeliveryOutcome.Erased();
        }

        if (_demand.IsSkipped(first))
        {
            return new DeliveryOutcome.Skipped();
        }

        if (_demand.IsCoalesced(first) && _pass is { IsOver: true } && _pass.IsSuperseded(first.Position))
        {
            return new DeliveryOutcome.Coalesced();
        }

        var mayCoalesce = !first.IsReplay // an operator asked for it, and what it may put back was looked at
            && lane.Entries.Count > 1
            && Snapshots.IsSnapshot(first.Message.Kind)
            && (_demand.IsCoalesced(first) || Now - first.AcceptedAt > _options.CoalesceAfter);
        return mayCoalesce && Snapshots.IsSuperseded(first, lane.Entries.Skip(1)) ? new DeliveryOutcome.Coalesced() : null;
    }

    /// <summary>Looks whether what blocked lanes wait for is done; other slices tell with a poke, and a lost poke costs a pulse.</summary>
    private void CheckBlocked()
    {
        _checkAgain = _checking;
        if (_checking || _lanes.Blocked.Count == 0)
        {
            return;
        }

        _checking = true;
        var places = _lanes.Blocked.Select(PlaceBefore).ToHashSet();
        _context.Database
            .ReadAsync(session => new BarriersRead(
                [.. DeliveryStatements.Finished(session, _connection, places)]))
            .PipeTo(Self);
    }

    private void Unblock(BarriersRead read)
    {
        _checking = false;
        foreach (var lane in _lanes.Blocked.Where(lane => read.Done.Contains(PlaceBefore(lane))).ToList())
        {
            _lanes.Unblock(lane);
            _lanes.End(lane, new DeliveryOutcome.Delivered(), attempt: null);
        }

        Proceed();
    }

    private static (int DeliveryPartition, long Position) PlaceBefore(DeliveryLane lane) =>
        lane.Entries.Peek().Barrier!.After!.Value;

    private void End(FlightEnded ended)
    {
        var flight = ended.Flight;
        _inFlight.Remove(flight);
        _backfillSending -= flight.Entry.IsBackfill ? 1 : 0;
        if (ended.Attempt is { } attempt)
        {
            Conclude(flight, attempt);
        }
        else
        {
            _unsettled--;
        }

        _settling.ForEach(one => one.Land(flight, _changes));

        Proceed();
    }

    private void Conclude(Flight flight, DeliveryAttempt attempt)
    {
        var lane = _lanes.LaneOf(flight.Entry);
        if (attempt.Verdict == DeliveryVerdict.Delivered)
        {
            _receiver.Flights.Taken(attempt.At + attempt.Latency);
            if (!flight.Entry.IsReplay)
            {
                _demand.NoteLatency(attempt.At + attempt.Latency - flight.Entry.AcceptedAt);
            }
        }

        var takenAt = _demand.TakenAt(_receiver.Flights.TakenAt);
        var outcome = RetryRules.Conclude(attempt, lane.History, takenAt, _options.Retry, _context.Random());
        if (outcome is DeliveryOutcome.RetryLater later)
        {
            _lanes.Defer(lane, later, attempt);
        }
        else
        {
            _lanes.End(lane, outcome, attempt);
        }

        _demand.Note(attempt, outcome, flight.IsProbe, takenAt);
    }

    private void BeginDraining()
    {
        _draining = true;
        Proceed();
    }

    private void StopWhenDrained()
    {
        if (_draining && _inFlight.Count == 0 && !_committing && _changes.IsEmpty)
        {
            Context.Stop(Self);
        }
    }

    /// <summary>Commits every change there is; what changes meanwhile gathers for the next commit.</summary>
    private void TryCommit()
    {
        if (_committing || _changes.IsEmpty)
        {
            return;
        }

        _committing = true;
        var changes = _changes.Take();
        foreach (var position in changes.Finished.Select(one => one.Entry.Position)
            .Concat(changes.Stored.Select(entry => entry.Position)))
        {
            _state.Progress.Add(position);
        }

        var commit = new DeliveryCommit(_connection, changes, _state.DeadEvents, Now);
        var (progress, version) = (_state.Progress.Encode(), _version);
        _context.Database
            .WriteAsync(session =>
            {
                commit.Run(session, _id.Partition, progress, version);
                return new DeliveryCommitted(changes);
            })
            .PipeTo(Self);
    }

    private void GoOn(DeliveryCommitted committed)
    {
        var changes = committed.Changes;
        _committing = false;
        _version++;
        _committed = changes.Commit;
        _unsettled -= changes.Answered;
        AnswerSettled();
        _context.Meter.Count(_id.ConnectionId, changes);
        _lanes.Release(
            changes.Finished.Count + changes.Stored.Count,
            changes.Finished.Sum(one => (long)one.Entry.Message.Body.Length)
            + changes.Stored.Sum(entry => (long)entry.Message.Body.Length));
        foreach (var waiting in changes.Finished.Select(one => one.Entry.Barrier?.Wakes).OfType<int>().Distinct())
        {
            _context.Wake(_id with { Partition = waiting });
        }

        Proceed();
    }

    // Whoever asks wants to know that nothing of an erased person is under way, and that nothing will be.
    private void LearnErased()
    {
        var asking = Sender;
        _context.Erased.RefreshAsync(_context.Database).PipeTo(Self, success: _ => new ErasedIdsKnown(asking));
    }

    private void Settle(IActorRef asking)
    {
        var flights = _inFlight.Where(flight =>
            ErasedMessages.AreErased(_context.Erased.Now, _connection, flight.Entry) || WithoutVisitor(flight.Entry) is not null);
        _settling.Add(new Settling(asking, [.. flights], _changes));
        AnswerSettled();
    }

    private void AnswerSettled()
    {
        foreach (var one in _settling.Where(one => one.IsSettled(_committed)))
        {
            one.Asking.Tell(new SliceSettled());
        }

        _settling.RemoveAll(one => one.IsSettled(_committed));
    }

    /// <summary>Tells the gate what the slice needs and how its attempts went, if there is anything new to tell.</summary>
    private void Report()
    {
        if (_draining)
        {
            return;
        }

        if (_demand.TryReport(NeedOf(backfill: false), NeedOf(backfill: true), Now) is { } report)
        {
            _context.Gates.Tell(report, Self);
        }
    }

    private SliceNeed NeedOf(bool backfill) => MustPass
        ? default
        : new(_lanes.Ready(backfill), WaiterFor(backfill).IsWaiting ? 0 : _options.LanesMax - _unsettled);

    /// <summary>Sets the clock for what comes next by itself; what could be done now and is not waits for a message.</summary>
    private void WakeInTime()
    {
        var now = Now;
        var next = new[]
        {
            _lanes.NextAttemptAt,
            _lanes.Ready(backfill: false) > 0 ? _demand.NextPermitAt(backfill: false) : null,
            _lanes.Ready(backfill: true) > 0 ? _demand.NextPermitAt(backfill: true) : null,
        }.Where(at => at > now).Min();
        if (next is { } at && !(at >= _wakesAt))
        {
            _wakesAt = at;
            _timer!.Change(at - now < WakeMax ? at - now : WakeMax, Timeout.InfiniteTimeSpan);
        }
    }

    private void Fail(Status.Failure failure)
    {
        _log.Warning(
            failure.Cause,
            "Delivery {Partition} of connection {Connection} stops and will read again: its last step did not happen.",
            _id.Partition,
            _id.ConnectionId);
        Context.Stop(Self);
    }

    /// <summary>Asks the actor to finish what is on the wire, and to stop.</summary>
    internal sealed record Drain
    {
        public static Drain Instance { get; } = new();
    }

    private sealed record ErasedIdsKnown(IActorRef Asking);

    /// <summary>Somebody waits until some attempts are over and what came of them is on disk.</summary>
    private sealed class Settling(IActorRef asking, HashSet<Flight> flights, SliceChanges changes)
    {
        private long _commit = changes.CommitOfNow;

        public IActorRef Asking => asking;

        public void Land(Flight flight, SliceChanges then)
        {
            if (flights.Remove(flight))
            {
                _commit = then.CommitOfNow;
            }
        }

        public bool IsSettled(long committed) => flights.Count == 0 && committed >= _commit;
    }
}
