using System.Buffers;
using System.Text.Json;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>What an event may still say once some ids are erased. An event of an erased id says nothing. One of somebody else
/// that names an erased id counts, but without that name: it merges nobody with who was erased.</summary>
public static class ErasedEvents
{
    /// <summary>The reason in the ledger.</summary>
    public const string Reason = "erased";

    private const string Identify = "$identify";

    /// <summary>Whether nothing may be learnt of the event.</summary>
    public static bool IsErased(ErasedSet erased, int connection, CaptureEvent captured) =>
        erased.Any(connection) && captured.DistinctId.Length > 0 && erased.IsSuppressed(connection, captured.DistinctId);

    /// <summary>What an event of an erased id became. It is in nobody's lane: its person's may be closed.</summary>
    public static EventResult Suppress(long offset, CaptureEvent captured) =>
        new(offset, LedgerDecision.Suppressed, Reason, captured.Fingerprint, [], []);

    /// <summary>The event without the erased ids that its properties name: <c>$anon_distinct_id</c>, <c>alias</c>,
    /// <c>$device_id</c>, <c>$user_id</c>. An <c>$identify</c> that loses the other id still says who its own is.</summary>
    public static CaptureEvent Without(ErasedSet erased, int connection, CaptureEvent captured)
    {
        if (!erased.Any(connection) || captured.Json.Length == 0)
        {
            return captured;
        }

        var cuts = new List<Cut>();
        Find(erased, connection, captured.Json.Span, cuts);
        if (cuts.Count == 0)
        {
            return captured;
        }

        var losesOther = captured.Event == Identify && cuts.Exists(cut => cut.IsAnonymous);
        return captured with
        {
            Json = Rewrite(captured.Json.Span, cuts),
            Notes = losesOther ? captured.Notes | CaptureNotes.OtherIdErased : captured.Notes,
        };
    }

    private static void Find(ErasedSet erased, int connection, ReadOnlySpan<byte> json, List<Cut> cuts)
    {
        var reader = new Utf8JsonReader(json);
        reader.Read();
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var isProperties = reader.ValueTextEquals("properties"u8);
            reader.Read();
            if (isProperties && reader.TokenType is JsonTokenType.StartObject)
            {
                FindInProperties(erased, connection, ref reader, cuts);
            }
            else
            {
                reader.Skip();
            }
        }
    }

    private static void FindInProperties(ErasedSet erased, int connection, ref Utf8JsonReader reader, List<Cut> cuts)
    {
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var isAnonymous = reader.ValueTextEquals("$anon_distinct_id"u8);
            var isId = isAnonymous
                || reader.ValueTextEquals("alias"u8)
                || reader.ValueTextEquals("$device_id"u8)
                || reader.ValueTextEquals("$user_id"u8);
            reader.Read();
            var at = (int)reader.TokenStartIndex;
            if (isId && reader.TokenType is JsonTokenType.String && erased.IsSuppressed(connection, reader.GetString()!))
            {
                cuts.Add(new Cut(at, (int)reader.BytesConsumed, isAnonymous));
            }

            reader.Skip();
        }
    }

    // The value goes and the name stays: null is no id to anybody.
    private static byte[] Rewrite(ReadOnlySpan<byte> json, List<Cut> cuts)
    {
        var buffer = new ArrayBufferWriter<byte>(json.Length);
        var from = 0;
        foreach (var cut in cuts)
        {
            buffer.Write(json[from..cut.From]);
            buffer.Write("null"u8);
            from = cut.To;
        }

        buffer.Write(json[from..]);
        return buffer.WrittenSpan.ToArray();
    }

    private readonly record struct Cut(int From, int To, bool IsAnonymous);
}
