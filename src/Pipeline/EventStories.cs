using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using VarianceActors.Pipeline.DeadLetters;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Ingest;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline;

/// <summary>What became of one event.</summary>
/// <param name="Uuid">The event.</param>
/// <param name="State"><c>accepted</c> (it is in the inbox and not decided yet), <c>pending</c>, <c>parked</c>, <c>delivered</c>,
/// <c>dead</c>, <c>discarded</c>, <c>coalesced</c>, <c>skipped</c>, <c>suppressed</c>, <c>filtered</c> or <c>refused</c>.</param>
/// <param name="Reason">Why, when nothing was sent; else empty.</param>
/// <param name="Door">Through which door it came: <c>capture</c> or <c>webhook</c>; <c>api</c> for corrections.</param>
/// <param name="ReceivedAt">When.</param>
/// <param name="Partition">Its partition of the inbox.</param>
/// <param name="Offset">Its offset there.</param>
/// <param name="Warnings">PostHog's ingestion warnings, each with <c>type</c> and <c>details</c>.</param>
/// <param name="Messages">What it became, in sending order; empty once the outbox's retention is over.</param>
/// <param name="DistinctId">Under which id it was captured; null if it names nobody, or somebody erased, or was decided by an
/// earlier version.</param>
/// <param name="Event">Its name, cut if it is long; null as above, and of corrections.</param>
/// <param name="NamedId">The id by which its person can be found: <paramref name="DistinctId"/>, or the one that its messages
/// name; null if nothing names one.</param>
public sealed record EventStory(
    Guid Uuid,
    string State,
    string Reason,
    string Door,
    DateTimeOffset ReceivedAt,
    int Partition,
    long Offset,
    JsonElement Warnings,
    ImmutableArray<MessageStory> Messages,
    string? DistinctId,
    string? Event,
    string? NamedId);

/// <summary>What became of one message.</summary>
/// <param name="MessageId">Its message id.</param>
/// <param name="Type">The Segment call.</param>
/// <param name="State"><c>pending</c>, <c>parked</c>, <c>delivered</c>, <c>dead</c>, <c>discarded</c>, <c>coalesced</c>,
/// <c>skipped</c> or <c>suppressed</c>.</param>
/// <param name="Body">The body.</param>
/// <param name="BodyBase64">The exact bytes of the body.</param>
/// <param name="DeadLetter">The number of its dead letter; null if it never was one.</param>
/// <param name="Attempts">Every attempt to deliver it, in order.</param>
public sealed record MessageStory(
    string MessageId,
    string Type,
    string State,
    JsonElement Body,
    string BodyBase64,
    long? DeadLetter,
    ImmutableArray<AttemptStory> Attempts);

/// <summary>An attempt to deliver a message.</summary>
/// <param name="Number">From 1, and from 1 again in a replay; where numbers are missing, attempts in the middle were
/// forgotten.</param>
/// <param name="At">When it began.</param>
/// <param name="LatencyMs">How long it took, in milliseconds.</param>
/// <param name="Status">The HTTP status; null if no answer came.</param>
/// <param name="Reason">A short word for what it means, such as <c>status-503</c> or <c>timeout</c>.</param>
/// <param name="Response">The first part of the answer's body, as text; of a message that was tried more than six times, only
/// the first three and the last three answers are kept.</param>
/// <param name="ReplayedAt">When the dead letter was put back for it; null for attempts before any replay.</param>
public sealed record AttemptStory(
    int Number,
    DateTimeOffset At,
    long LatencyMs,
    int? Status,
    string Reason,
    string Response,
    DateTimeOffset? ReplayedAt)
{
    /// <summary>The attempts as the API tells them.</summary>
    public static IEnumerable<AttemptStory> Of(IEnumerable<AttemptRow> attempts, DateTimeOffset? replayedAt) =>
        attempts.Select(attempt => new AttemptStory(
            attempt.Number,
            attempt.At,
            (long)attempt.Latency.TotalMilliseconds,
            attempt.Status,
            attempt.Reason,
            Encoding.UTF8.GetString(attempt.Response),
            replayedAt));
}

/// <summary>Tells what became of events.</summary>
/// <param name="session">A reading session.</param>
/// <param name="connection">The number of the connection.</param>
internal sealed class EventStories(Session session, int connection)
{
    /// <summary>How much of the inbox is searched for an event, in bytes: it is short unless something stands still.</summary>
    private const long InboxBytesMax = 64 << 20;

    private static readonly JsonElement NoWarnings = JsonDocument.Parse("[]").RootElement;
    private readonly Dictionary<int, Progress> _progress = [];
    private readonly bool _isParked = ConnectionStatements.IsParked(session, connection);

    /// <summary>The events of a uuid, the oldest first: one, unless different events were sent under one uuid; and whether all that
    /// waits to be decided was searched.</summary>
    public (ImmutableArray<EventStory> Stories, bool IsAll) Of(Guid uuid)
    {
        var letters = DeadLetterStatements.OfEvent(session, connection, uuid)
            .ToDictionary(letter => (letter.DeliveryPartition, letter.Position));
        var stories = LedgerStatements.Find(session, connection, uuid).Select(row => Tell(row, letters));
        var (waiting, isAll) = InboxStatements.Find(session, connection, uuid, InboxBytesMax);
        return ([.. stories, .. waiting.Where(IsUndecided).Select(Tell)], isAll);
    }

