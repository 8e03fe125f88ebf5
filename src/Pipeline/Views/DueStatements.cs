using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Views;

/// <summary>A contact that must be looked at again.</summary>
/// <param name="Person">The person.</param>
/// <param name="At">When a window ends.</param>
/// <param name="DistinctId">One of its ids.</param>
internal readonly record struct DueContact(Guid Person, DateTimeOffset At, string DistinctId);

/// <summary>Which contacts must be looked at again.</summary>
internal static class DueStatements
{
    private static readonly Statement SelectDue = new("""
        SELECT person, due_at, distinct_id FROM view_due
        WHERE connection = @connection AND due_at <= @now AND (due_at, person) > (@after, @person)
        ORDER BY due_at, person LIMIT @rows
        """);

    private static readonly Statement Delete = new(
        "DELETE FROM view_due WHERE connection = @connection AND person = @person AND due_at = @due_at");

    /// <summary>Those who are due, behind one who was; null: from the first on.</summary>
    public static List<DueContact> List(
        Session session, int connection, DateTimeOffset now, DueContact? after, int rows) => session.Query(
        SelectDue,
        row => new DueContact(
            new Guid(row.GetFieldValue<byte[]>(0), bigEndian: true),
            DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(1)),
            row.GetString(2)),
        connection, now.ToUnixTimeMilliseconds(), after?.At.ToUnixTimeMilliseconds() ?? -1,
        ViewStatements.Bytes(after?.Person ?? Guid.Empty), rows);

    /// <summary>There is nothing to look at.</summary>
    public static int Remove(Session session, int connection, DueContact due) =>
        session.Execute(Delete, connection, ViewStatements.Bytes(due.Person), due.At.ToUnixTimeMilliseconds());
}
