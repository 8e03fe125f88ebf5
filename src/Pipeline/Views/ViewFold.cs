using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Views;

/// <summary>
/// Folds entries of the feed into the tables, in one transaction. What is counted hangs on distinct ids, so a merge and a
/// split move nothing but the ids. Entries of one lane come in order; those of lanes that became one may come late, so
/// whatever says what somebody is carries the person's version, and the rest can come in any order.
/// </summary>
/// <param name="session">The transaction.</param>
/// <param name="connection">The connection.</param>
/// <param name="recentEvents">How many events of an id are listed.</param>
internal sealed class ViewFold(Session session, int connection, int recentEvents)
{
    private readonly Dictionary<string, IdRow> _ids = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _accounts = new(StringComparer.Ordinal);
    private readonly Dictionary<(long Id, long Day, string Event, long Account), int> _activity = [];
    private readonly Dictionary<(long Account, long Day, string Event), int> _accountDays = [];
    private readonly Dictionary<long, (long From, long Seen)> _accountSpans = [];
    private readonly Dictionary<(long Id, long Slot), (DateTimeOffset At, EventSeen Seen)> _events = [];
    private readonly Dictionary<Guid, PersonEntry> _faces = [];
    private readonly Dictionary<Guid, long> _seen = [];
    private readonly HashSet<Guid> _changed = [];

    /// <summary>Takes an entry; nothing but numbers is written before <see cref="Write"/>.</summary>
    public void Take(ViewEntry entry)
    {
        if (entry is AccountEntry account)
        {
            Take(account);
        }
        else if (entry is PersonEntry person)
        {
            Take(person);
        }
    }

    /// <summary>Writes what was taken.</summary>
    public void Write()
    {
        foreach (var id in _ids.Values.Where(id => id.IsChanged))
        {
            ViewStatements.Update(session, id);
        }

        foreach (var ((id, day, name, account), events) in _activity)
        {
            ViewStatements.Count(session, id, day, name, account, events);
        }

        foreach (var ((account, day, name), events) in _accountDays)
        {
            ViewStatements.CountOfAccount(session, account, day, name, events);
        }

        foreach (var ((id, slot), (at, seen)) in _events)
        {
            ViewStatements.Put(session, id, slot, at, seen);
        }

        WriteContacts();
        foreach (var (account, (from, seen)) in _accountSpans)
        {
            ViewStatements.Span(session, account, from, seen);
        }
    }

    private void WriteContacts()
    {
        foreach (var (person, entry) in _faces)
        {
            Show(person, entry);
        }

        foreach (var person in _changed)
        {
            if (ViewStatements.HasId(session, connection, person))
            {
                ViewStatements.SeeAnew(session, connection, person);
            }
            else
            {
                ViewStatements.Hide(session, connection, person); // whoever knows why it ended says from where it moved
            }
        }

        foreach (var (person, seen) in _seen)
        {
            if (!_changed.Contains(person))
            {
                ViewStatements.See(session, connection, person, seen);
            }
        }
    }

    private void Show(Guid person, PersonEntry entry)
    {
        var held = ViewStatements.Contact(session, connection, person);
        if (held?.Version > entry.Version)
        {
            return; // It comes late, out of the lane of an id that was merged.
        }

        if (entry.IsNoContact)
        {
            ViewStatements.Leave(session, connection, person, entry.Moved?.Version ?? entry.Version, entry.At);
            ViewStatements.Hide(session, connection, person);
            return;
        }

        if (entry.Face is { } face && (held is null || held.Version < entry.Version))
        {
            var account = face.Account is { } link ? AccountOf(link.Key, entry.At) : 0;
            ViewStatements.Show(session, connection, person, entry.Version, held, face, account);
            NoteMove(entry, held, face);
            if (held is null)
            {
                _changed.Add(person);
            }
        }

        ViewStatements.SetDue(session, connection, person, entry.DueAt, entry.Ids[0]);
    }

    // Without an event nothing says from where somebody moved: a split brought back what had been before, or who had, or an
    // operator's call was made good by another one.
    private void NoteMove(PersonEntry entry, ContactHeld? held, ContactFace face)
    {
        var from = held?.Stage ?? (entry.Moved is null ? null : "");
        if (entry.Event is null
            && entry.Moved is null or { IsOtherStage: false }
            && from is not null
            && from != (face.Stage?.Name ?? ""))
        {
            ViewStatements.Move(session, connection, entry.Person, new AccountStep(
                entry.Version, entry.At, from, null, face.Stage?.Name ?? "", face.Stage?.Rule ?? "", face.Stage?.By));
        }
    }

