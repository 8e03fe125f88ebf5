using System.Text.Json.Nodes;
using Akka.Actor;
using Akka.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using VarianceActors.Pipeline;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Host.Http;

/// <summary>An account, as the API shows it.</summary>
/// <param name="Id">Its id, for Variance the <c>groupId</c>.</param>
/// <param name="Name">Its name: the one that an operator gave, else that of its group, else that of its contacts'
/// traits; null if none is known.</param>
/// <param name="NameOverride">The name that an operator gave; null if none did.</param>
/// <param name="Domains">The domains of its contacts' addresses, those of most contacts first.</param>
/// <param name="Properties">The merged group properties.</param>
/// <param name="Stage">Its stage; null if it is in none.</param>
/// <param name="Moves">Its moves between stages, oldest first: the newest 1000 of the views; the newest 50 if no views are
/// kept.</param>
/// <param name="ContactCount">How many contacts it has now, with those of accounts that are merged into it.</param>
/// <param name="Contacts">At most 1000 contacts of its own, those that left too; the last to join first.</param>
/// <param name="Version">0 at first, plus one for every change of what Variance is told of it.</param>
public sealed record AccountView(
    string Id,
    string? Name,
    string? NameOverride,
    IReadOnlyList<string> Domains,
    JsonObject Properties,
    StageView? Stage,
    IReadOnlyList<MoveView> Moves,
    int ContactCount,
    IReadOnlyList<MemberView> Contacts,
    long Version)
{
    /// <summary>The account that speaks for it; null unless it is merged.</summary>
    public string? MergedInto { get; init; }

    /// <summary>The accounts that are merged into it; each keeps its own contacts and properties.</summary>
    public IReadOnlyList<string> Merged { get; init; } = [];

    /// <summary>When one of its persons was last active; null for never, or if no views are kept.</summary>
    public DateTimeOffset? LastSeen { get; init; }

    /// <summary>What its persons did, those of accounts that are merged into it among them; null if no views are kept, or they do not know it yet.</summary>
    public AccountActivityView? Activity { get; init; }

    /// <summary>Which contacts belong and belonged to it, or to an account that is merged into it, and for how long, those who joined
    /// last first; at most 1000. Of contacts that became part of another one only <c>contacts</c> tells when they left. From the
    /// views.</summary>
    public IReadOnlyList<MembershipView> Memberships { get; init; } = [];
}

/// <summary>In which stage somebody is.</summary>
/// <param name="Name">The stage.</param>
/// <param name="Since">When it was entered, ISO 8601.</param>
/// <param name="Rule">The rule that matched; <c>pinned</c> for a pin, <c>unpinned</c> where one was taken away.</param>
/// <param name="PinnedBy">Who pinned it; null unless it is pinned.</param>
public sealed record StageView(string Name, DateTimeOffset Since, string Rule, string? PinnedBy)
{
    internal static StageView? Of(StagePlace? place) =>
        place is { Name: { } name } ? new StageView(name, place.Since, place.Rule, place.By) : null;
}

/// <summary>A move between two stages, or a pin that was set or taken away in one.</summary>
/// <param name="From">Null for none.</param>
/// <param name="To">Null for none; as <paramref name="From"/> if only a pin was set or taken away.</param>
/// <param name="Rule">Why.</param>
/// <param name="By">Who pinned it, or took the pin away; null if nobody did.</param>
/// <param name="At">When, ISO 8601.</param>
public sealed record MoveView(string? From, string? To, string Rule, string? By, DateTimeOffset At);

/// <summary>A contact of an account.</summary>
/// <param name="PersonId">The person.</param>
/// <param name="UserId">What Variance calls it; null once it has left.</param>
/// <param name="Rule">What made it a member: <c>group_call</c>, <c>trait_path</c> or <c>email_domain</c>; null once it
/// has left.</param>
/// <param name="Value">What the rule saw.</param>
/// <param name="Stage">Its own stage.</param>
/// <param name="JoinedAt">When it joined last.</param>
/// <param name="LeftAt">When it left last; null if it never did.</param>
public sealed record MemberView(
    Guid PersonId,
    string? UserId,
    string? Rule,
    string? Value,
    string? Stage,
    DateTimeOffset? JoinedAt,
    DateTimeOffset? LeftAt);

