using System.Collections.Immutable;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Event;
using Akka.Streams;
using Akka.Streams.Dsl;
using VarianceActors.Pipeline.Metering;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>What a delivery actor works with.</summary>
/// <param name="Database">Where the outbox is.</param>
/// <param name="Layout">The numbers of the connections.</param>
/// <param name="Options">Sizes and times.</param>
/// <param name="SendFor">How to deliver a message of a connection.</param>
/// <param name="Wake">Makes another slice look again; must return at once.</param>
public sealed record DeliveryContext(
    PipelineDatabase Database,
    PipelineLayout Layout,
    DeliveryOptions Options,
    Func<string, Send> SendFor,
    Action<DeliveryId> Wake)
{
    /// <summary>Told what was committed.</summary>
    public required PipelineMeter Meter { get; init; }
}

/// <summary>
/// Delivers one slice of a connection's messages: reads the outbox, keeps the order of each person (lane), runs lanes side by
/// side through the stream, and commits outcomes. Everything it knows can be read again, so on any failure it stops, and the
/// next poke starts it anew; what was sent and not committed is then sent once more.
/// </summary>
/// <remarks>Loading: reads the position → Running: reads, sends, commits → draining, when its shard moves or the node stops:
/// begins nothing new, finishes and commits what is on the wire, stops.</remarks>
public sealed class DeliveryActor : ReceiveActor
{
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly DeliveryId _id;
    private readonly DeliveryContext _context;
    private readonly int _connection;
    private readonly Channel<OutboxEntry> _heads;
    private readonly Cancelable _stopping = new Cancelable(Context.System.Scheduler);
    private readonly DeliveryLanes _lanes = new();
    private readonly List<FinishedMessage> _finished = [];
    private DeliveryState _state = new(0, Progress.Start(), []);
    private long _version;
    private long _nextRead;
    private int _sending;
    private bool _mayHaveMore = true;
    private bool _reading;
    private bool _checking;
    private bool _checkAgain;
    private bool _committing;
    private bool _draining;

    /// <summary>The actor of a slice.</summary>
    public DeliveryActor(DeliveryId id, DeliveryContext context)
    {
        _id = id;
        _context = context;
        _heads = Channel.CreateBounded<OutboxEntry>(context.Options.LanesMax);
        _connection = context.Layout.NumberByConnection[id.ConnectionId];
        Loading();
    }

