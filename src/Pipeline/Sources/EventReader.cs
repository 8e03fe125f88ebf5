using System.Buffers.Text;
using System.Text.Json;

namespace VarianceActors.Pipeline.Sources;

/// <summary>
/// Finds the places of an event's fields in one pass over the payload. Where a name occurs twice, the last one counts.
/// Bad JSON is a <see cref="JsonException"/>, which the decoders turn into a refusal.
/// </summary>
internal ref struct EventReader(ReadOnlySpan<byte> json, SourcesOptions limits, bool refusesHugeNumbers)
{
    /// <summary>
    /// An envelope's object and array, and one more, so that an event's own depth is always found first.
    /// </summary>
    private const int LevelsAround = 3;

    public Utf8JsonReader Json = new(json, new JsonReaderOptions { MaxDepth = limits.JsonDepthMax + LevelsAround });

    private int _eventDepth;
    private int _eventStart;

    /// <summary>Set as soon as a limit is passed; reading on makes no sense then.</summary>
    public Refusal? Refusal { get; private set; }

    /// <summary>True if the reader stands on <paramref name="name"/>, whatever its escapes.</summary>
    public readonly bool IsAt(ReadOnlySpan<byte> name) =>
        Json.ValueIsEscaped ? Json.ValueTextEquals(name) : Json.ValueSpan.SequenceEqual(name);

    /// <summary>Call on the event's first brace, before its fields are read.</summary>
    public void BeginEvent()
    {
        _eventDepth = Json.CurrentDepth;
        _eventStart = (int)Json.TokenStartIndex;
    }

    /// <summary>Call on the event's last brace.</summary>
    public readonly void EndEvent(ref EventDraft draft) =>
        draft.Whole = new RawValue(_eventStart, (int)Json.BytesConsumed - _eventStart, JsonTokenType.StartObject);

    /// <summary>Call when the object turned out to be the envelope of a batch.</summary>
    public void LeaveEvent() => _eventDepth = 0;

    /// <summary>Reads a whole event; the reader stands on its first brace, and on its last one afterwards.</summary>
    public bool ReadEvent(ref EventDraft draft)
    {
        BeginEvent();
        while (Json.Read() && Json.TokenType == JsonTokenType.PropertyName)
        {
            if (!ReadField(ref draft))
                return false;
        }

        EndEvent(ref draft);
        return true;
    }

    /// <summary>
    /// Reads one field of an event; the reader stands on its name, and at the end of its value afterwards.
    /// </summary>
    public bool ReadField(ref EventDraft draft)
    {
        if (IsAt("properties"u8))
            return ReadProperties(ref draft);
        if (IsAt("event"u8))
            return ReadValue(out draft.Name);
        if (IsAt("distinct_id"u8))
            return ReadValue(out draft.DistinctId);
        if (IsAt("uuid"u8))
            return ReadValue(out draft.Uuid);
        if (IsAt("timestamp"u8))
            return ReadValue(out draft.Timestamp);
        if (IsAt("offset"u8))
            return ReadValue(out draft.Offset);
        if (IsAt("$set"u8))
            return ReadValue(out draft.Set);
        if (IsAt("$set_once"u8))
            return ReadValue(out draft.SetOnce);
        if (IsAt("api_key"u8))
            return ReadValue(out draft.ApiKey);
        if (IsAt("token"u8))
            return ReadValue(out draft.Token);
        if (IsAt("$token"u8))
            return ReadValue(out draft.DollarToken);
        if (IsAt("$distinct_id"u8))
            return ReadValue(out draft.DollarDistinctId);

        return ReadValue(out _);
    }

    /// <summary>Steps over the value that follows a name.</summary>
    public bool ReadValue(out RawValue value)
    {
        Json.Read();
        return ReadCurrentValue(out value);
    }

    private bool ReadProperties(ref EventDraft draft)
    {
        draft.PropertyDistinctId = draft.PropertyToken = draft.IgnoreSentAt = draft.CookielessMode = default;
        Json.Read();
        if (Json.TokenType != JsonTokenType.StartObject)
            return ReadCurrentValue(out draft.Properties);

        var start = (int)Json.TokenStartIndex;
        while (Json.Read() && Json.TokenType == JsonTokenType.PropertyName)
        {
            if (!ReadProperty(ref draft))
                return false;
        }

        draft.Properties = new RawValue(start, (int)Json.BytesConsumed - start, JsonTokenType.StartObject);
        return true;
    }

    private bool ReadProperty(ref EventDraft draft)
    {
        if (IsAt("distinct_id"u8))
            return ReadValue(out draft.PropertyDistinctId);
        if (IsAt("token"u8))
            return ReadValue(out draft.PropertyToken);
        if (IsAt("$ignore_sent_at"u8))
            return ReadValue(out draft.IgnoreSentAt);
        if (IsAt("$cookieless_mode"u8))
            return ReadValue(out draft.CookielessMode);

        return ReadValue(out _);
    }

    /// <summary>Steps over the value that the reader stands on.</summary>
    public bool ReadCurrentValue(out RawValue value)
    {
        var start = (int)Json.TokenStartIndex;
        var type = Json.TokenType;
        var depth = Json.CurrentDepth;
        var fits = Fits();
        if (type is JsonTokenType.StartObject or JsonTokenType.StartArray)
        {
            while (fits && Json.Read() && Json.CurrentDepth > depth)
                fits = Fits();
        }

        value = new RawValue(start, (int)Json.BytesConsumed - start, type);
        return fits;
    }

    private bool Fits() => Json.TokenType switch
    {
        JsonTokenType.Number => !refusesHugeNumbers || IsFinite(Json.ValueSpan) || Refuse(Refusal.NumberOutOfRange),
        JsonTokenType.StartObject or JsonTokenType.StartArray =>
            Json.CurrentDepth - _eventDepth < limits.JsonDepthMax || Refuse(Refusal.TooDeep(limits.JsonDepthMax)),
        _ => true,
    };

    /// <summary>What to tell the sender of the exception that the reader threw.</summary>
    public readonly Refusal RefusalOf(JsonException exception) =>
        Json.CurrentDepth + 1 >= limits.JsonDepthMax + LevelsAround
            ? Refusal.TooDeep(limits.JsonDepthMax)
            : Refusal.BadJson((exception.LineNumber ?? 0) + 1, (exception.BytePositionInLine ?? 0) + 1);

    private bool Refuse(Refusal refusal)
    {
        Refusal = refusal;
        return false;
    }

    /// <summary>Fewer than 300 digits without an exponent cannot leave the range of a double.</summary>
    private static bool IsFinite(ReadOnlySpan<byte> number) =>
        (number.Length < 300 && !number.ContainsAny((byte)'e', (byte)'E'))
        || (Utf8Parser.TryParse(number, out double value, out _) && double.IsFinite(value));
}
