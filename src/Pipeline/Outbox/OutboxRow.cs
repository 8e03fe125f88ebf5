using System.Buffers;
using System.Collections.Immutable;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>A message that waits in the outbox, and its place.</summary>
/// <param name="Position">Its gapless position in its delivery partition.</param>
/// <param name="Lane">The person it belongs to: messages of one lane leave in order.</param>
/// <param name="Uuid">The event it came of.</param>
/// <param name="Fingerprint">The event's fingerprint; with the uuid, the event's identity.</param>
/// <param name="Closes">Whether it is the event's last message: with its outcome the event is finished.</param>
/// <param name="AcceptedAt">When the event was accepted.</param>
/// <param name="Message">The message.</param>
public sealed record OutboxEntry(
    long Position,
    ulong Lane,
    Guid Uuid,
    ulong Fingerprint,
    bool Closes,
    DateTimeOffset AcceptedAt,
    OutboundMessage Message)
{
    /// <summary>True for a message that no accepted event became: the books do not count it.</summary>
    public bool IsCorrection { get; init; }

    /// <summary>True for a dead letter that is sent again: the books know its event by the letter.</summary>
    public bool IsReplay { get; init; }

    /// <summary>True for a message of an event that came with <c>historical_migration</c>: it leaves others the way.</summary>
    public bool IsBackfill { get; init; }

    /// <summary>Whether its person was erased: the message has no content any more and is not sent.</summary>
    public bool IsErased { get; init; }

    /// <summary>Set on an entry that is no message: it keeps the order between two lanes.</summary>
    public LaneBarrier? Barrier { get; init; }
}

/// <summary>
/// When a person becomes part of another one, its messages change their lane. The end of the old lane is marked with an entry
/// that <see cref="Wakes"/> the new lane's delivery partition, and the new lane goes on only when the entry <see cref="After"/>
/// which it comes is done, and with it everything that lay before it in the old lane.
/// </summary>
/// <remarks>An entry only ever waits for one that was committed before it or with it, so no two lanes wait for each other.</remarks>
/// <param name="Wakes">The delivery partition that waits for this entry; null on an entry that waits itself.</param>
/// <param name="After">The place of the entry that this one waits for; null on an entry that is waited for.</param>
public sealed record LaneBarrier(int? Wakes, (int DeliveryPartition, long Position)? After)
{
    internal static readonly OutboundMessage NoMessage = new(0, "", ReadOnlyMemory<byte>.Empty);
}

/// <summary>The binary form of an outbox row: a form number, then one message after the other.</summary>
internal static class OutboxRow
{
    private const byte Form = 2;

    /// <summary>As form 2, and some entries are erased.</summary>
    private const byte FormWithErased = 3;
    private const byte FormWithoutBackfill = 1;
    private const byte Backfill = 16;
    private const byte Erased = 32;
    private const byte Further = 0;
    private const byte Last = 1;
    private const byte Correction = 2;
    private const byte Replay = 3;

    public static void Begin(IBufferWriter<byte> buffer) => new RowWriter(buffer).WriteByte(Form);

    /// <summary>The same entries as an earlier row, some of them erased.</summary>
    public static byte[] Rewrite(IEnumerable<OutboxEntry> entries)
    {
        var buffer = new ArrayBufferWriter<byte>();
        new RowWriter(buffer).WriteByte(FormWithErased);
        foreach (var entry in entries)
        {
            Append(buffer, entry);
        }

        return buffer.WrittenSpan.ToArray();
    }

    public static void Append(IBufferWriter<byte> buffer, OutboxEntry entry)
    {
        var writer = new RowWriter(buffer);
        writer.WriteFixed(entry.Lane);
        writer.WriteGuid(entry.Uuid);
        writer.WriteFixed(entry.Fingerprint);
        writer.WriteByte((byte)(
            PlaceOf(entry) | (entry.IsBackfill ? Backfill : 0) | (entry.IsErased ? Erased : 0)));
        writer.WriteFixed((ulong)entry.AcceptedAt.UtcTicks);
        writer.WriteByte((byte)entry.Message.Kind);
        if (entry.Barrier is { } barrier)
        {
            writer.WriteVarint((barrier.Wakes ?? -1) + 1);
            writer.WriteVarint((barrier.After?.DeliveryPartition ?? -1) + 1);
            writer.WriteFixed((ulong)(barrier.After?.Position ?? 0));
            return;
        }

        writer.WriteText(entry.Message.MessageId);
        writer.WriteBytes(entry.Message.Body.Span);
    }

    /// <exception cref="InvalidDataException">The row is damaged, or written by a newer build.</exception>
    public static ImmutableArray<OutboxEntry> Read(long firstPosition, int count, byte[] payload)
    {
        var reader = new RowReader(payload);
        if (reader.ReadByte() is var form and not (Form or FormWithoutBackfill or FormWithErased))
        {
            throw new InvalidDataException($"An outbox row has form {form}; this build reads form {Form}.");
        }

        var entries = ImmutableArray.CreateBuilder<OutboxEntry>(count);
        for (var index = 0; index < count; index++)
        {
            entries.Add(ReadEntry(ref reader, firstPosition + index));
        }

        return entries.MoveToImmutable();
    }

    private static byte PlaceOf(OutboxEntry entry) =>
        entry.IsReplay ? Replay : entry.IsCorrection ? Correction : entry.Closes ? Last : Further;

    private static OutboxEntry ReadEntry(ref RowReader reader, long position)
    {
        var lane = reader.ReadFixed();
        var uuid = reader.ReadGuid();
        var fingerprint = reader.ReadFixed();
        var mark = reader.ReadByte();
        var place = (byte)(mark & ~(Backfill | Erased));
        var acceptedAt = new DateTimeOffset((long)reader.ReadFixed(), TimeSpan.Zero);
        var kind = reader.ReadByte();
        return kind == 0
            ? new OutboxEntry(position, lane, uuid, fingerprint, Closes: false, acceptedAt, LaneBarrier.NoMessage)
            {
                Barrier = ReadBarrier(ref reader),
            }
            : new OutboxEntry(
                position, lane, uuid, fingerprint, place == Last, acceptedAt,
                new OutboundMessage((MessageKind)kind, reader.ReadText(), reader.ReadBytes()))
            {
                IsCorrection = place == Correction,
                IsReplay = place == Replay,
                IsBackfill = (mark & Backfill) != 0,
                IsErased = (mark & Erased) != 0,
            };
    }

    private static LaneBarrier ReadBarrier(ref RowReader reader)
    {
        var wakes = (int)reader.ReadVarint() - 1;
        var partition = (int)reader.ReadVarint() - 1;
        var position = (long)reader.ReadFixed();
        return new LaneBarrier(wakes < 0 ? null : wakes, partition < 0 ? null : (partition, position));
    }
}
