using System.Collections.Immutable;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline.Ingest;

/// <summary>An event and what it became.</summary>
/// <param name="Event">The event and its place in the inbox.</param>
/// <param name="Result">What it became.</param>
public readonly record struct DecidedEvent(InboxEvent Event, EventResult Result);

/// <summary>
/// What one commit of an ingest actor writes, made ready outside the transaction: the outbox rows, the ledger rows, the
/// warnings, the counts and the progress of the partition, all or nothing.
/// </summary>
internal sealed class IngestCommit
{
    private const int EventNameMax = 200;
    private readonly int _partition;
    private readonly DateTimeOffset _now;
    private readonly OutboxBatch _outbox;
    private readonly List<LedgerRow> _ledger = [];
    private readonly HashSet<(int Connection, ulong Lane)> _used = [];
    private readonly Dictionary<(int Connection, ulong Lane), ulong> _closed = [];
    private readonly HashSet<(int Connection, ulong Lane)> _usedAfterClosing = [];
    private readonly Dictionary<(int Connection, ulong Lane), (long First, long Last)> _versions = [];
    private readonly HashSet<(int Connection, ulong Lane)> _disordered = [];
    private readonly List<WarningRow> _warnings = [];
    private readonly List<(int Connection, ulong Id, int DeliveryPartition, int Index)> _givenUp = [];
    private readonly FeedBatch _feed;
    private readonly Func<int, ViewRules?> _views;

    /// <summary>Encodes the messages of <paramref name="decided"/> and what the views learn of them, in order.</summary>
    public IngestCommit(
        int partition,
        int deliveryPartitions,
        Func<int, ViewRules?> views,
        ImmutableArray<DecidedEvent> decided,
        DateTimeOffset now)
    {
        _views = views;
        _feed = new FeedBatch(deliveryPartitions);
        _partition = partition;
        _now = now;
        _outbox = new OutboxBatch(deliveryPartitions);
        Decided = decided;
        foreach (var (inboxEvent, result) in decided)
        {
            if (result.Decision != LedgerDecision.Duplicate)
            {
                Add(inboxEvent, result);
                AddWarnings(inboxEvent, result);
                AddToFeed(inboxEvent, result);
            }
        }
    }

    /// <summary>The events that this commit decides.</summary>
    public ImmutableArray<DecidedEvent> Decided { get; }

    /// <summary>The delivery partitions that get messages.</summary>
    public IEnumerable<(int Connection, int DeliveryPartition)> Touched => _outbox.Touched;

    /// <summary>The delivery partitions whose views have something to learn.</summary>
    public IEnumerable<(int Connection, int DeliveryPartition)> Seen => _feed.Touched;

    /// <summary>
    /// Writes everything into the running transaction, unless a person has become part of another one since it answered: its
    /// messages may not go into its old lane any more. Or unless a newer state of a person has come into the outbox through
    /// another of its ids: the older one would be the last that the receiver hears. Then nothing is written.
    /// </summary>
    /// <param name="session">The transaction.</param>
    /// <param name="progress">The partition's progress with these events done.</param>
    /// <param name="version">The version that the progress row must have.</param>
    /// <returns>The lanes whose persons must be asked again; empty if everything is written.</returns>
    /// <exception cref="FencedException">Somebody else has moved the progress: another copy of the actor lives.</exception>
    public ImmutableHashSet<(int Connection, ulong Lane)> Run(Session session, Progress progress, long version)
    {
        _outbox.Reserve(session); // first: from here on no lane that gets messages is closed, or told of, by anybody else
        var stale = LaneStatements.Closed(session, _used)
            .Union(_usedAfterClosing)
            .Union(_disordered)
            .Union(LaneVersions.Passed(session, _versions.Select(told => (told.Key, told.Value.First))))
            .ToImmutableHashSet();
        if (!stale.IsEmpty)
        {
            _outbox.GiveBack(session);
            return stale;
        }

        IngestStatements.MoveProgress(session, _partition, progress.Encode(), version);
        foreach (var ((connection, lane), into) in _closed)
        {
            LaneStatements.Close(session, connection, lane, into, _now);
        }

        foreach (var ((connection, lane), (_, last)) in _versions)
        {
            LaneVersions.Put(session, connection, lane, last, _now);
        }

        _outbox.Write(session, _now);
        _feed.Write(session, _now);
        foreach (var row in _ledger)
        {
            LedgerStatements.Add(session, row.DeliveryPartition is { } deliveryPartition
                ? row with { FirstPosition = row.FirstPosition + _outbox.FirstPositionIn(row.Key.Connection, deliveryPartition) }
                : row);
        }

        foreach (var (connection, id, deliveryPartition, index) in _givenUp.OrderBy(one => (one.Connection, one.Id)))
        {
            var position = _outbox.FirstPositionIn(connection, deliveryPartition) + index;
            GivenUpIds.Add(session, connection, id, deliveryPartition, position);
        }

        foreach (var group in Decided.CountBy(decided => (decided.Event.ConnectionNumber, decided.Result.Decision)))
        {
            LedgerStatements.Count(session, group.Key.ConnectionNumber, _partition, group.Key.Decision, group.Value);
        }

        WarningStatements.Add(session, _partition, _warnings);
        InboxStatements.DeleteBelow(session, _partition, progress.Next);
        return [];
    }

