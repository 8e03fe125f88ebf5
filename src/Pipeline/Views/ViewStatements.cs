using System.Collections.Immutable;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Views;

/// <summary>What the tables know of a distinct id.</summary>
internal sealed class IdRow
{
    public required long Number { get; init; }

    public Guid Person { get; set; }

    public long Version { get; set; }

    public long Events { get; set; }

    public long LastSeen { get; set; }

    public bool IsChanged { get; set; }
}

/// <summary>What the tables know of a contact.</summary>
internal sealed record ContactHeld(long Number, long Version, string Stage, string UserId, string? Name, string? Email)
{
    public string SortName => ViewText.SortOf(Name ?? Email ?? UserId);
}

/// <summary>Everything that is written to the tables of views.</summary>
internal static class ViewStatements
{
    /// <summary>The kind of terms, moves and totals that are of contacts.</summary>
    public const int OfContacts = 1;

    /// <summary>The kind of terms, moves and totals that are of accounts.</summary>
    public const int OfAccounts = 2;

    /// <summary>The kind of terms that are domains of accounts.</summary>
    public const int OfDomains = 3;

    private static readonly Statement SelectId = new("""
        SELECT number, person, version, events, last_seen FROM view_id
        WHERE connection = @connection AND distinct_id = @distinct_id
        """);

    private static readonly Statement AddId = new("""
        INSERT INTO view_id (connection, distinct_id, person, version, events, last_seen)
        VALUES (@connection, @distinct_id, NULL, -1, 0, 0) RETURNING number
        """);

    private static readonly Statement UpdateId = new("""
        UPDATE view_id SET person = @person, version = @version, events = @events, last_seen = @last_seen
        WHERE number = @number
        """);

    private static readonly Statement SelectAccountNumber = new(
        "SELECT number FROM view_account WHERE connection = @connection AND id = @id");

    private static readonly Statement AddAccountStub = new("""
        INSERT INTO view_account (connection, id, version, name, sort_name, stage, stage_since, stage_rule, stage_by,
            merged_into, domains, contacts, created_at, last_seen, properties)
        VALUES (@connection, @id, 0, NULL, @sort_name, '', 0, '', NULL, NULL, '', 0, @created_at, 0, '{}')
        RETURNING number
        """);

    private static readonly Statement SelectAccount = new(
        "SELECT version, stage, sort_name, merged_into FROM view_account WHERE number = @number");

    private static readonly Statement UpdateAccount = new("""
        UPDATE view_account SET version = @version, name = @name, sort_name = @sort_name, stage = @stage,
            stage_since = @stage_since, stage_rule = @stage_rule, stage_by = @stage_by, merged_into = @merged_into,
            domains = @domains, contacts = @contacts, properties = @properties
        WHERE number = @number
        """);

    private static readonly Statement SpanAccount = new("""
        UPDATE view_account SET
            created_at = CASE WHEN created_at > @created_at THEN @created_at ELSE created_at END,
            last_seen = CASE WHEN last_seen < @last_seen THEN @last_seen ELSE last_seen END
        WHERE number = @number AND (created_at > @created_at OR last_seen < @last_seen)
        """);

    private static readonly Statement AddActivity = new("""
        INSERT INTO view_activity (id, day, event, account, events) VALUES (@id, @day, @event, @account, @events)
        ON CONFLICT (id, day, event, account) DO UPDATE SET events = view_activity.events + excluded.events
        """);

    private static readonly Statement AddAccountDay = new("""
        INSERT INTO view_account_day (account, day, event, events) VALUES (@account, @day, @event, @events)
        ON CONFLICT (account, day, event) DO UPDATE SET events = view_account_day.events + excluded.events
        """);

    private static readonly Statement PutEvent = new("""
        INSERT INTO view_event (id, slot, at, uuid, event) VALUES (@id, @slot, @at, @uuid, @event)
        ON CONFLICT (id, slot) DO UPDATE SET at = excluded.at, uuid = excluded.uuid, event = excluded.event
        """);

    private static readonly Statement SelectContact = new("""
        SELECT number, version, stage, user_id, name, email FROM view_contact
        WHERE connection = @connection AND person = @person
        """);

