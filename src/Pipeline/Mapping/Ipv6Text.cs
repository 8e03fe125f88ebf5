using System.Buffers;
using System.Globalization;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>IPv6 addresses as URLs write them between brackets: no zone, the last two pieces perhaps as IPv4.</summary>
internal static class Ipv6Text
{
    private const int PiecesMax = 8;

    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789ABCDEFabcdef");

    public static bool IsValid(ReadOnlySpan<char> text)
    {
        int gap = text.IndexOf("::");
        if (gap < 0)
            return Pieces(text, mayEndInIpv4: true) == PiecesMax;
        var before = text[..gap];
        var after = text[(gap + 2)..];
        int left = before.IsEmpty ? 0 : Pieces(before, mayEndInIpv4: false);
        int right = after.IsEmpty ? 0 : Pieces(after, mayEndInIpv4: true);
        return left >= 0 && right >= 0 && left + right < PiecesMax;
    }

    /// <summary>How many pieces of 16 bits the text has; -1 if it is malformed.</summary>
    private static int Pieces(ReadOnlySpan<char> text, bool mayEndInIpv4)
    {
        int count = 0;
        while (true)
        {
            int colon = text.IndexOf(':');
            var piece = colon < 0 ? text : text[..colon];
            if (colon < 0 && mayEndInIpv4 && piece.Contains('.'))
                return IsIpv4(piece) ? count + 2 : -1;
            if (piece.Length is 0 or > 4 || piece.ContainsAnyExcept(HexDigits))
                return -1;
            count++;
            if (colon < 0)
                return count;
            text = text[(colon + 1)..];
        }
    }

    private static bool IsIpv4(ReadOnlySpan<char> text)
    {
        int parts = 0;
        foreach (var range in text.Split('.'))
        {
            var part = text[range];
            bool isPadded = part.Length > 1 && part[0] == '0';
            if (isPadded || !byte.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out _))
                return false;
            parts++;
        }

        return parts == 4;
    }
}
