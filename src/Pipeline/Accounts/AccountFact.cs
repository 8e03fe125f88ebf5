using System.Collections.Immutable;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>What happened to an account. The journal holds these and nothing else; a change of meaning is a new
/// record.</summary>
public abstract record AccountFact
{
    private AccountFact()
    {
    }

    /// <summary>Whose journal this is; only in its first fact.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public AccountId? Account { get; init; }

    /// <summary>A contact joined, left, or changed.</summary>
    public sealed record MemberSeen(MemberSays Member) : AccountFact;

    /// <summary>An event set properties of the group.</summary>
    /// <param name="Event">The event.</param>
    /// <param name="GroupType">Its group type.</param>
    /// <param name="At">When it happened.</param>
    /// <param name="Set">What changed the account.</param>
    public sealed record GroupSeen(
        Guid Event,
        string GroupType,
        DateTimeOffset At,
        ImmutableArray<NamedValue> Set) : AccountFact
    {
        /// <summary>Events before it that changed nothing, since the last fact of this kind; null for none.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public ImmutableArray<Guid>? Also { get; init; }
    }

    /// <summary>A contact, now or before, was erased: it is none and never was.</summary>
    /// <param name="Person">Its uuid.</param>
    /// <param name="At">When.</param>
    public sealed record MemberErased(Guid Person, DateTimeOffset At) : AccountFact;

    /// <summary>The stage changed, by a rule or by a pin, or was pinned or unpinned where it is.</summary>
    public sealed record StageMoved(StagePlace Place) : AccountFact;

    /// <summary>An operator merged the account into another one, or took that back (null).</summary>
    public sealed record MergedInto(AccountId? Into, string By, DateTimeOffset At) : AccountFact;

    /// <summary>An account that is merged into this one changed, or is not merged any more (null).</summary>
    public sealed record PartSeen(string From, long Number, AccountPart? Part, DateTimeOffset At) : AccountFact
    {
        /// <summary>See <see cref="PartHeard.IsOwed"/>; another one says when that has ended.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
        public bool IsOwed { get; init; }
    }

    /// <summary>An operator gave a name, or took it back.</summary>
    public sealed record NameGiven(string? Name, string By, DateTimeOffset At) : AccountFact;
}
