using System.Collections.Immutable;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline.Ingest;

/// <summary>What an ingest actor works with.</summary>
/// <param name="Database">Where inbox, outbox and ledger are.</param>
/// <param name="Layout">How the work is cut.</param>
/// <param name="Options">Sizes and times.</param>
/// <param name="Map">The mapping of each connection, by its id.</param>
/// <param name="People">The shard region of persons.</param>
/// <param name="WakeDelivery">Told each connection number and delivery partition that got messages; must return at once.</param>
/// <param name="Views">What the views take from a connection, by its number; null: nothing.</param>
/// <param name="WakeViews">Told each connection number and delivery partition whose views have something to learn.</param>
/// <param name="Time">The clock.</param>
public sealed record IngestContext(
    PipelineDatabase Database,
    PipelineLayout Layout,
    IngestOptions Options,
    Func<string, MapEvent> Map,
    IActorRef People,
    Action<int, int> WakeDelivery,
    Func<int, ViewRules?> Views,
    Action<int, int> WakeViews,
    TimeProvider Time)
{
    /// <summary>The erased ids, as far as the node knows them.</summary>
    public ErasedIds Erased { get; init; } = new();
}

/// <summary>
/// Fans the events of one partition out to persons, in offset order for each distinct id, and commits what they became:
/// outbox, ledger and progress in one transaction. Everything it knows can be read again, so on any failure it stops, and
/// the next poke starts it anew.
/// </summary>
/// <remarks>Loading: reads the progress → Running: reads, fans out, commits → draining, when its shard moves: waits for its last
/// commit, so that whoever goes on reads it.</remarks>
public sealed class IngestActor : ReceiveActor, IWithTimers
{
    /// <summary>Which part of the window one distinct id may fill.</summary>
    private const int LaneShare = 4;

    /// <summary>How many runs of events may be done behind events that were passed by; the position holds them all.</summary>
    private const int GapsMax = 4_096;

    private static readonly TimeSpan AfterRemoval = TimeSpan.FromMilliseconds(500); // until then the regions know it too
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly int _partition;
    private readonly IngestContext _context;
    private readonly Dictionary<(int Connection, string DistinctId), IngestLane> _lanes = [];
    private readonly Dictionary<long, IngestLane> _lanesInFlight = [];
    private readonly HashSet<IngestLane> _lanesToReadAgain = [];
    private readonly HashSet<long> _windowOffsets = [];
    private readonly HashSet<EventKey> _windowKeys = [];
    private readonly HashSet<EventKey> _committedWhileReading = [];
    private readonly List<DecidedEvent> _decided = [];
    private readonly List<IActorRef> _asking = [];
    private Progress _progress = Progress.Start();
    private long _version;
    private long _frontier;
    private long _reads;
    private long _readFrom;
    private long _round;
    private int _windowEvents;
    private long _windowBytes;
    private bool _mayHaveMore = true;
    private bool _reading;
    private bool _committing;
    private bool _draining;

    /// <summary>The actor of <paramref name="partition"/>.</summary>
    public IngestActor(int partition, IngestContext context)
    {
        _partition = partition;
        _context = context;
        Loading();
    }

