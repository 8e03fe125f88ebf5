using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>What an erasure does next. Each phase may be done again from its beginning.</summary>
public enum ErasurePhase : byte
{
    /// <summary>Nothing is sent for the id any more; what was accepted before the wish is being decided as ever.</summary>
    Draining = 0,

    /// <summary>The ids are suppressed; what was accepted before that is being decided, and all ids of the person are found.</summary>
    Suppressing = 1,

    /// <summary>Nothing of the person may be under way any more, and no dead letter may be replayed.</summary>
    Silencing = 2,

    /// <summary>Messages lose their content.</summary>
    Outbox = 3,

    /// <summary>Dead letters lose theirs and are given up.</summary>
    Letters = 4,

    /// <summary>Warnings and small tables forget the ids.</summary>
    Warnings = 5,

    /// <summary>The ledger forgets under which id and name events came.</summary>
    Ledger = 6,

    /// <summary>Accounts forget the contact.</summary>
    Accounts = 7,

    /// <summary>Facts and snapshots go.</summary>
    Journal = 8,

    /// <summary>Views forget the person.</summary>
    Views = 9,

    /// <summary>The ids are out of the work list; the logs of the database files are emptied.</summary>
    Ending = 10,

    /// <summary>All is done.</summary>
    Done = 11,
}

/// <summary>What an erasure has erased.</summary>
/// <param name="Ids">Ids that are suppressed from then on.</param>
/// <param name="Messages">Messages that lost their content.</param>
/// <param name="Unsent">Of these, messages that waited and will not be sent.</param>
/// <param name="Letters">Dead letters that lost their content.</param>
/// <param name="Warnings">Ingestion warnings that were deleted.</param>
/// <param name="Facts">Facts and snapshots in the journal that were deleted or rewritten.</param>
/// <param name="Accounts">Accounts that were told to forget the person.</param>
/// <param name="Routes">Homes that had to stay, because other persons are found through them; their own ids stay with
/// them.</param>
public readonly record struct ErasureCounts(
    long Ids, long Messages, long Unsent, long Letters, long Warnings, long Facts, long Accounts, long Routes)
{
    /// <summary>Both together.</summary>
    public static ErasureCounts operator +(ErasureCounts left, ErasureCounts right) => new(
        left.Ids + right.Ids,
        left.Messages + right.Messages,
        left.Unsent + right.Unsent,
        left.Letters + right.Letters,
        left.Warnings + right.Warnings,
        left.Facts + right.Facts,
        left.Accounts + right.Accounts,
        left.Routes + right.Routes);
}

/// <summary>An erasure and how far it is. It names nobody.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Connection">The number of the connection.</param>
/// <param name="Phase">What it does next.</param>
/// <param name="CreatedAt">When it was asked for.</param>
/// <param name="FinishedAt">When all was done; null while it runs.</param>
/// <param name="Counts">What is erased so far.</param>
public sealed record Erasure(
    long Number,
    int Connection,
    ErasurePhase Phase,
    DateTimeOffset CreatedAt,
    DateTimeOffset? FinishedAt,
    ErasureCounts Counts);

/// <summary>What an erasure still needs to know; it is forgotten when it is done.</summary>
/// <param name="Ids">All ids of the person, as far as they are known.</param>
internal sealed record ErasureWork(ImmutableArray<string> Ids)
{
    /// <summary>Up to which offset each partition of the inbox must be decided; empty if that is not known yet.</summary>
    public ImmutableArray<long> Barrier { get; init; } = [];

    /// <summary>Ids whose homes are nobody else's: their journals go.</summary>
    public ImmutableArray<string> Homes { get; init; } = [];

    /// <summary>Ids of the person whose homes other persons are found through: they stay.</summary>
    public ImmutableArray<string> Routes { get; init; } = [];

    /// <summary>Ids, also of others, whose homes hold or held the person beside others: their journals begin anew.</summary>
    public ImmutableArray<string> Shared { get; init; } = [];

    /// <summary>Uuids under which the person was known: its own, and those of persons that became part of it.</summary>
    public ImmutableArray<Guid> Persons { get; init; } = [];

    /// <summary>Part of what stands in for the ids in the history of others.</summary>
    public Guid StandIn { get; init; }

    /// <summary>Keys of the accounts that the person ever belonged to.</summary>
    public ImmutableArray<string> Accounts { get; init; } = [];

    /// <summary>Ids of others whose history names an id of the person, because they were asked to become one and did
    /// not.</summary>
    public ImmutableArray<string> Neighbours { get; init; } = [];

    /// <summary>Since when the homes must not write.</summary>
    public DateTimeOffset GoneAt { get; init; }

    /// <summary>Up to where the running phase is: a partition, and a position or number.</summary>
    public int Partition { get; init; }

    /// <summary>See <see cref="Partition"/>.</summary>
    public long After { get; init; } = -1;
}

/// <summary>How the work is kept.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ErasureWork))]
internal sealed partial class ErasureJson : JsonSerializerContext;
