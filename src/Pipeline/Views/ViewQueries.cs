using System.Collections.Immutable;
using System.Data.Common;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Views;

/// <summary>What the API asks the views. Lists show what was folded in a moment ago; each answer is of one moment.</summary>
public sealed class ViewQueries(PipelineParts parts)
{
    private const int ShownMax = 1_000;

    // An account and those that are merged into it.
    private const string Merged = """
        (SELECT number FROM view_account WHERE connection = @connection AND id = @id
        UNION ALL SELECT number FROM view_account WHERE connection = @connection AND merged_into = @id)
        """;

    private static readonly Statement SelectContact = new("""
        SELECT c.number, c.person, c.user_id, c.name, c.email, a.id, a.name, c.rule, c.rule_value, c.stage, c.stage_since,
            c.stage_rule, c.stage_by, c.created_at, c.last_seen, c.version, c.properties
        FROM view_contact c LEFT JOIN view_account a ON a.number = c.account WHERE c.number = @number
        """);

    private static readonly Statement SelectContactNumber = new(
        "SELECT number FROM view_contact WHERE connection = @connection AND person = @person");

    private static readonly Statement SelectPerson = new(
        "SELECT person FROM view_id WHERE connection = @connection AND distinct_id = @distinct_id");

    private static readonly Statement SelectAccount = new("""
        SELECT number, id, name, domains, contacts, stage, stage_since, stage_rule, stage_by, merged_into, created_at,
            last_seen, version, properties
        FROM view_account WHERE number = @number
        """);

    private static readonly Statement SelectAccountNumber = new(
        "SELECT number FROM view_account WHERE connection = @connection AND id = @id AND version > 0");

    private static readonly Statement SelectIds = new("""
        SELECT distinct_id FROM view_id WHERE connection = @connection AND person = @person
        ORDER BY distinct_id LIMIT @rows
        """);

    private static readonly Statement SelectMembershipsOfPerson = new("""
        SELECT m.person, m.version, m.at, a.id, m.rule, m.rule_value FROM view_membership m
        LEFT JOIN view_account a ON a.number = m.account
        WHERE m.connection = @connection AND m.person = @person ORDER BY m.version
        """);

    private static readonly Statement SelectMembershipsOfAccount = new($"""
        SELECT m.person, m.version, m.at, a.id, m.rule, m.rule_value FROM view_membership m
        LEFT JOIN view_account a ON a.number = m.account
        WHERE m.connection = @connection AND m.person IN (
            SELECT t.person FROM (
                SELECT person FROM view_membership WHERE account IN {Merged} GROUP BY person ORDER BY max(at) DESC, person) t
            WHERE EXISTS (SELECT 1 FROM view_contact c WHERE c.connection = @connection AND c.person = t.person) LIMIT @rows)
        ORDER BY m.person, m.version
        """);

    private static readonly Statement SelectMerged = new(
        $"SELECT id, last_seen FROM view_account WHERE number IN {Merged}");

    private static readonly Statement SelectContactMoves = new("""
        SELECT from_stage, to_stage, rule, moved_by, at FROM view_contact_move
        WHERE connection = @connection AND person = @person ORDER BY version DESC LIMIT @rows
        """);

    private static readonly Statement SelectAccountMoves = new("""
        SELECT from_stage, to_stage, rule, moved_by, at FROM view_account_move
        WHERE account = @account ORDER BY version DESC LIMIT @rows
        """);

    private static readonly Statement SelectContactDays = new("""
        SELECT a.day, a.event, sum(a.events) FROM view_id i JOIN view_activity a ON a.id = i.number AND a.day >= @day
        WHERE i.connection = @connection AND i.person = @person GROUP BY a.day, a.event ORDER BY a.day, a.event
        """);

    private static readonly Statement SelectAccountDays = new($"""
        SELECT day, event, sum(events) FROM view_account_day
        WHERE account IN {Merged} AND day >= @day AND day < @end GROUP BY day, event ORDER BY day, event
        """);

    private static readonly Statement SelectActiveIds = new($"""
        SELECT DISTINCT day, id FROM view_activity
        WHERE account IN {Merged} AND day >= @day AND day < @end
        """);

