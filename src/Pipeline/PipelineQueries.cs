using System.Collections.Immutable;
using System.Text.Json;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline;

/// <summary>What became of one event.</summary>
/// <param name="Uuid">The event.</param>
/// <param name="State"><c>pending</c>, <c>delivered</c>, <c>dead</c>, <c>suppressed</c>, <c>filtered</c>, <c>refused</c> or <c>coalesced</c>.</param>
/// <param name="Reason">Why, when nothing was sent; else empty.</param>
/// <param name="Door">Through which door it came: <c>capture</c> or <c>webhook</c>.</param>
/// <param name="ReceivedAt">When.</param>
/// <param name="Partition">Its partition of the inbox.</param>
/// <param name="Offset">Its offset there.</param>
/// <param name="Warnings">PostHog's ingestion warnings, each with <c>type</c> and <c>details</c>.</param>
/// <param name="Messages">What it became, in sending order; empty once the outbox's retention is over.</param>
public sealed record EventStory(
    Guid Uuid,
    string State,
    string Reason,
    string Door,
    DateTimeOffset ReceivedAt,
    int Partition,
    long Offset,
    JsonElement Warnings,
    ImmutableArray<MessageStory> Messages);

/// <summary>What became of one message.</summary>
/// <param name="MessageId">Its message id.</param>
/// <param name="Type">The Segment call.</param>
/// <param name="State"><c>pending</c>, <c>delivered</c>, <c>dead</c> or <c>suppressed</c>.</param>
/// <param name="Body">The exact body.</param>
public sealed record MessageStory(string MessageId, string Type, string State, JsonElement Body);

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
    private static readonly JsonElement NoWarnings = JsonDocument.Parse("[]").RootElement;

    /// <summary>Whether there is such a connection.</summary>
    public bool HasConnection(string connectionId) => parts.Layout.NumberByConnection.ContainsKey(connectionId);

    /// <summary>The books of a connection at one moment.</summary>
    public Task<LedgerBalance> ReadLedgerAsync(string connectionId, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(
            session => LedgerStatements.Balance(session, parts.Layout.NumberByConnection[connectionId]), cancellationToken);

    /// <summary>Dead letters in the order they came, behind the one numbered <paramref name="after"/>.</summary>
    public Task<List<DeadLetter>> ReadDeadLettersAsync(
        string connectionId, long after, int limit, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(
            session => DeliveryStatements.List(session, parts.Layout.NumberByConnection[connectionId], after, limit),
            cancellationToken);

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

    /// <summary>What became of the events of a uuid: one, unless different events were sent under one uuid; none if it is
    /// unknown, not processed yet, or older than the ledger's retention.</summary>
    public Task<ImmutableArray<EventStory>> ReadEventsAsync(
        string connectionId, Guid uuid, CancellationToken cancellationToken) =>
        parts.Database.ReadAsync(
            session =>
            {
                var connection = parts.Layout.NumberByConnection[connectionId];
                var dead = DeliveryStatements.DeadPositions(session, connection, uuid);
                return LedgerStatements.Find(session, connection, uuid)
                    .Select(row => Tell(session, connectionId, row, dead))
                    .ToImmutableArray();
            },
            cancellationToken);

    private static WarningStory Tell((long Id, WarningRow Row) warning) => new(
        warning.Id,
        warning.Row.Warning.Type,
        warning.Row.Uuid,
        warning.Row.ReceivedAt,
        JsonDocument.Parse(warning.Row.Warning.Details).RootElement);

    private EventStory Tell(
        Session session, string connectionId, LedgerRow row, HashSet<(int DeliveryPartition, long Position)> dead)
    {
        var messages = row is { DeliveryPartition: { } partition, FirstPosition: { } first }
            ? TellMessages(session, connectionId, row, partition, first, dead)
            : [];
        var state = row.Decision switch
        {
            LedgerDecision.Filtered => "filtered",
            LedgerDecision.Suppressed => "suppressed",
            LedgerDecision.Refused => "refused",
            LedgerDecision.Coalesced => "coalesced",
            _ => StateOf(session, connectionId, row, dead),
        };
        return new EventStory(
            row.Key.Uuid,
            state,
            row.Reason,
            row.Door == Sources.Door.Webhook ? "webhook" : "capture",
            row.ReceivedAt,
            row.Partition,
            row.Offset,
            row.Warnings is null ? NoWarnings : JsonDocument.Parse(row.Warnings).RootElement,
            messages);
    }

    /// <summary>A queued event is dead if a message of it is, else as far as its last message.</summary>
    private string StateOf(
        Session session, string connectionId, LedgerRow row, HashSet<(int DeliveryPartition, long Position)> dead)
    {
        var (partition, first) = (row.DeliveryPartition!.Value, row.FirstPosition!.Value);
        var positions = Enumerable.Range(0, row.MessageCount).Select(index => first + index);
        return positions.Any(position => dead.Contains((partition, position)))
            ? "dead"
            : StateOf(session, connectionId, row.Key.Connection, partition, first + row.MessageCount - 1);
    }

    private string StateOf(Session session, string connectionId, int connection, int partition, long position) =>
        !DeliveryStatements.ReadState(session, connection, partition).Progress.IsDone(position)
            ? "pending"
            : parts.Options.Connections[connectionId].Url.Length == 0 ? "suppressed" : "delivered";

    private ImmutableArray<MessageStory> TellMessages(
        Session session,
        string connectionId,
        LedgerRow row,
        int partition,
        long first,
        HashSet<(int DeliveryPartition, long Position)> dead) =>
    [
        .. OutboxStatements.Read(session, row.Key.Connection, partition, first, bytesMax: 1)
            .TakeWhile(entry => entry.Position < first + row.MessageCount)
            .Select(entry => new MessageStory(
                entry.Message.MessageId,
                entry.Message.Kind.ToString().ToLowerInvariant(),
                dead.Contains((partition, entry.Position))
                    ? "dead"
                    : StateOf(session, connectionId, row.Key.Connection, partition, entry.Position),
                JsonDocument.Parse(entry.Message.Body).RootElement)),
    ];
}