/// <summary>Which account a contact belongs to, and why.</summary>
/// <param name="Id">The account.</param>
/// <param name="Rule"><c>group_call</c>, <c>trait_path</c> or <c>email_domain</c>.</param>
/// <param name="Value">What the rule saw.</param>
public sealed record AccountLinkView(string Id, string Rule, string Value)
{
    internal static AccountLinkView? Of(AccountLink? link) =>
        link is null ? null : new AccountLinkView(link.Key, WordOf(link.Rule), link.Value);

    internal static string WordOf(AccountRule rule) => rule switch
    {
        AccountRule.GroupCall => "group_call",
        AccountRule.TraitPath => "trait_path",
        _ => "email_domain",
    };
}

/// <summary>The name that an account is to be shown with.</summary>
/// <param name="Name">The name; null takes an earlier one back.</param>
/// <param name="By">Who says so.</param>
public sealed record RenameRequest(string? Name, string By);

/// <summary>The account to merge into.</summary>
/// <param name="Into">Its id; null takes an earlier merge back.</param>
/// <param name="By">Who says so.</param>
public sealed record MergeAccountRequest(string? Into, string By);

/// <summary>The stage to pin.</summary>
/// <param name="Stage">A stage of the configuration; null takes the pin away.</param>
/// <param name="By">Who says so.</param>
public sealed record PinRequest(string? Stage, string By);

/// <summary>Stages to try, as in the configuration; what is left out is as it is configured.</summary>
/// <param name="Contacts">The stages of contacts.</param>
/// <param name="Accounts">The stages of accounts.</param>
/// <param name="ContactPolicy"><c>forward-only</c> or <c>free</c>.</param>
/// <param name="AccountPolicy">The same for accounts.</param>
public sealed record PreviewRequest(
    IReadOnlyList<string>? Contacts,
    IReadOnlyList<string>? Accounts,
    string? ContactPolicy,
    string? AccountPolicy);

/// <summary>The HTTP API of accounts.</summary>
internal static class AccountsApi
{
    private const int MembersMax = 1000;
    private const int MovesShownMax = 1000;
    private const int TextCharsMax = 200;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public static void MapAccountsApi(this IEndpointRouteBuilder connection)
    {
        connection.MapGet("/accounts/{account}", FindAsync)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .WithSummary("An account: properties, domains, stage, contacts and why they are its, activity in a period.");
        connection.MapPost("/accounts/{account}/name", RenameAsync)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .WithSummary("Names an account, or takes the name back; nothing is lost by it. May be repeated.");
        connection.MapPost("/accounts/{account}/merge", MergeAsync)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .WithSummary("Merges an account into another one, or takes that back; loses nothing. May be repeated.");
        connection.MapPost("/stages/preview", PreviewAsync)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .WithSummary("Which contacts and accounts would move under other stages; changes nothing.");
        connection.MapPost("/persons/{distinctId}/stage", PinContactAsync)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .WithSummary("Pins the stage of a contact, or takes the pin away. May be repeated.");
        connection.MapPost("/accounts/{account}/stage", PinAsync)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .WithSummary("Pins the stage of an account, or takes the pin away. May be repeated.");
    }

    private static async Task<Results<Ok<AccountView>, ProblemHttpResult>> FindAsync(
        string connection,
        string account,
        HttpContext http,
        IRequiredActor<AccountsRegion> accounts,
        ViewQueries views,
        TimeProvider time,
        CancellationToken cancellationToken,
        string? days = null)
    {
        if (ViewsApi.Days(days, views, time, out var fault) is not { } length)
        {
            return Bad(fault!);
        }

        var id = new AccountId(connection, RawSegment.Behind(http, "accounts", account));
        var today = ViewsApi.Today(time);
        var asking = AskAsync(accounts, new GetAccount(id), cancellationToken); // an account that is not in memory comes back meanwhile
        var page = views.IsEnabled
            ? await views.ReadAccountAsync(connection, id.Key, today, length, cancellationToken)
            : null;
        var answer = await asking;
        return page is not null && answer.Result is Ok<AccountView> { Value: { } live }
                ? TypedResults.Ok(live with
                {
                    Activity = AccountActivityView.Of(page, today, length),
                    LastSeen = page.Row.LastSeen,
                    Moves = [.. page.Moves.Select(ViewsViews.Of)],
                    Memberships = [.. page.Memberships.Select(MembershipView.Of)],
                })
                : answer;
    }

