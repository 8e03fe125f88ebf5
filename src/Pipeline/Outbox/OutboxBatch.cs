using System.Buffers;
using System.Buffers.Binary;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>Messages on their way into the outbox: encoded outside the transaction, in rows for each delivery partition.</summary>
/// <param name="deliveryPartitions">How many delivery partitions a connection has.</param>
internal sealed class OutboxBatch(int deliveryPartitions)
{
    private readonly SortedDictionary<(int Connection, int DeliveryPartition), Row> _rows = [];
    private readonly List<(Row Waiting, int At, Row Awaited, int Index)> _waits = [];

    /// <summary>The delivery partitions that get entries.</summary>
    public IEnumerable<(int Connection, int DeliveryPartition)> Touched => _rows.Keys;

    /// <summary>Adds the messages of an event, all in the lane of its person.</summary>
    /// <returns>The delivery partition, and the place of the first message in the row that this batch puts there.</returns>
    public (int DeliveryPartition, int Index) Add(
        EventKey key, DateTimeOffset acceptedAt, bool isBackfill, EventResult result)
    {
        var partition = PartitionOf(result.Lane);
        var row = RowOf(key.Connection, partition);
        var first = row.Entries;
        for (var index = 0; index < result.Messages.Length; index++)
        {
            var closes = index == result.Messages.Length - 1;
            var entry = Entry(key, result.Lane, closes, acceptedAt, result.Messages[index]);
            row.Append(entry with { IsBackfill = isBackfill });
        }

        return (partition, first);
    }

    /// <summary>Makes everything that is added to <paramref name="lane"/> from now on leave behind what lies in
    /// <paramref name="behind"/> by now.</summary>
    public void Order(EventKey key, DateTimeOffset acceptedAt, ulong lane, ulong behind)
    {
        var (partition, awaitedPartition) = (PartitionOf(lane), PartitionOf(behind));
        var (row, awaited) = (RowOf(key.Connection, partition), RowOf(key.Connection, awaitedPartition));
        var end = Entry(key, behind, closes: false, acceptedAt, LaneBarrier.NoMessage);
        awaited.Append(end with { Barrier = new LaneBarrier(partition, After: null) });
        var index = awaited.Entries - 1;
        var start = Entry(key, lane, closes: false, acceptedAt, LaneBarrier.NoMessage);
        row.Append(start with { Barrier = new LaneBarrier(Wakes: null, (awaitedPartition, 0)) });
        _waits.Add((row, row.Buffer.WrittenCount - sizeof(long), awaited, index));
    }

    /// <summary>Makes room for the rows. Until the transaction ends nobody else puts anything into these delivery partitions.</summary>
    public void Reserve(Session session)
    {
        var rooms = _rows
            .Select(row => (row.Key.Connection, row.Key.DeliveryPartition, row.Value.Entries, row.Value.Events))
            .ToList();
        foreach (var (row, position) in _rows.Values.Zip(OutboxStatements.Raise(session, rooms)))
        {
            row.FirstPosition = position;
        }
    }

    /// <summary>Takes the room back: nothing is written after all.</summary>
    public void GiveBack(Session session)
    {
        foreach (var ((connection, partition), row) in _rows)
        {
            OutboxStatements.Raise(session, connection, partition, -row.Entries, -row.Events);
        }
    }

    /// <summary>Writes the rows into the room that was made for them.</summary>
    public void Write(Session session, DateTimeOffset now)
    {
        foreach (var ((connection, partition), row) in _rows)
        {
            OutboxStatements.Add(session, connection, partition, row.FirstPosition, row.Entries, now, Payload(row));
        }
    }

    /// <summary>The position of the first entry of this batch in a delivery partition, once it is written.</summary>
    public long FirstPositionIn(int connection, int deliveryPartition) => _rows[(connection, deliveryPartition)].FirstPosition;

    private static OutboxEntry Entry(
        EventKey key, ulong lane, bool closes, DateTimeOffset acceptedAt, OutboundMessage message) =>
        new(Position: 0, lane, key.Uuid, key.Fingerprint, closes, acceptedAt, message);

    private int PartitionOf(ulong lane) => (int)(lane % (ulong)deliveryPartitions);

    /// <summary>The row with the positions that entries wait for, which are known only now.</summary>
    private byte[] Payload(Row row)
    {
        var payload = row.Buffer.WrittenSpan.ToArray();
        foreach (var (waiting, at, awaited, index) in _waits)
        {
            if (waiting == row)
            {
                BinaryPrimitives.WriteInt64LittleEndian(payload.AsSpan(at), awaited.FirstPosition + index);
            }
        }

        return payload;
    }

    private Row RowOf(int connection, int deliveryPartition)
    {
        if (!_rows.TryGetValue((connection, deliveryPartition), out var row))
        {
            _rows[(connection, deliveryPartition)] = row = new Row();
        }

        return row;
    }

    private sealed class Row
    {
        public Row() => OutboxRow.Begin(Buffer);

        public ArrayBufferWriter<byte> Buffer { get; } = new(4096);

        public int Entries { get; private set; }

        /// <summary>How many of them are the last message of their event.</summary>
        public int Events { get; private set; }

        public long FirstPosition { get; set; }

        public void Append(OutboxEntry entry)
        {
            OutboxRow.Append(Buffer, entry);
            Entries++;
            Events += entry.Closes ? 1 : 0;
        }
    }
}
