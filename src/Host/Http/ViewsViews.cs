using System.Text.Json.Nodes;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Host.Http;

/// <summary>How far the lists are behind.</summary>
/// <param name="Waiting">Events and other news that are not in them yet.</param>
public sealed record ViewsStateView(long Waiting);

/// <summary>A page of a list.</summary>
/// <param name="Items">In order.</param>
/// <param name="Next">Pass it as <c>after</c> for the next page; null on the last one. A page may be shorter than <c>limit</c>, even
/// empty: follow this until it is null.</param>
public sealed record PageView<T>(IReadOnlyList<T> Items, string? Next);

/// <summary>A contact in a list.</summary>
/// <param name="PersonId">PostHog's person uuid.</param>
/// <param name="UserId">What Variance calls it.</param>
/// <param name="Name">Its name; null if none is known.</param>
/// <param name="Email">Its address; null if none is known.</param>
/// <param name="Account">Its account; null if there is none.</param>
/// <param name="AccountName">What the account is called; null if that is not known.</param>
/// <param name="Stage">Its stage; null if it is in none.</param>
/// <param name="CreatedAt">When its first event happened, ISO 8601.</param>
/// <param name="LastSeen">When it was last active; null for never.</param>
public sealed record ContactItem(
    Guid PersonId,
    string UserId,
    string? Name,
    string? Email,
    AccountLinkView? Account,
    string? AccountName,
    StageView? Stage,
    DateTimeOffset CreatedAt,
    DateTimeOffset? LastSeen)
{
    internal static ContactItem Of(ContactRow row) => new(
        row.Person,
        row.UserId,
        row.Name,
        row.Email,
        row is { Account: { } account, Rule: { } rule }
            ? new AccountLinkView(account, AccountLinkView.WordOf(rule), row.RuleValue)
            : null,
        row.AccountName,
        ViewsViews.Of(row.Stage),
        row.CreatedAt,
        row.LastSeen);
}

/// <summary>Everything about a contact.</summary>
/// <param name="Contact">As in a list.</param>
/// <param name="DistinctIds">Its ids, sorted; at most 1000.</param>
/// <param name="Properties">Its merged properties.</param>
/// <param name="Accounts">The accounts that it belongs and belonged to, the oldest first.</param>
/// <param name="Moves">Its moves between stages, the oldest first; at most 1000.</param>
/// <param name="Activity">Days with activity, the oldest first.</param>
/// <param name="Version">The person's version that is shown.</param>
public sealed record ContactView(
    ContactItem Contact,
    IReadOnlyList<string> DistinctIds,
    JsonNode? Properties,
    IReadOnlyList<MembershipView> Accounts,
    IReadOnlyList<MoveView> Moves,
    IReadOnlyList<ActivityDay> Activity,
    long Version);

/// <summary>How long somebody belonged to an account.</summary>
/// <param name="PersonId">The contact.</param>
/// <param name="Account">The account.</param>
/// <param name="Rule">What made it a member: <c>group_call</c>, <c>trait_path</c> or <c>email_domain</c>.</param>
/// <param name="Value">What the rule saw.</param>
/// <param name="From">Since when, ISO 8601.</param>
/// <param name="To">Until when; null for now.</param>
public sealed record MembershipView(
    Guid PersonId, string Account, string Rule, string Value, DateTimeOffset From, DateTimeOffset? To)
{
    internal static MembershipView Of(MembershipRow row) =>
        new(row.Person, row.Account, AccountLinkView.WordOf(row.Rule), row.RuleValue, row.From, row.To);
}

/// <summary>An account in a list.</summary>
/// <param name="Id">Its id, for Variance the <c>groupId</c>.</param>
/// <param name="Name">Its name; null if none is known.</param>
/// <param name="Domains">The domains of its contacts' addresses.</param>
/// <param name="ContactCount">How many contacts it has.</param>
/// <param name="Stage">Its stage; null if it is in none.</param>
/// <param name="MergedInto">The account that speaks for it; null unless it is merged.</param>
/// <param name="CreatedAt">When it was first heard of, ISO 8601.</param>
/// <param name="LastSeen">When one of its persons was last active; null for never.</param>
public sealed record AccountItem(
    string Id,
    string? Name,
    IReadOnlyList<string> Domains,
    int ContactCount,
    StageView? Stage,
    string? MergedInto,
    DateTimeOffset CreatedAt,
    DateTimeOffset? LastSeen)
{
    internal static AccountItem Of(AccountRow row) => new(
        row.Id,
        row.Name,
        row.Domains,
        row.Contacts,
        ViewsViews.Of(row.Stage),
        row.MergedInto,
        row.CreatedAt,
        row.LastSeen);
}

