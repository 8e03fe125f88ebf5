using System.Globalization;
using System.Text;
using System.Text.Json;

namespace VarianceActors.Pipeline.People;

/// <summary>Reads values as the text that persons keep: compact, with one spelling for equal strings.</summary>
internal static class JsonText
{
    private static readonly JsonValue True = new("true");
    private static readonly JsonValue False = new("false");
    private static readonly JsonValue Null = new("null");

    /// <summary>The value that the reader stands on; the reader ends on its last token.</summary>
    public static JsonValue Read(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.String when !reader.ValueIsEscaped => new($"\"{reader.GetString()}\""),
        JsonTokenType.True => True,
        JsonTokenType.False => False,
        JsonTokenType.Null => Null,
        JsonTokenType.Number => new(Encoding.ASCII.GetString(reader.ValueSpan)),
        _ => Compose(ref reader),
    };

    /// <summary>A JSON string of a text.</summary>
    public static JsonValue Of(string text)
    {
        var json = new StringBuilder(text.Length + 2);
        AppendString(json, text);
        return new JsonValue(json.ToString());
    }

    /// <summary>A name or a text, NUL replaced as PostHog's store does.</summary>
    public static string Text(ref Utf8JsonReader reader)
    {
        var text = reader.GetString()!;
        return reader.ValueIsEscaped ? text.Replace('\0', '\uFFFD') : text;
    }

    /// <summary>An object's text from names and texts.</summary>
    public static string Object(params ReadOnlySpan<(string Name, string Text)> members)
    {
        var json = new StringBuilder("{");
        foreach (var (name, text) in members)
        {
            if (json.Length > 1)
            {
                json.Append(',');
            }

            AppendString(json, name);
            json.Append(':');
            AppendString(json, text);
        }

        return json.Append('}').ToString();
    }

    private static JsonValue Compose(ref Utf8JsonReader reader)
    {
        var json = new StringBuilder();
        var depth = 0;
        do
        {
            var type = reader.TokenType;
            if (type is JsonTokenType.EndObject or JsonTokenType.EndArray)
            {
                depth--;
                json.Append(type is JsonTokenType.EndObject ? '}' : ']');
                continue;
            }

            if (json.Length > 0 && json[^1] is not ('{' or '[' or ':'))
            {
                json.Append(',');
            }

            AppendToken(json, ref reader, ref depth);
        }
        while (depth > 0 && reader.Read());

        return new JsonValue(json.ToString());
    }

    private static void AppendToken(StringBuilder json, ref Utf8JsonReader reader, ref int depth)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                depth++;
                json.Append('{');
                break;
            case JsonTokenType.StartArray:
                depth++;
                json.Append('[');
                break;
            case JsonTokenType.PropertyName:
                AppendString(json, Text(ref reader));
                json.Append(':');
                break;
            case JsonTokenType.String:
                AppendString(json, Text(ref reader));
                break;
            default:
                json.Append(Encoding.ASCII.GetString(reader.ValueSpan));
                break;
        }
    }

    // Only what JSON demands is escaped, so a text that needed no escape is spelt as it came.
    private static void AppendString(StringBuilder json, string text)
    {
        json.Append('"');
        foreach (var letter in text)
        {
            _ = letter switch
            {
                '"' => json.Append("\\\""),
                '\\' => json.Append("\\\\"),
                '\0' => json.Append('\uFFFD'),
                '\n' => json.Append("\\n"),
                '\r' => json.Append("\\r"),
                '\t' => json.Append("\\t"),
                < ' ' => json.Append(CultureInfo.InvariantCulture, $"\\u{(int)letter:x4}"),
                _ => json.Append(letter),
            };
        }

        json.Append('"');
    }
}
