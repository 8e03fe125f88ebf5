using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace VarianceActors.Pipeline.Sources;

/// <summary>When an event happened (posthog.md C4).</summary>
internal static class EventTime
{
    private const long AheadTicksMax = 23 * TimeSpan.TicksPerHour;

    /// <summary>Offsets beyond this leave the calendar in either direction, in milliseconds.</summary>
    private const long OffsetMax = 400_000_000_000_000;

    /// <summary>The envelope's <c>sent_at</c>, else the query's; null if there is none that can be read.</summary>
    public static DateTimeOffset? SentAt(RawValue envelope, ReadOnlySpan<byte> json, string? query)
    {
        if (envelope.Type == JsonTokenType.String && TryRead(envelope, json, out var ticks) && IsInCalendar(ticks))
            return At(ticks);

        // Smaller numbers are seconds from old SDKs, which PostHog ignores too.
        return long.TryParse(query, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var milliseconds)
            && milliseconds is >= 1_609_459_200_000 and <= 253_402_300_799_999
                ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds)
                : null;
    }

    /// <summary>The time of a captured event; adds to <paramref name="notes"/> what was made up.</summary>
    public static DateTimeOffset OfCapture(
        in EventDraft draft,
        ReadOnlySpan<byte> json,
        DateTimeOffset? sentAt,
        DateTimeOffset now,
        ref CaptureNotes notes)
    {
        if (TryReadInteger(draft.Offset, json, out var offset))
        {
            offset = Math.Clamp(offset, -OffsetMax, OffsetMax);
            return Plausible(now.UtcTicks - (offset * TimeSpan.TicksPerMillisecond), now);
        }

        if (draft.Timestamp.IsAbsent)
        {
            notes |= CaptureNotes.TimestampMade;
            return now.ToUniversalTime();
        }

        if (!TryRead(draft.Timestamp, json, out var ticks))
        {
            notes |= CaptureNotes.TimestampInvalid;
            return now.ToUniversalTime();
        }

        if (sentAt is { } sent && draft.IgnoreSentAt.Type != JsonTokenType.True)
            ticks -= sent.UtcTicks - now.UtcTicks;
        return Plausible(ticks, now);
    }

    /// <summary>The time of an event that PostHog has already corrected.</summary>
    public static DateTimeOffset OfWebhook(
        RawValue timestamp,
        ReadOnlySpan<byte> json,
        DateTimeOffset now,
        ref CaptureNotes notes)
    {
        if (timestamp.IsAbsent || (timestamp.Type == JsonTokenType.String && timestamp.Length == 2))
        {
            notes |= CaptureNotes.TimestampMade;
            return now.ToUniversalTime();
        }

        if (timestamp.Type == JsonTokenType.String && TryRead(timestamp, json, out var ticks) && IsInCalendar(ticks))
            return At(ticks);

        notes |= CaptureNotes.TimestampInvalid;
        return now.ToUniversalTime();
    }

    /// <summary>True for a whole number that fits 64 bits.</summary>
    public static bool TryReadInteger(RawValue value, ReadOnlySpan<byte> json, out long integer)
    {
        integer = 0;
        return value.Type == JsonTokenType.Number
            && Utf8Parser.TryParse(value.In(json), out integer, out var consumed)
            && consumed == value.Length;
    }

    private static bool TryRead(RawValue value, ReadOnlySpan<byte> json, out long ticks)
    {
        Span<byte> buffer = stackalloc byte[TimestampText.LengthMax];
        ticks = 0;
        return value.TryCopyText(json, buffer, out var text)
            && Ascii.IsValid(text)
            && TimestampText.TryRead(text, out ticks);
    }

    private static DateTimeOffset Plausible(long ticks, DateTimeOffset now) =>
        ticks - now.UtcTicks > AheadTicksMax ? now.ToUniversalTime()
        : IsInCalendar(ticks) ? At(ticks)
        : DateTimeOffset.UnixEpoch;

    private static bool IsInCalendar(long ticks) => ticks >= 0 && ticks <= DateTime.MaxValue.Ticks;

    private static DateTimeOffset At(long ticks) => new(ticks, TimeSpan.Zero);
}
