using System.Collections.Immutable;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Ingest;

/// <summary>The events of one distinct id that an ingest actor has in its window: one batch is with the person, the rest waits.</summary>
internal sealed class IngestLane(PersonId personId)
{
    /// <summary>How many events one batch holds at most.</summary>
    private const int BatchMax = 128;

    private readonly Queue<InboxEvent> _waiting = [];

    public PersonId PersonId => personId;

    /// <summary>The batch that is with the person or on its way to the disk; empty when nothing is.</summary>
    public ImmutableArray<InboxEvent> InFlight { get; private set; } = [];

    /// <summary>Whether the person has answered, so that only the commit is awaited.</summary>
    public bool Answered { get; private set; }

    /// <summary>In which round of asking again the batch was last sent.</summary>
    public long SentInRound { get; private set; }

    public bool IsEmpty => InFlight.IsEmpty && _waiting.Count == 0;

    public void Add(InboxEvent inboxEvent) => _waiting.Enqueue(inboxEvent);

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
            batch.Add(_waiting.Dequeue());
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
