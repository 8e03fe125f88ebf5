using System.Buffers.Text;
using System.Collections.Immutable;
using System.Globalization;
using System.IO.Hashing;
using System.Text;

namespace VarianceActors.Pipeline.Views;

/// <summary>What lists are sorted by.</summary>
public enum ViewSort : byte
{
    /// <summary>Who was seen last comes first.</summary>
    LastSeen,

    /// <summary>By name, else by address, else by id; without regard to case.</summary>
    Name,

    /// <summary>Who is newest comes first.</summary>
    Created,

    /// <summary>The most advanced stage first, and in a stage who was seen last.</summary>
    Stage,
}

/// <summary>Which contacts or accounts are meant: those that match all that is given.</summary>
/// <param name="Stage">Their stage; empty: none.</param>
/// <param name="Account">The id of their account, or of one that it speaks for; null for accounts.</param>
/// <param name="Domain">The domain of a contact's address, or one of an account's domains.</param>
/// <param name="SeenSince">Last seen then or later.</param>
/// <param name="Words">Each begins a word of a name, an address or an id.</param>
public sealed record ViewCriteria(
    string? Stage,
    string? Account,
    string? Domain,
    DateTimeOffset? SeenSince,
    ImmutableArray<string> Words)
{
    /// <summary>Everybody.</summary>
    public static readonly ViewCriteria All = new(null, null, null, null, []);

    /// <summary>The same for the same criteria; a cursor belongs to them.</summary>
    internal ulong Fingerprint => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(string.Join(
        '\n',
        (string?[])
        [
            Stage is null ? "" : "s" + Stage,
            Account is null ? "" : "a" + Account,
            Domain is null ? "" : "d" + Domain,
            ViewStatements.Milliseconds(SeenSince).ToString(CultureInfo.InvariantCulture),
            .. Words,
        ])));
}

/// <summary>Where a page of a list ends.</summary>
/// <param name="Sort">What the list is sorted by.</param>
/// <param name="Criteria">The fingerprint of its criteria.</param>
/// <param name="Stage">The stage that the page ends in, if it is sorted by that.</param>
/// <param name="Key">What its last item is sorted by: a text, or a number of milliseconds.</param>
/// <param name="Number">The number of its last item.</param>
public sealed record ViewCursor(ViewSort Sort, ulong Criteria, string Stage, string Key, long Number)
{
    private const char Break = '\u001f';

    /// <summary>The cursor as callers get it.</summary>
    public override string ToString() => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(string.Join(
        Break,
        ((int)Sort).ToString(CultureInfo.InvariantCulture),
        Criteria.ToString(CultureInfo.InvariantCulture),
        Number.ToString(CultureInfo.InvariantCulture),
        Stage,
        Key)));

    /// <summary>Reads what <see cref="ToString"/> wrote; null for anything else.</summary>
    public static ViewCursor? Parse(string text)
    {
        if (!Base64Url.IsValid(text))
        {
            return null;
        }

        var parts = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(text)).Split(Break, 5);
        return parts.Length == 5
            && byte.TryParse(parts[0], CultureInfo.InvariantCulture, out var sort)
            && sort <= (byte)ViewSort.Stage
            && ulong.TryParse(parts[1], CultureInfo.InvariantCulture, out var criteria)
            && long.TryParse(parts[2], CultureInfo.InvariantCulture, out var number)
            && ((ViewSort)sort is ViewSort.Name || long.TryParse(parts[4], CultureInfo.InvariantCulture, out _))
                ? new ViewCursor((ViewSort)sort, criteria, parts[3], parts[4], number)
                : null;
    }

    /// <summary>Whether it is of a list with this order and these criteria.</summary>
    public bool IsOf(ViewCriteria criteria, ViewSort sort) => Sort == sort && Criteria == criteria.Fingerprint;

    /// <summary>The key as the database compares it.</summary>
    internal object Value => Sort is ViewSort.Name ? Key : long.Parse(Key, CultureInfo.InvariantCulture);
}