    private static readonly Statement AddContact = new("""
        INSERT INTO view_contact (connection, person, version, user_id, name, sort_name, email, domain, account, rule,
            rule_value, stage, stage_since, stage_rule, stage_by, created_at, last_seen, properties)
        VALUES (@connection, @person, @version, @user_id, @name, @sort_name, @email, @domain, @account, @rule,
            @rule_value, @stage, @stage_since, @stage_rule, @stage_by, @created_at, 0, @properties)
        RETURNING number
        """);

    private static readonly Statement UpdateContact = new("""
        UPDATE view_contact SET version = @version, user_id = @user_id, name = @name, sort_name = @sort_name,
            email = @email, domain = @domain, account = @account, rule = @rule, rule_value = @rule_value,
            stage = @stage, stage_since = @stage_since, stage_rule = @stage_rule, stage_by = @stage_by,
            created_at = @created_at, properties = @properties
        WHERE number = @number
        """);

    private static readonly Statement DeleteContact = new("DELETE FROM view_contact WHERE number = @number");

    private static readonly Statement SeeContact = new("""
        UPDATE view_contact SET last_seen = @last_seen
        WHERE connection = @connection AND person = @person AND last_seen < @last_seen
        """);

    private static readonly Statement SeeContactAnew = new("""
        UPDATE view_contact SET last_seen = (
            SELECT coalesce(max(i.last_seen), 0) FROM view_id i WHERE i.connection = @connection AND i.person = @person)
        WHERE connection = @connection AND person = @person
        """);

    private static readonly Statement SelectHasId = new(
        "SELECT 1 FROM view_id WHERE connection = @connection AND person = @person LIMIT 1");

    private static readonly Statement SelectTerms = new(
        "SELECT term FROM view_term WHERE connection = @connection AND kind = @kind AND number = @number");

    private static readonly Statement AddTerm = new("""
        INSERT INTO view_term (connection, kind, term, number) VALUES (@connection, @kind, @term, @number)
        ON CONFLICT DO NOTHING
        """);

    private static readonly Statement DeleteTerm = new("""
        DELETE FROM view_term
        WHERE connection = @connection AND kind = @kind AND term = @term AND number = @number
        """);

    private static readonly Statement AddPrefix = new("""
        INSERT INTO view_prefix (connection, kind, prefix, sort_name, number)
        VALUES (@connection, @kind, @prefix, @sort_name, @number) ON CONFLICT DO NOTHING
        """);

    private static readonly Statement DeletePrefix = new("""
        DELETE FROM view_prefix
        WHERE connection = @connection AND kind = @kind AND prefix = @prefix AND sort_name = @sort_name
          AND number = @number
        """);

    private static readonly Statement AddMembership = new("""
        INSERT INTO view_membership (connection, person, version, at, account, rule, rule_value)
        VALUES (@connection, @person, @version, @at, @account, @rule, @rule_value) ON CONFLICT DO NOTHING
        """);

    // What an operator does is told again if it was cut short, and by then the person may have another version, or be part of
    // another one that came from elsewhere.
    private static readonly Statement AddContactMove = new("""
        INSERT INTO view_contact_move (connection, person, version, at, from_stage, to_stage, rule, moved_by)
        SELECT @connection, @person, @version, @at, @from_stage, @to_stage, @rule, @moved_by
        WHERE NOT EXISTS (SELECT 1 FROM view_contact_move
            WHERE connection = @connection AND person = @person AND at = @at AND moved_by = @moved_by
            AND to_stage = @to_stage)
        ON CONFLICT DO NOTHING
        """);

    private static readonly Statement AddAccountMove = new("""
        INSERT INTO view_account_move (account, version, at, from_stage, to_stage, rule, moved_by)
        VALUES (@account, @version, @at, @from_stage, @to_stage, @rule, @moved_by) ON CONFLICT DO NOTHING
        """);

    private static readonly Statement AddStageDay = new("""
        INSERT INTO view_stage_day (connection, kind, day, from_stage, to_stage, moves, stayed, known)
        VALUES (@connection, @kind, @day, @from_stage, @to_stage, 1, @stayed, @known)
        ON CONFLICT (connection, kind, day, from_stage, to_stage) DO UPDATE SET
            moves = view_stage_day.moves + excluded.moves, stayed = view_stage_day.stayed + excluded.stayed,
            known = view_stage_day.known + excluded.known
        """);

