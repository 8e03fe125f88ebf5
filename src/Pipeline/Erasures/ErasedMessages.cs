using System.Globalization;
using System.Text.Json;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>Which messages belong to erased persons.</summary>
internal static class ErasedMessages
{
    /// <summary>Whether a message is about an erased contact, or lies in the lane of an erased person.</summary>
    public static bool AreErased(ErasedSet erased, int connection, OutboxEntry entry) =>
        erased.Any(connection)
        && entry.Barrier is null
        && (entry.IsErased
            || erased.IsMuted(connection, LaneName(entry.Lane))
            || (MessageFields.ContactOf(entry.Message) is { } id && erased.IsMuted(connection, id))
            || (MessageFields.GivenUpBy(entry.Message) is { } previous && erased.IsMuted(connection, previous)));

    /// <summary>A message of somebody else without the id of an erased visitor beside its own user id. Nothing else in it changes:
    /// whatever else it says is that person's.</summary>
    /// <param name="body">The message.</param>
    /// <param name="isErased">Whether an id is erased.</param>
    /// <returns>Null if its anonymous id is not.</returns>
    public static byte[]? WithoutVisitor(ReadOnlySpan<byte> body, Func<string, bool> isErased)
    {
        var reader = new Utf8JsonReader(body, MappingLimits.Reader);
        reader.Read();
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var isVisitor = reader.ValueTextEquals("anonymousId"u8);
            var from = (int)reader.TokenStartIndex;
            reader.Read();
            if (isVisitor && MessageFields.TextOf(ref reader) is { } id && isErased(id))
            {
                var to = (int)reader.BytesConsumed;
                var isLast = body[to] != (byte)',';
                return [.. body[..(isLast ? from - 1 : from)], .. body[(isLast ? to : to + 1)..]];
            }

            reader.Skip();
        }

        return null;
    }

    /// <summary>The same, of a message that was read before it was known who is erased.</summary>
    public static OutboxEntry? WithoutVisitor(ErasedSet erased, int connection, OutboxEntry entry) =>
        erased.Any(connection)
        && entry.Barrier is null
        && WithoutVisitor(entry.Message.Body.Span, id => erased.IsMuted(connection, id)) is { } body
            ? entry with { Message = entry.Message with { Body = body } }
            : null;

    /// <summary>How a lane is called among the erased ids; no distinct id has a NUL.</summary>
    public static string LaneName(ulong lane) => string.Create(CultureInfo.InvariantCulture, $"\0lane:{lane:x16}");
}
