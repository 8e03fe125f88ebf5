using System.Collections.Immutable;
using System.Text;
using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>Outbox rows that are to be written anew.</summary>
/// <param name="Rows">By first position, the payload.</param>
/// <param name="Erased">Positions of the messages that lose their content.</param>
/// <param name="Changed">Positions of those of others that lose an id: an answer to them may say it.</param>
/// <param name="Unsent">How many of these wait.</param>
/// <param name="Contacts">The ids under which Variance got messages of the person.</param>
/// <param name="WereErased">Whether messages of the person had lost their content before, so that it is not known whom they were
/// about.</param>
/// <param name="Next">Up to which first position rows were looked at; null at the end of the partition.</param>
internal sealed record ErasedRows(
    ImmutableArray<(long First, byte[] Payload)> Rows,
    ImmutableArray<long> Erased,
    ImmutableArray<long> Changed,
    int Unsent,
    ImmutableArray<string> Contacts,
    bool WereErased,
    long? Next);

/// <summary>Takes a person out of outbox, attempts, dead letters, warnings and ledger, in pages.</summary>
/// <param name="connection">The number of the connection.</param>
/// <param name="ids">The ids of the person.</param>
/// <param name="lanes">Lanes in which only its messages lie.</param>
/// <param name="sharedLanes">Lanes in which messages of others lie that were one with it once, and may tell what it was.</param>
internal sealed class OutboxErasing(
    int connection, IReadOnlyCollection<string> ids, IReadOnlySet<ulong> lanes, IReadOnlySet<ulong> sharedLanes)
{
    private const long PageBytes = 4 << 20;
    private const int LettersPerPage = 200;
    private const int WarningsPerPage = 1_000;
    private const int LedgerRowsPerPage = 10_000;
    private static readonly byte[] NoContent = "{}"u8.ToArray();

    private static readonly Statement SelectRows = new("""
        SELECT first_position, message_count, payload FROM outbox
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND first_position > @after
        ORDER BY first_position
        """);

    private static readonly Statement UpdateRow = new("""
        UPDATE outbox SET payload = @payload
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND first_position = @first_position
        """);

    private static readonly Statement BlankAttempts = new("""
        UPDATE attempt SET response = NULL
        WHERE connection = @connection AND delivery_partition = @delivery_partition AND position = @position
        """);

    private static readonly Statement BlankLetter = new("""
        UPDATE dead_letter SET body = @body, event = NULL, response = NULL, entity = NULL, note = 'erased' WHERE id = @id
        """);

    private static readonly Statement ChangeLetter = new("UPDATE dead_letter SET body = @body, response = NULL WHERE id = @id");

    private static readonly Statement SelectWarnings = new("""
        SELECT id, uuid, details FROM warning WHERE connection = @connection AND id > @after ORDER BY id LIMIT @rows
        """);

    private static readonly Statement DeleteWarning = new("DELETE FROM warning WHERE id = @id");

    private static readonly Statement ForgetWarnings = new(
        "UPDATE ledger SET warnings = NULL WHERE connection = @connection AND uuid = @uuid");

    private static readonly Statement SelectLedger = new(
        "SELECT id, connection, distinct_id FROM ledger WHERE id > @after ORDER BY id LIMIT @rows");

    private static readonly Statement ForgetName = new("UPDATE ledger SET distinct_id = NULL, event = NULL WHERE id = @id");

    private readonly HashSet<string> _ids = ids.ToHashSet(StringComparer.Ordinal);

    /// <summary>Looks at a page of the outbox.</summary>
    public ErasedRows Read(Session session, int deliveryPartition, long after)
    {
        var progress = DeliveryStatements.ReadProgress(session, connection, deliveryPartition);
        var page = new Page(position => progress.IsDone(position)
            && !HeldStatements.IsHeld(session, connection, deliveryPartition, position));
        session.Scan(
            SelectRows,
            row =>
            {
                var payload = row.GetFieldValue<byte[]>(2);
                Look(page, OutboxRow.Read(row.GetInt64(0), row.GetInt32(1), payload));
                (page.Next, page.Bytes) = (row.GetInt64(0), page.Bytes + payload.Length);
                return page.Bytes < PageBytes;
            },
            connection, deliveryPartition, after);
        var waiting = page.Erased.Where(entry => !page.IsDone(entry.Position)).ToHashSet();
        var contacts = page.Erased
            .Where(entry => !waiting.Contains(entry)
                && IsPersons(entry.Lane, entry.Message)
                && AttemptStatements.Of(session, connection, deliveryPartition, entry.Position) is [.., { Status: < 300 }])
            .Select(entry => MessageFields.ContactOf(entry.Message))
            .OfType<string>()
            .Distinct();
        return new ErasedRows(
            [.. page.Rows],
            [.. page.Erased.Select(entry => entry.Position)],
            [.. page.Changed],
            waiting.Count,
            [.. contacts],
            page.WereErased,
            page.Next);
    }

    /// <summary>Writes the page anew.</summary>
    public void Write(Session session, int deliveryPartition, ErasedRows rows)
    {
        foreach (var (first, payload) in rows.Rows)
        {
            session.Post(UpdateRow, payload, connection, deliveryPartition, first);
        }

        foreach (var position in rows.Erased.Concat(rows.Changed))
        {
            session.Post(BlankAttempts, connection, deliveryPartition, position);
        }
    }

    /// <summary>Blanks the dead letters of a page, and gives those up that wait for an operator.</summary>
    /// <returns>How many, and up to which letter; null at the end.</returns>
    public (int Letters, long? Next) EraseLetters(Session session, long after, DateTimeOffset now)
    {
        var letters = new List<DeadLetter>();
        DeadLetterStatements.Scan(
            session, connection, state: null, DeadLetterFilter.All, (after, long.MaxValue), LettersPerPage,
            letter =>
            {
                letters.Add(letter);
                return true;
            });
        var erased = 0;
        foreach (var found in letters)
        {
            if (IsPersons(found.Lane, found.Message))
            {
                // It may have been replayed since it was found.
                var letter = DeadLetterStatements.FindToChange(session, connection, found.Id) ?? found;
                erased += letter.Message.Body.Span.SequenceEqual(NoContent) ? 0 : 1;
                DeadLetterJob.Discard(session, connection, letter, ReplayStatements.ErasedNote, now);
                session.Post(BlankLetter, NoContent, letter.Id);
                BlankAttemptsOf(session, letter);
            }
            else if (ErasedMessages.WithoutVisitor(found.Message.Body.Span, _ids.Contains) is { } body)
            {
                session.Post(ChangeLetter, body, found.Id);
                BlankAttemptsOf(session, found);
            }
        }

        return (erased, letters.Count == LettersPerPage ? letters[^1].Id : null);
    }

    /// <summary>Deletes the warnings of a page that name the person.</summary>
    /// <returns>How many, and up to which warning; null at the end.</returns>
    public (int Warnings, long? Next) EraseWarnings(Session session, long after)
    {
        var rows = session.Query(
            SelectWarnings,
            row => (Id: row.GetInt64(0), Uuid: row.GetFieldValue<byte[]>(1), Details: row.GetString(2)),
            connection, after, WarningsPerPage);
        var naming = rows
            .Where(row => ErasedText.Names(Encoding.UTF8.GetBytes(row.Details), ids))
            .ToList();
        foreach (var (id, uuid, _) in naming)
        {
            session.Post(DeleteWarning, id);
            session.Post(ForgetWarnings, connection, uuid);
        }

        return (naming.Count, rows.Count == WarningsPerPage ? rows[^1].Id : null);
    }

    /// <summary>Looks at a page of the ledger, which no index helps to find anybody in.</summary>
    /// <returns>The rows that name the person, and up to which row; null at the end.</returns>
    public (IReadOnlyList<long> Rows, long? Next) ReadLedger(Session session, long after)
    {
        var (rows, looked, last) = (new List<long>(), 0, after);
        session.Scan(
            SelectLedger,
            row =>
            {
                (looked, last) = (looked + 1, row.GetInt64(0));
                if (row.GetInt32(1) == connection && !row.IsDBNull(2) && _ids.Contains(row.GetString(2)))
                {
                    rows.Add(last);
                }

                return true;
            },
            after, LedgerRowsPerPage);
        return (rows, looked == LedgerRowsPerPage ? last : null);
    }

    /// <summary>Takes id and name of the event out of rows of the ledger.</summary>
    public static void ForgetNames(Session session, IReadOnlyList<long> rows)
    {
        foreach (var id in rows)
        {
            session.Post(ForgetName, id);
        }
    }

    private void Look(Page page, ImmutableArray<OutboxEntry> entries)
    {
        OutboxEntry[]? changed = null;
        for (var index = 0; index < entries.Length; index++)
        {
            var entry = entries[index];
            if (entry.Barrier is not null || entry.IsErased)
            {
                page.WereErased |= entry.IsErased && lanes.Contains(entry.Lane);
                continue;
            }

            if (IsPersons(entry.Lane, entry.Message) || (sharedLanes.Contains(entry.Lane) && page.IsDone(entry.Position)))
            {
                page.Erased.Add(entry);
                (changed ??= [.. entries])[index] = entry with
                {
                    IsErased = true,
                    Message = entry.Message with { Body = NoContent },
                };
            }
            else if (ErasedMessages.WithoutVisitor(entry.Message.Body.Span, _ids.Contains) is { } body)
            {
                page.Changed.Add(entry.Position);
                (changed ??= [.. entries])[index] = entry with { Message = entry.Message with { Body = body } };
            }
        }

        if (changed is not null)
        {
            page.Rows.Add((entries[0].Position, OutboxRow.Rewrite(changed)));
        }
    }

    private bool IsPersons(ulong lane, OutboundMessage message) => lanes.Contains(lane)
        || (MessageFields.ContactOf(message) is { } contact && _ids.Contains(contact))
        || (MessageFields.GivenUpBy(message) is { } previous && _ids.Contains(previous));

    private void BlankAttemptsOf(Session session, DeadLetter letter)
    {
        session.Post(BlankAttempts, connection, letter.DeliveryPartition, letter.Position);
        foreach (var place in ReplayStatements.Places(session, letter.Id))
        {
            session.Post(BlankAttempts, connection, place.DeliveryPartition, place.Position);
        }
    }

    private sealed class Page(Func<long, bool> isDone)
    {
        public bool IsDone(long position) => isDone(position);

        public List<(long First, byte[] Payload)> Rows { get; } = [];

        public List<OutboxEntry> Erased { get; } = [];

        public List<long> Changed { get; } = [];

        public bool WereErased { get; set; }

        public long? Next { get; set; }

        public long Bytes { get; set; }
    }
}
