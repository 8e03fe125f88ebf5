using System.Collections.Immutable;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>A contact of an account, now or before.</summary>
/// <param name="Version">The person's version when it was heard of last.</param>
/// <param name="Contact">Null once it has left.</param>
/// <param name="JoinedAt">When it joined last; null if it was never here.</param>
/// <param name="LeftAt">When it left last; null if it never did.</param>
public sealed record AccountMember(
    long Version,
    AccountContact? Contact,
    DateTimeOffset? JoinedAt,
    DateTimeOffset? LeftAt);

/// <summary>A move that Variance is told of.</summary>
/// <param name="Version">The account's version by it.</param>
/// <param name="Move">The move.</param>
/// <param name="At">When.</param>
public sealed record AccountMove(long Version, StageMove Move, DateTimeOffset At);

/// <summary>Everything that an account knows.</summary>
/// <param name="Id">The account.</param>
/// <param name="GroupType">The group type that events named; null if none did.</param>
/// <param name="Traits">The merged <c>$group_set</c> properties.</param>
/// <param name="StatedName">The name that its contacts' traits have; null if none has one.</param>
/// <param name="GivenName">The name that an operator gave; null if none did.</param>
/// <param name="Domains">How many contacts have their address where.</param>
/// <param name="Members">By the person's uuid, those that left too.</param>
/// <param name="Stage">Null before the first one.</param>
/// <param name="Moves">The newest moves, oldest first; at most <see cref="MovesKept"/>.</param>
/// <param name="Heard">The newest events that set properties, at most <see cref="EventsHeard"/>: a repeat changes
/// nothing.</param>
/// <param name="Version">0 at first, plus one for every change of what a group message shows.</param>
/// <param name="ChangedAt">When it changed last.</param>
public sealed record AccountState(
    AccountId Id,
    string? GroupType,
    ImmutableDictionary<string, JsonValue> Traits,
    string? StatedName,
    string? GivenName,
    ImmutableSortedDictionary<string, int> Domains,
    ImmutableDictionary<Guid, AccountMember> Members,
    StagePlace? Stage,
    ImmutableArray<AccountMove> Moves,
    ImmutableArray<Guid> Heard,
    long Version,
    DateTimeOffset ChangedAt)
{
    /// <summary>How many moves are remembered here; the journal has all of them.</summary>
    public const int MovesKept = 50;

    /// <summary>How many events are remembered. A repeat comes from an ingest actor's window, soon after the first.</summary>
    public const int EventsHeard = 64;

    private const int DomainsShownMax = 32;

    /// <summary>How many facts the journal holds; not part of a snapshot, which knows its place.</summary>
    internal long Facts { get; init; }

    /// <summary>How many contacts are members now; in memory only.</summary>
    [JsonIgnore]
    public int Contacts { get; internal init; }

    /// <summary>The name that is shown; null if none is known.</summary>
    [JsonIgnore]
    public string? Name => GivenName
        ?? (Traits.TryGetValue("name", out var name) && name.Json[0] is '"' ? TraitPath.TextOf(name) : null)
        ?? StatedName;

    /// <summary>The domains that are shown, those of most contacts first.</summary>
    [JsonIgnore]
    public ImmutableArray<string> ShownDomains =>
    [
        .. Domains.OrderByDescending(domain => domain.Value).Take(DomainsShownMax).Select(domain => domain.Key),
    ];

    /// <summary>The account as its contacts' messages name it.</summary>
    [JsonIgnore]
    public AccountCard Card => new(Id.Key, Name);

    /// <summary>An account that nothing happened to.</summary>
    public static AccountState Unborn(AccountId id) => new(
        id,
        null,
        ImmutableDictionary<string, JsonValue>.Empty,
        null,
        null,
        ImmutableSortedDictionary<string, int>.Empty.WithComparers(StringComparer.Ordinal),
        ImmutableDictionary<Guid, AccountMember>.Empty,
        null,
        [],
        [],
        0,
        default);
}
