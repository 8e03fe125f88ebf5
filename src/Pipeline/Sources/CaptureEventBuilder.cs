using System.Text.Json;

namespace VarianceActors.Pipeline.Sources;

/// <summary>
/// From the places of an event's fields to a <see cref="CaptureEvent"/>, or to the reason why it is none.
/// </summary>
internal sealed class CaptureEventBuilder(
    in CaptureRequest request, byte[] json, CaptureEnvelope envelope, SourcesOptions limits)
{
    private readonly CapturePath _path = request.Path;
    private readonly DateTimeOffset _receivedAt = request.ReceivedAt;
    private readonly DateTimeOffset? _sentAt = EventTime.SentAt(envelope.SentAt, json, request.SentAt);

    private readonly CaptureNotes _common =
        envelope.HistoricalMigration.Type == JsonTokenType.True ? CaptureNotes.Historical : CaptureNotes.None;

    private RawValue _lastId;
    private string? _lastIdText;
    private bool _lastIdTruncated;

    /// <summary>Neither event nor refusal means that the event is one to leave out.</summary>
    public Refusal? Build(in EventDraft draft, int index, out CaptureEvent? captured)
    {
        captured = null;
        if (WrongType(draft) is { } wrong)
            return Refusal.InEvent(index, wrong);

        var uuid = default(Guid);
        var notes = _common;
        if (!EventUuid.IsGiven(draft.Uuid))
        {
            uuid = Guid.CreateVersion7(_receivedAt);
            notes |= CaptureNotes.UuidMade;
        }
        else if (!EventUuid.TryRead(draft.Uuid, json, out uuid))
        {
            return Refusal.InEvent(index, "\"uuid\" must be a uuid, or left out.");
        }

        var isOversized = OversizedEvent.Is(draft, limits);
        if (isOversized)
            notes |= CaptureNotes.TooLarge;
        if (Name(draft, isOversized) is not { } name)
            return Refusal.InEvent(index, "\"event\" is missing or empty. Send the event's name.");
        if (name == "$performance_event")
            return null;

        if (DistinctId(draft, isOversized, ref notes) is not { } distinctId)
            return Refusal.InEvent(index, "\"distinct_id\" is missing, null or blank. Send the id of who did it.");
        if (draft.CookielessMode.Type != JsonTokenType.None && !draft.CookielessMode.IsBoolean)
            return Refusal.InEvent(index, "\"$cookieless_mode\" must be true or false.");

        var timestamp = EventTime.OfCapture(draft, json, _sentAt, _receivedAt, ref notes);
        captured = new CaptureEvent(
            uuid,
            name,
            distinctId,
            timestamp,
            _receivedAt,
            Door.Capture,
            notes,
            draft.Fingerprint(json),
            isOversized ? OversizedEvent.Json : json.AsMemory(draft.Whole.Start, draft.Whole.Length));
        return null;
    }

    private string? Name(in EventDraft draft, bool isOversized) =>
        draft.Name.Type == JsonTokenType.String
            ? draft.Name.Length == "\"\"".Length ? null
                : isOversized ? OversizedEvent.Name(draft.Name, json, limits)
                : draft.Name.Text(json).Replace('\0', '\uFFFD')
        : _path == CapturePath.Engage && envelope.IsSingle ? "$identify"
        : null;

    /// <summary>The events of one request mostly share one id, and then one string.</summary>
    private string? DistinctId(in EventDraft draft, bool isOversized, ref CaptureNotes notes)
    {
        var id = draft.AnyDistinctId;
        if (isOversized && id.Length > limits.EventBytesMax)
        {
            notes |= CaptureNotes.NoDistinctId;
            return "";
        }

        if (_lastIdText is null || id.Type != _lastId.Type || !id.In(json).SequenceEqual(_lastId.In(json)))
        {
            _lastId = id;
            _lastIdText = DistinctIdText.Normalise(id, json, out _lastIdTruncated);
        }

        if (_lastIdTruncated)
            notes |= CaptureNotes.DistinctIdTruncated;
        return _lastIdText;
    }

    private string? WrongType(in EventDraft draft) =>
        !IsOrNull(draft.Name, JsonTokenType.String) ? "\"event\" must be a string."
        : draft.Properties.Type is not (JsonTokenType.None or JsonTokenType.StartObject)
            ? "\"properties\" must be an object."
        : !IsOrNull(draft.Timestamp, JsonTokenType.String) ? "\"timestamp\" must be a string, an ISO 8601 time."
        : !draft.Offset.IsAbsent && !EventTime.TryReadInteger(draft.Offset, json, out _)
            ? "\"offset\" must be a whole number of milliseconds."
        : !IsOrNull(draft.Set, JsonTokenType.StartObject) ? "\"$set\" must be an object."
        : !IsOrNull(draft.SetOnce, JsonTokenType.StartObject) ? "\"$set_once\" must be an object."
        : draft.HasTokenOfWrongType ? "\"token\" must be a string."
        : null;

    private static bool IsOrNull(RawValue value, JsonTokenType type) => value.IsAbsent || value.Type == type;
}
