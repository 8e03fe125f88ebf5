using System.Collections.Immutable;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Ingest;

/// <summary>
/// The events of one distinct id that an ingest actor has in its window: one batch is with the person, the rest waits. A lane has
/// a share of the window only; what does not fit is passed by and read again later, so that others get through.
/// </summary>
internal sealed class IngestLane(PersonId personId, int eventsMax, long bytesMax)
{
    /// <summary>How many events one batch holds at most.</summary>
    private const int BatchMax = 128;

    private readonly Queue<InboxEvent> _waiting = [];
    private long _waitingBytes;
    private long _passedByIn;

    public PersonId PersonId => personId;

    /// <summary>The batch that is with the person or on its way to the disk; empty when nothing is.</summary>
    public ImmutableArray<InboxEvent> InFlight { get; private set; } = [];

    /// <summary>Whether the person has answered, so that only the commit is awaited.</summary>
    public bool Answered { get; private set; }

    /// <summary>In which round of asking again the batch was last sent.</summary>
    public long SentInRound { get; private set; }

    /// <summary>From which offset on the lane's events must be read again; null if none was passed by.</summary>
    public long? ReadAgainFrom { get; private set; }

    /// <summary>Nothing is here, and nothing was passed by.</summary>
    public bool IsEmpty => InFlight.IsEmpty && _waiting.Count == 0 && ReadAgainFrom is null;

    /// <summary>Whether it is worth while to read what was passed by.</summary>
    public bool HasMuchRoom => _waiting.Count <= eventsMax / 2 && _waitingBytes <= bytesMax / 2;

    /// <summary>Takes an event that was read, or passes it by: there is no room, or earlier ones were passed by.</summary>
    /// <param name="inboxEvent">The event.</param>
    /// <param name="read">The number of the read, above 0.</param>
    /// <param name="readFrom">The offset that it began with.</param>
    public bool TryAdd(InboxEvent inboxEvent, long read, long readFrom)
    {
        var isFull = _waiting.Count >= eventsMax || (_waiting.Count > 0 && _waitingBytes >= bytesMax);
        if (ReadAgainFrom < readFrom || _passedByIn == read || isFull)
        {
            if (ReadAgainFrom is null || (ReadAgainFrom >= readFrom && _passedByIn != read))
            {
                (ReadAgainFrom, _passedByIn) = (inboxEvent.Offset, read);
            }

            return false;
        }

        _waiting.Enqueue(inboxEvent);
        _waitingBytes += inboxEvent.Event.Json.Length;
        return true;
    }

    /// <summary>A read is over: what it covered and did not pass by again is in the lane now.</summary>
    /// <param name="read">The number of the read.</param>
    /// <param name="readFrom">The offset that it began with.</param>
    /// <param name="readTo">The first offset that it did not cover.</param>
    /// <param name="frontier">The first offset that no read has covered.</param>
    public void MarkRead(long read, long readFrom, long readTo, long frontier)
    {
        if (ReadAgainFrom >= readFrom && ReadAgainFrom < readTo && _passedByIn != read)
        {
            ReadAgainFrom = readTo < frontier ? readTo : null;
        }
    }

    /// <summary>Takes the next batch: events that ask for no merge together, one that does alone.</summary>
    /// <returns>False while a batch is in flight, or when nothing waits.</returns>
    public bool TryTakeBatch()
    {
        if (!InFlight.IsEmpty || _waiting.Count == 0)
        {
            return false;
        }

        var batch = ImmutableArray.CreateBuilder<InboxEvent>();
        do
        {
            var inboxEvent = _waiting.Dequeue();
            _waitingBytes -= inboxEvent.Event.Json.Length;
            batch.Add(inboxEvent);
        }
        while (!IsMerge(batch[0]) && batch.Count < BatchMax && _waiting.TryPeek(out var next) && !IsMerge(next));

        InFlight = batch.ToImmutable();
        Answered = false;
        return true;
    }

    public ApplyEvents Send(long round)
    {
        SentInRound = round;
        return new ApplyEvents(
            personId,
            personId.DistinctId,
            ImmutableArray.CreateRange(InFlight, inboxEvent => new EventAt(inboxEvent.Offset, inboxEvent.Event)));
    }

    public void MarkAnswered() => Answered = true;

    public void MarkUnanswered() => Answered = false;

    public void MarkCommitted() => InFlight = [];

    private static bool IsMerge(InboxEvent inboxEvent) =>
        EventReading.IsMergeEvent(inboxEvent.Event.Event);
}