    private static readonly Statement AddStageTotal = new("""
        INSERT INTO view_stage_total (connection, kind, stage, members) VALUES (@connection, @kind, @stage, @members)
        ON CONFLICT (connection, kind, stage) DO UPDATE SET members = view_stage_total.members + excluded.members
        """);

    private static readonly Statement PutDue = new("""
        INSERT INTO view_due (connection, person, due_at, distinct_id)
        VALUES (@connection, @person, @due_at, @distinct_id)
        ON CONFLICT (connection, person) DO UPDATE SET due_at = excluded.due_at, distinct_id = excluded.distinct_id
        """);

    private static readonly Statement DeleteDue = new(
        "DELETE FROM view_due WHERE connection = @connection AND person = @person");

    public static IdRow Id(Session session, int connection, string distinctId) => session.Query(
        SelectId,
        row => new IdRow
        {
            Number = row.GetInt64(0),
            Person = row.IsDBNull(1) ? Guid.Empty : new Guid(row.GetFieldValue<byte[]>(1), bigEndian: true),
            Version = row.GetInt64(2),
            Events = row.GetInt64(3),
            LastSeen = row.GetInt64(4),
        },
        connection, distinctId) is [var found]
            ? found
            : new IdRow { Number = (long)session.Scalar(AddId, connection, distinctId)!, Version = -1 };

    public static void Update(Session session, IdRow id) => session.Execute(
        UpdateId, id.Person == Guid.Empty ? null : Bytes(id.Person), id.Version, id.Events, id.LastSeen, id.Number);

    /// <summary>The number of an account, given to it when it is first heard of.</summary>
    public static long Account(Session session, int connection, string id, DateTimeOffset at) =>
        session.Scalar(SelectAccountNumber, connection, id) as long?
        ?? (long)session.Scalar(AddAccountStub, connection, id, ViewText.SortOf(id), Milliseconds(at))!;

    /// <summary>Shows an account, unless a later version is shown.</summary>
    /// <returns>Whether its moves count: they do not while another account speaks for it.</returns>
    public static bool Show(Session session, int connection, long number, AccountEntry entry)
    {
        var (version, stage, sortedBy, isMerged) = session.Query(
            SelectAccount,
            row => (row.GetInt64(0), row.GetString(1), row.GetString(2), !row.IsDBNull(3)),
            number)[0];
        if (version >= entry.Version)
        {
            return true; // the moves are there already
        }

        var sortName = ViewText.SortOf(entry.Name ?? entry.Id);
        session.Execute(
            UpdateAccount,
            entry.Version,
            entry.Name,
            sortName,
            entry.Stage?.Name ?? "",
            Milliseconds(entry.Stage?.Since),
            entry.Stage?.Rule ?? "",
            entry.Stage?.By,
            entry.MergedInto,
            string.Join(' ', entry.Domains),
            entry.Contacts,
            entry.Properties,
            number);
        var terms = ViewText.TermsOf([entry.Name, ViewText.Cut(entry.Id), .. entry.Domains]);
        SetWords(session, connection, OfAccounts, number, terms, sortedBy, sortName);
        SetTerms(session, connection, OfDomains, number, [.. entry.Domains]);

        // Whoever speaks for it counts: it leaves its stage for none, and comes back to where it was.
        var (before, after) = (version == 0 || isMerged ? null : stage, entry.MergedInto is null ? entry.Stage?.Name ?? "" : null);
        Recount(session, connection, OfAccounts, before, after);
        if (entry.MergedInto is not null && entry.Stage?.Name is { } silent)
        {
            session.Execute(AddStageTotal, connection, OfAccounts, silent, 0); // the order by stage must know of it
        }

        if (version > 0 && (before is null) != (after is null))
        {
            var (from, to) = after is null ? (entry.Stage?.Name ?? "", "") : ("", stage);
            if (from != to)
            {
                CountMove(session, connection, OfAccounts, new AccountStep(entry.Version, entry.At, from, null, to, "", null));
            }
        }

        return before is not null || after is not null;
    }