    /// <inheritdoc />
    protected override void PreStart()
    {
        ChannelSource.FromReader(_heads.Reader)
            .Via(DeliveryGraph.Deliver(_context.Options.LanesMax, _context.SendFor(_id.ConnectionId), _stopping.Token))
            .To(Sink.ActorRef<FinishedMessage>(
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
        _stopping.Cancel();
    }

    private void Loading()
    {
        Receive<DeliveryState>(Start);
        Receive<DeliveryMessage.Poke>(_ => { });
        Receive<Drain>(_ => Context.Stop(Self));
        Receive<Status.Failure>(Fail);
    }

    private void Running()
    {
        Receive<FinishedMessage>(Finish);
        Receive<DeliveryCommitted>(GoOn);
        Receive<EntriesRead>(FanOut);
        Receive<BarriersRead>(Unblock);
        Receive<DeliveryMessage.Poke>(_ => Poked());
        Receive<Drain>(_ => BeginDraining());
        Receive<Status.Failure>(Fail);
    }

    private void Start(DeliveryState state)
    {
        _state = state;
        _version = state.Version;
        _nextRead = state.Progress.Next;
        Become(Running);
        TryRead();
    }

    private void Poked()
    {
        _mayHaveMore = true;
        CheckBlocked();
        TryRead();
    }

    private void TryRead()
    {
        var full = _lanes.Entries >= _context.Options.WindowMessages || _lanes.Bytes >= _context.Options.WindowBytesMax;
        if (_reading || full || _draining || !_mayHaveMore)
        {
            return;
        }

        _reading = true;
        _mayHaveMore = false;
        var (from, bytes) = (_nextRead, _context.Options.WindowBytesMax - _lanes.Bytes);
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
        SendReady();
        TryCommit();
        TryRead();
    }

    /// <summary>Never more than the channel holds, so a write always succeeds.</summary>
    private void SendReady()
    {
        while (!_draining && _sending < _context.Options.LanesMax && _lanes.TryTake(out var head))
        {
            if (head.Barrier is null)
            {
                _sending++;
                _heads.Writer.TryWrite(head);
            }
            else if (head.Barrier.After is null)
            {
                End(head);
            }
            else
            {
                _lanes.Block(head);
            }
        }

        CheckBlocked();
    }

    /// <summary>Looks whether what blocked heads wait for is done; other slices tell with a poke, and a lost poke costs a pulse.</summary>
    private void CheckBlocked()
    {
        _checkAgain = _checking;
        if (_checking || _lanes.Blocked.Count == 0)
        {
            return;
        }

        _checking = true;
        var partitions = _lanes.Blocked.Select(head => head.Barrier!.After!.Value.DeliveryPartition).ToHashSet();
        _context.Database
            .ReadAsync(session => new BarriersRead(partitions.ToDictionary(
                partition => partition,
                partition => DeliveryStatements.ReadState(session, _connection, partition).Progress)))
            .PipeTo(Self);
    }

    private void Unblock(BarriersRead read)
    {
        _checking = false;
        var over = _lanes.Unblock(head => head.Barrier!.After is { } after
            && (after.DeliveryPartition == _id.Partition ? _state.Progress : read.Progress.GetValueOrDefault(after.DeliveryPartition))
                is { } progress
            && progress.IsDone(after.Position));
        over.ForEach(End);
        if (over.Count > 0)
        {
            SendReady();
            TryCommit();
        }
        else if (_checkAgain)
        {
            CheckBlocked();
        }
    }

    private void Finish(FinishedMessage finished)
    {
        _sending--;
        if (finished.Outcome is not DeliveryOutcome.Abandoned)
        {
            End(finished);
        }

        SendReady();
        TryCommit();
        StopWhenDrained();
    }

    private void BeginDraining()
    {
        _draining = true;
        _stopping.Cancel();
        StopWhenDrained();
    }

    private void StopWhenDrained()
    {
        if (_draining && _sending == 0 && !_committing)
        {
            Context.Stop(Self);
        }
    }

    private void End(OutboxEntry barrier) => End(new FinishedMessage(barrier, new DeliveryOutcome.Delivered()));

    private void End(FinishedMessage finished)
    {
        _finished.Add(finished);
        _lanes.Finish(finished.Entry);
    }

    /// <summary>Commits every outcome there is; what finishes meanwhile gathers for the next commit.</summary>
    private void TryCommit()
    {
        if (_committing || _finished.Count == 0)
        {
            return;
        }

        _committing = true;
        var finished = _finished.ToImmutableArray();
        _finished.Clear();
        foreach (var one in finished)
        {
            _state.Progress.Add(one.Entry.Position);
        }

        var commit = new DeliveryCommit(_connection, finished, _state.DeadEvents);
        var (progress, version) = (_state.Progress.Encode(), _version);
        _context.Database
            .WriteAsync(session =>
            {
                commit.Run(session, _id.Partition, progress, version);
                return new DeliveryCommitted(finished);
            })
            .PipeTo(Self);
    }

    private void GoOn(DeliveryCommitted committed)
    {
        _committing = false;
        _version++;
        _context.Meter.Count(_id.ConnectionId, committed.Finished);
        _lanes.Release(
            committed.Finished.Length, committed.Finished.Sum(one => (long)one.Entry.Message.Body.Length));
        foreach (var waiting in committed.Finished.Select(one => one.Entry.Barrier?.Wakes).OfType<int>().Distinct())
        {
            _context.Wake(_id with { Partition = waiting });
        }

        TryCommit();
        TryRead();
        StopWhenDrained();
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
}
