using System.Buffers.Text;

namespace VarianceActors.Pipeline.Sources;

/// <summary>
/// The lenient timestamp reader (posthog.md C4): RFC 3339 with T, t or a space, with or without seconds, fraction and
/// offset (<c>Z</c>, <c>+03</c>, <c>+0300</c>, <c>+03:00</c>; none means UTC), date only (midnight UTC), slashes
/// (<c>2026/03/01</c>, <c>03/01/2026</c>), RFC 2822, and 10, 13 or 19 epoch digits (seconds, milliseconds,
/// nanoseconds).
/// </summary>
internal static class TimestampText
{
    /// <summary>Longest text that can be a timestamp, in bytes.</summary>
    public const int LengthMax = 64;

    private const long TicksPerGregorianCycle = 146_097 * TimeSpan.TicksPerDay;
    private const int YearsPerGregorianCycle = 400;

    /// <summary>
    /// Ticks in UTC since 0001-01-01; may lie a little outside what a <see cref="DateTime"/> can hold (year 0,
    /// offsets).
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> text, out long ticks)
    {
        var scan = new Scan(text.Trim(" \t\r\n"u8));
        return TryReadEpoch(scan.Rest, out ticks)
            || TryReadIso(scan, out ticks)
            || TryReadSlashed(scan, out ticks)
            || TryReadMail(scan, out ticks);
    }

    private static bool TryReadEpoch(ReadOnlySpan<byte> text, out long ticks)
    {
        ticks = 0;
        if (text.Length is not (10 or 13 or 19) || text.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
            return false;
        if (!Utf8Parser.TryParse(text, out long count, out _))
            return false;

        ticks = DateTime.UnixEpoch.Ticks + text.Length switch
        {
            10 => count * TimeSpan.TicksPerSecond,
            13 => count * TimeSpan.TicksPerMillisecond,
            _ => count / TimeSpan.NanosecondsPerTick,
        };
        return true;
    }

    private static bool TryReadIso(Scan scan, out long ticks)
    {
        ticks = 0;
        return scan.TryDigits(4, out var year)
            && scan.TryByte('-')
            && scan.TryDigits(2, out var month)
            && scan.TryByte('-')
            && scan.TryDigits(2, out var day)
            && TryDate(year, month, day, out ticks)
            && TryReadRest(scan, ref ticks);
    }

    private static bool TryReadSlashed(Scan scan, out long ticks)
    {
        ticks = 0;
        var yearFirst = scan;
        if (yearFirst.TryDigits(4, out var year)
            && yearFirst.TryByte('/')
            && yearFirst.TryDigits(1, 2, out var month)
            && yearFirst.TryByte('/')
            && yearFirst.TryDigits(1, 2, out var day))
        {
            return TryDate(year, month, day, out ticks) && TryReadRest(yearFirst, ref ticks);
        }

        return scan.TryDigits(1, 2, out month)
            && scan.TryByte('/')
            && scan.TryDigits(1, 2, out day)
            && scan.TryByte('/')
            && scan.TryDigits(4, out year)
            && TryDate(year, month, day, out ticks)
            && TryReadRest(scan, ref ticks);
    }

    /// <summary>
    /// RFC 2822: <c>Tue, 1 Jul 2003 10:52:37 +0200</c>; the day's name is not checked against the date.
    /// </summary>
    private static bool TryReadMail(Scan scan, out long ticks)
    {
        ticks = 0;
        if (scan.TryLetters(out var weekday))
        {
            if (weekday.Length < 3 || !scan.TryByte(','))
                return false;
            scan.SkipSpaces();
        }

        if (!scan.TryDigits(1, 2, out var day) || scan.SkipSpaces() == 0)
            return false;
        if (!scan.TryLetters(out var name) || !TryMonth(name, out var month) || scan.SkipSpaces() == 0)
            return false;

        return scan.TryDigits(4, out var year)
            && TryDate(year, month, day, out ticks)
            && scan.SkipSpaces() > 0
            && TryReadTime(ref scan, ref ticks)
            && scan.SkipSpaces() > 0
            && TryReadOffset(ref scan, ref ticks)
            && scan.AtEnd;
    }

    private static bool TryReadRest(Scan scan, ref long ticks)
    {
        if (scan.AtEnd)
            return true;
        if (!scan.TryByte('T') && !scan.TryByte('t') && scan.SkipSpaces() == 0)
            return false;
        if (!TryReadTime(ref scan, ref ticks))
            return false;

        scan.SkipSpaces();
        return scan.AtEnd || (TryReadOffset(ref scan, ref ticks) && scan.AtEnd);
    }

    private static bool TryReadTime(ref Scan scan, ref long ticks)
    {
        if (!scan.TryDigits(2, out var hour) || !scan.TryByte(':') || !scan.TryDigits(2, out var minute))
            return false;

        var second = 0;
        long fraction = 0;
        if (scan.TryByte(':'))
        {
            if (!scan.TryDigits(2, out second))
                return false;
            if (scan.TryByte('.') && !scan.TryFraction(out fraction))
                return false;
        }

        // 60 is a leap second.
        if (hour > 23 || minute > 59 || second > 60)
            return false;

        ticks += (((hour * 60L) + minute) * 60L + second) * TimeSpan.TicksPerSecond + fraction;
        return true;
    }

    private static bool TryReadOffset(ref Scan scan, ref long ticks)
    {
        if (scan.TryByte('Z') || scan.TryByte('z'))
            return true;
        if (scan.TryLetters(out var zone))
            return zone.SequenceEqual("UTC"u8) || zone.SequenceEqual("GMT"u8) || zone.SequenceEqual("UT"u8);

        var east = scan.TryByte('+');
        if ((!east && !scan.TryByte('-')) || !scan.TryDigits(2, out var hours))
            return false;

        scan.TryByte(':');
        if (!scan.TryDigits(2, out var minutes))
            minutes = 0;
        if (hours > 23 || minutes > 59)
            return false;

        var offset = ((hours * 60L) + minutes) * TimeSpan.TicksPerMinute;
        ticks += east ? -offset : offset;
        return true;
    }

    private static bool TryDate(int year, int month, int day, out long ticks)
    {
        ticks = 0;
        if (month is < 1 or > 12 || day < 1)
            return false;

        var cycled = year == 0 ? YearsPerGregorianCycle : year;
        if (day > DateTime.DaysInMonth(cycled, month))
            return false;

        ticks = new DateTime(cycled, month, day).Ticks - (year == 0 ? TicksPerGregorianCycle : 0);
        return true;
    }

    private static bool TryMonth(ReadOnlySpan<byte> name, out int month)
    {
        var names = "JanFebMarAprMayJunJulAugSepOctNovDec"u8;
        month = 0;
        if (name.Length != 3)
            return false;

        for (var at = 0; at < names.Length; at += 3)
        {
            if (System.Text.Ascii.EqualsIgnoreCase(names.Slice(at, 3), name))
                month = (at / 3) + 1;
        }

        return month > 0;
    }

    private ref struct Scan(ReadOnlySpan<byte> text)
    {
        private ReadOnlySpan<byte> _rest = text;

        public readonly bool AtEnd => _rest.IsEmpty;

        public readonly ReadOnlySpan<byte> Rest => _rest;

        public bool TryByte(char expected)
        {
            if (_rest.IsEmpty || _rest[0] != expected)
                return false;

            _rest = _rest[1..];
            return true;
        }

        public int SkipSpaces()
        {
            var before = _rest.Length;
            _rest = _rest.TrimStart((byte)' ');
            return before - _rest.Length;
        }

        public bool TryLetters(out ReadOnlySpan<byte> letters)
        {
            var length = 0;
            while (length < _rest.Length && char.IsAsciiLetter((char)_rest[length]))
                length++;

            letters = _rest[..length];
            _rest = _rest[length..];
            return length > 0;
        }

        public bool TryDigits(int count, out int value) => TryDigits(count, count, out value);

        public bool TryDigits(int least, int most, out int value)
        {
            value = 0;
            var count = 0;
            while (count < most && count < _rest.Length && char.IsAsciiDigit((char)_rest[count]))
                value = (value * 10) + _rest[count++] - '0';
            if (count < least)
                return false;

            _rest = _rest[count..];
            return true;
        }

        /// <summary>Digits after the point in ticks; digits beyond the seventh are dropped.</summary>
        public bool TryFraction(out long ticks)
        {
            ticks = 0;
            var count = 0;
            var unit = TimeSpan.TicksPerSecond;
            for (; count < _rest.Length && char.IsAsciiDigit((char)_rest[count]); count++)
            {
                unit /= 10;
                ticks += (_rest[count] - '0') * unit;
            }

            _rest = _rest[count..];
            return count > 0;
        }
    }
}
