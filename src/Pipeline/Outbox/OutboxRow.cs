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
    OutboundMessage Message);

/// <summary>The binary form of an outbox row: a form number, then one message after the other.</summary>
internal static class OutboxRow
{
    private const byte Form = 1;

    public static void Begin(IBufferWriter<byte> buffer) => new RowWriter(buffer).WriteByte(Form);

    public static void Append(IBufferWriter<byte> buffer, OutboxEntry entry)
    {
        var writer = new RowWriter(buffer);
        writer.WriteFixed(entry.Lane);
        writer.WriteGuid(entry.Uuid);
        writer.WriteFixed(entry.Fingerprint);
        writer.WriteByte(entry.Closes ? (byte)1 : (byte)0);
        writer.WriteFixed((ulong)entry.AcceptedAt.UtcTicks);
        writer.WriteByte((byte)entry.Message.Kind);
        writer.WriteText(entry.Message.MessageId);
        writer.WriteBytes(entry.Message.Body.Span);
    }

    /// <exception cref="InvalidDataException">The row is damaged, or written by a newer build.</exception>
    public static ImmutableArray<OutboxEntry> Read(long firstPosition, int count, byte[] payload)
    {
        var reader = new RowReader(payload);
        if (reader.ReadByte() is var form && form != Form)
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

    private static OutboxEntry ReadEntry(ref RowReader reader, long position)
    {
        var lane = reader.ReadFixed();
        var uuid = reader.ReadGuid();
        var fingerprint = reader.ReadFixed();
        var closes = reader.ReadByte() == 1;
        var acceptedAt = new DateTimeOffset((long)reader.ReadFixed(), TimeSpan.Zero);
        var message = new OutboundMessage((MessageKind)reader.ReadByte(), reader.ReadText(), reader.ReadBytes());
        return new OutboxEntry(position, lane, uuid, fingerprint, closes, acceptedAt, message);
    }
}
