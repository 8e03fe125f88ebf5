using System.IO.Hashing;
using System.Text.Json;

namespace VarianceActors.Pipeline.Sources;

/// <summary>One event object as places in the payload, before anything in it is believed.</summary>
internal struct EventDraft
{
    public RawValue Whole;
    public RawValue Name;
    public RawValue Uuid;
    public RawValue Timestamp;
    public RawValue Offset;
    public RawValue DistinctId;
    public RawValue DollarDistinctId;
    public RawValue Token;
    public RawValue DollarToken;
    public RawValue ApiKey;
    public RawValue Properties;
    public RawValue Set;
    public RawValue SetOnce;
    public RawValue PropertyDistinctId;
    public RawValue PropertyToken;
    public RawValue IgnoreSentAt;
    public RawValue CookielessMode;

    /// <summary>posthog.md A10: the top level beats the property; null counts as missing.</summary>
    public readonly RawValue AnyDistinctId =>
        !DistinctId.IsAbsent ? DistinctId : !DollarDistinctId.IsAbsent ? DollarDistinctId : PropertyDistinctId;

    /// <summary>The token on the top level.</summary>
    public readonly RawValue OwnToken => !Token.IsAbsent ? Token : !DollarToken.IsAbsent ? DollarToken : ApiKey;

    /// <summary>The token on the top level, else a string among the properties.</summary>
    public readonly RawValue AnyToken =>
        !OwnToken.IsAbsent ? OwnToken : PropertyToken.Type == JsonTokenType.String ? PropertyToken : default;

    public readonly bool HasTokenOfWrongType =>
        (!Token.IsAbsent && Token.Type != JsonTokenType.String)
        || (!DollarToken.IsAbsent && DollarToken.Type != JsonTokenType.String)
        || (!ApiKey.IsAbsent && ApiKey.Type != JsonTokenType.String);

    /// <summary>
    /// See <see cref="CaptureEvent.Fingerprint"/>; each part seeds the next, so parts cannot run together.
    /// </summary>
    public readonly ulong Fingerprint(ReadOnlySpan<byte> json)
    {
        var hash = XxHash3.HashToUInt64(Name.In(json));
        hash = XxHash3.HashToUInt64(AnyDistinctId.In(json), unchecked((long)hash));
        hash = XxHash3.HashToUInt64(Properties.In(json), unchecked((long)hash));
        hash = XxHash3.HashToUInt64(Set.In(json), unchecked((long)hash));
        return XxHash3.HashToUInt64(SetOnce.In(json), unchecked((long)hash));
    }
}
