namespace VarianceActors.Pipeline.Mapping;

/// <summary>IPv4 addresses in all the forms that URLs allow: one to four parts, decimal, octal or
/// hexadecimal.</summary>
internal static class Ipv4Text
{
    private const int PartsMax = 4;
    private const ulong TooLarge = ulong.MaxValue >> 8;

    /// <summary>True if the last part of a domain looks like a number, so that the whole must be an address.</summary>
    public static bool EndsInNumber(string domain)
    {
        var parts = domain.AsSpan();
        if (parts[^1] == '.')
            parts = parts[..^1];
        var last = parts[(parts.LastIndexOf('.') + 1)..];
        return !last.IsEmpty && (!last.ContainsAnyExceptInRange('0', '9') || TryReadPart(last, out _));
    }

    public static bool IsValid(string domain)
    {
        string[] parts = domain.Split('.');
        if (parts[^1].Length == 0 && parts.Length > 1)
            parts = parts[..^1];
        if (parts.Length > PartsMax)
            return false;
        for (int i = 0; i < parts.Length; i++)
        {
            ulong limit = i < parts.Length - 1 ? 256 : 1UL << (8 * (PartsMax + 1 - parts.Length));
            if (!TryReadPart(parts[i], out ulong value) || value >= limit)
                return false;
        }

        return true;
    }

    private static bool TryReadPart(ReadOnlySpan<char> part, out ulong value)
    {
        value = 0;
        if (part.IsEmpty)
            return false;
        uint radix = 10;
        if (part.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            radix = 16;
            part = part[2..];
        }
        else if (part.Length > 1 && part[0] == '0')
        {
            radix = 8;
            part = part[1..];
        }

        foreach (char c in part)
        {
            uint digit = char.IsAsciiHexDigit(c) ? (uint)Convert.FromHexString(['0', c])[0] : radix;
            if (digit >= radix)
                return false;
            value = Math.Min((value * radix) + digit, TooLarge >> 4);
        }

        return true;
    }
}
