namespace VarianceActors.Pipeline.Sources;

/// <summary>
/// PostHog's v0 capture protocol (posthog.md C1 to C5): one request in, all of its events out, or a refusal of the
/// whole. Pure. Reads each payload in one pass and makes one array per request, which its events share
/// unless it is mostly something else.
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
        if (CapturePayload.Read(request, limits, out var refusal) is not { } json)
            return new CaptureDecoding.Refused(refusal!);

        LoneSurrogates.Replace(json);
        if (CaptureEnvelope.Read(json, limits, out refusal) is not { } envelope)
            return new CaptureDecoding.Refused(refusal!);
        if (FindToken(envelope, json, limits, out var token) is { } tokenRefusal)
            return new CaptureDecoding.Refused(tokenRefusal);

        var builder = new CaptureEventBuilder(request, json, envelope, limits);
        return Build(builder, json, envelope, token);
    }

    private static CaptureDecoding Build(CaptureEventBuilder builder, byte[] json, CaptureEnvelope envelope, string token)
    {
        var events = new List<CaptureEvent>(envelope.Events.Length);
        for (var index = 0; index < envelope.Events.Length; index++)
        {
            if (builder.Build(envelope.Events[index], index, out var captured) is { } refusal)
                return new CaptureDecoding.Refused(refusal);
            if (captured is not null)
                events.Add(captured);
        }

        FreeRest(events, json.Length);
        return new CaptureDecoding.Accepted(token, events);
    }

    /// <summary>
    /// Events that are less than half of a payload do not keep all of it in memory while they wait for their commit.
    /// </summary>
    private static void FreeRest(List<CaptureEvent> events, int payloadBytes)
    {
        if (events.Sum(captured => (long)captured.Json.Length) >= payloadBytes / 2)
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