    // Each id is looked up once, on however many days it was active: of a large account there are thousands.
    private static readonly Statement SelectContactsOfIds = new($"""
        SELECT x.id, c.number FROM (
            SELECT DISTINCT id FROM view_activity WHERE account IN {Merged} AND day >= @day AND day < @end) x
        JOIN view_id i ON i.number = x.id
        JOIN view_contact c ON c.connection = i.connection AND c.person = i.person
        """);

    private static readonly Statement SelectEvents = new("""
        SELECT e.uuid, e.event, i.distinct_id, e.at, e.id, e.slot FROM view_id i JOIN view_event e ON e.id = i.number
        WHERE i.connection = @connection AND i.person = @person AND (e.at, e.id, e.slot) < (@at, @id, @slot)
            AND e.slot < @recent_events
        ORDER BY e.at DESC, e.id DESC, e.slot DESC LIMIT @rows
        """);

    private static readonly Statement SelectTotals = new(
        "SELECT stage, members FROM view_stage_total WHERE connection = @connection AND kind = @kind");

    private static readonly Statement SelectStageDays = new("""
        SELECT from_stage, to_stage, sum(moves), sum(CASE WHEN day < @end THEN moves ELSE 0 END),
            sum(CASE WHEN day < @end THEN known ELSE 0 END), sum(CASE WHEN day < @end THEN stayed ELSE 0 END)
        FROM view_stage_day WHERE connection = @connection AND kind = @kind AND day >= @day
        GROUP BY from_stage, to_stage
        """);

    /// <summary>Whether views are kept.</summary>
    public bool IsEnabled => parts.Options.Views.Enabled;

    /// <summary>How many events and other news are not in the views of a connection yet.</summary>
    public Task<long> ReadWaitingAsync(string connectionId, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(session => FeedStatements.Waiting(session, NumberOf(connectionId)), cancellationToken);

    /// <summary>Contacts. A page may be shorter than its limit; the last one has no next.</summary>
    /// <param name="connectionId">The connection.</param>
    /// <param name="criteria">Who is meant.</param>
    /// <param name="sort">The order.</param>
    /// <param name="after">The page before; null for the first page.</param>
    /// <param name="limit">Items of the page at most.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    public Task<ViewPage<ContactRow>> ReadContactsAsync(
        string connectionId,
        ViewCriteria criteria,
        ViewSort sort,
        ViewCursor? after,
        int limit,
        CancellationToken cancellationToken)
    {
        var stages = parts.Options.Connections[connectionId].ToContactRules().ContactStages;
        return parts.Database.ReadAsync(
            session =>
            {
                var list = new ViewList(session, NumberOf(connectionId), ViewStatements.OfContacts, Order(stages));
                var (numbers, next) = list.Page(criteria, sort, after, limit);
                return new ViewPage<ContactRow>([.. numbers.Select(number => Contact(session, number))], next);
            },
            cancellationToken);
    }

    /// <summary>Accounts, likewise.</summary>
    public Task<ViewPage<AccountRow>> ReadAccountsAsync(
        string connectionId,
        ViewCriteria criteria,
        ViewSort sort,
        ViewCursor? after,
        int limit,
        CancellationToken cancellationToken)
    {
        var stages = parts.Options.Connections[connectionId].ToContactRules().AccountStages;
        return parts.Database.ReadAsync(
            session =>
            {
                var list = new ViewList(session, NumberOf(connectionId), ViewStatements.OfAccounts, Order(stages));
                var (numbers, next) = list.Page(criteria, sort, after, limit);
                return new ViewPage<AccountRow>([.. numbers.Select(number => Account(session, number))], next);
            },
            cancellationToken);
    }

