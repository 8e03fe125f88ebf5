using System.Data.Common;
using System.Text.Json;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>Everything that is said to the table of erasures, and to small tables on their behalf.</summary>
internal static class ErasureStatements
{
    private const string Columns = """
        number, connection, phase, created_at, finished_at, ids, messages, unsent, letters, warnings, facts, accounts, routes
        """;

    private static readonly Statement AddErasure = new("""
        INSERT INTO erasure (connection, phase, work, created_at, touched_at, finished_at, ids, messages, unsent, letters,
            warnings, facts, accounts, routes)
        VALUES (@connection, 0, @work, @now, @now, NULL, @ids, 0, 0, 0, 0, 0, 0, 0)
        RETURNING number
        """);

    private static readonly Statement SelectOne = new($"SELECT {Columns} FROM erasure WHERE number = @number");

    private static readonly Statement SelectNewest = new($"""
        SELECT {Columns} FROM erasure WHERE connection = @connection AND number < @below ORDER BY number DESC LIMIT @rows
        """);

    private static readonly Statement SelectWork = new("SELECT work FROM erasure WHERE number = @number");

    private static readonly Statement SelectUnfinished = new(
        "SELECT number, connection FROM erasure WHERE finished_at IS NULL AND touched_at <= @touched_before ORDER BY number");

    private static readonly Statement UpdateErasure = new("""
        UPDATE erasure SET phase = @phase, work = @work, touched_at = @now, ids = ids + @ids, messages = messages + @messages,
            unsent = unsent + @unsent, letters = letters + @letters, warnings = warnings + @warnings, facts = facts + @facts,
            accounts = accounts + @accounts, routes = routes + @routes
        WHERE number = @number AND phase <= @phase
        """);

    private static readonly Statement FinishErasure = new("""
        UPDATE erasure SET phase = 11, work = NULL, touched_at = @now, finished_at = @now
        WHERE number = @number AND finished_at IS NULL
        """);

    private static readonly Statement SelectOffsets = new(
        "SELECT next_offset FROM inbox_partition ORDER BY partition");

    private static readonly Statement SelectProgress = new("""
        SELECT p.progress FROM inbox_partition i LEFT JOIN ingest_progress p ON p.partition = i.partition ORDER BY i.partition
        """);

    private static readonly Statement SelectUnfinishedMerge = new(
        "SELECT 1 FROM unfinished_merge WHERE connection = @connection AND distinct_id = @distinct_id");

    private static readonly Statement DeleteUnfinishedMerge = new(
        "DELETE FROM unfinished_merge WHERE connection = @connection AND distinct_id = @distinct_id");

    private static readonly Statement DeleteUnfinishedUndo = new(
        "DELETE FROM unfinished_undo WHERE connection = @connection AND distinct_id = @distinct_id");

    private static readonly Statement DeleteLane = new(
        "DELETE FROM closed_lane WHERE connection = @connection AND (lane = @lane OR into_lane = @lane)");

    private static readonly Statement DeleteLaneVersion = new(
        "DELETE FROM lane_version WHERE connection = @connection AND lane = @lane");

    /// <summary>Puts an erasure on the list.</summary>
    /// <returns>Its number.</returns>
    public static long Add(Session session, int connection, ErasureWork work, DateTimeOffset now) => (long)session.Scalar(
        AddErasure, connection, Encode(work), now.ToUnixTimeMilliseconds(), work.Ids.Length)!;

    /// <summary>An erasure; null if there is none with this number.</summary>
    public static Erasure? Find(Session session, long number) =>
        session.Query(SelectOne, Read, number) is [var found] ? found : null;

    /// <summary>A page of erasures, the newest first.</summary>
    public static List<Erasure> List(Session session, int connection, long below, int rows) =>
        session.Query(SelectNewest, Read, connection, below, rows);

    /// <summary>What an erasure still has to do; null if nothing names anybody any more.</summary>
    public static ErasureWork? Work(Session session, long number) => session.Scalar(SelectWork, number) is string work
        ? JsonSerializer.Deserialize(work, ErasureJson.Default.ErasureWork)
        : null;

    /// <summary>Erasures that are not done and that nobody has moved since.</summary>
    public static List<(long Number, int Connection)> Unfinished(Session session, DateTimeOffset touchedBefore) =>
        session.Query(
            SelectUnfinished, row => (row.GetInt64(0), row.GetInt32(1)), touchedBefore.ToUnixTimeMilliseconds());

    /// <summary>Whether an erasure that is not done names an id.</summary>
    public static bool IsUnderWay(Session session, int connection, string distinctId) =>
        Unfinished(session, DateTimeOffset.MaxValue)
            .Any(one => one.Connection == connection && Work(session, one.Number) is { } work && work.Ids.Contains(distinctId));

    /// <summary>Notes how far an erasure is and what it has erased since.</summary>
    public static void Move(
        Session session, long number, ErasurePhase phase, ErasureWork? work, ErasureCounts counts, DateTimeOffset now) =>
        session.Execute(
            UpdateErasure,
            (int)phase,
            work is null ? null : Encode(work),
            now.ToUnixTimeMilliseconds(),
            counts.Ids,
            counts.Messages,
            counts.Unsent,
            counts.Letters,
            counts.Warnings,
            counts.Facts,
            counts.Accounts,
            counts.Routes,
            number);

    /// <summary>Notes that all is done.</summary>
    public static void Finish(Session session, long number, DateTimeOffset now) =>
        session.Execute(FinishErasure, now.ToUnixTimeMilliseconds(), number);

    /// <summary>The next offset of each partition of the inbox.</summary>
    public static List<long> Offsets(Session session) => session.Query(SelectOffsets, row => row.GetInt64(0));

    /// <summary>Below which offset everything is decided, by partition.</summary>
    public static List<long> Decided(Session session) => session.Query(
        SelectProgress, row => row.IsDBNull(0) ? 0 : Progress.Decode(row.GetFieldValue<byte[]>(0)).Next);

    /// <summary>Whether a merge is under way at the home of one of some ids.</summary>
    public static bool IsBusy(Session session, int connection, IEnumerable<string> ids) =>
        ids.Any(id => session.Scalar(SelectUnfinishedMerge, connection, id) is not null);

    /// <summary>Takes ids out of the tables that hold them for a while, or hold a hash of them.</summary>
    public static void DeleteTraces(Session session, int connection, IEnumerable<string> ids, IEnumerable<ulong> lanes)
    {
        foreach (var id in ids)
        {
            session.Post(DeleteUnfinishedMerge, connection, id);
            session.Post(DeleteUnfinishedUndo, connection, id);
            GivenUpIds.Remove(session, connection, GivenUpIds.HashOf(id));
        }

        foreach (var lane in lanes)
        {
            session.Post(DeleteLane, connection, unchecked((long)lane));
            session.Post(DeleteLaneVersion, connection, unchecked((long)lane));
        }
    }

    private static string Encode(ErasureWork work) => JsonSerializer.Serialize(work, ErasureJson.Default.ErasureWork);

    private static Erasure Read(DbDataReader row) => new(
        row.GetInt64(0),
        row.GetInt32(1),
        (ErasurePhase)row.GetInt32(2),
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3)),
        row.IsDBNull(4) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(4)),
        new ErasureCounts(
            row.GetInt64(5),
            row.GetInt64(6),
            row.GetInt64(7),
            row.GetInt64(8),
            row.GetInt64(9),
            row.GetInt64(10),
            row.GetInt64(11),
            row.GetInt64(12)));
}
