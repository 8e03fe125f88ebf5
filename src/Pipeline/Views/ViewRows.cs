using System.Collections.Immutable;
using VarianceActors.Pipeline.Accounts;

namespace VarianceActors.Pipeline.Views;

/// <summary>In which stage somebody is.</summary>
/// <param name="Name">The stage.</param>
/// <param name="Since">Since when.</param>
/// <param name="Rule">Why.</param>
/// <param name="By">Who pinned it; null unless it is pinned.</param>
public sealed record StageRow(string Name, DateTimeOffset Since, string Rule, string? By);

/// <summary>A move between two stages, or a pin that was set or taken away in one.</summary>
/// <param name="From">Empty for none.</param>
/// <param name="To">Empty for none.</param>
/// <param name="Rule">Why.</param>
/// <param name="By">Who pinned it, or took the pin away; null if nobody did.</param>
/// <param name="At">When.</param>
public sealed record StageMoveRow(string From, string To, string Rule, string? By, DateTimeOffset At);

/// <summary>A contact in a list.</summary>
/// <param name="Person">The person's uuid.</param>
/// <param name="UserId">What Variance calls it.</param>
/// <param name="Name">Null if none is known.</param>
/// <param name="Email">Null if none is known.</param>
/// <param name="Account">The id of its account; null for none.</param>
/// <param name="AccountName">What that is called; null if that is not known.</param>
/// <param name="Rule">What made it a member; null for no account.</param>
/// <param name="RuleValue">What the rule saw.</param>
/// <param name="Stage">Null for none.</param>
/// <param name="CreatedAt">When its first event happened.</param>
/// <param name="LastSeen">When it was last active; null for never.</param>
/// <param name="Version">The person's version.</param>
public sealed record ContactRow(
    Guid Person,
    string UserId,
    string? Name,
    string? Email,
    string? Account,
    string? AccountName,
    AccountRule? Rule,
    string RuleValue,
    StageRow? Stage,
    DateTimeOffset CreatedAt,
    DateTimeOffset? LastSeen,
    long Version)
{
    /// <summary>Its properties, a JSON object.</summary>
    public required string Properties { get; init; }

    internal long Number { get; init; }
}

/// <summary>An account in a list.</summary>
/// <param name="Id">Its id, for Variance the <c>groupId</c>.</param>
/// <param name="Name">Null if none is known.</param>
/// <param name="Domains">The domains of its contacts' addresses.</param>
/// <param name="Contacts">How many contacts it has.</param>
/// <param name="Stage">Null for none.</param>
/// <param name="MergedInto">The account that speaks for it; null unless it is merged.</param>
/// <param name="CreatedAt">When it was first heard of.</param>
/// <param name="LastSeen">When one of its persons was last active; null for never.</param>
/// <param name="Version">The number of its last fact.</param>
public sealed record AccountRow(
    string Id,
    string? Name,
    ImmutableArray<string> Domains,
    int Contacts,
    StageRow? Stage,
    string? MergedInto,
    DateTimeOffset CreatedAt,
    DateTimeOffset? LastSeen,
    long Version)
{
    /// <summary>Its properties, a JSON object.</summary>
    public required string Properties { get; init; }

    internal long Number { get; init; }
}

/// <summary>How long a contact belonged to an account.</summary>
/// <param name="Person">The contact.</param>
/// <param name="Account">The account.</param>
/// <param name="Rule">What made it a member.</param>
/// <param name="RuleValue">What the rule saw.</param>
/// <param name="From">Since when.</param>
/// <param name="To">Until when; null for now.</param>
public sealed record MembershipRow(
    Guid Person, string Account, AccountRule Rule, string RuleValue, DateTimeOffset From, DateTimeOffset? To);

/// <summary>A day of activity.</summary>
/// <param name="Day">The day, UTC.</param>
/// <param name="Events">How many events.</param>
/// <param name="ByName">How many of each name.</param>
public sealed record ActivityDay(DateOnly Day, long Events, IReadOnlyDictionary<string, long> ByName);

/// <summary>An event in a list.</summary>
/// <param name="Uuid">The event.</param>
/// <param name="Event">Its name.</param>
/// <param name="DistinctId">The id that it came through.</param>
/// <param name="At">When it happened.</param>
public sealed record RecentEvent(Guid Uuid, string Event, string DistinctId, DateTimeOffset At);

/// <summary>A page of a list.</summary>
/// <param name="Items">In order.</param>
/// <param name="Next">Where it ends; null on the last page.</param>
public sealed record ViewPage<T>(ImmutableArray<T> Items, ViewCursor? Next);

/// <summary>Everything about a contact.</summary>
/// <param name="Contact">The contact.</param>
/// <param name="DistinctIds">Its ids, sorted; at most 1000.</param>
/// <param name="Memberships">The accounts that it belongs and belonged to, the oldest first.</param>
/// <param name="Moves">Its moves between stages, the oldest first; at most the newest 1000.</param>
/// <param name="Activity">Days with activity, the oldest first.</param>
public sealed record ContactPage(
    ContactRow Contact,
    ImmutableArray<string> DistinctIds,
    ImmutableArray<MembershipRow> Memberships,
    ImmutableArray<StageMoveRow> Moves,
    ImmutableArray<ActivityDay> Activity);

/// <summary>The activity of an account in a period.</summary>
/// <param name="Events">How many events.</param>
/// <param name="ActiveContacts">How many contacts had some.</param>
public sealed record AccountPeriod(long Events, int ActiveContacts);

/// <summary>A day of an account.</summary>
/// <param name="Day">The day, UTC.</param>
/// <param name="Events">How many events.</param>
/// <param name="ActiveContacts">How many contacts had some.</param>
/// <param name="ByName">How many events of each name.</param>
public sealed record AccountDay(
    DateOnly Day, long Events, int ActiveContacts, IReadOnlyDictionary<string, long> ByName);

/// <summary>What an account did; that of the accounts which are merged into it is in it.</summary>
/// <param name="Row">The account.</param>
/// <param name="Period">The period.</param>
/// <param name="Before">The period before it, of the same length; null if not all of it is kept any more.</param>
/// <param name="Days">The days of the period on which something happened, the oldest first.</param>
/// <param name="Memberships">Who belongs and belonged to it, those who joined last first; at most 1000.</param>
/// <param name="Moves">Its moves between stages, the oldest first; at most the newest 1000.</param>
public sealed record AccountPage(
    AccountRow Row,
    AccountPeriod Period,
    AccountPeriod? Before,
    ImmutableArray<AccountDay> Days,
    ImmutableArray<MembershipRow> Memberships,
    ImmutableArray<StageMoveRow> Moves);

/// <summary>What happened in a stage in a period.</summary>
/// <param name="Stage">The stage.</param>
/// <param name="Members">How many are in it now.</param>
/// <param name="Entered">How many times it was entered.</param>
/// <param name="Left">How many times it was left.</param>
/// <param name="Advanced">How many of those went to a more advanced stage.</param>
/// <param name="TimeInStage">How long those who left had been in it, on average; null if that is known of nobody.</param>
/// <param name="Conversion">Of those who were in it in the period, the share that advanced; null if nobody was.</param>
public sealed record StageFigures(
    string Stage, long Members, long Entered, long Left, long Advanced, TimeSpan? TimeInStage, double? Conversion);
