using System.Text.Json;
using System.Text.Unicode;

namespace VarianceActors.Pipeline.Sources;

/// <summary>What a webhook request came to.</summary>
public abstract record WebhookDecoding
{
    private WebhookDecoding()
    {
    }

    /// <summary>The request is good.</summary>
    /// <param name="Event">The event that PostHog hands over.</param>
    public sealed record Accepted(CaptureEvent Event) : WebhookDecoding;

    /// <summary>The request is bad.</summary>
    /// <param name="Refusal">Status and reason.</param>
    public sealed record Refused(Refusal Refusal) : WebhookDecoding;
}

/// <summary>
/// PostHog's HTTP webhook destination (posthog.md D1): <c>{"event": {...}, "person": ...}</c>. Lenient about the
/// event's fields, which have been through PostHog already; the person beside it may be stale and is not read. Pure.
/// </summary>
public static class WebhookDecoder
{
    /// <summary>Decodes a body; throws for nothing that a sender can write.</summary>
    public static WebhookDecoding Decode(ReadOnlySpan<byte> body, DateTimeOffset receivedAt, SourcesOptions limits)
    {
        if (body.Length > limits.WebhookBodyBytesMax)
            return new WebhookDecoding.Refused(Refusal.BodyTooLarge(limits.WebhookBodyBytesMax));
        if (body.IsEmpty)
            return new WebhookDecoding.Refused(Refusal.WebhookNotObject);
        if (!Utf8.IsValid(body))
            return new WebhookDecoding.Refused(Refusal.BadUtf8);

        var json = body.ToArray();
        LoneSurrogates.Replace(json);
        return Read(json, limits, out var draft) is { } refusal
            ? new WebhookDecoding.Refused(refusal)
            : new WebhookDecoding.Accepted(Build(draft, json, receivedAt, limits));
    }

    private static Refusal? Read(ReadOnlySpan<byte> json, SourcesOptions limits, out EventDraft draft)
    {
        draft = default;
        var reader = new EventReader(json, limits, refusesHugeNumbers: false);
        try
        {
            reader.Json.Read();
            if (reader.Json.TokenType != JsonTokenType.StartObject)
                return Refusal.WebhookNotObject;

            while (reader.Json.Read() && reader.Json.TokenType == JsonTokenType.PropertyName)
            {
                if (!ReadField(ref reader, ref draft))
                    return reader.Refusal;
            }

            reader.Json.Read();
            return draft.Whole.IsAbsent ? Refusal.WebhookWithoutEvent : null;
        }
        catch (JsonException exception)
        {
            return reader.RefusalOf(exception);
        }
    }

    private static bool ReadField(ref EventReader reader, ref EventDraft draft)
    {
        reader.LeaveEvent();
        if (!reader.IsAt("event"u8))
            return reader.ReadValue(out _);

        draft = default;
        reader.Json.Read();
        return reader.Json.TokenType == JsonTokenType.StartObject
            ? reader.ReadEvent(ref draft)
            : reader.ReadCurrentValue(out _);
    }

    private static CaptureEvent Build(
        in EventDraft draft, ReadOnlySpan<byte> json, DateTimeOffset receivedAt, SourcesOptions limits)
    {
        var isOversized = OversizedEvent.Is(draft, limits);
        var notes = isOversized ? CaptureNotes.TooLarge : CaptureNotes.None;
        var distinctId = DistinctIdText.Normalise(draft.AnyDistinctId, json, out var truncated);
        if (distinctId is null)
            notes |= CaptureNotes.NoDistinctId;
        if (truncated)
            notes |= CaptureNotes.DistinctIdTruncated;

        return new CaptureEvent(
            Uuid(draft.Uuid, json, receivedAt, ref notes),
            isOversized ? OversizedEvent.Name(draft.Name, json, limits)
                : draft.Name.Type == JsonTokenType.String ? draft.Name.Text(json).Replace('\0', '\uFFFD') : "",
            distinctId ?? "",
            EventTime.OfWebhook(draft.Timestamp, json, receivedAt, ref notes),
            receivedAt,
            Door.Webhook,
            notes,
            draft.Fingerprint(json),
            isOversized ? OversizedEvent.Json : draft.Whole.In(json).ToArray());
    }

    private static Guid Uuid(RawValue value, ReadOnlySpan<byte> json, DateTimeOffset receivedAt, ref CaptureNotes notes)
    {
        if (EventUuid.TryRead(value, json, out var uuid))
            return uuid;
        if (EventUuid.IsGiven(value))
            return EventUuid.FromForeign(value.In(json));

        notes |= CaptureNotes.UuidMade;
        return Guid.CreateVersion7(receivedAt);
    }
}