    /// <summary>An account was there at the one time, and last seen at the other.</summary>
    public static void Span(Session session, long account, long from, long seen) =>
        session.Execute(SpanAccount, from, seen, account);

    public static void Count(Session session, long id, long day, string name, long account, int events) =>
        session.Execute(AddActivity, id, day, name, account, events);

    public static void CountOfAccount(Session session, long account, long day, string name, int events) =>
        session.Execute(AddAccountDay, account, day, name, events);

    public static void Put(Session session, long id, long slot, DateTimeOffset at, EventSeen seen) =>
        session.Execute(PutEvent, id, slot, Milliseconds(at), Bytes(seen.Uuid), seen.Name);

    public static ContactHeld? Contact(Session session, int connection, Guid person) => session.Query(
        SelectContact,
        row => new ContactHeld(
            row.GetInt64(0),
            row.GetInt64(1),
            row.GetString(2),
            row.GetString(3),
            row.IsDBNull(4) ? null : row.GetString(4),
            row.IsDBNull(5) ? null : row.GetString(5)),
        connection, Bytes(person)) is [var held] ? held : null;

    /// <summary>Shows a contact.</summary>
    /// <param name="session">The transaction.</param>
    /// <param name="connection">The connection.</param>
    /// <param name="person">Its uuid.</param>
    /// <param name="version">Its version.</param>
    /// <param name="held">What is shown of it; null for nothing.</param>
    /// <param name="face">What to show.</param>
    /// <param name="account">The number of its account; 0 for none.</param>
    public static void Show(
        Session session, int connection, Guid person, long version, ContactHeld? held, ContactFace face, long account)
    {
        var sortName = ViewText.SortOf(face.Name ?? face.Email ?? face.UserId);
        ReadOnlySpan<object?> values =
        [
            version, face.UserId, face.Name, sortName, face.Email,
            ViewText.DomainOf(face.Email), account, (int)(face.Account?.Rule ?? 0), face.Account?.Value ?? "",
            face.Stage?.Name ?? "", Milliseconds(face.Stage?.Since), face.Stage?.Rule ?? "", face.Stage?.By,
            Milliseconds(face.CreatedAt), face.Properties,
        ];
        var number = held?.Number;
        if (number is null)
        {
            number = (long)session.Scalar(AddContact, [connection, Bytes(person), .. values])!;
        }
        else
        {
            session.Execute(UpdateContact, [.. values, number]);
        }

        var isSame = held is not null
            && (held.UserId, held.Name, held.Email) == (face.UserId, face.Name, face.Email);
        if (!isSame)
        {
            SetWords(
                session, connection, OfContacts, number.Value, ViewText.TermsOf(face.Name, face.Email, face.UserId),
                held?.SortName ?? "", sortName);
        }

        Recount(session, connection, OfContacts, held?.Stage, face.Stage?.Name ?? "");
    }

    /// <summary>Shows a contact no more.</summary>
    public static void Hide(Session session, int connection, Guid person)
    {
        session.Execute(DeleteDue, connection, Bytes(person));
        if (Contact(session, connection, person) is { } held)
        {
            SetWords(session, connection, OfContacts, held.Number, [], held.SortName, "");
            session.Execute(DeleteContact, held.Number);
            Recount(session, connection, OfContacts, held.Stage, null);
        }
    }

    /// <summary>Who is no contact any more leaves the stage that it is shown in, for none.</summary>
    /// <param name="session">The transaction.</param>
    /// <param name="connection">The connection.</param>
    /// <param name="person">Its uuid.</param>
    /// <param name="version">By which version of whom.</param>
    /// <param name="at">When.</param>
    public static void Leave(Session session, int connection, Guid person, long version, DateTimeOffset at)
    {
        if (Contact(session, connection, person) is { Stage: { Length: > 0 } stage })
        {
            Move(session, connection, person, new AccountStep(version, at, stage, null, "", "", null));
        }
    }

    public static bool HasId(Session session, int connection, Guid person) =>
        session.Scalar(SelectHasId, connection, Bytes(person)) is not null;

    public static void See(Session session, int connection, Guid person, long at) =>
        session.Execute(SeeContact, at, connection, Bytes(person));

