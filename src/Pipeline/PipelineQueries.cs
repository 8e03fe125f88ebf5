using System.Collections.Immutable;
using System.Text.Json;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline;

/// <summary>A page of ingestion warnings.</summary>
/// <param name="Totals">How many warnings the connection ever had, by type.</param>
/// <param name="Items">The newest first.</param>
/// <param name="Next">Pass it as <c>after</c> for the next, older page; null on the last one.</param>
public sealed record WarningPage(IReadOnlyDictionary<string, long> Totals, ImmutableArray<WarningStory> Items, long? Next);

/// <summary>One ingestion warning.</summary>
/// <param name="Id">Its number; a newer one has a higher number.</param>
/// <param name="Type">PostHog's name, such as <c>cannot_merge_already_identified</c>, or a guard's.</param>
/// <param name="Event">The uuid of the event.</param>
/// <param name="At">When the event was received.</param>
/// <param name="Details">PostHog's details; they name distinct ids.</param>
public sealed record WarningStory(long Id, string Type, Guid Event, DateTimeOffset At, JsonElement Details);

/// <summary>What the API asks the database.</summary>
public sealed class PipelineQueries(PipelineParts parts)
{
    /// <summary>Whether there is such a connection.</summary>
    public bool HasConnection(string connectionId) => parts.Layout.NumberByConnection.ContainsKey(connectionId);

    /// <summary>The books of a connection at one moment.</summary>
    public Task<LedgerBalance> ReadLedgerAsync(string connectionId, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(
            session => LedgerStatements.Balance(session, parts.Layout.NumberByConnection[connectionId]), cancellationToken);

    /// <summary>What waits for the delivery of a connection, and what it failed at.</summary>
    public Task<DeliveryReport> ReadDeliveryAsync(string connectionId, CancellationToken cancellationToken)
    {
        var now = parts.Time.GetUtcNow();
        return parts.Database.ReadAsync(
            session => DeliveryReport.Read(session, parts.Layout.NumberByConnection[connectionId], now),
            cancellationToken);
    }

    /// <summary>Ingestion warnings, the newest first.</summary>
    /// <param name="connectionId">The connection.</param>
    /// <param name="type">Only this type; null: all.</param>
    /// <param name="after">The last page's <see cref="WarningPage.Next"/>; null: from the newest on.</param>
    /// <param name="limit">Items of the page.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    public Task<WarningPage> ReadWarningsAsync(
        string connectionId, string? type, long? after, int limit, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(
            session =>
            {
                var connection = parts.Layout.NumberByConnection[connectionId];
                var rows = WarningStatements.List(session, connection, type, after ?? long.MaxValue, limit + 1);
                return new WarningPage(
                    WarningStatements.Totals(session, connection),
                    [.. rows.Take(limit).Select(Tell)],
                    rows.Count > limit ? rows[limit - 1].Id : null);
            },
            cancellationToken);

    /// <summary>What became of the events of a uuid, the oldest first: one, unless different events were sent under one uuid;
    /// none if it is unknown, or older than the ledger's retention; and whether all that waits to be decided was searched.</summary>
    public Task<(ImmutableArray<EventStory> Stories, bool IsAll)> ReadEventsAsync(
        string connectionId, Guid uuid, CancellationToken cancellationToken)
    {
        var connection = parts.Layout.NumberByConnection[connectionId];
        return parts.Database.ReadAsync(session => new EventStories(session, connection).Of(uuid), cancellationToken);
    }

    private static WarningStory Tell((long Id, WarningRow Row) warning) => new(
        warning.Id,
        warning.Row.Warning.Type,
        warning.Row.Uuid,
        warning.Row.ReceivedAt,
        JsonDocument.Parse(warning.Row.Warning.Details).RootElement);
}
