using System.Buffers;
using System.Collections.Immutable;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Ingest;

/// <summary>An event and what it became.</summary>
/// <param name="Event">The event and its place in the inbox.</param>
/// <param name="Result">What it became.</param>
public readonly record struct DecidedEvent(InboxEvent Event, EventResult Result);

/// <summary>
/// What one commit of an ingest actor writes, made ready outside the transaction: the outbox rows, the ledger rows, the
/// counts and the progress of the partition, all or nothing.
/// </summary>
internal sealed class IngestCommit
{
    private readonly int _partition;
    private readonly DateTimeOffset _now;
    private readonly ImmutableArray<DecidedEvent> _decided;
    private readonly SortedDictionary<(int Connection, int DeliveryPartition), Slice> _slices = [];
    private readonly List<LedgerRow> _ledger = [];

    /// <summary>Encodes the messages of <paramref name="decided"/>, in order.</summary>
    public IngestCommit(int partition, int deliveryPartitions, ImmutableArray<DecidedEvent> decided, DateTimeOffset now)
    {
        _partition = partition;
        _now = now;
        _decided = decided;
        foreach (var (inboxEvent, result) in decided)
        {
            if (result.Decision != LedgerDecision.Duplicate)
            {
                AddMessages(inboxEvent, result, (int)(result.Lane % (ulong)deliveryPartitions));
            }
        }
    }

    /// <summary>The delivery partitions that get messages.</summary>
    public IEnumerable<(int Connection, int DeliveryPartition)> Touched => _slices.Keys;

    /// <summary>Writes everything into the running transaction.</summary>
    /// <param name="session">The transaction.</param>
    /// <param name="progress">The partition's progress with these events done, encoded.</param>
    /// <param name="doneBelow">Every offset below this is done: its inbox row may go.</param>
    /// <param name="version">The version that the progress row must have.</param>
    /// <exception cref="FencedException">Somebody else has moved the progress: another copy of the actor lives.</exception>
    public void Run(Session session, byte[] progress, long doneBelow, long version)
    {
        IngestStatements.MoveProgress(session, _partition, progress, version);
        var firstPositions = _slices.ToDictionary(
            slice => slice.Key,
            slice => OutboxStatements.Append(
                session,
                slice.Key.Connection,
                slice.Key.DeliveryPartition,
                slice.Value.Messages,
                _now,
                slice.Value.Buffer.WrittenSpan.ToArray()));
        foreach (var row in _ledger)
        {
            LedgerStatements.Add(session, row.DeliveryPartition is { } deliveryPartition
                ? row with { FirstPosition = row.FirstPosition + firstPositions[(row.Key.Connection, deliveryPartition)] }
                : row);
        }

        foreach (var group in _decided.CountBy(decided => (decided.Event.ConnectionNumber, decided.Result.Decision)))
        {
            LedgerStatements.Count(session, group.Key.ConnectionNumber, _partition, group.Key.Decision, group.Value);
        }

        InboxStatements.DeleteBelow(session, _partition, doneBelow);
    }

    private void AddMessages(InboxEvent inboxEvent, EventResult result, int deliveryPartition)
    {
        var captured = inboxEvent.Event;
        var key = new EventKey(inboxEvent.ConnectionNumber, captured.Uuid, captured.Fingerprint);
        var row = new LedgerRow(
            key, _partition, inboxEvent.Offset, captured.Door, captured.ReceivedAt, result.Decision, result.Reason,
            DeliveryPartition: null, FirstPosition: null, result.Messages.Length, LedgerStatements.Encode(result.Warnings));
        if (result.Messages.IsEmpty)
        {
            _ledger.Add(row);
            return;
        }

        var place = (inboxEvent.ConnectionNumber, deliveryPartition);
        if (!_slices.TryGetValue(place, out var slice))
        {
            _slices[place] = slice = new Slice();
        }

        _ledger.Add(row with { DeliveryPartition = deliveryPartition, FirstPosition = slice.Messages });
        for (var index = 0; index < result.Messages.Length; index++)
        {
            slice.Append(new OutboxEntry(
                Position: 0,
                result.Lane,
                captured.Uuid,
                captured.Fingerprint,
                Closes: index == result.Messages.Length - 1,
                captured.ReceivedAt,
                result.Messages[index]));
        }
    }

    private sealed class Slice
    {
        public Slice() => OutboxRow.Begin(Buffer);

        public ArrayBufferWriter<byte> Buffer { get; } = new(4096);

        public int Messages { get; private set; }

        public void Append(OutboxEntry entry)
        {
            OutboxRow.Append(Buffer, entry);
            Messages++;
        }
    }
}
