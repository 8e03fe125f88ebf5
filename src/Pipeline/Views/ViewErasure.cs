using System.Buffers;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Views;

/// <summary>Takes a person out of the views, whole. What its account did stays counted: that names nobody,
/// unless nobody else of the account did it on that day.</summary>
internal static class ViewErasure
{
    private const int EntriesPerPage = 5_000;
    private const long BytesPerPage = 4 << 20;

    private static readonly Statement SelectIds = new(
        "SELECT number FROM view_id WHERE connection = @connection AND person = @person");

    private static readonly Statement SelectId = new(
        "SELECT number FROM view_id WHERE connection = @connection AND distinct_id = @distinct_id");

    private static readonly Statement DeleteId = new("DELETE FROM view_id WHERE number = @number");

    private static readonly Statement SelectActivity = new(
        "SELECT account, day, event, events FROM view_activity WHERE id = @id AND account <> 0");

    private static readonly Statement DeleteAlone = new("""
        DELETE FROM view_account_day
        WHERE account = @account AND day = @day AND event = @event AND events <= @events
        """);

    private static readonly Statement DeleteActivity = new("DELETE FROM view_activity WHERE id = @id");

    private static readonly Statement DeleteEvents = new("DELETE FROM view_event WHERE id = @id");

    private static readonly Statement SelectAccounts = new("""
        SELECT DISTINCT a.id FROM view_membership m JOIN view_account a ON a.number = m.account
        WHERE m.connection = @connection AND m.person = @person
        """);

    private static readonly Statement DeleteMemberships = new(
        "DELETE FROM view_membership WHERE connection = @connection AND person = @person");

    private static readonly Statement DeleteMoves = new(
        "DELETE FROM view_contact_move WHERE connection = @connection AND person = @person");

    private static readonly Statement UpdateFeed = new("""
        UPDATE view_feed SET payload = @payload
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND first_position = @first_position
        """);

    /// <summary>The accounts that a person belongs and belonged to, as far as the lists know.</summary>
    public static List<string> AccountsOf(Session session, int connection, IEnumerable<Guid> persons) =>
    [
        .. persons.SelectMany(person => session.Query(
            SelectAccounts, row => row.GetString(0), connection, ViewStatements.Bytes(person))),
    ];

    /// <summary>Takes a person out of a page of the feed, whose positions stay. Once all pages are done, nothing brings it back
    /// into the tables.</summary>
    /// <param name="session">The transaction.</param>
    /// <param name="connection">The number of the connection.</param>
    /// <param name="deliveryPartition">The partition of the feed.</param>
    /// <param name="from">Where the page begins.</param>
    /// <param name="persons">The uuids that the person was known under.</param>
    /// <param name="distinctIds">All of its ids.</param>
    /// <returns>Where the next page begins; null at the end.</returns>
    public static long? EraseFeed(
        Session session,
        int connection,
        int deliveryPartition,
        long from,
        IReadOnlyCollection<Guid> persons,
        IReadOnlyCollection<string> distinctIds)
    {
        FeedStatements.Take(session, connection);
        var (uuids, ids) = (persons.ToHashSet(), distinctIds.ToHashSet(StringComparer.Ordinal));
        var rows = FeedStatements.Read(session, connection, deliveryPartition, from, EntriesPerPage, BytesPerPage);
        foreach (var row in rows.Where(row => row.Entries.Any(IsOfPerson)))
        {
            session.Execute(UpdateFeed, Without(row.Entries), connection, deliveryPartition, row.First);
        }

        return rows.Count == 0 ? null : rows[^1].Next;

        bool IsOfPerson(ViewEntry entry) =>
            entry is PersonEntry one && (uuids.Contains(one.Person) || one.Ids.Any(ids.Contains));

        byte[] Without(IEnumerable<ViewEntry> entries)
        {
            var buffer = new ArrayBufferWriter<byte>();
            ViewRow.Begin(buffer);
            foreach (var entry in entries)
            {
                ViewRow.Append(buffer, IsOfPerson(entry) ? new ErasedEntry(entry.At) : entry);
            }

            return buffer.WrittenSpan.ToArray();
        }
    }

    /// <summary>Takes a person out of the tables.</summary>
    /// <param name="session">The transaction.</param>
    /// <param name="connection">The number of the connection.</param>
    /// <param name="persons">The uuids that the person was known under.</param>
    /// <param name="distinctIds">All of its ids.</param>
    /// <param name="now">When.</param>
    public static void EraseTables(
        Session session,
        int connection,
        IReadOnlyCollection<Guid> persons,
        IReadOnlyCollection<string> distinctIds,
        DateTimeOffset now)
    {
        FeedStatements.Take(session, connection);
        var ids = persons.SelectMany(person => session.Query(
                SelectIds, row => row.GetInt64(0), connection, ViewStatements.Bytes(person)))
            .Concat(distinctIds.Select(id => session.Scalar(SelectId, connection, id)).OfType<long>())
            .Distinct()
            .ToList();
        var activity = ids.SelectMany(id => session.Query(
            SelectActivity,
            row => (Day: (row.GetInt64(0), row.GetInt64(1), row.GetString(2)), Events: row.GetInt64(3)),
            id));
        foreach (var ((account, day, name), events) in activity.AggregateBy(one => one.Day, 0L, (sum, one) => sum + one.Events))
        {
            session.Execute(DeleteAlone, account, day, name, events);
        }

        foreach (var id in ids)
        {
            session.Execute(DeleteActivity, id);
            session.Execute(DeleteEvents, id);
            session.Execute(DeleteId, id);
        }

        foreach (var person in persons)
        {
            ViewStatements.Leave(session, connection, person, long.MaxValue, now);
            ViewStatements.Hide(session, connection, person);
            session.Execute(DeleteMemberships, connection, ViewStatements.Bytes(person));
            session.Execute(DeleteMoves, connection, ViewStatements.Bytes(person));
        }
    }
}