    private static async Task<Results<Ok<AccountView>, ProblemHttpResult>> RenameAsync(
        string connection,
        string account,
        RenameRequest request,
        HttpContext http,
        IRequiredActor<AccountsRegion> accounts,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        if (Fault(request.By, "by") is { } fault)
        {
            return fault;
        }

        var name = request.Name?.Trim();
        if (name is { Length: 0 or > TextCharsMax })
        {
            return Bad($"Give a name of 1 to {TextCharsMax} characters, or null.");
        }

        var id = new AccountId(connection, RawSegment.Behind(http, "accounts", account));
        return await AskAsync(
            accounts, new RenameAccount(id, name, request.By.Trim(), time.GetUtcNow()), cancellationToken);
    }

    private static async Task<Results<Ok<AccountView>, ProblemHttpResult>> MergeAsync(
        string connection,
        string account,
        MergeAccountRequest request,
        HttpContext http,
        IRequiredActor<AccountsRegion> accounts,
        IRequiredActor<PeopleRegion> people,
        AccountMerging merging,
        CancellationToken cancellationToken)
    {
        if (Fault(request.By, "by") is { } fault)
        {
            return fault;
        }

        var id = new AccountId(connection, RawSegment.Behind(http, "accounts", account));
        var into = request.Into is null ? null : new AccountId(connection, request.Into);
        var result = await merging.MergeAsync(
            await accounts.GetAsync(cancellationToken),
            await people.GetAsync(cancellationToken),
            id,
            into,
            request.By.Trim(),
            cancellationToken);
        return result switch
        {
            MergingResult.Done => await AskAsync(accounts, new GetAccount(id), cancellationToken),
            MergingResult.NoAccount => TypedResults.Problem(
                "One of the accounts is not there.", statusCode: StatusCodes.Status404NotFound),
            _ => TypedResults.Problem(
                "An account that is merged into another one takes none in, and one that has taken some in is not "
                + "merged itself. Nothing has happened.",
                statusCode: StatusCodes.Status409Conflict),
        };
    }

    private static async Task<Results<Ok<StagePreviewAnswer>, ValidationProblem>> PreviewAsync(
        string connection,
        PreviewRequest request,
        PipelineOptions options,
        StagePreview preview,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        var faults = new[] { ("contact_policy", request.ContactPolicy), ("account_policy", request.AccountPolicy) }
            .Where(policy => policy.Item2 is not null && PolicyOf(policy.Item2) is null)
            .ToDictionary(policy => policy.Item1, policy => (string[])[$"'{policy.Item1}' is 'free' or 'forward-only'."]);
        if (faults.Count > 0)
        {
            return TypedResults.ValidationProblem(faults);
        }

        var configured = options.Connections[connection];
        var contacts = StageRuleReader.ReadContacts(
            request.Contacts ?? configured.Stages.Contacts,
            PolicyOf(request.ContactPolicy) ?? configured.Stages.ContactPolicy);
        var accounts = StageRuleReader.ReadAccounts(
            request.Accounts ?? configured.Stages.Accounts,
            PolicyOf(request.AccountPolicy) ?? configured.Stages.AccountPolicy);
        if (contacts.Rules is not { } contactStages || accounts.Rules is not { } accountStages)
        {
            return TypedResults.ValidationProblem(new Dictionary<string, string[]>
            {
                ["contacts"] = [.. contacts.Faults],
                ["accounts"] = [.. accounts.Faults],
            });
        }

        var rules = ContactRules.Of(configured.Accounts, configured.GroupType, contactStages, accountStages);
        return TypedResults.Ok(await preview.PreviewAsync(
            connection, rules, time.GetUtcNow(), MovesShownMax, cancellationToken));
    }

    private static StagePolicy? PolicyOf(string? word) => word switch
    {
        "free" => StagePolicy.Free,
        "forward-only" => StagePolicy.ForwardOnly,
        _ => null,
    };

