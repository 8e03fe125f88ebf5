using System.Collections.Immutable;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.Inbox;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stores;

namespace VarianceActors.Pipeline.Ingest;

/// <summary>What may be said to the ingest actor of a partition, from anywhere in the cluster.</summary>
public abstract record IngestMessage
{
    private IngestMessage(int partition) => Partition = partition;

    /// <summary>The partition, from 0.</summary>
    public int Partition { get; }

    /// <summary>There may be new events: look. Also starts the actor if it is not running. May be lost or repeated.</summary>
    public sealed record Poke : IngestMessage
    {
        /// <summary>To the actor of a partition.</summary>
        public Poke(int partition)
            : base(partition)
        {
        }
    }

    /// <summary>Are you running? Answered with <see cref="IngestRunning"/> once the partition's progress is read.</summary>
    public sealed record GetRunning : IngestMessage
    {
        /// <summary>To the actor of a partition.</summary>
        public GetRunning(int partition)
            : base(partition)
        {
        }
    }
}

/// <summary>The answer to <see cref="IngestMessage.GetRunning"/>.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="NextOffset">Every offset below this is decided.</param>
public sealed record IngestRunning(int Partition, long NextOffset);

/// <summary>What a read of the inbox brought.</summary>
/// <param name="Events">Events in offset order.</param>
/// <param name="Known">Those of their keys that the ledger already holds.</param>
internal sealed record EventsRead(ImmutableArray<InboxEvent> Events, ImmutableHashSet<EventKey> Known)
{
    /// <summary>The ids that are erased by the time of the read.</summary>
    public ErasedSet Erased { get; init; } = ErasedSet.Empty;
}

/// <summary>The progress of the partition, when the actor starts.</summary>
internal sealed record ProgressRead(long Version, Progress Progress);

/// <summary>A commit has run.</summary>
/// <param name="Commit">The commit.</param>
/// <param name="Progress">The progress that it wrote.</param>
/// <param name="Stale">Lanes that are closed: nothing was written, and their persons must be asked again.</param>
internal sealed record IngestCommitted(
    IngestCommit Commit, Progress Progress, ImmutableHashSet<(int Connection, ulong Lane)> Stale);

/// <summary>Time to ask again for answers that did not come.</summary>
internal sealed record AskAgain
{
    public static AskAgain Instance { get; } = new();
}

/// <summary>Time to ask all again who have not answered: a node has gone.</summary>
internal sealed record AskAllAgain
{
    public static AskAllAgain Instance { get; } = new();
}
