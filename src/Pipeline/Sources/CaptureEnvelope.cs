using System.Runtime.InteropServices;
using System.Text.Json;

namespace VarianceActors.Pipeline.Sources;

/// <summary>The events of one payload and what stands around them: the three JSON shapes of posthog.md C2.</summary>
internal sealed class CaptureEnvelope
{
    private readonly List<EventDraft> _events = [];
    private bool _batchIsNoArray;

    /// <summary>True for <c>{"batch": [...]}</c>; the envelope's token and times count for all of its events.</summary>
    public bool IsBatch { get; private set; }

    /// <summary>True for a payload that is one event object: the only shape in which a name may be missing.</summary>
    public bool IsSingle { get; private set; }

    /// <summary>The outermost object's own fields: the single event's, or the envelope's token.</summary>
    public EventDraft Outer;

    public RawValue SentAt;

    public RawValue HistoricalMigration;

    public ReadOnlySpan<EventDraft> Events => CollectionsMarshal.AsSpan(_events);

    /// <summary>
    /// Reads the whole payload; null if it cannot be read, and then <paramref name="refusal"/> says why.
    /// </summary>
    public static CaptureEnvelope? Read(ReadOnlySpan<byte> json, SourcesOptions limits, out Refusal? refusal)
    {
        var envelope = new CaptureEnvelope();
        var reader = new EventReader(json, limits, refusesHugeNumbers: true);
        try
        {
            refusal = envelope.Read(ref reader, limits);
        }
        catch (JsonException exception)
        {
            refusal = reader.RefusalOf(exception);
        }

        return refusal is null ? envelope : null;
    }

    private Refusal? Read(ref EventReader reader, SourcesOptions limits)
    {
        reader.Json.Read();
        var refusal = reader.Json.TokenType switch
        {
            JsonTokenType.StartArray => ReadEvents(ref reader, limits),
            JsonTokenType.StartObject => ReadObject(ref reader, limits),
            _ => Refusal.NotEvents,
        };

        // Anything but white space after the end is an exception here.
        if (refusal is null)
            reader.Json.Read();
        return refusal;
    }

    /// <summary>Whether it is an envelope or an event shows only while it is read.</summary>
    private Refusal? ReadObject(ref EventReader reader, SourcesOptions limits)
    {
        reader.BeginEvent();
        while (reader.Json.Read() && reader.Json.TokenType == JsonTokenType.PropertyName)
        {
            if ((reader.IsAt("batch"u8) ? ReadBatch(ref reader, limits) : ReadField(ref reader)) is { } refusal)
                return refusal;
        }

        if (IsBatch)
            return CheckBatch();

        reader.EndEvent(ref Outer);
        if (_batchIsNoArray && Outer.Name.IsAbsent)
            return Refusal.BatchNotArray;

        IsSingle = true;
        _events.Add(Outer);
        return null;
    }

    private Refusal? ReadField(ref EventReader reader)
    {
        var read = reader.IsAt("sent_at"u8) ? reader.ReadValue(out SentAt)
            : reader.IsAt("historical_migration"u8) ? reader.ReadValue(out HistoricalMigration)
            : reader.ReadField(ref Outer);
        return read ? null : reader.Refusal;
    }

    private Refusal? ReadBatch(ref EventReader reader, SourcesOptions limits)
    {
        reader.Json.Read();
        IsBatch = reader.Json.TokenType == JsonTokenType.StartArray;
        _batchIsNoArray = !IsBatch;
        _events.Clear();
        if (!IsBatch)
            return reader.ReadCurrentValue(out _) ? null : reader.Refusal;

        reader.LeaveEvent();
        var refusal = ReadEvents(ref reader, limits);
        reader.LeaveEvent();
        return refusal;
    }

    private Refusal? ReadEvents(ref EventReader reader, SourcesOptions limits)
    {
        while (reader.Json.Read() && reader.Json.TokenType != JsonTokenType.EndArray)
        {
            if (_events.Count == limits.EventsMax)
                return Refusal.TooManyEvents(limits.EventsMax);
            if (reader.Json.TokenType != JsonTokenType.StartObject)
                return Refusal.InEvent(_events.Count, "it must be an object.");

            var draft = new EventDraft();
            if (!reader.ReadEvent(ref draft))
                return reader.Refusal;
            _events.Add(draft);
        }

        return _events.Count == 0 ? Refusal.EmptyBatch : null;
    }

    private Refusal? CheckBatch() =>
        !SentAt.IsAbsent && SentAt.Type != JsonTokenType.String ? Refusal.BadSentAt
        : !HistoricalMigration.IsAbsent && !HistoricalMigration.IsBoolean ? Refusal.BadHistorical
        : Outer.HasTokenOfWrongType ? Refusal.TokenNotString
        : null;
}
