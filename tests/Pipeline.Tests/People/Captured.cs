using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Tests.People;

/// <summary>Events as a capture door hands them over.</summary>
internal static class Captured
{
    public const string Connection = "main";

    public static readonly DateTimeOffset Nine = new(2026, 3, 1, 9, 0, 0, TimeSpan.Zero);

    public static CaptureEvent Event(
        string name,
        string distinctId,
        string properties = "{}",
        string topLevel = "",
        DateTimeOffset? at = null,
        Guid? uuid = null,
        CaptureNotes notes = CaptureNotes.None)
    {
        var header = $"\"event\":{Json(name)},\"distinct_id\":{Json(distinctId)}";
        var json = $$"""{{{header}},"properties":{{properties}}{{topLevel}}}""";
        return new CaptureEvent(
            uuid ?? Guid.NewGuid(),
            name,
            distinctId,
            at ?? Nine,
            at ?? Nine,
            Door.Capture,
            notes,
            0,
            Encoding.UTF8.GetBytes(json));
    }

    /// <summary>A scenario's event, normalised as posthog.md A10 says.</summary>
    public static CaptureEvent Event(JsonObject scenario)
    {
        var properties = scenario["properties"]!.AsObject();
        var node = scenario["distinct_id"] ?? properties["distinct_id"]!;
        var id = node.GetValueKind() is JsonValueKind.String ? node.GetValue<string>() : node.ToJsonString();
        var runes = id.EnumerateRunes().ToArray();
        return new CaptureEvent(
            scenario["uuid"]?.GetValue<Guid>() ?? Guid.NewGuid(),
            scenario["event"]!.GetValue<string>(),
            runes.Length <= 200 ? id : string.Concat(runes.Take(200)),
            scenario["timestamp"]!.GetValue<DateTimeOffset>(),
            Nine,
            Door.Capture,
            CaptureNotes.None,
            0,
            Encoding.UTF8.GetBytes(scenario.ToJsonString()));
    }

    private static string Json(string text) => JsonSerializer.Serialize(text);
}