    /// <summary>The uuid of the person that has a distinct id; null for nobody.</summary>
    public Task<Guid?> FindPersonAsync(string connectionId, string distinctId, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync<Guid?>(
            session => session.Scalar(SelectPerson, NumberOf(connectionId), distinctId) is byte[] bytes
                ? new Guid(bytes, bigEndian: true)
                : null,
            cancellationToken);

    /// <summary>Everything about a contact; null if there is none.</summary>
    /// <param name="connectionId">The connection.</param>
    /// <param name="person">The contact.</param>
    /// <param name="since">The first day of the activity.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    public Task<ContactPage?> ReadContactAsync(
        string connectionId, Guid person, DateOnly since, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(
            session =>
            {
                var (connection, key) = (NumberOf(connectionId), ViewStatements.Bytes(person));
                return session.Scalar(SelectContactNumber, connection, key) is long number
                    ? new ContactPage(
                        Contact(session, number),
                        [.. session.Query(SelectIds, row => row.GetString(0), connection, key, ShownMax)],
                        Memberships(session.Query(
                            SelectMembershipsOfPerson, ReadMembership, connection, ViewStatements.Bytes(person))),
                        Moves(session.Query(SelectContactMoves, ReadMove, connection, key, ShownMax)),
                        Days(session.Query(
                            SelectContactDays, ReadDay, DayOf(since), connection, key)))
                    : null;
            },
            cancellationToken);

    /// <summary>The events of a contact that are listed, the newest first; null if there is no contact.</summary>
    /// <param name="connectionId">The connection.</param>
    /// <param name="person">The contact.</param>
    /// <param name="after">The last page's end.</param>
    /// <param name="limit">Items of the page.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    public Task<(ImmutableArray<RecentEvent> Items, EventPlace? Next)?> ReadEventsAsync(
        string connectionId, Guid person, EventPlace? after, int limit, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync<(ImmutableArray<RecentEvent>, EventPlace?)?>(
            session =>
            {
                var (connection, key) = (NumberOf(connectionId), ViewStatements.Bytes(person));
                if (session.Scalar(SelectContactNumber, connection, key) is null)
                {
                    return null;
                }

                var from = after ?? new EventPlace(long.MaxValue, 0, 0);
                var rows = session.Query(
                    SelectEvents,
                    row => (
                        Event: new RecentEvent(
                            new Guid(row.GetFieldValue<byte[]>(0), bigEndian: true),
                            row.GetString(1),
                            row.GetString(2),
                            Time(row.GetInt64(3))),
                        Place: new EventPlace(row.GetInt64(3), row.GetInt64(4), row.GetInt64(5))),
                    connection, key, from.At, from.Id, from.Slot, parts.Options.Views.RecentEvents, limit + 1);
                return (
                    [.. rows.Take(limit).Select(row => row.Event)],
                    rows.Count > limit ? rows[limit - 1].Place : null);
            },
            cancellationToken);

    /// <summary>The first day whose activity, and what is counted of stages, is kept.</summary>
    public DateOnly KeptFrom => DateOnly.FromDateTime((parts.Time.GetUtcNow() - parts.Options.Views.Activity).UtcDateTime);

    /// <summary>What an account did, with those that are merged into it; null if the views do not know it.</summary>
    /// <param name="connectionId">The connection.</param>
    /// <param name="account">The id of the account.</param>
    /// <param name="today">The last day of the period.</param>
    /// <param name="days">The length of the period.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    public Task<AccountPage?> ReadAccountAsync(
        string connectionId, string account, DateOnly today, int days, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(
            session =>
            {
                var connection = NumberOf(connectionId);
                if (session.Scalar(SelectAccountNumber, connection, account) is not long number)
                {
                    return null;
                }

                var end = DayOf(today) + 1;
                var before = end - (2 * days);
                var isKept = before >= DayOf(KeptFrom);
                var activity = ActivityOf(session, connection, account, isKept ? before : end - days, end);
                var merged = session.Query(SelectMerged, row => (row.GetString(0), row.GetInt64(1)), connection, account)
                    .ToDictionary();
                return new AccountPage(
                    Account(session, number) with { LastSeen = TimeOrNever(merged.Values.Max()) },
                    activity.Period(end - days, end),
                    isKept ? activity.Period(before, end - days) : null,
                    activity.Days(end - days),
                    MembershipsOf(session, connection, account, merged.ContainsKey),
                    Moves(session.Query(SelectAccountMoves, ReadMove, number, ShownMax)));
            },
            cancellationToken);

    /// <summary>The stages of a connection in a period, the least advanced first, and who is in none at the end.</summary>
    /// <param name="connectionId">The connection.</param>
    /// <param name="ofAccounts">Whether of accounts; else of contacts.</param>
    /// <param name="from">The first day.</param>
    /// <param name="to">The last day.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    public Task<ImmutableArray<StageFigures>> ReadStagesAsync(
        string connectionId, bool ofAccounts, DateOnly from, DateOnly to, CancellationToken cancellationToken)
    {
        var rules = parts.Options.Connections[connectionId].ToContactRules();
        var stages = ofAccounts ? rules.AccountStages : rules.ContactStages;
        var kind = ofAccounts ? ViewStatements.OfAccounts : ViewStatements.OfContacts;
        return parts.Database.ReadAsync(
            session =>
            {
                var connection = NumberOf(connectionId);
                var totals = session.Query(SelectTotals, row => (row.GetString(0), row.GetInt64(1)), connection, kind)
                    .ToDictionary();
                var moves = session.Query(
                    SelectStageDays,
                    row => new StageFlow(
                        row.GetString(0),
                        row.GetString(1),
                        Convert.ToInt64(row.GetValue(2), null),
                        Convert.ToInt64(row.GetValue(3), null),
                        Convert.ToInt64(row.GetValue(4), null),
                        Convert.ToInt64(row.GetValue(5), null)),
                    DayOf(to) + 1, connection, kind, DayOf(from));
                return StageFlow.Figures(stages, totals, moves);
            },
            cancellationToken);
    }

