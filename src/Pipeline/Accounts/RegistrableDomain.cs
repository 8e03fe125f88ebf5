using System.Collections.Frozen;
using System.Globalization;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>The part of a domain that somebody registered: <c>example.co.uk</c> of <c>mail.example.co.uk</c>, by the
/// rules of the Public Suffix List.</summary>
public static class RegistrableDomain
{
    private const int DomainCharsMax = 253;
    private static readonly IdnMapping Idn = new() { UseStd3AsciiRules = true };
    private static readonly Lazy<FrozenSet<string>> Suffixes = new(
        () => DomainLists.Read("public-suffixes.txt").ToFrozenSet(StringComparer.Ordinal));

    /// <summary>The domain of an e-mail address in ASCII (punycode) and lower case; null if that is no address of a
    /// domain name.</summary>
    public static string? OfAddress(string address)
    {
        var at = address.LastIndexOf('@');
        return at <= 0 ? null : Normalize(address[(at + 1)..].Trim());
    }

    /// <summary>The registrable domain of a domain that <see cref="OfAddress"/> gave; null if all of it is a public
    /// suffix.</summary>
    public static string? Of(string domain)
    {
        var labels = domain.Split('.');
        var suffix = SuffixLabels(labels);
        return labels.Length <= suffix ? null : string.Join('.', labels[^(suffix + 1)..]);
    }

    /// <summary>A domain as the lists spell it; null if it is none.</summary>
    public static string? Normalize(string domain)
    {
        domain = domain.TrimEnd('.');
        if (domain.Length is 0 or > DomainCharsMax || !domain.Contains('.'))
        {
            return null;
        }

        try
        {
            var ascii = Idn.GetAscii(domain.ToLowerInvariant());
            return ascii.Length <= DomainCharsMax && !IsNumber(ascii[(ascii.LastIndexOf('.') + 1)..]) ? ascii : null;
        }
        catch (ArgumentException)
        {
            return null; // the only way in which IdnMapping says no
        }
    }

    // Of several rules that match the longest one counts, and an exception before all; without any rule the last label.
    private static int SuffixLabels(string[] labels)
    {
        for (var first = 0; first < labels.Length; first++)
        {
            var rest = string.Join('.', labels[first..]);
            if (Suffixes.Value.Contains("!" + rest))
            {
                return labels.Length - first - 1;
            }

            var isWild = first + 1 < labels.Length
                && Suffixes.Value.Contains("*." + string.Join('.', labels[(first + 1)..]));
            if (isWild || Suffixes.Value.Contains(rest))
            {
                return labels.Length - first;
            }
        }

        return 1;
    }

    private static bool IsNumber(string label) => label.All(char.IsAsciiDigit);
}