    private void Take(PersonEntry entry)
    {
        var own = Claim(entry, entry.Ids[0]);
        foreach (var id in entry.Ids.AsSpan()[1..])
        {
            Claim(entry, id);
        }

        var isCurrent = entry.Person != Guid.Empty && own.Person == entry.Person && own.Version == entry.Version;
        if (isCurrent
            && (entry.Face is not null || entry.IsNoContact)
            && !(_faces.TryGetValue(entry.Person, out var held) && held.Version > entry.Version))
        {
            // Of one version the one without an event shows that somebody moved, and the last one when to look next.
            _faces[entry.Person] = held is { Event: null } && held.Version == entry.Version
                ? held with { DueAt = entry.DueAt }
                : entry;
        }

        if (entry.Event is { } seen)
        {
            Count(entry, own, seen);
        }

        foreach (var ended in entry.Ended)
        {
            ViewStatements.Join(session, connection, ended, entry.Version, entry.At, 0, null);
            ViewStatements.Leave(session, connection, ended, entry.Version, entry.At);
        }

        if (entry.Moved is { } moved)
        {
            Move(entry, moved);
        }
    }

    // The id is the person's, unless a later version has it.
    private IdRow Claim(PersonEntry entry, string distinctId)
    {
        var id = IdOf(distinctId);
        if (entry.Version < id.Version || (entry.Version == id.Version && id.Person == entry.Person))
        {
            return id;
        }

        if (id.Person != entry.Person)
        {
            Change(id.Person);
            Change(entry.Person);
        }

        (id.Person, id.Version, id.IsChanged) = (entry.Person, entry.Version, true);
        return id;
    }

    private void Change(Guid person)
    {
        if (person != Guid.Empty)
        {
            _changed.Add(person);
        }
    }

    private void Count(PersonEntry entry, IdRow own, EventSeen seen)
    {
        _events[(own.Number, own.Events % recentEvents)] = (entry.At, seen);
        (own.Events, own.IsChanged) = (own.Events + 1, true);
        if (!seen.Counts)
        {
            return;
        }

        var (account, day) = (AccountOf(entry.Account, entry.At), ViewStatements.DayOf(entry.At));
        Add(_activity, (own.Number, day, seen.Name, account));
        if (account != 0)
        {
            Add(_accountDays, (account, day, seen.Name));
        }

        if (!seen.IsSeen)
        {
            return;
        }

        var at = ViewStatements.Milliseconds(entry.At);
        own.LastSeen = Math.Max(own.LastSeen, at);
        if (own.Person != Guid.Empty)
        {
            _seen[own.Person] = Math.Max(_seen.GetValueOrDefault(own.Person), at);
        }

        if (account != 0)
        {
            var (from, last) = _accountSpans[account];
            _accountSpans[account] = (from, Math.Max(last, at));
        }
    }

    private void Move(PersonEntry entry, ContactMove moved)
    {
        if (moved.IsOtherAccount)
        {
            var account = moved.Account is { } link ? AccountOf(link.Key, entry.At) : 0;
            ViewStatements.Join(session, connection, entry.Person, moved.Version, entry.At, account, moved.Account);
        }

        if (moved.IsOtherStage)
        {
            ViewStatements.Move(session, connection, entry.Person, new AccountStep(
                moved.Version,
                moved.Stage?.At ?? entry.At,
                moved.Left?.Name ?? "",
                moved.Stage is null ? null : moved.Left?.Since, // who ends has not left it as others do
                moved.Stage?.Name ?? "",
                moved.Stage?.Rule ?? "",
                moved.Stage?.Operator));
        }
    }

    private void Take(AccountEntry entry)
    {
        var number = AccountOf(entry.Id, entry.At);
        var counts = ViewStatements.Show(session, connection, number, entry);
        foreach (var step in entry.Steps)
        {
            ViewStatements.Move(session, connection, number, step, counts);
        }
    }

    private IdRow IdOf(string distinctId)
    {
        if (!_ids.TryGetValue(distinctId, out var id))
        {
            _ids[distinctId] = id = ViewStatements.Id(session, connection, distinctId);
        }

        return id;
    }

    private long AccountOf(string key, DateTimeOffset at)
    {
        if (key.Length == 0)
        {
            return 0;
        }

        var from = ViewStatements.Milliseconds(at);
        if (!_accounts.TryGetValue(key, out var number))
        {
            _accounts[key] = number = ViewStatements.Account(session, connection, key, at);
            _accountSpans[number] = (from, 0);
        }

        var span = _accountSpans[number];
        _accountSpans[number] = (Math.Min(span.From, from), span.Seen);
        return number;
    }

    private static void Add<T>(Dictionary<T, int> counts, T key)
        where T : notnull => counts[key] = counts.GetValueOrDefault(key) + 1;
}