    private static ImmutableArray<string> Order(StageRules stages) =>
        [.. stages.Stages.Reverse().Select(stage => stage.Name)];

    private static ContactRow Contact(Session session, long number) => session.Query(
        SelectContact,
        row => new ContactRow(
            new Guid(row.GetFieldValue<byte[]>(1), bigEndian: true),
            row.GetString(2),
            Text(row, 3),
            Text(row, 4),
            Text(row, 5),
            Text(row, 6),
            row.GetInt64(7) == 0 ? null : (AccountRule)row.GetInt64(7),
            row.GetString(8),
            Stage(row, 9),
            Time(row.GetInt64(13)),
            TimeOrNever(row.GetInt64(14)),
            row.GetInt64(15))
        {
            Number = row.GetInt64(0),
            Properties = row.GetString(16),
        },
        number)[0];

    private static AccountRow Account(Session session, long number) => session.Query(
        SelectAccount,
        row => new AccountRow(
            row.GetString(1),
            Text(row, 2),
            [.. row.GetString(3).Split(' ', StringSplitOptions.RemoveEmptyEntries)],
            (int)row.GetInt64(4),
            Stage(row, 5),
            Text(row, 9),
            Time(row.GetInt64(10)),
            TimeOrNever(row.GetInt64(11)),
            row.GetInt64(12))
        {
            Number = row.GetInt64(0),
            Properties = row.GetString(13),
        },
        number)[0];

    private static StageRow? Stage(DbDataReader row, int at) => row.GetString(at) is { Length: > 0 } name
        ? new StageRow(name, Time(row.GetInt64(at + 1)), row.GetString(at + 2), Text(row, at + 3))
        : null;

    private static StageMoveRow ReadMove(DbDataReader row) =>
        new(row.GetString(0), row.GetString(1), row.GetString(2), Text(row, 3), Time(row.GetInt64(4)));

    private static (long Day, string Event, long Events) ReadDay(DbDataReader row) =>
        (row.GetInt64(0), row.GetString(1), Convert.ToInt64(row.GetValue(2), null));

    private static ImmutableArray<StageMoveRow> Moves(List<StageMoveRow> newestFirst) =>
        [.. Enumerable.Reverse(newestFirst)];

    private static ImmutableArray<ActivityDay> Days(List<(long Day, string Event, long Events)> rows) =>
    [
        .. rows.GroupBy(row => row.Day).Select(day => new ActivityDay(
            DateOf(day.Key),
            day.Sum(row => row.Events),
            day.ToDictionary(row => row.Event, row => row.Events))),
    ];

