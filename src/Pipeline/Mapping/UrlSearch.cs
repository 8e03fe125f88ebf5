using System.Text;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>The search part of a URL as the WHATWG URL standard gives it, and whether the text is a URL at
/// all.</summary>
internal static class UrlSearch
{
    private const int PortMax = 65_535;

    /// <summary>False if the standard's parser fails. The search is empty or begins with <c>?</c>,
    /// percent-encoded.</summary>
    public static bool TryRead(string url, out string search)
    {
        search = "";
        var text = Clean(url);
        int colon = SchemeLength(text);
        if (colon < 0)
            return false;
        string scheme = text[..colon].ToString().ToLowerInvariant();
        var rest = text[(colon + 1)..];
        if (rest.IndexOf('#') is var hash && hash >= 0)
            rest = rest[..hash];
        int question = rest.IndexOf('?');
        var place = question < 0 ? rest : rest[..question];
        bool isSpecial = scheme is "http" or "https" or "ws" or "wss" or "ftp" or "file";
        if (!HasValidPlace(scheme, isSpecial, place))
            return false;
        if (question >= 0 && question + 1 < rest.Length)
            search = Encode(rest[question..], isSpecial);
        return true;
    }

    private static ReadOnlySpan<char> Clean(string url)
    {
        int start = 0, end = url.Length;
        while (start < end && url[start] <= ' ')
            start++;
        while (end > start && url[end - 1] <= ' ')
            end--;
        var text = url.AsSpan(start, end - start);
        if (text.IndexOfAny('\t', '\n', '\r') < 0)
            return text;
        var kept = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            if (c is not ('\t' or '\n' or '\r'))
                kept.Append(c);
        }

        return kept.ToString();
    }

    private static int SchemeLength(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || !char.IsAsciiLetter(text[0]))
            return -1;
        for (int i = 1; i < text.Length; i++)
        {
            if (text[i] == ':')
                return i;
            if (!char.IsAsciiLetterOrDigit(text[i]) && text[i] is not ('+' or '-' or '.'))
                return -1;
        }

        return -1;
    }

    private static bool HasValidPlace(string scheme, bool isSpecial, ReadOnlySpan<char> place)
    {
        if (scheme == "file")
            return HasValidFileHost(place);
        if (isSpecial)
        {
            var afterSlashes = place.TrimStart("/\\");
            int end = afterSlashes.IndexOfAny('/', '\\');
            return IsValidAuthority(end < 0 ? afterSlashes : afterSlashes[..end], isSpecial: true);
        }

        if (!place.StartsWith("//"))
            return true;
        var authority = place[2..];
        int slash = authority.IndexOf('/');
        return IsValidAuthority(slash < 0 ? authority : authority[..slash], isSpecial: false);
    }

    private static bool HasValidFileHost(ReadOnlySpan<char> place)
    {
        if (place.Length < 2 || place[0] is not ('/' or '\\') || place[1] is not ('/' or '\\'))
            return true;
        var host = place[2..];
        int end = host.IndexOfAny('/', '\\');
        if (end >= 0)
            host = host[..end];
        bool isDriveLetter = host.Length == 2 && char.IsAsciiLetter(host[0]) && host[1] is ':' or '|';
        return host.IsEmpty || isDriveLetter || UrlHost.IsValid(host, isSpecial: true);
    }

    private static bool IsValidAuthority(ReadOnlySpan<char> authority, bool isSpecial)
    {
        int at = authority.LastIndexOf('@');
        var hostAndPort = authority[(at + 1)..];
        if (at >= 0 && hostAndPort.IsEmpty)
            return false;
        int colon = PortColon(hostAndPort);
        var host = colon < 0 ? hostAndPort : hostAndPort[..colon];
        if (host.IsEmpty)
            return !isSpecial && colon < 0;
        return UrlHost.IsValid(host, isSpecial) && (colon < 0 || IsValidPort(hostAndPort[(colon + 1)..]));
    }

    private static int PortColon(ReadOnlySpan<char> hostAndPort)
    {
        bool insideBrackets = false;
        for (int i = 0; i < hostAndPort.Length; i++)
        {
            if (hostAndPort[i] == ':' && !insideBrackets)
                return i;
            insideBrackets = hostAndPort[i] == '[' || (insideBrackets && hostAndPort[i] != ']');
        }

        return -1;
    }

    private static bool IsValidPort(ReadOnlySpan<char> port)
    {
        int value = 0;
        foreach (char c in port)
        {
            if (!char.IsAsciiDigit(c))
                return false;
            value = (value * 10) + (c - '0');
            if (value > PortMax)
                return false;
        }

        return true;
    }

    private static string Encode(ReadOnlySpan<char> query, bool isSpecial)
    {
        var encoded = new StringBuilder(query.Length + 8);
        Span<byte> utf8 = stackalloc byte[4];
        foreach (var rune in query.EnumerateRunes())
        {
            if (rune.IsAscii && !IsEncoded((char)rune.Value, isSpecial))
            {
                encoded.Append((char)rune.Value);
                continue;
            }

            foreach (byte b in utf8[..rune.EncodeToUtf8(utf8)])
                encoded.Append('%').Append(Convert.ToHexString([b]));
        }

        return encoded.ToString();
    }

    private static bool IsEncoded(char c, bool isSpecial) =>
        c is <= ' ' or '"' or '#' or '<' or '>' or > '~' || (isSpecial && c == '\'');
}
