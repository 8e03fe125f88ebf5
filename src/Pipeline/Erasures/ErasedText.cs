using System.Buffers;
using System.Collections.Frozen;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>Takes ids out of facts, snapshots and warnings that belong to others, where they stand for a person, and nowhere
/// else: what others and their accounts are and say is theirs, whatever word it is.</summary>
internal static class ErasedText
{
    private static readonly JsonReaderOptions Reading = new() { MaxDepth = 1_024 }; // deeper than any fact

    // The forms are those of PersonJson, AccountJson and IngestionWarning; any other name holds further names, or nobody.
    private static readonly FrozenDictionary<string, Place> PlaceByName = new Dictionary<string, Place>
    {
        ["distinctId"] = Place.Id,
        ["userId"] = Place.Id,
        ["sourceId"] = Place.Id,
        ["targetId"] = Place.Id,
        ["ids"] = Place.Id,
        ["aliased"] = Place.Id,
        ["givenUpIds"] = Place.Id,
        ["joined"] = Place.Id,
        ["person"] = Place.Id,
        ["sourcePersonDistinctId"] = Place.Id,
        ["targetPersonDistinctId"] = Place.Id,
        ["illegalDistinctId"] = Place.Id,
        ["otherDistinctId"] = Place.Id,
        ["personId"] = Place.Id,
        ["otherPersonId"] = Place.Id,
        ["members"] = Place.ById,
        ["refused"] = Place.ById,
        ["details"] = Place.Json,
        ["update"] = Place.Content,
        ["properties"] = Place.Content,
        ["traits"] = Place.Content,
        ["set"] = Place.Content,
        ["parts"] = Place.Content,
        ["part"] = Place.Content,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private enum Place : byte
    {
        /// <summary>Our own names, and values that are no ids.</summary>
        Inside,

        /// <summary>An id, or several.</summary>
        Id,

        /// <summary>An object whose names are ids.</summary>
        ById,

        /// <summary>A string that is JSON itself.</summary>
        Json,

        /// <summary>Names and values that others chose.</summary>
        Content,
    }

    /// <summary>The JSON with other words in the ids' place; null if it does not name any.</summary>
    /// <param name="json">A fact, a snapshot, or the details of a warning.</param>
    /// <param name="standIns">What stands in for each id.</param>
    public static byte[]? Replace(ReadOnlySpan<byte> json, IReadOnlyDictionary<string, string> standIns) =>
        Replace(json, id => standIns.GetValueOrDefault(id));

    /// <summary>Whether some JSON names an id.</summary>
    public static bool Names(ReadOnlySpan<byte> json, IEnumerable<string> ids) =>
        Find(json, id => ids.Contains(id) ? "" : null).Count > 0;

    private static byte[]? Replace(ReadOnlySpan<byte> json, Func<string, string?> standIn)
    {
        var cuts = Find(json, standIn);
        if (cuts.Count == 0)
        {
            return null;
        }

        var buffer = new ArrayBufferWriter<byte>(json.Length + 64);
        var from = 0;
        foreach (var cut in cuts)
        {
            buffer.Write(json[from..cut.From]);
            buffer.Write("\""u8);
            buffer.Write(JsonEncodedText.Encode(cut.Text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).EncodedUtf8Bytes);
            buffer.Write("\""u8);
            from = cut.To;
        }

        buffer.Write(json[from..]);
        return buffer.WrittenSpan.ToArray();
    }

    private static List<Cut> Find(ReadOnlySpan<byte> json, Func<string, string?> standIn)
    {
        var cuts = new List<Cut>();
        var reader = new Utf8JsonReader(json, Reading);
        reader.Read();
        Find(ref reader, Place.Inside, standIn, cuts);
        return cuts;
    }

    private static void Find(ref Utf8JsonReader reader, Place place, Func<string, string?> standIn, List<Cut> cuts)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject when place is not Place.Content:
                FindInObject(ref reader, place, standIn, cuts);
                break;
            case JsonTokenType.StartArray when place is not Place.Content:
                while (reader.Read() && reader.TokenType is not JsonTokenType.EndArray)
                {
                    Find(ref reader, place, standIn, cuts);
                }

                break;
            case JsonTokenType.String when place is Place.Id:
                Note(ref reader, standIn(reader.GetString()!), cuts);
                break;
            case JsonTokenType.String when place is Place.Json:
                var inner = Replace(Encoding.UTF8.GetBytes(reader.GetString()!), standIn);
                Note(ref reader, inner is null ? null : Encoding.UTF8.GetString(inner), cuts);
                break;
            default:
                reader.Skip();
                break;
        }
    }

    private static void FindInObject(
        ref Utf8JsonReader reader, Place place, Func<string, string?> standIn, List<Cut> cuts)
    {
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            var within = Place.Inside;
            if (place is Place.ById)
            {
                Note(ref reader, standIn(name), cuts);
            }
            else
            {
                within = PlaceByName.GetValueOrDefault(name);
            }

            reader.Read();
            Find(ref reader, within, standIn, cuts);
        }
    }

    private static void Note(ref Utf8JsonReader reader, string? standIn, List<Cut> cuts)
    {
        if (standIn is not null)
        {
            var from = (int)reader.TokenStartIndex;
            cuts.Add(new Cut(from, from + reader.ValueSpan.Length + 2, standIn));
        }
    }

    private readonly record struct Cut(int From, int To, string Text);
}