    private void Add(InboxEvent inboxEvent, EventResult result)
    {
        var captured = inboxEvent.Event;
        var key = new EventKey(inboxEvent.ConnectionNumber, captured.Uuid, captured.Fingerprint);
        var lane = (key.Connection, result.Lane);
        (_closed.ContainsKey(lane) ? _usedAfterClosing : _used).Add(lane);
        if (result.Version is { } version)
        {
            AddVersion(lane, version);
        }

        foreach (var behind in result.Behind)
        {
            _closed.TryAdd((key.Connection, behind), result.Lane);
            _outbox.Order(key, captured.ReceivedAt, result.Lane, behind);
        }

        var isErased = result is { Decision: LedgerDecision.Suppressed, Reason: ErasedEvents.Reason };
        var row = new LedgerRow(
            key, _partition, inboxEvent.Offset, captured.Door, captured.ReceivedAt, result.Decision, result.Reason,
            DeliveryPartition: null, FirstPosition: null, result.Messages.Length, LedgerStatements.Encode(result.Warnings),
            isErased || captured.DistinctId.Length == 0 ? null : captured.DistinctId,
            isErased ? null : Cut(captured.Event));
        if (!result.Messages.IsEmpty)
        {
            var isBackfill = captured.Notes.HasFlag(CaptureNotes.Historical);
            var (deliveryPartition, index) = _outbox.Add(key, captured.ReceivedAt, isBackfill, result);
            row = row with { DeliveryPartition = deliveryPartition, FirstPosition = index };
            AddGivenUp(key.Connection, deliveryPartition, index, result.Messages);
        }

        _ledger.Add(row);
    }

    private static string Cut(string name) => name.Length <= EventNameMax
        ? name
        : name[..(char.IsHighSurrogate(name[EventNameMax - 1]) ? EventNameMax - 1 : EventNameMax)];

    private void AddVersion((int Connection, ulong Lane) lane, long version)
    {
        if (!_versions.TryGetValue(lane, out var told))
        {
            _versions[lane] = (version, version);
        }
        else if (version >= told.Last)
        {
            _versions[lane] = told with { Last = version };
        }
        else
        {
            _disordered.Add(lane);
        }
    }

    private void AddGivenUp(
        int connection, int deliveryPartition, int first, ImmutableArray<OutboundMessage> messages)
    {
        for (var index = 0; index < messages.Length; index++)
        {
            if (MessageFields.GivenUpBy(messages[index]) is { } id)
            {
                _givenUp.Add((connection, GivenUpIds.HashOf(id), deliveryPartition, first + index));
            }
        }
    }

    // What is filtered has happened all the same; what PostHog drops has not.
    private void AddToFeed(InboxEvent inboxEvent, EventResult result)
    {
        var isSeen = result.Decision is LedgerDecision.Queued or LedgerDecision.Filtered
            && inboxEvent.Event.DistinctId.Length > 0;
        if (isSeen && _views(inboxEvent.ConnectionNumber) is { } rules)
        {
            foreach (var entry in rules.Of(inboxEvent.Event, result.News))
            {
                _feed.Add(inboxEvent.ConnectionNumber, result.Lane, entry);
            }
        }
    }

    private void AddWarnings(InboxEvent inboxEvent, EventResult result)
    {
        foreach (var warning in result.Warnings)
        {
            var captured = inboxEvent.Event;
            _warnings.Add(new WarningRow(inboxEvent.ConnectionNumber, captured.Uuid, captured.ReceivedAt, warning));
        }
    }
}