    private static EventStory Tell((int Partition, InboxEvent Event) waiting)
    {
        var captured = waiting.Event.Event;
        var id = captured.DistinctId.Length > 0 ? captured.DistinctId : null;
        return new EventStory(
            captured.Uuid,
            "accepted",
            "",
            NameOf(captured.Door),
            captured.ReceivedAt,
            waiting.Partition,
            waiting.Event.Offset,
            NoWarnings,
            [],
            id,
            captured.Event,
            id);
    }

    private static string NameOf(Door door) => door == Door.Webhook ? "webhook" : "capture";

    private EventStory Tell(LedgerRow row, Dictionary<(int DeliveryPartition, long Position), DeadLetter> letters)
    {
        var entries = row is { DeliveryPartition: { } partition, FirstPosition: { } first }
            ? EntriesOf(row, partition, first, letters)
            : [];
        var messages = entries
            .Select(entry => Tell(row.DeliveryPartition!.Value, entry, letters))
            .ToImmutableArray();
        var state = row.Decision switch
        {
            LedgerDecision.Filtered => "filtered",
            LedgerDecision.Suppressed => "suppressed",
            LedgerDecision.Refused => "refused",
            LedgerDecision.Coalesced => "coalesced",
            _ => StandingOf(row, letters),
        };
        return new EventStory(
            row.Key.Uuid,
            state,
            row.Reason,
            row.Offset < 0 ? "api" : NameOf(row.Door),
            row.ReceivedAt,
            row.Partition,
            row.Offset,
            row.Warnings is null ? NoWarnings : JsonDocument.Parse(row.Warnings).RootElement,
            messages,
            row.DistinctId,
            row.Event,
            row.DistinctId
                ?? entries.Select(entry => MessageFields.ContactOf(entry.Message)).FirstOrDefault(id => id is not null));
    }

    /// <summary>The messages of an event as the outbox has them, or else as its dead letters have them.</summary>
    private List<(long Position, OutboundMessage Message)> EntriesOf(
        LedgerRow row, int partition, long first, Dictionary<(int DeliveryPartition, long Position), DeadLetter> letters)
    {
        var end = first + row.MessageCount;
        var entries = OutboxStatements.Read(session, connection, partition, first, bytesMax: 1)
            .TakeWhile(entry => entry.Position < end)
            .Select(entry => (entry.Position, entry.Message))
            .ToList();
        return entries.Count > 0
            ? entries
            : [
                .. letters.Values
                    .Where(letter => letter.DeliveryPartition == partition && letter.Position >= first && letter.Position < end)
                    .Select(letter => (letter.Position, letter.Message)),
            ];
    }

    private string StandingOf(LedgerRow row, Dictionary<(int DeliveryPartition, long Position), DeadLetter> letters)
    {
        var (partition, first) = (row.DeliveryPartition!.Value, row.FirstPosition!.Value);
        return MessageStanding.OfEvent(
            [.. Enumerable.Range(0, row.MessageCount).Select(index => StandingAt(partition, first + index, letters))],
            letters.Values.Any(letter => letter.State == DeadLetterState.Superseded
                && letter.DeliveryPartition == partition
                && letter.Position >= first
                && letter.Position < first + row.MessageCount));
    }

    private string StandingAt(
        int partition, long position, Dictionary<(int DeliveryPartition, long Position), DeadLetter> letters) =>
        MessageStanding.Of(
            letters.TryGetValue((partition, position), out var letter)
                ? MessageStanding.Of(letter)
                : MessageStanding.Of(session, connection, partition, position, ProgressOf(partition)),
            _isParked);

    private MessageStory Tell(
        int partition,
        (long Position, OutboundMessage Message) entry,
        Dictionary<(int DeliveryPartition, long Position), DeadLetter> letters)
    {
        var attempts = AttemptStory.Of(AttemptStatements.Of(session, connection, partition, entry.Position), replayedAt: null);
        var letter = letters.GetValueOrDefault((partition, entry.Position));
        if (letter is not null)
        {
            attempts = attempts.Concat(ReplayStatements.Places(session, letter.Id).SelectMany(place => AttemptStory.Of(
                AttemptStatements.Of(session, connection, place.DeliveryPartition, place.Position), place.At)));
        }

        return new MessageStory(
            entry.Message.MessageId,
            entry.Message.Kind.ToString().ToLowerInvariant(),
            StandingAt(partition, entry.Position, letters),
            entry.Message.ReadBody().RootElement,
            Convert.ToBase64String(entry.Message.Body.Span),
            letter?.Id,
            [.. attempts]);
    }

    private bool IsUndecided((int Partition, InboxEvent Event) waiting) =>
        !IngestStatements.ReadProgress(session, waiting.Partition).Progress.IsDone(waiting.Event.Offset);

    private Progress ProgressOf(int partition)
    {
        if (!_progress.TryGetValue(partition, out var progress))
        {
            _progress[partition] = progress = DeliveryStatements.ReadProgress(session, connection, partition);
        }

        return progress;
    }
}
