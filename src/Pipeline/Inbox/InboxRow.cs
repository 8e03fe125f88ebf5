using System.Buffers;
using System.Collections.Immutable;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Inbox;

/// <summary>An accepted event and its place.</summary>
/// <param name="ConnectionNumber">The number of its connection in the database.</param>
/// <param name="Offset">Its gapless position in the partition.</param>
/// <param name="Event">The event.</param>
public readonly record struct InboxEvent(int ConnectionNumber, long Offset, CaptureEvent Event);

/// <summary>The binary form of an inbox row: a form number, then one event after the other.</summary>
internal static class InboxRow
{
    private const byte Form = 1;

    public static void Begin(IBufferWriter<byte> buffer) => new RowWriter(buffer).WriteByte(Form);

    public static void Append(IBufferWriter<byte> buffer, CaptureEvent captured)
    {
        var writer = new RowWriter(buffer);
        writer.WriteGuid(captured.Uuid);
        writer.WriteFixed(captured.Fingerprint);
        writer.WriteFixed((ulong)captured.Timestamp.UtcTicks);
        writer.WriteFixed((ulong)captured.ReceivedAt.UtcTicks);
        writer.WriteByte((byte)captured.Door);
        writer.WriteByte((byte)captured.Notes);
        writer.WriteText(captured.Event);
        writer.WriteText(captured.DistinctId);
        writer.WriteBytes(captured.Json.Span);
    }

    /// <exception cref="InvalidDataException">The row is damaged, or written by a newer build.</exception>
    public static ImmutableArray<InboxEvent> Read(int connectionNumber, long firstOffset, int count, byte[] payload)
    {
        var reader = new RowReader(payload);
        if (reader.ReadByte() is var form && form != Form)
        {
            throw new InvalidDataException($"An inbox row has form {form}; this build reads form {Form}.");
        }

        var events = ImmutableArray.CreateBuilder<InboxEvent>(count);
        for (var index = 0; index < count; index++)
        {
            events.Add(new InboxEvent(connectionNumber, firstOffset + index, ReadEvent(ref reader)));
        }

        return events.MoveToImmutable();
    }

    private static CaptureEvent ReadEvent(ref RowReader reader)
    {
        var uuid = reader.ReadGuid();
        var fingerprint = reader.ReadFixed();
        var timestamp = new DateTimeOffset((long)reader.ReadFixed(), TimeSpan.Zero);
        var receivedAt = new DateTimeOffset((long)reader.ReadFixed(), TimeSpan.Zero);
        var door = (Door)reader.ReadByte();
        var notes = (CaptureNotes)reader.ReadByte();
        return new CaptureEvent(
            uuid, reader.ReadText(), reader.ReadText(), timestamp, receivedAt, door, notes, fingerprint, reader.ReadBytes());
    }
}
