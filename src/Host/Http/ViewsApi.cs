using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http.HttpResults;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Host.Http;

/// <summary>The HTTP API of contacts, accounts and stages, as the views have them.</summary>
internal static class ViewsApi
{
    internal const int DaysMax = 366;
    private const int DaysUsual = 30;
    private const string Csv = "text/csv";

    private static readonly string[] ContactColumns =
    [
        "person_id", "user_id", "name", "email", "account", "account_name", "account_rule", "stage", "stage_since",
        "created_at", "last_seen", "properties",
    ];

    private static readonly string[] AccountColumns =
    [
        "id", "name", "domains", "contact_count", "stage", "stage_since", "merged_into", "created_at", "last_seen",
        "properties",
    ];

    public static void MapViewsApi(this IEndpointRouteBuilder connection)
    {
        var views = connection.MapGroup("").AddEndpointFilter<ViewsKept>()
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status409Conflict);
        views.MapGet("/contacts", ListContactsAsync)
            .Produces<PageView<ContactItem>>()
            .Produces<string>(StatusCodes.Status200OK, Csv)
            .WithSummary("Contacts by filters, in order, page by page; with Accept: text/csv all of them, streamed.");
        views.MapGet("/contacts.csv", ExportContacts)
            .Produces<string>(StatusCodes.Status200OK, Csv)
            .WithSummary("All contacts that match, as CSV, streamed.");
        views.MapGet("/contacts/{contact}", FindContactAsync)
            .WithSummary("A contact by its person id or any distinct id: properties, accounts, stages, activity.");
        views.MapGet("/contacts/{contact}/events", ListEventsAsync)
            .WithSummary("The last events of a contact, the newest first.");
        views.MapGet("/accounts", ListAccountsAsync)
            .Produces<PageView<AccountItem>>()
            .Produces<string>(StatusCodes.Status200OK, Csv)
            .WithSummary("Accounts by filters, in order, page by page; with Accept: text/csv all of them, streamed.");
        views.MapGet("/accounts.csv", ExportAccounts)
            .Produces<string>(StatusCodes.Status200OK, Csv)
            .WithSummary("All accounts that match, as CSV, streamed.");
        views.MapGet("/views", WaitingAsync)
            .WithSummary("How far the lists are behind.");
        views.MapGet("/stages", StagesAsync)
            .WithSummary("How many are in each stage, and how many came, left and advanced in a period.");
    }

    /// <summary>The length of a period in days; null and a fault if it is none, or begins before what is kept.</summary>
    internal static int? Days(string? text, ViewQueries queries, TimeProvider time, out string? fault)
    {
        var kept = Today(time).DayNumber - queries.KeptFrom.DayNumber + 1;
        var (days, daysMax) = (Math.Min(DaysUsual, kept), Math.Min(DaysMax, kept));
        fault = text is null || (int.TryParse(text, out days) && days >= 1 && days <= daysMax)
            ? null
            : $"'days' is a whole number from 1 to {daysMax}.";
        return fault is null ? days : null;
    }

    private static async Task<IResult> ListContactsAsync(
        string connection,
        [AsParameters] ViewsQuery query,
        HttpRequest request,
        ViewQueries queries,
        CancellationToken cancellationToken)
    {
        if (WantsCsv(request))
        {
            return ExportContacts(connection, query, queries, cancellationToken);
        }

        if (!query.TryRead(ofAccounts: false, out var asked, out var fault))
        {
            return AccountsApi.Bad(fault);
        }

        var page = await queries.ReadContactsAsync(
            connection, asked.Criteria, asked.Sort, asked.After, asked.Limit, cancellationToken);
        return TypedResults.Ok(new PageView<ContactItem>(
            [.. page.Items.Select(ContactItem.Of)], page.Next?.ToString()));
    }

    private static async Task<IResult> ListAccountsAsync(
        string connection,
        [AsParameters] ViewsQuery query,
        HttpRequest request,
        ViewQueries queries,
        CancellationToken cancellationToken)
    {
        if (WantsCsv(request))
        {
            return ExportAccounts(connection, query, queries, cancellationToken);
        }

        if (!query.TryRead(ofAccounts: true, out var asked, out var fault))
        {
            return AccountsApi.Bad(fault);
        }

        var page = await queries.ReadAccountsAsync(
            connection, asked.Criteria, asked.Sort, asked.After, asked.Limit, cancellationToken);
        return TypedResults.Ok(new PageView<AccountItem>(
            [.. page.Items.Select(AccountItem.Of)], page.Next?.ToString()));
    }

    private static IResult ExportContacts(
        string connection, [AsParameters] ViewsQuery query, ViewQueries queries, CancellationToken cancellationToken) =>
        query.TryReadFile(ofAccounts: false, out var asked, out var fault)
            ? Contacts(connection, asked, queries, cancellationToken)
            : AccountsApi.Bad(fault);

    private static IResult ExportAccounts(
        string connection, [AsParameters] ViewsQuery query, ViewQueries queries, CancellationToken cancellationToken) =>
        query.TryReadFile(ofAccounts: true, out var asked, out var fault)
            ? Accounts(connection, asked, queries, cancellationToken)
            : AccountsApi.Bad(fault);

    private static async Task<Results<Ok<ContactView>, ProblemHttpResult>> FindContactAsync(
        string connection,
        string contact,
        HttpContext http,
        ViewQueries queries,
        TimeProvider time,
        CancellationToken cancellationToken,
        string? days = null)
    {
        if (Days(days, queries, time, out var fault) is not { } length)
        {
            return AccountsApi.Bad(fault!);
        }

        var person = await PersonOfAsync(connection, RawSegment.Behind(http, "contacts", contact), queries, cancellationToken);
        var since = Today(time).AddDays(1 - length);
        return person is { } uuid
            && await queries.ReadContactAsync(connection, uuid, since, cancellationToken) is { } page
                ? TypedResults.Ok(ViewsViews.Of(page))
                : NoContact();
    }

    private static async Task<Results<Ok<PageView<RecentEvent>>, ProblemHttpResult>> ListEventsAsync(
        string connection,
        string contact,
        HttpContext http,
        ViewQueries queries,
        CancellationToken cancellationToken,
        string? after = null,
        string? limit = null)
    {
        var rows = 100;
        if (limit is not null && (!int.TryParse(limit, out rows) || rows is < 1 or > Api.PageMax))
        {
            return AccountsApi.Bad($"'limit' is a whole number from 1 to {Api.PageMax}.");
        }

        if (after is not null && PlaceOf(after) is null)
        {
            return AccountsApi.Bad("'after' is not the 'next' of a page.");
        }

        var person = await PersonOfAsync(connection, RawSegment.Behind(http, "contacts", contact), queries, cancellationToken);
        var place = after is null ? null : PlaceOf(after);
        return person is { } uuid
            && await queries.ReadEventsAsync(connection, uuid, place, rows, cancellationToken) is { } page
                ? TypedResults.Ok(new PageView<RecentEvent>(page.Items, TextOf(page.Next)))
                : NoContact();
    }

    private static async Task<Results<Ok<StagesView>, ProblemHttpResult>> StagesAsync(
        string connection,
        ViewQueries queries,
        TimeProvider time,
        CancellationToken cancellationToken,
        string? from = null,
        string? to = null)
    {
        var last = Today(time);
        if (to is not null && !TryDay(to, out last))
        {
            return AccountsApi.Bad("'to' is no day, such as 2026-03-31.");
        }

        var first = last.AddDays(1 - DaysUsual);
        if (from is not null && !TryDay(from, out first))
        {
            return AccountsApi.Bad("'from' is no day, such as 2026-03-01.");
        }

        if (first > last)
        {
            return AccountsApi.Bad("'from' is behind 'to'.");
        }

        if (first < queries.KeptFrom)
        {
            return AccountsApi.Bad($"'from' is before {queries.KeptFrom:yyyy-MM-dd}: what was counted then is not kept any more.");
        }

        var contacts = await queries.ReadStagesAsync(connection, ofAccounts: false, first, last, cancellationToken);
        var accounts = await queries.ReadStagesAsync(connection, ofAccounts: true, first, last, cancellationToken);
        return TypedResults.Ok(new StagesView(
            first,
            last,
            [.. contacts.Select(StageFiguresView.Of)],
            [.. accounts.Select(StageFiguresView.Of)]));
    }

    private static async Task<Ok<ViewsStateView>> WaitingAsync(
        string connection, ViewQueries queries, CancellationToken cancellationToken) =>
        TypedResults.Ok(new ViewsStateView(await queries.ReadWaitingAsync(connection, cancellationToken)));

    internal static DateOnly Today(TimeProvider time) => DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime);

    private static bool TryDay(string text, out DateOnly day) =>
        DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out day);

    // Who asks by an id that looks like a person's uuid means that person, if it is there.
    private static async Task<Guid?> PersonOfAsync(
        string connection, string contact, ViewQueries queries, CancellationToken cancellationToken) =>
        await queries.FindPersonAsync(connection, contact, cancellationToken)
        ?? (Guid.TryParse(contact, out var person) ? person : null);

    private static ProblemHttpResult NoContact() => TypedResults.Problem(
        "There is no contact with this id: visitors who are not identified are none.",
        statusCode: StatusCodes.Status404NotFound);

    private static bool WantsCsv(HttpRequest request) =>
        request.GetTypedHeaders().Accept is [{ MediaType.Value: Csv }, ..];

    private static string? TextOf(EventPlace? place) => place is { } known
        ? string.Create(CultureInfo.InvariantCulture, $"{known.At}.{known.Id}.{known.Slot}")
        : null;

    private static EventPlace? PlaceOf(string text)
    {
        var parts = text.Split('.');
        return parts.Length == 3
            && long.TryParse(parts[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var at)
            && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            && long.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var slot)
                ? new EventPlace(at, id, slot)
                : null;
    }

    private static PushStreamHttpResult Contacts(
        string connection, ViewsAsked asked, ViewQueries queries, CancellationToken cancellationToken) => Stream(
        "contacts.csv",
        ContactColumns,
        async after =>
        {
            var page = await queries.ReadContactsAsync(
                connection, asked.Criteria, asked.Sort, after ?? asked.After, Api.PageMax, cancellationToken);
            return (page.Items.Select(row => CsvRows.Line(
                row.Person,
                row.UserId,
                row.Name,
                row.Email,
                row.Account,
                row.AccountName,
                row.Rule is { } rule ? AccountLinkView.WordOf(rule) : null,
                row.Stage?.Name,
                row.Stage?.Since,
                row.CreatedAt,
                row.LastSeen,
                row.Properties)), page.Next);
        });

    private static PushStreamHttpResult Accounts(
        string connection, ViewsAsked asked, ViewQueries queries, CancellationToken cancellationToken) => Stream(
        "accounts.csv",
        AccountColumns,
        async after =>
        {
            var page = await queries.ReadAccountsAsync(
                connection, asked.Criteria, asked.Sort, after ?? asked.After, Api.PageMax, cancellationToken);
            return (page.Items.Select(row => CsvRows.Line(
                row.Id,
                row.Name,
                string.Join(' ', row.Domains),
                row.Contacts,
                row.Stage?.Name,
                row.Stage?.Since,
                row.MergedInto,
                row.CreatedAt,
                row.LastSeen,
                row.Properties)), page.Next);
        });

    /// <summary>One page is in memory at a time, and the next one is read when the caller has taken it.</summary>
    private static PushStreamHttpResult Stream(
        string name,
        string[] columns,
        Func<ViewCursor?, Task<(IEnumerable<string> Lines, ViewCursor? Next)>> read) =>
        TypedResults.Stream(
            async stream =>
            {
                await using var writer = new StreamWriter(stream, new UTF8Encoding(false), 16_384, leaveOpen: true);
                await writer.WriteAsync(CsvRows.Line(columns));
                var after = (ViewCursor?)null;
                do
                {
                    (var lines, after) = await read(after);
                    foreach (var line in lines)
                    {
                        await writer.WriteAsync(line);
                    }

                    await writer.FlushAsync();
                }
                while (after is not null);
            },
            "text/csv; charset=utf-8",
            name);

    private sealed class ViewsKept(ViewQueries queries) : IEndpointFilter
    {
        public ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
            queries.IsEnabled
                ? next(context)
                : ValueTask.FromResult<object?>(TypedResults.Problem(
                    "No views are kept: variance.views.enabled is off.", statusCode: StatusCodes.Status409Conflict));
    }
}
