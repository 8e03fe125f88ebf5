using System.Buffers.Text;

namespace VarianceActors.Pipeline.Sources;

/// <summary>
/// Escapes such as <c>\ud83d</c> without their other half are legal JSON but no Unicode text; they become
/// <c>\ufffd</c>, as a browser decodes them, so that whatever is stored can be written out again.
/// </summary>
internal static class LoneSurrogates
{
    private const int EscapeLength = 6;

    /// <summary>Replaces in place; both escapes are of the same length.</summary>
    public static void Replace(Span<byte> json)
    {
        for (var from = 0; ;)
        {
            var hit = json[from..].IndexOf("\\u"u8);
            if (hit < 0)
                return;

            var at = from + hit;
            from = at + 2;
            if (IsEscaped(json, at) || !TryReadEscape(json[at..], out var unit) || !char.IsSurrogate(unit))
                continue;

            from = at + EscapeLength;
            if (char.IsHighSurrogate(unit)
                && TryReadEscape(json[from..], out var next)
                && char.IsLowSurrogate(next))
            {
                from += EscapeLength;
                continue;
            }

            "\\ufffd"u8.CopyTo(json[at..]);
        }
    }

    private static bool IsEscaped(ReadOnlySpan<byte> json, int at)
    {
        var before = at - 1;
        while (before >= 0 && json[before] == '\\')
            before--;
        return (at - before - 1) % 2 == 1;
    }

    private static bool TryReadEscape(ReadOnlySpan<byte> json, out char unit)
    {
        unit = default;
        if (json.Length < EscapeLength || !json.StartsWith("\\u"u8))
            return false;
        if (!Utf8Parser.TryParse(json.Slice(2, 4), out ushort value, out var consumed, 'x') || consumed != 4)
            return false;

        unit = (char)value;
        return true;
    }
}