    /// <summary>Works out anew when a contact was last seen, from the ids that it has.</summary>
    public static void SeeAnew(Session session, int connection, Guid person) =>
        session.Execute(SeeContactAnew, connection, Bytes(person));

    /// <summary>From this version on the person belongs to the account; 0 for none.</summary>
    public static void Join(
        Session session, int connection, Guid person, long version, DateTimeOffset at, long account, AccountLink? link) =>
        session.Execute(
            AddMembership,
            connection,
            Bytes(person),
            version,
            Milliseconds(at),
            account == 0 ? null : account,
            (int)(link?.Rule ?? 0),
            link?.Value ?? "");

    public static void Move(Session session, int connection, Guid person, AccountStep step)
    {
        var rows = session.Execute(
            AddContactMove,
            connection, Bytes(person), step.Version, Milliseconds(step.At), step.From, step.To, step.Rule, step.By);
        if (rows > 0 && step.From != step.To)
        {
            CountMove(session, connection, OfContacts, step);
        }
    }

    public static void Move(Session session, int connection, long account, AccountStep step, bool counts)
    {
        var rows = session.Execute(
            AddAccountMove, account, step.Version, Milliseconds(step.At), step.From, step.To, step.Rule, step.By);
        if (counts && rows > 0 && step.From != step.To)
        {
            CountMove(session, connection, OfAccounts, step);
        }
    }

    public static void SetDue(Session session, int connection, Guid person, DateTimeOffset? due, string distinctId)
    {
        if (due is { } at)
        {
            session.Execute(PutDue, connection, Bytes(person), Milliseconds(at), distinctId);
        }
        else
        {
            session.Execute(DeleteDue, connection, Bytes(person));
        }
    }

    public static byte[] Bytes(Guid uuid) => uuid.ToByteArray(bigEndian: true);

    public static long Milliseconds(DateTimeOffset? time) => time?.ToUnixTimeMilliseconds() ?? 0;

    /// <summary>Days since 1970, UTC.</summary>
    public static long DayOf(DateTimeOffset time) => Math.DivRem(time.ToUnixTimeSeconds(), 86_400).Quotient;

    private static void CountMove(Session session, int connection, int kind, AccountStep step)
    {
        var stayed = step.Entered is { } entered && entered <= step.At ? (step.At - entered).TotalMilliseconds : (double?)null;
        session.Execute(
            AddStageDay,
            connection, kind, DayOf(step.At), step.From, step.To, (long)(stayed ?? 0), stayed is null ? 0 : 1);
    }

    // What something is found by, and in which place of the order of names.
    private static void SetWords(
        Session session, int connection, int kind, long number, ImmutableSortedSet<string> terms, string sortedBy, string sortName)
    {
        var before = SetTerms(session, connection, kind, number, terms)
            .SelectMany(ViewText.PrefixesOf).Select(prefix => (prefix, sortedBy)).ToHashSet();
        var after = terms.SelectMany(ViewText.PrefixesOf).Select(prefix => (prefix, sortName)).ToHashSet();
        foreach (var (prefix, name) in before.Except(after))
        {
            session.Post(DeletePrefix, connection, kind, prefix, name, number);
        }

        foreach (var (prefix, name) in after.Except(before))
        {
            session.Post(AddPrefix, connection, kind, prefix, name, number);
        }
    }

    // Returns those before.
    private static ImmutableSortedSet<string> SetTerms(
        Session session, int connection, int kind, long number, ImmutableSortedSet<string> terms)
    {
        var held = session.Query(SelectTerms, row => row.GetString(0), connection, kind, number)
            .ToImmutableSortedSet(StringComparer.Ordinal);
        foreach (var term in held.Except(terms))
        {
            session.Post(DeleteTerm, connection, kind, term, number);
        }

        foreach (var term in terms.Except(held))
        {
            session.Post(AddTerm, connection, kind, term, number);
        }

        return held;
    }

    // Null: it is not there.
    private static void Recount(Session session, int connection, int kind, string? before, string? after)
    {
        if (before == after)
        {
            return;
        }

        if (before is not null)
        {
            session.Execute(AddStageTotal, connection, kind, before, -1);
        }

        if (after is not null)
        {
            session.Execute(AddStageTotal, connection, kind, after, 1);
        }
    }
}
