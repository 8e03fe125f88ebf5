using System.Buffers.Text;
using System.Globalization;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>Numbers as a JavaScript program reads and prints them: IEEE doubles, shortest digits, <c>1e+21</c> and
/// beyond with an exponent. What is too large for a double prints as <c>null</c>, and minus zero as <c>0</c>.</summary>
internal static class JavaScriptNumber
{
    private const int DigitsAlwaysExact = 15;

    /// <summary>Room enough for every number that <see cref="Format"/> prints.</summary>
    public const int LengthMax = 32;

    public static double Parse(ReadOnlySpan<byte> json) =>
        Utf8Parser.TryParse(json, out double value, out _) ? value : double.NaN;

    /// <summary>True if the text is already what JavaScript would print, so that it can be copied.</summary>
    public static bool IsCanonical(ReadOnlySpan<byte> json)
    {
        var digits = json[0] == '-' ? json[1..] : json;
        if (digits.Length > DigitsAlwaysExact)
            return false;
        int point = -1;
        for (int i = 0; i < digits.Length; i++)
        {
            if (digits[i] == '.')
                point = i;
            else if (digits[i] is (byte)'e' or (byte)'E')
                return false;
        }

        return point < 0
            ? digits[0] != '0' || json.Length == 1
            : digits[^1] != '0' && !digits.StartsWith("0.00000"u8);
    }

    /// <summary>Prints a number; returns how many bytes of <paramref name="target"/> were written.</summary>
    public static int Format(ReadOnlySpan<byte> json, Span<byte> target)
    {
        double value = Parse(json);
        if (!double.IsFinite(value))
            return Copy("null"u8, target);
        if (value == 0)
            return Copy("0"u8, target);

        Span<byte> shortest = stackalloc byte[LengthMax];
        value.TryFormat(shortest, out int length, "R", CultureInfo.InvariantCulture);
        Span<byte> digits = stackalloc byte[LengthMax];
        int exponent = Decompose(shortest[..length], digits, out int count);

        int at = 0;
        if (value < 0)
            target[at++] = (byte)'-';
        return at + Lay(digits[..count], exponent, target[at..]);
    }

    /// <summary>Splits a printed double into its significant digits and the place of the decimal point, as in <c>0.ddd
    /// × 10^n</c>; returns n.</summary>
    private static int Decompose(ReadOnlySpan<byte> printed, Span<byte> digits, out int count)
    {
        int exponent = 0, point = -1;
        count = 0;
        for (int i = 0; i < printed.Length; i++)
        {
            byte c = printed[i];
            if (c == '.')
                point = count;
            else if (c == 'E')
            {
                _ = Utf8Parser.TryParse(printed[(i + (printed[i + 1] == '+' ? 2 : 1))..], out exponent, out _);
                break;
            }
            else if (c != '-')
                digits[count++] = c;
        }

        if (point < 0)
            point = count;
        int leading = digits[..count].IndexOfAnyExcept((byte)'0');
        int trailing = digits[..count].LastIndexOfAnyExcept((byte)'0');
        digits[leading..(trailing + 1)].CopyTo(digits);
        count = trailing + 1 - leading;
        return exponent + point - leading;
    }

    private static int Lay(ReadOnlySpan<byte> digits, int point, Span<byte> target)
    {
        int at = 0;
        if (point is > 0 and <= 21)
        {
            int whole = Math.Min(point, digits.Length);
            at += Copy(digits[..whole], target);
            target.Slice(at, point - whole).Fill((byte)'0');
            at += point - whole;
            if (digits.Length > point)
            {
                target[at++] = (byte)'.';
                at += Copy(digits[point..], target[at..]);
            }

            return at;
        }

        if (point is > -6 and <= 0)
        {
            at += Copy("0."u8, target);
            target.Slice(at, -point).Fill((byte)'0');
            at += -point;
            return at + Copy(digits, target[at..]);
        }

        target[at++] = digits[0];
        if (digits.Length > 1)
        {
            target[at++] = (byte)'.';
            at += Copy(digits[1..], target[at..]);
        }

        at += Copy(point > 0 ? "e+"u8 : "e-"u8, target[at..]);
        Utf8Formatter.TryFormat(Math.Abs(point - 1), target[at..], out int written);
        return at + written;
    }

    private static int Copy(ReadOnlySpan<byte> source, Span<byte> target)
    {
        source.CopyTo(target);
        return source.Length;
    }
}
