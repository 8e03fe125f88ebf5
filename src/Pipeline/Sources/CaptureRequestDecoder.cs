namespace VarianceActors.Pipeline.Sources;

/// <summary>
/// PostHog's v0 capture protocol (posthog.md C1 to C5): one request in, all of its events out, or a refusal of the
/// whole. Pure. Reads each payload in one pass and makes one array per request, which its events share
/// unless it is large or mostly something else.
/// </summary>
/// <remarks>
/// An event above <see cref="SourcesOptions.EventBytesMax"/>, which PostHog takes and loses later, is taken without its
/// content (<see cref="CaptureNotes.TooLarge"/>): its neighbours are not lost with it.
/// </remarks>
public static class CaptureRequestDecoder
{
    /// <summary>Largest body of a path as received, in bytes.</summary>
    public static int BodyBytesMax(CapturePath path, SourcesOptions limits) =>
        path == CapturePath.Batch ? limits.BodyBytesMax : limits.EventBodyBytesMax;

    /// <summary>Decodes a request; throws for nothing that a sender can write.</summary>
    public static CaptureDecoding Decode(in CaptureRequest request, SourcesOptions limits)
    {
        var bodyBytesMax = BodyBytesMax(request.Path, limits);
        if (request.Body.Length > bodyBytesMax)
            return new CaptureDecoding.Refused(Refusal.BodyTooLarge(bodyBytesMax));
        if (CapturePayload.Read(request, limits, out var refusal) is not { } payload)
            return new CaptureDecoding.Refused(refusal!);

        try
        {
            return Decode(request, payload, limits);
        }
        finally
        {
            payload.Return();
        }
    }

    private static CaptureDecoding Decode(in CaptureRequest request, DecodedPayload payload, SourcesOptions limits)
    {
        LoneSurrogates.Replace(payload.Span);
        if (CaptureEnvelope.Read(payload.Span, limits, out var refusal) is not { } envelope)
            return new CaptureDecoding.Refused(refusal!);
        if (FindToken(envelope, payload.Span, limits, out var token) is { } tokenRefusal)
            return new CaptureDecoding.Refused(tokenRefusal);

        var builder = new CaptureEventBuilder(request, payload.Array, envelope, limits);
        return Build(builder, payload, envelope, token);
    }

    private static CaptureDecoding Build(
        CaptureEventBuilder builder, DecodedPayload payload, CaptureEnvelope envelope, string token)
    {
        var events = new List<CaptureEvent>(envelope.Events.Length);
        for (var index = 0; index < envelope.Events.Length; index++)
        {
            if (builder.Build(envelope.Events[index], index, out var captured) is { } refusal)
                return new CaptureDecoding.Refused(refusal);
            if (captured is not null)
                events.Add(captured);
        }

        FreePayload(events, payload);
        return new CaptureDecoding.Accepted(token, events);
    }

    /// <summary>
    /// Events keep nothing of a rented payload, and not all of one that they are less than half of: they may have to
    /// wait for their commit.
    /// </summary>
    private static void FreePayload(List<CaptureEvent> events, DecodedPayload payload)
    {
        if (!payload.IsRented && events.Sum(captured => (long)captured.Json.Length) >= payload.Length / 2)
            return;

        for (var index = 0; index < events.Count; index++)
            events[index] = events[index] with { Json = events[index].Json.ToArray() };
    }

    /// <summary>
    /// posthog.md C3: the envelope's token beats the events'; theirs must agree, and some may have none.
    /// </summary>
    private static Refusal? FindToken(
        CaptureEnvelope envelope, ReadOnlySpan<byte> json, SourcesOptions limits, out string token)
    {
        token = "";
        var found = envelope.IsBatch ? envelope.Outer.OwnToken : default;
        if (found.IsAbsent)
        {
            foreach (ref readonly var draft in envelope.Events)
            {
                if (draft.HasTokenOfWrongType)
                    return Refusal.TokenNotString;

                var own = draft.AnyToken;
                if (own.Length > limits.EventBytesMax)
                    return Refusal.LongToken;
                if (found.IsAbsent)
                    found = own;
                else if (!own.IsAbsent && !own.TextEquals(found, json))
                    return Refusal.MixedTokens;
            }
        }

        if (found.IsAbsent)
            return Refusal.NoToken;
        if (found.Length > limits.EventBytesMax)
            return Refusal.LongToken;

        token = found.Text(json).Trim();
        return ProjectToken.Check(token);
    }
}
