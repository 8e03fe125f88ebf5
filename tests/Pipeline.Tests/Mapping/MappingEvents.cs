using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Tests.Mapping;

/// <summary>Capture events as the doors hand them over, made from JSON.</summary>
internal static class MappingEvents
{
    public static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, 250, TimeSpan.Zero);
    public static readonly Guid Uuid = new("0198c2a0-1111-7000-8000-00000000000a");

    public static CaptureEvent Webhook(string json)
    {
        using var document = JsonDocument.Parse(json);
        return new CaptureEvent(
            Guid.TryParse(Text(document, "uuid"), out var uuid) ? uuid : Guid.Empty,
            Text(document, "event"),
            Text(document, "distinct_id"),
            Noon,
            Noon,
            Door.Webhook,
            Text(document, "distinct_id").Length == 0 ? CaptureNotes.NoDistinctId : CaptureNotes.None,
            0,
            Encoding.UTF8.GetBytes(json));
    }

    public static CaptureEvent Captured(string name, string distinctId, string properties = "{}", string beside = "") =>
        new(Uuid, name, distinctId, Noon, Noon, Door.Capture, CaptureNotes.None, 0,
            Encoding.UTF8.GetBytes($$"""{"event":"ignored","properties":{{properties}}{{beside}}}"""));

    /// <summary>The one message of an outcome as JSON, without the part that names the library.</summary>
    public static JsonNode? Body(MappingOutcome outcome)
    {
        if (outcome.Messages.IsEmpty)
            return null;
        return WithoutLibrary(JsonNode.Parse(outcome.Messages.Single().Body.Span));
    }

    public static JsonNode? WithoutLibrary(JsonNode? body)
    {
        body?.AsObject().Remove("libary");
        return body;
    }

    private static string Text(JsonDocument document, string name)
    {
        if (!document.RootElement.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            return "";
        return value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
    }
}
