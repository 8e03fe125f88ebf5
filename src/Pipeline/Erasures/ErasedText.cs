using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>Takes ids out of JSON that belongs to others: as values and as names, however they are escaped, also inside a
/// string that is JSON itself.</summary>
internal static class ErasedText
{
    private const int DepthMax = 1_024; // deeper than any body, and JSON in its strings
    private static readonly JsonWriterOptions Plain = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        MaxDepth = DepthMax,
        SkipValidation = true,
    };

    /// <summary>The JSON with other words in the ids' place; null if it does not name any.</summary>
    /// <param name="json">One JSON value.</param>
    /// <param name="standIns">What stands in for each id.</param>
    public static byte[]? Replace(ReadOnlySpan<byte> json, IReadOnlyDictionary<string, string> standIns) =>
        Names(json, standIns.Keys) ? Rewrite(json, standIns) : null;

    /// <summary>Whether some JSON names an id.</summary>
    public static bool Names(ReadOnlySpan<byte> json, IEnumerable<string> ids)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = DepthMax });
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && IsNamed(ref reader, ids))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsNamed(ref Utf8JsonReader reader, IEnumerable<string> ids)
    {
        foreach (var id in ids)
        {
            if (reader.ValueTextEquals(id))
            {
                return true;
            }
        }

        return MayBeJson(reader.ValueSpan)
            && Inner(reader.GetString()!) is { } inner
            && Names(inner, ids);
    }

    private static byte[] Rewrite(ReadOnlySpan<byte> json, IReadOnlyDictionary<string, string> standIns)
    {
        var buffer = new ArrayBufferWriter<byte>(json.Length + 64);
        using (var writer = new Utf8JsonWriter(buffer, Plain))
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = DepthMax });
            while (reader.Read())
            {
                Copy(ref reader, writer, standIns);
            }
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void Copy(ref Utf8JsonReader reader, Utf8JsonWriter writer, IReadOnlyDictionary<string, string> standIns)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                writer.WriteStartObject();
                break;
            case JsonTokenType.EndObject:
                writer.WriteEndObject();
                break;
            case JsonTokenType.StartArray:
                writer.WriteStartArray();
                break;
            case JsonTokenType.EndArray:
                writer.WriteEndArray();
                break;
            case JsonTokenType.PropertyName:
                writer.WritePropertyName(StandIn(reader.GetString()!, standIns));
                break;
            case JsonTokenType.String:
                writer.WriteStringValue(StandIn(reader.GetString()!, standIns));
                break;
            default:
                writer.WriteRawValue(reader.ValueSpan, skipInputValidation: true);
                break;
        }
    }

    private static string StandIn(string text, IReadOnlyDictionary<string, string> standIns)
    {
        if (standIns.TryGetValue(text, out var other))
        {
            return other;
        }

        return text.Length > 0 && text[0] is '{' or '['
            && Inner(text) is { } inner
            && Replace(inner, standIns) is { } replaced
                ? Encoding.UTF8.GetString(replaced)
                : text;
    }

    private static bool MayBeJson(ReadOnlySpan<byte> text) => text.Length > 1 && text[0] is (byte)'{' or (byte)'[';

    private static byte[]? Inner(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        try
        {
            var reader = new Utf8JsonReader(bytes, new JsonReaderOptions { MaxDepth = DepthMax });
            while (reader.Read())
            {
            }

            return bytes;
        }
        catch (JsonException)
        {
            return null; // it only begins like JSON
        }
    }
}