    private static async Task<Results<Ok<PersonView>, ProblemHttpResult>> PinContactAsync(
        string connection,
        string distinctId,
        PinRequest request,
        HttpContext http,
        IRequiredActor<PeopleRegion> people,
        PipelineOptions options,
        ContactPinning pinning,
        CancellationToken cancellationToken)
    {
        if (Fault(request.By, "by") is { } fault)
        {
            return fault;
        }

        var stages = options.Connections[connection].ToContactRules().ContactStages;
        if (request.Stage is { } stage && stages.PlaceOf(stage) < 0)
        {
            return Bad("There is no stage of that name among the connection's stages of contacts.");
        }

        var home = new PersonId(connection, RawSegment.Behind(http, "persons", distinctId));
        var region = await people.GetAsync(cancellationToken);
        var person = await pinning.PinAsync(region, home, request.Stage, request.By.Trim(), cancellationToken);
        return person is null
            ? TypedResults.Problem(
                "There is no contact with this distinct id: stages are for persons who are identified.",
                statusCode: StatusCodes.Status404NotFound)
            : TypedResults.Ok(Api.ViewOf(person));
    }

    private static async Task<Results<Ok<AccountView>, ProblemHttpResult>> PinAsync(
        string connection,
        string account,
        PinRequest request,
        HttpContext http,
        IRequiredActor<AccountsRegion> accounts,
        PipelineOptions options,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        if (Fault(request.By, "by") is { } fault)
        {
            return fault;
        }

        var stages = options.Connections[connection].ToContactRules().AccountStages;
        if (request.Stage is { } stage && stages.PlaceOf(stage) < 0)
        {
            return Bad("There is no stage of that name among the connection's stages of accounts.");
        }

        var id = new AccountId(connection, RawSegment.Behind(http, "accounts", account));
        return await AskAsync(
            accounts, new PinAccountStage(id, request.Stage, request.By.Trim(), time.GetUtcNow()), cancellationToken);
    }

    internal static ProblemHttpResult? Fault(string? text, string name) =>
        string.IsNullOrWhiteSpace(text) || text.Length > TextCharsMax
            ? Bad($"Say who in '{name}': 1 to {TextCharsMax} characters.")
            : null;

    internal static ProblemHttpResult Bad(string detail) =>
        TypedResults.Problem(detail, statusCode: StatusCodes.Status400BadRequest);

    private static async Task<Results<Ok<AccountView>, ProblemHttpResult>> AskAsync(
        IRequiredActor<AccountsRegion> accounts, IAccountMessage message, CancellationToken cancellationToken)
    {
        var region = await accounts.GetAsync(cancellationToken);
        object answer;
        try
        {
            answer = await region.Ask<object>(message, Patience, cancellationToken);
        }
        catch (AskTimeoutException)
        {
            return TypedResults.Problem(
                "The account does not answer now; ask again.", statusCode: StatusCodes.Status503ServiceUnavailable);
        }

        var account = answer switch
        {
            AccountFound found => found.Account,
            AccountChanged changed => changed.Account,
            _ => null,
        };
        return account is null
            ? TypedResults.Problem("There is no account with this id.", statusCode: StatusCodes.Status404NotFound)
            : TypedResults.Ok(ViewOf(account));
    }

    private static AccountView ViewOf(AccountState account) => new(
        account.Id.Key,
        account.Name,
        account.GivenName,
        account.ShownDomains,
        new JsonObject(account.ShownTraits
            .OrderBy(trait => trait.Key, StringComparer.Ordinal)
            .Select(trait => KeyValuePair.Create(trait.Key, JsonNode.Parse(trait.Value.Json)))),
        StageView.Of(account.Stage),
        [.. account.Moves.Select(move => new MoveView(move.Move.From, move.Move.To, move.Move.Rule, move.By, move.At))],
        account.Contacts + account.Merged.Sum(part => part.Value.Contacts),
        [
            .. account.Members
                .OrderByDescending(member => member.Value.JoinedAt)
                .ThenBy(member => member.Key)
                .Take(MembersMax)
                .Select(member => ViewOf(member.Key, member.Value)),
        ],
        account.Version)
    {
        MergedInto = account.IsMerged ? account.Target!.Key : null,
        Merged = [.. account.Merged.Select(part => part.Key)],
    };

    private static MemberView ViewOf(Guid person, AccountMember member) => new(
        person,
        member.Contact?.UserId,
        member.Contact is { Rule: var rule } ? AccountLinkView.WordOf(rule) : null,
        member.Contact?.Value,
        member.Contact?.Stage,
        member.JoinedAt,
        member.LeftAt);
}
