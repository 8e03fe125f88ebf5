using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace VarianceActors.Pipeline.Sources;

/// <summary>PostHog's normalising of distinct ids (posthog.md A10).</summary>
internal static class DistinctIdText
{
    /// <summary>Longest distinct id, in Unicode scalars.</summary>
    private const int ScalarsMax = 200;

    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The id as text, cut if it is too long; null if it is missing, null or blank.</summary>
    public static string? Normalise(RawValue value, ReadOnlySpan<byte> json, out bool truncated)
    {
        truncated = false;
        var text = value.Type switch
        {
            JsonTokenType.String => value.Text(json),
            JsonTokenType.Number => NumberText(value.In(json)),
            JsonTokenType.True => "true",
            JsonTokenType.False => "false",
            JsonTokenType.StartObject or JsonTokenType.StartArray => CompactText(value.In(json)),
            _ => null,
        };
        if (string.IsNullOrWhiteSpace(text))
            return null;

        var cut = Cut(text);
        truncated = cut.Length != text.Length;
        return cut.Replace('\0', '\uFFFD');
    }

    private static string Cut(string text)
    {
        if (text.Length <= ScalarsMax)
            return text;

        var end = 0;
        for (var scalars = 0; scalars < ScalarsMax && end < text.Length; scalars++)
            end += char.IsHighSurrogate(text[end]) ? 2 : 1;
        return text[..end];
    }

    /// <summary>Integers as written; other numbers as PostHog prints a double: 23.4, 100.0, 1e21.</summary>
    private static string NumberText(ReadOnlySpan<byte> number)
    {
        if (IsWholeNumber(number))
            return Encoding.UTF8.GetString(number);

        var value = double.Parse(number, NumberStyles.Float, CultureInfo.InvariantCulture);
        if (!double.IsFinite(value))
            return Encoding.UTF8.GetString(number);

        var text = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture);
        var (digits, point) = DigitsAndPoint(text);
        return (double.IsNegative(value) ? "-" : "") + Placed(digits, point);
    }

    private static bool IsWholeNumber(ReadOnlySpan<byte> number) =>
        !number.SequenceEqual("-0"u8)
        && ((Utf8Parser.TryParse(number, out long _, out var signed) && signed == number.Length)
            || (Utf8Parser.TryParse(number, out ulong _, out var unsigned) && unsigned == number.Length));

    /// <summary>
    /// Significant digits, and how many of them stand before the decimal point (negative: zeros after it).
    /// </summary>
    private static (string Digits, int Point) DigitsAndPoint(string text)
    {
        var exponentAt = text.IndexOf('E');
        var exponent = exponentAt < 0 ? 0 : int.Parse(text.AsSpan(exponentAt + 1), CultureInfo.InvariantCulture);
        var mantissa = exponentAt < 0 ? text : text[..exponentAt];
        var dot = mantissa.IndexOf('.');
        var all = mantissa.Replace(".", "");
        var significant = all.TrimStart('0');
        if (significant.Length == 0)
            return ("0", 1);

        var point = (dot < 0 ? mantissa.Length : dot) + exponent - (all.Length - significant.Length);
        return (significant.TrimEnd('0'), point);
    }

    private static string Placed(string digits, int point) => point switch
    {
        > 16 or <= -5 => digits[..1] + (digits.Length > 1 ? "." + digits[1..] : "") + "e" + (point - 1),
        <= 0 => "0." + new string('0', -point) + digits,
        _ when digits.Length <= point => digits.PadRight(point, '0') + ".0",
        _ => digits[..point] + "." + digits[point..],
    };

    private static string CompactText(ReadOnlySpan<byte> json)
    {
        var buffer = new ArrayBufferWriter<byte>(json.Length);
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = int.MaxValue });
        using var document = JsonDocument.ParseValue(ref reader);
        using (var writer = new Utf8JsonWriter(buffer, Compact))
            WriteSorted(document.RootElement, writer);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void WriteSorted(JsonElement element, Utf8JsonWriter writer)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var property in LastOfEachName(element))
                {
                    writer.WritePropertyName(property.Key);
                    WriteSorted(property.Value, writer);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in element.EnumerateArray())
                    WriteSorted(item, writer);
                writer.WriteEndArray();
                break;
            case JsonValueKind.Number:
                var number = Encoding.UTF8.GetBytes(element.GetRawText());
                writer.WriteRawValue(NumberText(number), skipInputValidation: true);
                break;
            default:
                element.WriteTo(writer);
                break;
        }
    }

    private static SortedDictionary<string, JsonElement> LastOfEachName(JsonElement element)
    {
        var properties = new SortedDictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var property in element.EnumerateObject())
            properties[property.Name] = property.Value;
        return properties;
    }
}
