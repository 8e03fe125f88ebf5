using System.Text;
using System.Text.Json;
using VarianceActors.Pipeline.Mapping;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>What can be read out of a message's body without making a tree of it.</summary>
internal static class MessageFields
{
    /// <summary>The name of a track message; null for every other one.</summary>
    public static string? EventOf(OutboundMessage message) =>
        message.Kind == MessageKind.Track ? Find(message.Body.Span, "event"u8) : null;

    /// <summary>The id whose contact the message makes if it is not there: the user id, or else the anonymous id.</summary>
    public static string? ContactOf(OutboundMessage message) =>
        Find(message.Body.Span, "userId"u8) ?? Find(message.Body.Span, "anonymousId"u8);

    /// <summary>The account that the message is about; null if it names none.</summary>
    public static string? GroupOf(OutboundMessage message) => Find(message.Body.Span, "groupId"u8);

    /// <summary>The id that an alias gives up; null for every other message.</summary>
    public static string? GivenUpBy(OutboundMessage message) =>
        message.Kind == MessageKind.Alias ? Find(message.Body.Span, "previousId"u8) : null;

    /// <summary>An id where the reader is: text, or a number as it is written; null if it is neither.</summary>
    public static string? TextOf(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.String => reader.GetString(),
        JsonTokenType.Number => Encoding.UTF8.GetString(reader.ValueSpan),
        _ => null,
    };

    private static string? Find(ReadOnlySpan<byte> body, ReadOnlySpan<byte> name)
    {
        var reader = new Utf8JsonReader(body, MappingLimits.Reader);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return null;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isMeant = reader.ValueTextEquals(name);
            reader.Read();
            if (isMeant)
            {
                return TextOf(ref reader);
            }

            reader.Skip();
        }

        return null;
    }
}
