using System.Text;
using System.Text.Json;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>One JSON value where it lies in the event, or a value made here. The default is JavaScript's
/// <c>undefined</c>.</summary>
/// <param name="Text">The value's JSON text, strings with their quotes.</param>
/// <param name="Start">Where it begins in the event's JSON; -1 for a value that was made here.</param>
/// <param name="Kind">The first token of the value.</param>
internal readonly record struct JsonSlice(ReadOnlyMemory<byte> Text, int Start, JsonTokenType Kind)
{
    /// <summary>A JSON null.</summary>
    public static JsonSlice Null { get; } = new("null"u8.ToArray(), -1, JsonTokenType.Null);

    /// <summary>True unless the value is missing or null: the original writes nothing else.</summary>
    public bool IsDefined => Kind is not (JsonTokenType.None or JsonTokenType.Null);

    public bool IsContainer => Kind is JsonTokenType.StartObject or JsonTokenType.StartArray;

    /// <summary>JavaScript's truthiness: nothing, null, false, zero and the empty string are not.</summary>
    public bool IsTruthy => Kind switch
    {
        JsonTokenType.None or JsonTokenType.Null or JsonTokenType.False => false,
        JsonTokenType.String => Text.Length > 2,
        JsonTokenType.Number => JavaScriptNumber.Parse(Text.Span) != 0,
        _ => true,
    };

    public static JsonSlice OfString(string value) =>
        new(JsonSerializer.SerializeToUtf8Bytes(value, MappingJson.Default.String), -1, JsonTokenType.String);

    /// <summary>True for what can serve as an id: a string with something in it, or a number.</summary>
    public bool IsId => Kind is JsonTokenType.String or JsonTokenType.Number && IsTruthy;

    /// <summary>True for a PostHog project or personal key, or a value that holds one.</summary>
    public bool IsTokenLike => Text.Span.IndexOf("\"phc_"u8) >= 0 || Text.Span.IndexOf("\"phx_"u8) >= 0;

    public static JsonSlice Of(JsonValue value) =>
        new(Encoding.UTF8.GetBytes(value.Json), -1, JsonScan.KindOf((byte)value.Json[0]));

    /// <summary>An id as text: a string's content, or a number as it stands.</summary>
    public string AsIdText() => AsString() ?? Encoding.UTF8.GetString(Text.Span);

    /// <summary>The text of a string value; null for every other kind.</summary>
    public string? AsString()
    {
        if (Kind != JsonTokenType.String)
            return null;
        var reader = new Utf8JsonReader(Text.Span);
        reader.Read();
        return reader.GetString();
    }
}
