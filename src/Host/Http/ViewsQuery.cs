using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Mvc;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Host.Http;

/// <summary>The parameters of the lists of contacts and accounts.</summary>
internal sealed record ViewsQuery(
    [property: FromQuery(Name = "stage"), Description("Only in this stage; empty: in none")]
    string? Stage,
    [property: FromQuery(Name = "account"), Description("Contacts only: of this account, by its id")]
    string? Account,
    [property: FromQuery(Name = "domain"), Description("The domain of the e-mail address, or one of an account's")]
    string? Domain,
    [property: FromQuery(Name = "seen_since"), Description("Last seen at this time or later, ISO 8601")]
    string? SeenSince,
    [property: FromQuery(Name = "search"), Description("Words, each of which begins a word of name, address or id")]
    string? Search,
    [property: FromQuery(Name = "sort"), Description("last_seen (the default), name, created (the default of CSV) or stage")]
    string? Sort,
    [property: FromQuery(Name = "after"), Description("The next of the page before")]
    string? After,
    [property: FromQuery(Name = "limit"), Description("Items of the page at most, 1 to 1000; 100 unless given. A page may be shorter: follow next until it is null")]
    string? Limit)
{
    private const int LimitUsual = 100;
    private const int SearchCharsMax = 200;

    /// <summary>What the parameters ask for.</summary>
    /// <param name="ofAccounts">Whether of accounts.</param>
    /// <param name="asked">What they ask for.</param>
    /// <param name="fault">What is wrong with them.</param>
    public bool TryRead(
        bool ofAccounts, [NotNullWhen(true)] out ViewsAsked? asked, [NotNullWhen(false)] out string? fault)
    {
        asked = null;
        var since = (DateTimeOffset?)null;
        if (SeenSince is not null && !TryTime(SeenSince, out since))
        {
            fault = "'seen_since' is no time in ISO 8601, such as 2026-03-01T09:00:00Z.";
            return false;
        }

        if (ofAccounts && Account is not null)
        {
            fault = "'account' is a filter of contacts.";
            return false;
        }

        if (SortOf(Sort) is not { } sort)
        {
            fault = "'sort' is last_seen, name, created or stage.";
            return false;
        }

        var limit = LimitUsual;
        if (Limit is not null && (!int.TryParse(Limit, out limit) || limit is < 1 or > Api.PageMax))
        {
            fault = $"'limit' is a whole number from 1 to {Api.PageMax}.";
            return false;
        }

        var words = ViewText.WordsOf(Search ?? "");
        if (Search is { Length: > SearchCharsMax } || (Search is not null && words.IsEmpty))
        {
            fault = $"'search' has no word to look for, or more than {SearchCharsMax} characters.";
            return false;
        }

        var criteria = new ViewCriteria(Stage, Account, Domain?.Trim().ToLowerInvariant(), since, words);
        var after = After is null ? null : ViewCursor.Parse(After);
        fault = After is null || after is not null
            ? after is null || after.IsOf(criteria, sort)
                ? null
                : "'after' belongs to a list with another order or other filters: begin at the first page."
            : "'after' is not the 'next' of a page.";
        asked = fault is null ? new ViewsAsked(criteria, sort, after, limit) : null;
        return fault is null;
    }

    /// <summary>The same for a file, which has everything that matches. Whoever is seen while it is written would move to a page
    /// that was written before, so its order is by creation unless another one is asked for.</summary>
    public bool TryReadFile(
        bool ofAccounts, [NotNullWhen(true)] out ViewsAsked? asked, [NotNullWhen(false)] out string? fault)
    {
        if (Limit is not null)
        {
            (asked, fault) = (null, "'limit' is for pages: a file has everything that matches.");
            return false;
        }

        if (!TryRead(ofAccounts, out asked, out fault))
        {
            return false;
        }

        asked = Sort is null && asked.After is null ? asked with { Sort = ViewSort.Created } : asked;
        return true;
    }

    private static bool TryTime(string text, out DateTimeOffset? time)
    {
        var isTime = DateTimeOffset.TryParse(
            text,
            System.Globalization.CultureInfo.InvariantCulture,
            System.Globalization.DateTimeStyles.AssumeUniversal,
            out var parsed);
        time = isTime ? parsed : null;
        return isTime;
    }

    private static ViewSort? SortOf(string? word) => word switch
    {
        null or "last_seen" => ViewSort.LastSeen,
        "name" => ViewSort.Name,
        "created" => ViewSort.Created,
        "stage" => ViewSort.Stage,
        _ => null,
    };
}

/// <summary>What a list is asked for.</summary>
internal sealed record ViewsAsked(ViewCriteria Criteria, ViewSort Sort, ViewCursor? After, int Limit);
