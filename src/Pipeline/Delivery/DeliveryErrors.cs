using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Delivery;

/// <summary>Failed attempts of one reason.</summary>
/// <param name="Reason">Such as <c>status-503</c>.</param>
/// <param name="Attempts">How many there were.</param>
/// <param name="LastAt">When the last one was.</param>
public sealed record DeliveryErrorCount(string Reason, long Attempts, DateTimeOffset LastAt);

/// <summary>Everything that is said to the table of failed attempts.</summary>
internal static class DeliveryErrors
{
    private static readonly long MillisecondsPerHour = (long)TimeSpan.FromHours(1).TotalMilliseconds;

    private static readonly Statement AddErrors = new("""
        INSERT INTO delivery_error (connection, hour, reason, attempts, last_at)
        VALUES (@connection, @hour, @reason, @attempts, @last_at)
        ON CONFLICT (connection, hour, reason) DO UPDATE SET
            attempts = delivery_error.attempts + excluded.attempts,
            last_at = CASE WHEN delivery_error.last_at < excluded.last_at THEN excluded.last_at ELSE delivery_error.last_at END
        """);

    private static readonly Statement SelectGrouped = new("""
        SELECT reason, sum(attempts), max(last_at) FROM delivery_error
        WHERE connection = @connection AND hour >= @since GROUP BY reason ORDER BY max(last_at) DESC, reason
        """);

    private static readonly Statement DeleteOld = new("DELETE FROM delivery_error WHERE hour < @before");

    /// <summary>Counts the attempts that failed. All slices of a connection count in the same rows: call it last, so that they
    /// wait for each other no longer than they must.</summary>
    public static void Add(Session session, int connection, IEnumerable<DeliveryAttempt> attempts)
    {
        foreach (var group in attempts
            .Where(attempt => attempt.Verdict != DeliveryVerdict.Delivered)
            .GroupBy(attempt => (Hour: HourOf(attempt.At), attempt.Reason))
            .OrderBy(group => group.Key))
        {
            session.Post(
                AddErrors,
                connection,
                group.Key.Hour,
                group.Key.Reason,
                group.Count(),
                group.Max(attempt => attempt.At).ToUnixTimeMilliseconds());
        }
    }

    /// <summary>Failed attempts since a time, to the hour; the reason that was met last comes first.</summary>
    public static List<DeliveryErrorCount> Since(Session session, int connection, DateTimeOffset since) => session.Query(
        SelectGrouped,
        row => new DeliveryErrorCount(
            row.GetString(0), row.GetInt64(1), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(2))),
        connection, HourOf(since));

    public static int DeleteOldest(Session session, DateTimeOffset before) => session.Execute(DeleteOld, HourOf(before));

    private static long HourOf(DateTimeOffset time) => time.ToUnixTimeMilliseconds() / MillisecondsPerHour;
}
