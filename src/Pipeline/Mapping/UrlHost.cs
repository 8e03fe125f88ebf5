using System.Buffers;
using System.Globalization;
using System.Text;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>Whether the WHATWG URL standard's host parser accepts a host. International names are checked by the
/// classes of their characters and, where they are punycode, by decoding them; the tables of UTS 46 are not carried
/// along.</summary>
internal static class UrlHost
{
    private const string PunycodePrefix = "xn--";

    private static readonly SearchValues<char> Forbidden = SearchValues.Create("\0\t\n\r #/:<>?@[\\]^|");
    private static readonly SearchValues<char> ForbiddenInDomain = SearchValues.Create(
        "\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\u0008\u0009\u000A\u000B\u000C\u000D\u000E\u000F"
        + "\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001A\u001B\u001C\u001D\u001E\u001F"
        + "\u007F #/:<>?@[\\]^|%");

    public static bool IsValid(ReadOnlySpan<char> host, bool isSpecial)
    {
        if (host[0] == '[')
            return host[^1] == ']' && Ipv6Text.IsValid(host[1..^1]);
        if (!isSpecial)
            return !host.ContainsAny(Forbidden);
        string domain = ToAscii(PercentDecode(host));
        return domain.Length > 0 && !domain.AsSpan().ContainsAny(ForbiddenInDomain)
            && (!Ipv4Text.EndsInNumber(domain) || Ipv4Text.IsValid(domain));
    }

    private static string PercentDecode(ReadOnlySpan<char> host)
    {
        if (!host.Contains('%'))
            return host.ToString();
        var bytes = new List<byte>(Encoding.UTF8.GetBytes(host.ToString()));
        for (int i = 0; i + 2 < bytes.Count; i++)
        {
            if (bytes[i] == '%' && char.IsAsciiHexDigit((char)bytes[i + 1]) && char.IsAsciiHexDigit((char)bytes[i + 2]))
            {
                bytes[i] = (byte)((Hex(bytes[i + 1]) << 4) | Hex(bytes[i + 2]));
                bytes.RemoveRange(i + 1, 2);
            }
        }

        return Encoding.UTF8.GetString(bytes.ToArray());
    }

    private static int Hex(byte digit) => char.IsAsciiDigit((char)digit) ? digit - '0' : (digit | 0x20) - 'a' + 10;

    /// <summary>The domain with its characters mapped; a stand-in for names that are not ASCII; empty if it is
    /// refused.</summary>
    private static string ToAscii(string domain)
    {
        string mapped = Ascii.IsValid(domain) ? domain.ToLowerInvariant() : Map(domain);
        if (!mapped.Contains(PunycodePrefix, StringComparison.Ordinal) && Ascii.IsValid(mapped))
            return mapped;
        foreach (string label in mapped.Split('.'))
        {
            if (!IsValidLabel(label))
                return "";
        }

        return string.Concat(mapped.Select(c => char.IsAscii(c) ? c : 'x'));
    }

    private static string Map(string domain)
    {
        var mapped = new StringBuilder(domain.Length);
        foreach (char c in domain.ToLowerInvariant())
        {
            switch (c)
            {
                case '\u00AD' or '\u200B' or '\u2060' or '\uFEFF' or (>= '\uFE00' and <= '\uFE0F'):
                    break;
                case '\u3002' or '\uFF0E' or '\uFF61':
                    mapped.Append('.');
                    break;
                case >= '\uFF01' and <= '\uFF5E':
                    mapped.Append(char.ToLowerInvariant((char)(c - 0xFEE0)));
                    break;
                default:
                    mapped.Append(c);
                    break;
            }
        }

        return mapped.ToString();
    }

    private static bool IsValidLabel(string label)
    {
        if (label.StartsWith(PunycodePrefix, StringComparison.Ordinal))
            return IsPunycode(label);
        bool isFirst = true;
        foreach (var rune in label.EnumerateRunes())
        {
            if (!rune.IsAscii && !IsAllowed(rune, isFirst))
                return false;
            isFirst = false;
        }

        return true;
    }

    private static bool IsAllowed(Rune rune, bool isFirst) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.Control or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned => false,
        UnicodeCategory.Surrogate or UnicodeCategory.Format => false,
        UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator => false,
        UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark => !isFirst,
        UnicodeCategory.SpacingCombiningMark => !isFirst,
        _ => rune != Rune.ReplacementChar,
    };

    private static bool IsPunycode(string label)
    {
        if (!Ascii.IsValid(label))
            return false;
        if (label[^1] == '-')
            return label.Length > PunycodePrefix.Length;
        try
        {
            string decoded = new IdnMapping { AllowUnassigned = true }.GetUnicode(label);
            return decoded != label && IsValidLabel(decoded);
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