    private static AccountActivity ActivityOf(Session session, int connection, string account, long from, long end)
    {
        var contacts = session.Query(SelectContactsOfIds, ReadPair, connection, account, from, end).ToDictionary();
        return new AccountActivity(
            session.Query(SelectAccountDays, ReadDay, connection, account, from, end),
            [
                .. session.Query(SelectActiveIds, ReadPair, connection, account, from, end)
                    .Where(active => contacts.ContainsKey(active.Item2))
                    .Select(active => (active.Item1, contacts[active.Item2])),
            ]);
    }

    private static (long, long) ReadPair(DbDataReader row) => (row.GetInt64(0), row.GetInt64(1));

    private static ImmutableArray<MembershipRow> MembershipsOf(
        Session session, int connection, string account, Func<string, bool> isShown)
    {
        var rows = session.Query(SelectMembershipsOfAccount, ReadMembership, connection, account, ShownMax);
        return
        [
            .. rows.GroupBy(row => row.Person).SelectMany(moves => Memberships(moves))
                .Where(membership => isShown(membership.Account))
                .OrderByDescending(membership => membership.From)
                .Take(ShownMax),
        ];
    }

    private static MembershipMove ReadMembership(DbDataReader row) => new(
        new Guid(row.GetFieldValue<byte[]>(0), bigEndian: true),
        Time(row.GetInt64(2)),
        Text(row, 3),
        (AccountRule)row.GetInt64(4),
        row.GetString(5));

    // One row a move: each lasts until the next one, and what repeats the one before says nothing new.
    private static ImmutableArray<MembershipRow> Memberships(IEnumerable<MembershipMove> moves)
    {
        var memberships = ImmutableArray.CreateBuilder<MembershipRow>();
        MembershipRow? open = null;
        foreach (var (person, at, account, rule, value) in moves)
        {
            if (open?.Account == account)
            {
                continue;
            }

            if (open is not null)
            {
                memberships.Add(open with { To = at });
            }

            open = account is null ? null : new MembershipRow(person, account, rule, value, at, null);
        }

        if (open is not null)
        {
            memberships.Add(open);
        }

        return memberships.DrainToImmutable();
    }

    private static string? Text(DbDataReader row, int at) => row.IsDBNull(at) ? null : row.GetString(at);

    private static DateTimeOffset Time(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);

    private static DateTimeOffset? TimeOrNever(long milliseconds) => milliseconds == 0 ? null : Time(milliseconds);

    private static long DayOf(DateOnly day) => day.DayNumber - DateOnly.FromDateTime(DateTime.UnixEpoch).DayNumber;

    private static DateOnly DateOf(long day) => DateOnly.FromDateTime(DateTime.UnixEpoch.AddDays(day));

    private int NumberOf(string connectionId) => parts.Layout.NumberByConnection[connectionId];

    /// <summary>What was done at an account: events by day and name, and who of its contacts was active on which day.</summary>
    private sealed record AccountActivity(
        List<(long Day, string Event, long Events)> Events, ImmutableArray<(long Day, long Contact)> Active)
    {
        public AccountPeriod Period(long from, long end) => new(
            Events.Where(row => row.Day >= from && row.Day < end).Sum(row => row.Events),
            Active.Where(row => row.Day >= from && row.Day < end).Select(row => row.Contact).Distinct().Count());

        public ImmutableArray<AccountDay> Days(long from)
        {
            var active = Active.Where(row => row.Day >= from).Distinct().CountBy(row => row.Day).ToDictionary();
            return
            [
                .. ViewQueries.Days([.. Events.Where(row => row.Day >= from)]).Select(day => new AccountDay(
                    day.Day, day.Events, active.GetValueOrDefault(DayOf(day.Day)), day.ByName)),
            ];
        }
    }

    private readonly record struct MembershipMove(
        Guid Person, DateTimeOffset At, string? Account, AccountRule Rule, string Value);
}

/// <summary>Where a page of events ends.</summary>
/// <param name="At">When its last event happened, in milliseconds since 1970.</param>
/// <param name="Id">The number of its distinct id.</param>
/// <param name="Slot">Its place among the events of that id.</param>
public readonly record struct EventPlace(long At, long Id, long Slot);
