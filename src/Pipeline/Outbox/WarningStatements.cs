using System.Data.Common;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Outbox;

/// <summary>A warning and the event that it was given for.</summary>
/// <param name="Connection">The number of the connection.</param>
/// <param name="Uuid">The event.</param>
/// <param name="ReceivedAt">When the event was received.</param>
/// <param name="Warning">The warning.</param>
internal readonly record struct WarningRow(int Connection, Guid Uuid, DateTimeOffset ReceivedAt, IngestionWarning Warning);

/// <summary>Everything that is said to the tables of warnings.</summary>
internal static class WarningStatements
{
    private static readonly Statement AddRow = new("""
        INSERT INTO warning (connection, type, uuid, received_at, details)
        VALUES (@connection, @type, @uuid, @received_at, @details)
        """);

    private static readonly Statement AddTotal = new("""
        INSERT INTO warning_total (connection, partition, type, warnings)
        VALUES (@connection, @partition, @type, @warnings)
        ON CONFLICT (connection, partition, type) DO UPDATE SET warnings = warning_total.warnings + excluded.warnings
        """);

    private static readonly Statement SelectTotals = new("""
        SELECT type, sum(warnings) FROM warning_total WHERE connection = @connection GROUP BY type ORDER BY type
        """);

    private static readonly Statement SelectNewest = new("""
        SELECT id, connection, type, uuid, received_at, details FROM warning
        WHERE connection = @connection AND id < @below ORDER BY id DESC LIMIT @rows
        """);

    private static readonly Statement SelectNewestOfType = new("""
        SELECT id, connection, type, uuid, received_at, details FROM warning
        WHERE connection = @connection AND type = @type AND id < @below ORDER BY id DESC LIMIT @rows
        """);

    private static readonly Statement DeleteOld = new("""
        DELETE FROM warning WHERE id IN (SELECT id FROM warning ORDER BY id LIMIT @rows) AND received_at < @received_before
        """);

    /// <summary>Writes warnings down and counts them.</summary>
    public static void Add(Session session, int partition, IReadOnlyCollection<WarningRow> rows)
    {
        foreach (var (connection, uuid, receivedAt, warning) in rows)
        {
            session.Post(
                AddRow,
                connection,
                warning.Type,
                uuid.ToByteArray(bigEndian: true),
                receivedAt.ToUnixTimeMilliseconds(),
                warning.Details);
        }

        foreach (var total in rows.CountBy(row => (row.Connection, row.Warning.Type)))
        {
            session.Post(AddTotal, total.Key.Connection, partition, total.Key.Type, total.Value);
        }
    }

    /// <summary>How many warnings a connection ever had, by type.</summary>
    public static Dictionary<string, long> Totals(Session session, int connection) => session
        .Query(SelectTotals, row => KeyValuePair.Create(row.GetString(0), row.GetInt64(1)), connection)
        .ToDictionary();

    /// <summary>Warnings numbered below <paramref name="below"/>, the newest first.</summary>
    /// <param name="session">A reading session.</param>
    /// <param name="connection">The number of the connection.</param>
    /// <param name="type">Only this type; null: all.</param>
    /// <param name="below">The number of the last warning of the page before.</param>
    /// <param name="rows">At most so many.</param>
    public static List<(long Id, WarningRow Row)> List(Session session, int connection, string? type, long below, int rows) =>
        type is null
            ? session.Query(SelectNewest, Read, connection, below, rows)
            : session.Query(SelectNewestOfType, Read, connection, type, below, rows);

    /// <summary>Deletes the oldest rows that are older than <paramref name="receivedBefore"/>; the totals stay.</summary>
    /// <returns>How many rows went.</returns>
    public static int DeleteOldest(Session session, int rows, DateTimeOffset receivedBefore) =>
        session.Execute(DeleteOld, rows, receivedBefore.ToUnixTimeMilliseconds());

    private static (long Id, WarningRow Row) Read(DbDataReader row) => (
        row.GetInt64(0),
        new WarningRow(
            row.GetInt32(1),
            new Guid(row.GetFieldValue<byte[]>(3), bigEndian: true),
            DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(4)),
            new IngestionWarning(row.GetString(2), row.GetString(5))));
}
