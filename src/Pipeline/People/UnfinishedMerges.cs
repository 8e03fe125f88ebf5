using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.People;

/// <summary>The list of homes with a merge under way, so that after a crash somebody wakes a home that nobody calls.</summary>
/// <remarks>A home without business may be on the list, and being woken does nothing to it; a home with business always is.</remarks>
/// <param name="Begin">Done once the home is on the list, on disk, with a mark.</param>
/// <param name="End">Takes the home off the list if its mark there is not higher.</param>
public sealed record UnfinishedMerges(Func<PersonId, long, Task> Begin, Func<PersonId, long, Task> End)
{
    /// <summary>The list in the table <c>unfinished_merge</c>.</summary>
    public static UnfinishedMerges In(PipelineDatabase database, PipelineLayout layout, TimeProvider time) => new(
        (home, mark) => database.WriteAsync(session => UnfinishedMergeStatements.Begin(
            session, NumberOf(home, layout), home.DistinctId, mark, time.GetUtcNow())),
        (home, mark) => database.WriteAsync(session => UnfinishedMergeStatements.End(
            session, NumberOf(home, layout), home.DistinctId, mark)));

    private static int NumberOf(PersonId home, PipelineLayout layout) => layout.NumberByConnection[home.ConnectionId];
}

/// <summary>A home on the list.</summary>
/// <param name="Connection">The number of its connection.</param>
/// <param name="DistinctId">Its distinct id.</param>
/// <param name="Since">When it was put there.</param>
internal readonly record struct UnfinishedMerge(int Connection, string DistinctId, DateTimeOffset Since);

/// <summary>Everything that is said to the table of unfinished merges.</summary>
internal static class UnfinishedMergeStatements
{
    private static readonly Statement Add = new("""
        INSERT INTO unfinished_merge (connection, distinct_id, mark, since)
        VALUES (@connection, @distinct_id, @mark, @since)
        ON CONFLICT (connection, distinct_id) DO UPDATE SET mark = excluded.mark WHERE unfinished_merge.mark < excluded.mark
        """);

    private static readonly Statement Remove = new("""
        DELETE FROM unfinished_merge WHERE connection = @connection AND distinct_id = @distinct_id AND mark <= @mark
        """);

    private static readonly Statement SelectPage = new("""
        SELECT connection, distinct_id, since FROM unfinished_merge
        WHERE (connection, distinct_id) > (@connection, @distinct_id) ORDER BY connection, distinct_id LIMIT @rows
        """);

    public static int Begin(Session session, int connection, string distinctId, long mark, DateTimeOffset since) =>
        session.Execute(Add, connection, distinctId, mark, since.ToUnixTimeMilliseconds());

    public static int End(Session session, int connection, string distinctId, long mark) =>
        session.Execute(Remove, connection, distinctId, mark);

    /// <summary>Homes behind the one given, in an order of their own.</summary>
    public static List<UnfinishedMerge> List(Session session, int connection, string distinctId, int rows) => session.Query(
        SelectPage,
        row => new UnfinishedMerge(
            row.GetInt32(0), row.GetString(1), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(2))),
        connection,
        distinctId,
        rows);
}
