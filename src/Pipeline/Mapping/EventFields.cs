using System.Globalization;
using System.Text.Json;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>A capture event as its fields: the header where the door says that it is authoritative, the JSON for the
/// rest.</summary>
internal sealed class EventFields
{
    private const string PropertiesPrefix = "properties.";

    private readonly JsonFields _top;

    private readonly MappingOptions? _options;

    /// <summary>Reads an event. Properties that the options never send are not found.</summary>
    public EventFields(CaptureEvent captured, MappingOptions? options = null)
    {
        _options = options;
        _top = JsonFields.OfEvent(captured.Json, out var properties);
        var value = _top.Find("properties"u8);
        IsObject = value.Kind == JsonTokenType.StartObject;
        Properties = IsObject ? properties : JsonFields.OfAny(value);
        bool isWebhook = captured.Door == Door.Webhook;
        Uuid = isWebhook ? _top.Find("uuid"u8) : JsonSlice.OfString(captured.Uuid.ToString());
        Event = isWebhook ? _top.Find("event"u8) : JsonSlice.OfString(captured.Event);
        DistinctId = isWebhook ? _top.Find("distinct_id"u8) : JsonSlice.OfString(captured.DistinctId);
        Timestamp = isWebhook ? _top.Find("timestamp"u8) : JsonSlice.OfString(Iso(captured.Timestamp));
    }

    public JsonSlice Uuid { get; }

    public JsonSlice Event { get; }

    public JsonSlice DistinctId { get; }

    public JsonSlice Timestamp { get; }

    public bool IsObject { get; }

    /// <summary>What <c>properties</c> holds: fields of an object, elements of an array, or nothing.</summary>
    public JsonFields Properties { get; }

    public JsonSlice Top(ReadOnlySpan<byte> name) => IsHidden(name) ? default : _top.Find(name);

    public JsonSlice Property(ReadOnlySpan<byte> name) =>
        IsObject && !IsHidden(name) ? Properties.Find(name) : default;

    /// <summary>Reads a path that begins with <c>properties.</c> as lodash does: a field of the event with the whole
    /// path as its name comes first.</summary>
    public JsonSlice Path(ReadOnlySpan<byte> path)
    {
        var name = path[PropertiesPrefix.Length..];
        var literal = IsHidden(name) ? default : _top.Find(path);
        return literal.Kind != JsonTokenType.None ? literal : Property(name);
    }

    /// <summary>Whether the event says that it tells nothing of its person (posthog.md A8).</summary>
    public bool IsPersonless =>
        IsObject && Properties.Find("$process_person_profile"u8).Kind == JsonTokenType.False;

    /// <summary>Whether accounts tell Variance their traits themselves.</summary>
    public bool AccountsSpeak => _options is { AccountsSpeak: true };

    /// <summary>Whether a trait or property may leave.</summary>
    public bool Sends(ReadOnlySpan<byte> name, JsonSlice value) =>
        (_options ?? new MappingOptions()).Sends(name, value);

    public bool IsHidden(ReadOnlySpan<byte> property) => _options is not null && _options.NeverSends(property);

    /// <summary>UTC with milliseconds, as PostHog writes times.</summary>
    public static string Iso(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