    /// <inheritdoc />
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc />
    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(nameof(AskAgain), AskAgain.Instance, _context.Options.AskAgainAfter);
        Akka.Cluster.Cluster.Get(Context.System).Subscribe(
            Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.MemberRemoved));
        _context.Database
            .ReadAsync(session => IngestStatements.ReadProgress(session, _partition))
            .PipeTo(Self, success: read => new ProgressRead(read.Version, read.Progress));
    }

    /// <inheritdoc />
    protected override void PostStop() => Akka.Cluster.Cluster.Get(Context.System).Unsubscribe(Self);

    internal static EventKey KeyOf(InboxEvent inboxEvent) =>
        new(inboxEvent.ConnectionNumber, inboxEvent.Event.Uuid, inboxEvent.Event.Fingerprint);

    private void Loading()
    {
        Receive<ProgressRead>(Start);
        Receive<IngestMessage.Poke>(_ => { });
        Receive<IngestMessage.GetRunning>(_ => _asking.Add(Sender));
        Receive<AskAgain>(_ => { });
        Receive<ClusterEvent.MemberRemoved>(_ => { });
        Receive<Drain>(_ => Context.Stop(Self));
        Receive<Status.Failure>(Fail);
    }

    private void Running()
    {
        Receive<EventsApplied>(Collect);
        Receive<IngestCommitted>(GoOn);
        Receive<EventsRead>(FanOut);
        Receive<IngestMessage.Poke>(_ => Poked());
        Receive<IngestMessage.GetRunning>(_ => Answer(Sender));
        Receive<AskAgain>(_ => Repeat());
        Receive<ClusterEvent.MemberRemoved>(_ => Timers.StartSingleTimer(nameof(AskAllAgain), AskAllAgain.Instance, AfterRemoval));
        Receive<AskAllAgain>(_ => RepeatAll());
        Receive<Drain>(_ => BeginDraining());
        Receive<Status.Failure>(Fail);
    }

    private void Start(ProgressRead read)
    {
        _version = read.Version;
        _progress = read.Progress;
        _frontier = _progress.Next;
        Become(Running);
        _asking.ForEach(Answer);
        _asking.Clear();
        TryRead();
    }

    private void Answer(IActorRef asking) => asking.Tell(new IngestRunning(_partition, _progress.Next));

    private void Poked()
    {
        _mayHaveMore = true;
        TryRead();
    }

    /// <summary>Reads again what was passed by and has room now, or else what nobody has read yet.</summary>
    private void TryRead()
    {
        var full = _windowEvents >= _context.Options.WindowEvents || _windowBytes >= _context.Options.WindowBytesMax;
        if (_reading || full)
        {
            return;
        }

        var from = _lanesToReadAgain.Where(lane => lane.HasMuchRoom).Min(lane => lane.ReadAgainFrom) ?? _frontier;
        if (from == _frontier && (!_mayHaveMore || _progress.Gaps >= GapsMax))
        {
            return;
        }

        _reading = true;
        _mayHaveMore &= from < _frontier;
        _readFrom = from;
        _reads++;
        _committedWhileReading.Clear();
        var (events, bytes) = (_context.Options.WindowEvents - _windowEvents, _context.Options.WindowBytesMax - _windowBytes);
        _context.Database
            .ReadAsync(session => IngestStatements.ReadEvents(session, _partition, from, events, bytes) with
            {
                Erased = _context.Erased.Refresh(session),
            })
            .PipeTo(Self);
    }

    private void FanOut(EventsRead read)
    {
        _reading = false;
        foreach (var inboxEvent in read.Events)
        {
            if (!_progress.IsDone(inboxEvent.Offset) && !_windowOffsets.Contains(inboxEvent.Offset))
            {
                Admit(Without(read.Erased, inboxEvent), read);
            }
        }

        var readTo = read.Events is [.., var last] ? last.Offset + 1 : _frontier;
        _mayHaveMore |= readTo > _frontier;
        _frontier = Math.Max(_frontier, readTo);
        foreach (var lane in _lanesToReadAgain)
        {
            lane.MarkRead(_reads, _readFrom, readTo, _frontier);
        }

        foreach (var lane in _lanesToReadAgain.Where(lane => lane.ReadAgainFrom is null).ToList())
        {
            _lanesToReadAgain.Remove(lane);
            ForgetIfEmpty(lane);
        }

        TryCommit();
        TryRead();
    }

    private static InboxEvent Without(ErasedSet erased, InboxEvent inboxEvent) => inboxEvent with
    {
        Event = ErasedEvents.Without(erased, inboxEvent.ConnectionNumber, inboxEvent.Event),
    };

    private void Admit(InboxEvent inboxEvent, EventsRead read)
    {
        var key = KeyOf(inboxEvent);
        if (read.Known.Contains(key) || _committedWhileReading.Contains(key) || _windowKeys.Contains(key))
        {
            Take(inboxEvent);
            _decided.Add(new DecidedEvent(inboxEvent, Decide(inboxEvent, LedgerDecision.Duplicate, "", [])));
        }
        else if (WithoutPerson(inboxEvent, read.Erased) is { } result)
        {
            Take(inboxEvent);
            _windowKeys.Add(key);
            _decided.Add(new DecidedEvent(inboxEvent, result));
        }
        else
        {
            var lane = LaneOf(inboxEvent);
            if (lane.TryAdd(inboxEvent, _reads, _readFrom))
            {
                Take(inboxEvent);
                _windowKeys.Add(key);
                SendNext(lane);
            }
            else
            {
                _lanesToReadAgain.Add(lane);
            }
        }
    }

    private void Take(InboxEvent inboxEvent)
    {
        _windowEvents++;
        _windowBytes += inboxEvent.Event.Json.Length;
        _windowOffsets.Add(inboxEvent.Offset);
    }

    /// <summary>What becomes of an event that no person is asked about; null if one must be.</summary>
    private EventResult? WithoutPerson(InboxEvent inboxEvent, ErasedSet erased)
    {
        var captured = inboxEvent.Event;
        if (ErasedEvents.IsErased(erased, inboxEvent.ConnectionNumber, captured))
        {
            _context.Erased.NoteSuppressed();
            return ErasedEvents.Suppress(inboxEvent.Offset, captured);
        }

        if (!_context.Layout.ConnectionByNumber.TryGetValue(inboxEvent.ConnectionNumber, out var connectionId))
        {
            return Decide(inboxEvent, LedgerDecision.Filtered, "connection-removed", []);
        }

        if (captured.Notes.HasFlag(CaptureNotes.TooLarge))
        {
            return RefuseTooLarge(inboxEvent);
        }

        if (captured.Notes.HasFlag(CaptureNotes.NoDistinctId))
        {
            var mapped = _context.Map(connectionId)(captured, null, EventChange.None);
            return Decide(inboxEvent, mapped.Decision, mapped.Reason, mapped.Messages);
        }

        return null;
    }

    /// <summary>The result of an event that no person is asked about; its lane is its own.</summary>
    private static EventResult Decide(
        InboxEvent inboxEvent, LedgerDecision decision, string reason, ImmutableArray<OutboundMessage> messages) =>
        new(inboxEvent.Offset, decision, reason, inboxEvent.Event.Fingerprint, messages, []);

    /// <summary>There is no content to ask a person about; PostHog drops such an event with this warning.</summary>
    private static EventResult RefuseTooLarge(InboxEvent inboxEvent)
    {
        var details = JsonText.Object(
            ("eventUuid", inboxEvent.Event.Uuid.ToString()), ("distinctId", inboxEvent.Event.DistinctId));
        var refused = Decide(inboxEvent, LedgerDecision.Refused, WarningTypes.MessageSizeTooLarge, []);
        return refused with { Warnings = [new IngestionWarning(WarningTypes.MessageSizeTooLarge, details)] };
    }

    private IngestLane LaneOf(InboxEvent inboxEvent)
    {
        var key = (inboxEvent.ConnectionNumber, inboxEvent.Event.DistinctId);
        if (!_lanes.TryGetValue(key, out var lane))
        {
            var connectionId = _context.Layout.ConnectionByNumber[inboxEvent.ConnectionNumber];
            _lanes[key] = lane = new IngestLane(
                new PersonId(connectionId, inboxEvent.Event.DistinctId),
                Math.Max(1, _context.Options.WindowEvents / LaneShare),
                Math.Max(1, _context.Options.WindowBytesMax / LaneShare));
        }

        return lane;
    }

    private void SendNext(IngestLane lane)
    {
        if (lane.TryTakeBatch())
        {
            _lanesInFlight[lane.InFlight[0].Offset] = lane;
            _context.People.Tell(lane.Send(_round));
        }
    }

    /// <summary>Sharding may lose a message at any hand-over: what was not answered in time is sent again.</summary>
    private void Repeat()
    {
        foreach (var lane in _lanesInFlight.Values)
        {
            if (!lane.Answered && lane.SentInRound < _round)
            {
                _context.People.Tell(lane.Send(_round + 1));
            }
        }

        _round++;
    }

    /// <summary>A node has gone, and with it whatever was on its way there.</summary>
    private void RepeatAll()
    {
        foreach (var lane in _lanesInFlight.Values.Where(lane => !lane.Answered))
        {
            _context.People.Tell(lane.Send(_round));
        }
    }

    private void Collect(EventsApplied applied)
    {
        if (applied.Results.IsEmpty
            || !_lanesInFlight.TryGetValue(applied.Results[0].Offset, out var lane)
            || lane.Answered
            || lane.InFlight.Length != applied.Results.Length)
        {
            return; // the answer to a question that was asked twice
        }

        lane.MarkAnswered();
        for (var index = 0; index < applied.Results.Length; index++)
        {
            _decided.Add(new DecidedEvent(lane.InFlight[index], applied.Results[index]));
        }

        TryCommit();
    }

    /// <summary>Commits everything that is decided; what is decided meanwhile gathers for the next commit.</summary>
    private void TryCommit()
    {
        if (_committing || _draining || _decided.Count == 0)
        {
            return;
        }

        _committing = true;
        var decided = _decided.ToImmutableArray();
        _decided.Clear();
        var commit = new IngestCommit(
            _partition, _context.Layout.DeliveryPartitions, _context.Views, decided, _context.Time.GetUtcNow());
        var (progress, version) = (_progress.With(decided.Select(one => one.Event.Offset)), _version);
        _context.Database
            .WriteAsync(session => new IngestCommitted(commit, progress, commit.Run(session, progress, version)))
            .PipeTo(Self);
    }

    private void GoOn(IngestCommitted committed)
    {
        _committing = false;
        if (committed.Stale.IsEmpty)
        {
            Finish(committed);
        }
        else
        {
            AskStaleAgain(committed);
        }

        if (_draining)
        {
            Context.Stop(Self);
            return;
        }

        TryCommit();
        TryRead();
    }

    private void Finish(IngestCommitted committed)
    {
        _version++;
        _progress = committed.Progress;
        foreach (var (inboxEvent, result) in committed.Commit.Decided)
        {
            Forget(inboxEvent, result);
        }

        foreach (var (connection, deliveryPartition) in committed.Commit.Touched)
        {
            _context.WakeDelivery(connection, deliveryPartition);
        }

        foreach (var (connection, deliveryPartition) in committed.Commit.Seen)
        {
            _context.WakeViews(connection, deliveryPartition);
        }
    }

    /// <summary>These persons became part of others after they answered: whoever holds them now answers anew.</summary>
    private void AskStaleAgain(IngestCommitted committed)
    {
        foreach (var decided in committed.Commit.Decided)
        {
            if (!committed.Stale.Contains((decided.Event.ConnectionNumber, decided.Result.Lane)))
            {
                _decided.Add(decided);
            }
            else if (_lanesInFlight.TryGetValue(decided.Event.Offset, out var lane))
            {
                lane.MarkUnanswered();
                _context.People.Tell(lane.Send(_round));
            }
        }
    }

    private void Forget(InboxEvent inboxEvent, EventResult result)
    {
        _windowEvents--;
        _windowBytes -= inboxEvent.Event.Json.Length;
        _windowOffsets.Remove(inboxEvent.Offset);
        if (result.Decision != LedgerDecision.Duplicate)
        {
            var key = KeyOf(inboxEvent);
            _windowKeys.Remove(key);
            _committedWhileReading.Add(key);
        }

        if (!_lanesInFlight.Remove(inboxEvent.Offset, out var lane))
        {
            return;
        }

        lane.MarkCommitted();
        SendNext(lane);
        ForgetIfEmpty(lane);
    }

    private void ForgetIfEmpty(IngestLane lane)
    {
        if (lane.IsEmpty)
        {
            _lanes.Remove((_context.Layout.NumberByConnection[lane.PersonId.ConnectionId], lane.PersonId.DistinctId));
        }
    }

    private void BeginDraining()
    {
        _draining = true;
        if (!_committing)
        {
            Context.Stop(Self);
        }
    }

    private void Fail(Status.Failure failure)
    {
        _log.Warning(
            failure.Cause, "Ingest of partition {Partition} stops and will read again: its last step did not happen.", _partition);
        Context.Stop(Self);
    }

    /// <summary>Asks the actor to stop with its last commit.</summary>
    internal sealed record Drain
    {
        public static Drain Instance { get; } = new();
    }
}
