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

/// <summary>A move between stages, or a pin that was set or taken away where the account is.</summary>
/// <param name="Version">The account's version by it.</param>
/// <param name="Move">The move.</param>
/// <param name="At">When.</param>
public sealed record AccountMove(long Version, StageMove Move, DateTimeOffset At)
{
    /// <summary>Who pinned or unpinned it; null for a rule, and in moves that were written before it was kept.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? By { get; init; }

    /// <summary>Whether it is in the stage that it was in; Variance is not told of that.</summary>
    [JsonIgnore]
    public bool IsInPlace => Move.From == Move.To;
}

/// <summary>What an account that is merged into another one brings along.</summary>
/// <param name="Traits">Its properties.</param>
/// <param name="Name">Its name.</param>
/// <param name="Domains">How many contacts have their address where.</param>
/// <param name="Contacts">How many contacts it has.</param>
/// <param name="Matches">By number of the condition over contacts, how many match.</param>
/// <param name="MatchesOf">The fingerprint of the stages that the conditions belong to.</param>
public sealed record AccountPart(
    ImmutableDictionary<string, JsonValue> Traits,
    string? Name,
    ImmutableSortedDictionary<string, int> Domains,
    int Contacts,
    ImmutableArray<int> Matches,
    ulong MatchesOf);

/// <summary>The last word of an account that is or was merged into another one.</summary>
/// <param name="Number">The highest number heard.</param>
/// <param name="Part">Null once the merge was taken back.</param>
public sealed record PartHeard(long Number, AccountPart? Part)
{
    /// <summary>The account before it was merged into this one; null in a snapshot from before that was kept.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public BeforePart? Before { get; init; }

    /// <summary>True if the merge was taken back before it was known which stage is the account's own: the account goes back once
    /// it is.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsOwed { get; init; }
}

/// <summary>What an account was before another one was merged into it.</summary>
/// <param name="Version">Its version.</param>
/// <param name="Stage">Its stage; null for none.</param>
public sealed record BeforePart(long Version, string? Stage);

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

    /// <summary>How many events are remembered. A repeat comes from an ingest actor's window, soon after the
    /// first.</summary>
    public const int EventsHeard = 256;

    private const int DomainsShownMax = 32;

    // The account's own traits go by these names, whatever the group's properties of the same name are.
    internal static readonly ImmutableHashSet<string> OwnNames = ["name", "domains", "stage", "posthog_group_type"];

    internal static readonly ImmutableSortedDictionary<string, PartHeard> NoParts =
        ImmutableSortedDictionary<string, PartHeard>.Empty.WithComparers(StringComparer.Ordinal);

    /// <summary>The account that it is merged into, or was last; null if it never was.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public AccountId? Target { get; init; }

    /// <summary>The accounts that it was merged into before that; null if there are none. One for each that an operator ever
    /// chose.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImmutableArray<AccountId>? Former { get; init; }

    /// <summary>When it was merged, if it is.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? MergedAt { get; init; }

    /// <summary>By key, the accounts that are or were merged into this one; null if none ever was.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImmutableSortedDictionary<string, PartHeard>? Parts { get; init; }

    /// <summary>The names of traits that it showed and shows no more, some of which it may show again; null for none. What is not
    /// said again stays at Variance.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImmutableSortedSet<string>? Lost { get; init; }

    /// <summary>Events that changed nothing since the last one that did; in memory only.</summary>
    internal ImmutableArray<Guid> HeardInVain { get; init; } = [];

    /// <summary>The time of the newest message, whether it changed what is shown or not; in memory only.</summary>
    internal DateTimeOffset HeardAt { get; init; }

    /// <summary>How many facts the journal holds; not part of a snapshot, which knows its place.</summary>
    internal long Facts { get; init; }

    /// <summary>How many contacts are members now; in memory only.</summary>
    [JsonIgnore]
    public int Contacts { get; internal init; }

    /// <summary>Whether another account speaks for it.</summary>
    [JsonIgnore]
    public bool IsMerged => MergedAt is not null;

    /// <summary>The accounts that it was merged into and is not any more: they must know it.</summary>
    [JsonIgnore]
    public IEnumerable<AccountId> Left => IsMerged || Target is null ? Former ?? [] : [.. Former ?? [], Target];

    /// <summary>The accounts that are merged into this one.</summary>
    [JsonIgnore]
    public IEnumerable<KeyValuePair<string, AccountPart>> Merged => (Parts ?? NoParts)
        .Where(part => part.Value.Part is not null)
        .Select(part => KeyValuePair.Create(part.Key, part.Value.Part!));

    /// <summary>The name that is shown; null if none is known.</summary>
    [JsonIgnore]
    public string? Name => GivenName
        ?? (Traits.TryGetValue("name", out var name) && name.Json[0] is '"' ? TraitPath.TextOf(name) : null)
        ?? StatedName
        ?? Merged.Select(part => part.Value.Name).FirstOrDefault(part => part is not null);

    /// <summary>Its own properties over those of the accounts that are merged into it.</summary>
    [JsonIgnore]
    public ImmutableDictionary<string, JsonValue> ShownTraits => Parts is null
        ? Traits
        : Merged.Reverse()
            .Aggregate(ImmutableDictionary<string, JsonValue>.Empty, (all, part) => all.SetItems(part.Value.Traits))
            .SetItems(Traits);

    /// <summary>The domains that are shown, those of most contacts first.</summary>
    [JsonIgnore]
    public ImmutableArray<string> ShownDomains =>
    [
        .. Merged.SelectMany(part => part.Value.Domains)
            .Concat(Domains)
            .GroupBy(domain => domain.Key, domain => domain.Value, StringComparer.Ordinal)
            .OrderByDescending(domain => domain.Sum())
            .ThenBy(domain => domain.Key, StringComparer.Ordinal)
            .Take(DomainsShownMax)
            .Select(domain => domain.Key),
    ];

    /// <summary>The names of all traits that are shown.</summary>
    [JsonIgnore]
    public ImmutableSortedSet<string> ShownNames
    {
        get
        {
            var names = ShownTraits.Keys.Except(OwnNames).ToImmutableSortedSet(StringComparer.Ordinal).ToBuilder();
            _ = Name is not null && names.Add("name");
            _ = !ShownDomains.IsEmpty && names.Add("domains");
            _ = Stage?.Name is not null && names.Add("stage");
            return names.ToImmutable();
        }
    }

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
