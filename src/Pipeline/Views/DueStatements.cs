using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Views;

/// <summary>A contact that must be looked at again.</summary>
/// <param name="Person">The person.</param>
/// <param name="At">When a window ends.</param>
/// <param name="DistinctId">One of its ids.</param>
/// <param name="Account">The account that the lists show; null for none.</param>
internal readonly record struct DueContact(Guid Person, DateTimeOffset At, string DistinctId, string? Account);

/// <summary>Which contacts must be looked at again.</summary>
internal static class DueStatements
{
    private static readonly Statement SelectDue = new("""
        SELECT d.person, d.due_at, d.distinct_id, a.id FROM view_due d
        LEFT JOIN view_contact c ON c.connection = d.connection AND c.person = d.person
        LEFT JOIN view_account a ON a.number = c.account
        WHERE d.connection = @connection AND d.due_at <= @now AND (d.due_at, d.person) > (@after, @person)
        ORDER BY d.due_at, d.person LIMIT @rows
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
            row.GetString(2),
            row.IsDBNull(3) ? null : row.GetString(3)),
        connection, now.ToUnixTimeMilliseconds(), after?.At.ToUnixTimeMilliseconds() ?? -1,
        ViewStatements.Bytes(after?.Person ?? Guid.Empty), rows);

    /// <summary>There is nothing to look at.</summary>
    public static int Remove(Session session, int connection, DueContact due) =>
        session.Execute(Delete, connection, ViewStatements.Bytes(due.Person), due.At.ToUnixTimeMilliseconds());
}
