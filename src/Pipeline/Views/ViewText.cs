using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Views;

/// <summary>Texts as lists sort, filter and find them.</summary>
public static class ViewText
{
    /// <summary>Where names of events and what is sorted by are cut.</summary>
    public const int NameCharsMax = 200;

    /// <summary>How long the beginnings of words are that <see cref="PrefixesOf"/> gives, at most.</summary>
    internal const int PrefixRunesMax = 3;

    private const int TermCharsMax = 64;
    private const int TermsMax = 24;
    private static readonly SearchValues<char> Breaks = SearchValues.Create(" \t\r\n,;:/\\|()[]{}<>\"'`");

    /// <summary>A text cut to a number of characters, never inside of one.</summary>
    public static string Cut(string text, int charsMax = NameCharsMax) => text.Length <= charsMax
        ? text
        : text[..(char.IsHighSurrogate(text[charsMax - 1]) ? charsMax - 1 : charsMax)];

    /// <summary>What a name is sorted by: its lower-case form.</summary>
    public static string SortOf(string? name) => Cut((name ?? "").Trim().ToLowerInvariant());

    /// <summary>The part of an address behind its last at sign, in lower case; empty if there is none.</summary>
    public static string DomainOf(string? email) => email is not null && email.LastIndexOf('@') is >= 0 and var at
        ? Cut(email[(at + 1)..].Trim().ToLowerInvariant())
        : "";

    /// <summary>The words of a search: all of them must begin a word of what is found.</summary>
    public static ImmutableArray<string> WordsOf(string search) =>
        [.. Split(search).Select(word => Cut(word, TermCharsMax)).Distinct(StringComparer.Ordinal).Take(TermsMax)];

    /// <summary>The words that something is found by: those of its texts; of an address also its parts.</summary>
    public static ImmutableSortedSet<string> TermsOf(params ReadOnlySpan<string?> texts)
    {
        var terms = ImmutableSortedSet.CreateBuilder<string>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            foreach (var word in Split(text ?? ""))
            {
                Add(terms, word);
                var parts = word.Split(['@', '.', '-', '_', '+'], StringSplitOptions.RemoveEmptyEntries);
                for (var place = 0; parts.Length > 1 && place < parts.Length; place++)
                {
                    Add(terms, parts[place]);
                }

                if (word.IndexOf('@', StringComparison.Ordinal) is >= 0 and var at && at + 1 < word.Length)
                {
                    Add(terms, word[(at + 1)..]);
                }
            }
        }

        return terms.ToImmutable();
    }

    /// <summary>Properties as one JSON object, sorted by name.</summary>
    public static string ObjectOf(IEnumerable<KeyValuePair<string, JsonValue>> properties)
    {
        var json = new StringBuilder("{");
        foreach (var (name, value) in properties.OrderBy(property => property.Key, StringComparer.Ordinal))
        {
            json.Append(json.Length == 1 ? "" : ",")
                .Append(JsonText.Of(name).Json)
                .Append(':')
                .Append(value.Json);
        }

        return json.Append('}').ToString();
    }

    /// <summary>A text behind every word with this prefix.</summary>
    internal static string End(string prefix) => prefix + "\U0010FFFF";

    /// <summary>What a word begins with: its first character, its first two and its first three.</summary>
    internal static IEnumerable<string> PrefixesOf(string term)
    {
        var chars = 0;
        foreach (var rune in term.EnumerateRunes().Take(PrefixRunesMax))
        {
            chars += rune.Utf16SequenceLength;
            yield return term[..chars];
        }
    }

    private static IEnumerable<string> Split(string text)
    {
        var lower = Cut(text, 1_000).ToLowerInvariant();
        var from = 0;
        while (from < lower.Length)
        {
            var length = lower.AsSpan(from).IndexOfAny(Breaks) is >= 0 and var at ? at : lower.Length - from;
            if (length > 0)
            {
                yield return lower.Substring(from, length);
            }

            from += length + 1;
        }
    }

    private static void Add(ImmutableSortedSet<string>.Builder terms, string term)
    {
        if (terms.Count < TermsMax)
        {
            terms.Add(Cut(term, TermCharsMax));
        }
    }
}
