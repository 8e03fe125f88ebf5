using System.Data.Common;
using System.Text.Json;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.DeadLetters;

/// <summary>Everything that is said to the table of jobs.</summary>
internal static partial class DeadLetterJobStatements
{
    private const string Columns = """
        id, connection, kind, filter, force, note, created_at, finished_at, last_letter, cursor, total, done, refused,
        delivered, dead, cancelled_at, superseded
        """;

    private static readonly Statement AddJob = new("""
        INSERT INTO dead_letter_job (connection, kind, filter, force, note, created_at, finished_at, last_letter, cursor, total,
            done, refused, delivered, dead)
        VALUES (@connection, @kind, @filter, @force, @note, @created_at, NULL, @last_letter, 0, @total, 0, 0, 0, 0)
        RETURNING id
        """);

    private static readonly Statement SelectOne = new($"SELECT {Columns} FROM dead_letter_job WHERE id = @id");

    private static readonly Statement SelectOneToChange = new(
        $"SELECT {Columns} FROM dead_letter_job WHERE id = @id", locksRows: true);

    private static readonly Statement SelectUnfinished = new(
        "SELECT id, connection FROM dead_letter_job WHERE finished_at IS NULL ORDER BY id");

    private static readonly Statement SelectNewest = new($"""
        SELECT {Columns} FROM dead_letter_job
        WHERE connection = @connection AND kind = @kind AND id < @below ORDER BY id DESC LIMIT @rows
        """);

    private static readonly Statement MoveJob = new("""
        UPDATE dead_letter_job SET cursor = @cursor, done = done + @done, refused = refused + @refused,
            finished_at = @finished_at
        WHERE id = @id
        """);

    private static readonly Statement AddOutcome = new("""
        UPDATE dead_letter_job SET delivered = delivered + @delivered, dead = dead + @dead,
            superseded = superseded + @superseded
        WHERE id = @id
        """);

    private static readonly Statement CancelJob = new("""
        UPDATE dead_letter_job SET finished_at = @now, cancelled_at = @now WHERE id = @id AND finished_at IS NULL
        """);

    private static readonly Statement DeleteOld = new("""
        DELETE FROM dead_letter_job WHERE id IN (
            SELECT id FROM dead_letter_job WHERE finished_at < @finished_before LIMIT @rows)
        """);

    /// <summary>Writes a new job down.</summary>
    /// <returns>Its number.</returns>
    public static long Add(Session session, DeadLetterJob job) => (long)session.Scalar(
        AddJob,
        job.Connection,
        (int)job.Kind,
        JsonSerializer.Serialize(job.Filter, FilterJson.Default.DeadLetterFilter),
        job.Force ? 1 : 0,
        job.Note,
        job.CreatedAt.ToUnixTimeMilliseconds(),
        job.LastLetter,
        job.Total)!;

    /// <summary>A job by its number; null if there is none.</summary>
    public static DeadLetterJob? Find(Session session, long id) =>
        session.Query(SelectOne, Read, id) is [var job] ? job : null;

    /// <summary>A job by its number, which nobody else moves until the transaction ends; null if there is none.</summary>
    public static DeadLetterJob? FindToChange(Session session, long id) =>
        session.Query(SelectOneToChange, Read, id) is [var job] ? job : null;

    /// <summary>The numbers of jobs that are not finished, with their connections, the oldest first.</summary>
    public static List<(long Id, int Connection)> Unfinished(Session session) =>
        session.Query(SelectUnfinished, row => (row.GetInt64(0), row.GetInt32(1)));

    /// <summary>Jobs numbered below <paramref name="below"/>, the newest first.</summary>
    public static List<DeadLetterJob> List(
        Session session, int connection, DeadLetterJobKind kind, long below, int rows) =>
        session.Query(SelectNewest, Read, connection, (int)kind, below, rows);

    /// <summary>The job has come so far.</summary>
    public static void Move(
        Session session, DeadLetterJob job, long cursor, int done, int refused, DateTimeOffset? finishedAt) =>
        session.Execute(MoveJob, cursor, done, refused, finishedAt?.ToUnixTimeMilliseconds(), job.Id);

    /// <summary>A job that is not finished ends here.</summary>
    public static void Cancel(Session session, long id, DateTimeOffset now) =>
        session.Execute(CancelJob, now.ToUnixTimeMilliseconds(), id);

    /// <summary>A letter that a job put back has its outcome.</summary>
    public static void CountOutcome(Session session, long? job, int delivered = 0, int dead = 0, int superseded = 0)
    {
        if (job is { } id)
        {
            session.Post(AddOutcome, delivered, dead, superseded, id);
        }
    }

    /// <summary>Deletes jobs that were finished before <paramref name="finishedBefore"/>.</summary>
    /// <returns>How many rows went.</returns>
    public static int DeleteOldest(Session session, int rows, DateTimeOffset finishedBefore) =>
        session.Execute(DeleteOld, finishedBefore.ToUnixTimeMilliseconds(), rows);

    private static DeadLetterJob Read(DbDataReader row) => new(
        row.GetInt64(0),
        row.GetInt32(1),
        (DeadLetterJobKind)row.GetInt32(2),
        JsonSerializer.Deserialize(row.GetString(3), FilterJson.Default.DeadLetterFilter)!,
        row.GetInt32(4) == 1,
        row.IsDBNull(5) ? null : row.GetString(5),
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(6)),
        row.IsDBNull(7) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(7)),
        row.GetInt64(8),
        row.GetInt64(9),
        row.GetInt64(10),
        row.GetInt64(11),
        row.GetInt64(12),
        row.GetInt64(13),
        row.GetInt64(14),
        row.IsDBNull(15) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(15)),
        row.GetInt64(16));

    [JsonSourceGenerationOptions(
        PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
    [JsonSerializable(typeof(DeadLetterFilter))]
    private sealed partial class FilterJson : JsonSerializerContext;
}