/// <summary>What an account did in a period, against the period before it.</summary>
/// <param name="From">The first day.</param>
/// <param name="To">The last day.</param>
/// <param name="Events">How many events its persons had.</param>
/// <param name="EventsBefore">The same in the period before; null if not all of that is kept any more.</param>
/// <param name="EventsChange">The change in percent; null if there were none before, or that is not known.</param>
/// <param name="ActiveContacts">How many contacts had some.</param>
/// <param name="ActiveContactsBefore">The same in the period before; null if not all of that is kept any more.</param>
/// <param name="ActiveContactsChange">The change in percent; null if there were none before, or that is not known.</param>
/// <param name="Days">The days on which something happened, the oldest first.</param>
public sealed record AccountActivityView(
    DateOnly From,
    DateOnly To,
    long Events,
    long? EventsBefore,
    double? EventsChange,
    int ActiveContacts,
    int? ActiveContactsBefore,
    double? ActiveContactsChange,
    IReadOnlyList<AccountDay> Days)
{
    internal static AccountActivityView Of(AccountPage page, DateOnly to, int days) => new(
        to.AddDays(1 - days),
        to,
        page.Period.Events,
        page.Before?.Events,
        Change(page.Before?.Events, page.Period.Events),
        page.Period.ActiveContacts,
        page.Before?.ActiveContacts,
        Change(page.Before?.ActiveContacts, page.Period.ActiveContacts),
        page.Days);

    private static double? Change(long? before, long now) =>
        before is null or 0 ? null : Math.Round(100.0 * (now - before.Value) / before.Value, 1);
}

/// <summary>The stages of a connection in a period.</summary>
/// <param name="From">The first day.</param>
/// <param name="To">The last day.</param>
/// <param name="Contacts">The stages of contacts, the least advanced first; the last, without a name, is none.</param>
/// <param name="Accounts">The same for accounts.</param>
public sealed record StagesView(
    DateOnly From, DateOnly To, IReadOnlyList<StageFiguresView> Contacts, IReadOnlyList<StageFiguresView> Accounts);

/// <summary>A stage in a period.</summary>
/// <param name="Stage">Its name; null: in no stage.</param>
/// <param name="Count">How many are in it now.</param>
/// <param name="Entered">How many times it was entered.</param>
/// <param name="Left">How many times it was left.</param>
/// <param name="Advanced">How many of those went to a more advanced stage.</param>
/// <param name="HoursInStage">How long those who left had been in it, on average; null if that is known of nobody.</param>
/// <param name="Conversion">Of those who were in it in the period, the share from 0 to 1 that advanced; null if nobody
/// was.</param>
public sealed record StageFiguresView(
    string? Stage, long Count, long Entered, long Left, long Advanced, double? HoursInStage, double? Conversion)
{
    internal static StageFiguresView Of(StageFigures figures) => new(
        figures.Stage.Length == 0 ? null : figures.Stage,
        figures.Members,
        figures.Entered,
        figures.Left,
        figures.Advanced,
        figures.TimeInStage is { } time ? Math.Round(time.TotalHours, 2) : null,
        figures.Conversion is { } share ? Math.Round(share, 4) : null);
}

/// <summary>Rows as the API shows them.</summary>
internal static class ViewsViews
{
    public static StageView? Of(StageRow? stage) =>
        stage is null ? null : new StageView(stage.Name, stage.Since, stage.Rule, stage.By);

    public static MoveView Of(StageMoveRow move) => new(
        move.From.Length == 0 ? null : move.From,
        move.To.Length == 0 ? null : move.To,
        move.Rule,
        move.By,
        move.At);

    public static ContactView Of(ContactPage page) => new(
        ContactItem.Of(page.Contact),
        page.DistinctIds,
        JsonNode.Parse(page.Contact.Properties),
        [.. page.Memberships.Select(MembershipView.Of)],
        [.. page.Moves.Select(Of)],
        page.Activity,
        page.Contact.Version);
}
