using System.Globalization;

namespace VarianceActors.Pipeline.Mapping;

/// <summary>Property paths as lodash reads them: <c>a.b</c>, <c>a[0].b</c>, <c>a['q.r']</c>, an empty segment between
/// two dots.</summary>
internal static class LodashPath
{
    private const ulong IndexLimit = 9_007_199_254_740_991;
    private const ulong ArrayIndexLimit = uint.MaxValue;

    /// <summary>Splits a path; null if it has more segments than a body may have levels.</summary>
    public static List<string>? Split(string path)
    {
        var segments = new List<string>();
        if (path.StartsWith('.'))
            segments.Add("");
        int at = 0;
        while (at <= path.Length)
        {
            int next = ReadName(path, at, segments);
            if (next < 0)
                next = ReadBrackets(path, at, segments);
            if (next < 0)
            {
                if (IsEmptySegment(path, at))
                    segments.Add("");
                next = at + 1;
            }

            at = next;
            if (segments.Count > MappingLimits.PathSegmentsMax)
                return null;
        }

        return segments;
    }

    /// <summary>True if writing through this segment makes an array rather than an object.</summary>
    public static bool IsIndex(string segment) => TryReadUnsigned(segment, out ulong index) && index < IndexLimit;

    /// <summary>True if the segment names an element of an array.</summary>
    public static bool IsArrayIndex(string segment, out uint index)
    {
        bool isIndex = TryReadUnsigned(segment, out ulong value) && value < ArrayIndexLimit;
        index = isIndex ? (uint)value : 0;
        return isIndex;
    }

    private static bool TryReadUnsigned(string segment, out ulong value)
    {
        value = 0;
        return segment.Length is > 0 and <= 16
            && (segment[0] != '0' || segment.Length == 1)
            && ulong.TryParse(segment, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }

    private static int ReadName(string path, int at, List<string> segments)
    {
        int length = path.AsSpan(at).IndexOfAny('.', '[', ']');
        if (length < 0)
            length = path.Length - at;
        if (length == 0)
            return -1;
        segments.Add(path.Substring(at, length));
        return at + length;
    }

    private static int ReadBrackets(string path, int at, List<string> segments)
    {
        if (at + 1 >= path.Length || path[at] != '[')
            return -1;
        return path[at + 1] is '"' or '\''
            ? ReadQuoted(path, at + 2, path[at + 1], segments)
            : ReadNumber(path, at + 1, segments);
    }

    private static int ReadNumber(string path, int start, List<string> segments)
    {
        int at = path[start] == '-' ? start + 1 : start;
        int whole = SkipDigits(path, at);
        if (whole == at)
            return -1;
        int end = whole;
        if (end + 1 < path.Length && path[end] == '.' && char.IsAsciiDigit(path[end + 1]))
            end = SkipDigits(path, end + 1);
        if (end >= path.Length || path[end] != ']')
            return -1;
        segments.Add(path[start..end]);
        return end + 1;
    }

    private static int SkipDigits(string path, int at)
    {
        while (at < path.Length && char.IsAsciiDigit(path[at]))
            at++;
        return at;
    }

    private static int ReadQuoted(string path, int start, char quote, List<string> segments)
    {
        int at = start;
        while (at < path.Length && path[at] != quote)
        {
            if (path[at] == '\\')
            {
                at++;
                if (at >= path.Length || path[at] is '\n' or '\r' or '\u2028' or '\u2029')
                    return -1;
            }

            at++;
        }

        if (at + 1 >= path.Length || path[at + 1] != ']')
            return -1;
        segments.Add(DropEscapes(path[start..at]));
        return at + 2;
    }

    private static string DropEscapes(string quoted)
    {
        if (!quoted.Contains('\\'))
            return quoted;
        var plain = new System.Text.StringBuilder(quoted.Length);
        for (int i = 0; i < quoted.Length; i++)
        {
            if (quoted[i] == '\\')
            {
                if (i + 1 >= quoted.Length || quoted[i + 1] != '\\')
                    continue;
                i++;
            }

            plain.Append(quoted[i]);
        }

        return plain.ToString();
    }

    private static bool IsEmptySegment(string path, int at)
    {
        int after = Separator(path, at);
        return after > 0 && (after == path.Length || Separator(path, after) > 0);
    }

    private static int Separator(string path, int at)
    {
        if (at >= path.Length)
            return -1;
        if (path[at] == '.')
            return at + 1;
        return path[at] == '[' && at + 1 < path.Length && path[at + 1] == ']' ? at + 2 : -1;
    }
}
