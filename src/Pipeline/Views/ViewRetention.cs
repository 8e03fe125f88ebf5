using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Views;

/// <summary>What is too old goes: rows of the feed that are folded in, as the outbox; activity by its own age. Rows that are
/// not folded in stay, however old they are.</summary>
internal static class ViewRetention
{
    private static readonly Statement DeleteActivity = new("""
        DELETE FROM view_activity WHERE (id, day, event, account) IN (
            SELECT id, day, event, account FROM view_activity WHERE day < @day LIMIT @rows)
        """);

    private static readonly Statement DeleteAccountDays = new("""
        DELETE FROM view_account_day WHERE (account, day, event) IN (
            SELECT account, day, event FROM view_account_day WHERE day < @day LIMIT @rows)
        """);

    private static readonly Statement DeleteStageDays = new("DELETE FROM view_stage_day WHERE day < @day");

    /// <summary>Deletes some of what is too old.</summary>
    /// <returns>How many rows went.</returns>
    public static int DeleteOldest(Session session, PipelineParts parts, int rows, DateTimeOffset now)
    {
        var feedBefore = now - parts.Options.Retention.Outbox;
        var before = ViewStatements.DayOf(now - parts.Options.Views.Activity);
        var slices = from connection in parts.Layout.NumberByConnection.Values
                     from partition in Enumerable.Range(0, parts.Layout.DeliveryPartitions)
                     select (connection, partition);
        return slices.Sum(slice => FeedStatements.DeleteOldest(
                session, slice.connection, slice.partition, rows, feedBefore))
            + session.Execute(DeleteActivity, before, rows)
            + session.Execute(DeleteAccountDays, before, rows)
            + session.Execute(DeleteStageDays, before);
    }
}
