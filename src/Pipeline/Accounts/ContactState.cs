using System.Collections.Immutable;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>What a person is to a sales team: account, stage, and what both are worked out from.</summary>
/// <param name="Group">The last group key that an event named; null if none did.</param>
/// <param name="Tallies">The events that rules count.</param>
/// <param name="Turn">What the rules made of it last; null before the first look.</param>
public sealed record ContactState(string? Group, ImmutableArray<EventTally> Tallies, ContactTurn? Turn)
{
    /// <summary>Nobody has looked yet.</summary>
    public static readonly ContactState Unseen = new(null, [], null);

    /// <summary>The account that speaks for the person's account, which is merged into it; null if none does.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Into { get; init; }

    /// <summary>The rules that looked last and had nothing to change; in memory only.</summary>
    internal ulong LookedWith { get; init; }

    /// <summary>The account; null if there is none.</summary>
    [JsonIgnore]
    public AccountLink? Account => Turn?.Account;

    /// <summary>The stage; null if there is none.</summary>
    [JsonIgnore]
    public StagePlace? Stage => Turn?.Stage;

    /// <summary>The state after an event; total, and needs no rules.</summary>
    internal static ContactState? After(ContactState? before, AppliedEvent by, ContactTurn? turn)
    {
        if (by.Group is null && by.Tallied is TallyUnits.None && turn is null)
        {
            return before;
        }

        var state = before ?? Unseen;
        return state with
        {
            Group = by.Group ?? state.Group,
            Tallies = by.Tallied is TallyUnits.None
                ? state.Tallies
                : EventTally.Add(state.Tallies, by.Name, by.Tallied, by.Timestamp),
            Turn = turn ?? state.Turn,
            Into = turn is null || turn.Account?.Key == state.Account?.Key ? state.Into : null,
        };
    }

    /// <summary>Two persons as one: the target's word counts, but a pin stays, and nobody falls back by a
    /// merge.</summary>
    internal static ContactState? Join(ContactState? source, ContactState? target)
    {
        if (source is null || target is null)
        {
            return source ?? target;
        }

        var stage = (source.Stage, target.Stage) switch
        {
            (null, _) => target.Stage,
            (_, null) => source.Stage,
            ({ IsPinned: var one }, { IsPinned: var other }) when one != other => one ? source.Stage : target.Stage,
            _ => source.Turn!.Rank > target.Turn!.Rank ? source.Stage : target.Stage,
        };
        var turn = (target.Turn ?? source.Turn) is { } kept
            ? kept with { LookedAt = null, LookedAs = null, Stage = stage, Rank = Math.Max(source.Turn?.Rank ?? -1, target.Turn?.Rank ?? -1) }
            : null;
        return new ContactState(
            target.Group ?? source.Group,
            EventTally.Join(target.Tallies, source.Tallies),
            turn)
        {
            Into = target.Turn is null ? source.Into : target.Into,
        };
    }
}

/// <summary>What a connection's rules make of a person.</summary>
/// <param name="Account">Null if no rule names one.</param>
/// <param name="Stage">Null before the first one.</param>
/// <param name="Rank">The place of the stage among the connection's at that time; -1 for none.</param>
/// <param name="Matches">The conditions of the account's stages that the contact matches, one bit each.</param>
/// <param name="MatchesOf">The fingerprint of the stages that those bits belong to.</param>
/// <param name="Domain">The registrable domain of the e-mail address, if it is a company's.</param>
/// <param name="AccountName">The account's name as the person's traits have it.</param>
public sealed record ContactTurn(
    AccountLink? Account,
    StagePlace? Stage,
    int Rank,
    ulong Matches,
    ulong MatchesOf,
    string? Domain,
    string? AccountName)
{
    /// <summary>When a look without an event made it so; null if an event or an operator did.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? LookedAt { get; init; }

    /// <summary>The person's version by that look; null without one, and in turns that were written before it was kept.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? LookedAs { get; init; }
}

/// <summary>A move of a contact between accounts, between stages, or both.</summary>
/// <param name="Version">The person's version by it: of two moves of one person the higher one is the later one.</param>
/// <param name="IsOtherAccount">Whether it belongs to another account than before, or to none any more.</param>
/// <param name="Account">The account; null for none.</param>
/// <param name="IsOtherStage">Whether its stage is another one than before, or was pinned or unpinned where it is.</param>
/// <param name="Left">The stage before; null for none.</param>
/// <param name="Stage">The stage; null before the first one.</param>
public sealed record ContactMove(
    long Version,
    bool IsOtherAccount,
    AccountLink? Account,
    bool IsOtherStage,
    StagePlace? Left,
    StagePlace? Stage)
{
    /// <summary>Whether its stage has another name than before.</summary>
    [JsonIgnore]
    public bool IsOtherName => IsOtherStage && Left?.Name != Stage?.Name;

    /// <summary>The traits that the contact has no more.</summary>
    [JsonIgnore]
    public ImmutableArray<string> Lost =>
    [
        .. IsOtherAccount && Account is null ? ["company"] : ImmutableArray<string>.Empty,
        .. IsOtherName && Stage?.Name is null ? ["stage"] : ImmutableArray<string>.Empty,
    ];

    /// <summary>The move from one turn to another; null if neither account nor stage is another one.</summary>
    public static ContactMove? Of(long version, ContactTurn? before, ContactTurn? after)
    {
        var isOtherAccount = before?.Account?.Key != after?.Account?.Key;
        var isOtherStage = Mark(before?.Stage) != Mark(after?.Stage);
        return isOtherAccount || isOtherStage
            ? new ContactMove(version, isOtherAccount, after?.Account, isOtherStage, before?.Stage, after?.Stage)
            : null;
    }

    /// <summary>The move of somebody whom a split put back where it had been: it happened then, whoever had moved it there
    /// before.</summary>
    internal ContactMove BroughtBack(DateTimeOffset at) => this with
    {
        Stage = Stage is { } to ? to with { By = null, FreedBy = null, ChangedAt = at } : null,
    };

    private static (string? Name, string? By, string? FreedBy, DateTimeOffset? At) Mark(StagePlace? place) =>
        (place?.Name, place?.By, place?.FreedBy, place?.ChangedAt);
}

/// <summary>A contact that became part of another person, or that came apart and left its uuid to nobody.</summary>
/// <param name="Person">Its uuid.</param>
/// <param name="Key">The account that it was a member of; empty for none.</param>
public sealed record ContactEnded(Guid Person, string Key)
{
    /// <summary>The version by which it ended, of the person that it became part of; null if a node with an earlier build says
    /// it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Version { get; init; }

    /// <summary>The stage that it was in; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public StagePlace? Stage { get; init; }

    /// <summary>A contact that ends as it is.</summary>
    internal static ContactEnded Of(Guid person, ContactTurn? turn, long version) =>
        new(person, turn?.Account?.Key ?? "") { Version = version, Stage = turn?.Stage };

    /// <summary>Where it goes: nowhere.</summary>
    internal ContactMove ToMove() => new(Version ?? 0, Key.Length > 0, null, Stage?.Name is not null, Stage, null);
}

/// <summary>A contact before a merge of it was taken back.</summary>
/// <param name="Person">Its uuid.</param>
/// <param name="Turn">What the rules had made of it.</param>
/// <param name="Version">The version, by the split, of every person that it came apart into.</param>
public sealed record ContactApart(Guid Person, ContactTurn? Turn, long Version);

/// <summary>A person that stopped being a member of an account: it moved, or became part of another person.</summary>
/// <param name="Person">Its uuid.</param>
/// <param name="Key">The account.</param>
public readonly record struct AccountLeft(Guid Person, string Key)
{
    /// <summary>The membership that a person lost by becoming what it is now; null if it lost none.</summary>
    internal static AccountLeft? Of(PersonProfile? before, AccountLink? now) =>
        before is { IsIdentified: true, Contact.Account: { } was } && was.Key != now?.Key
            ? new AccountLeft(before.Uuid, was.Key)
            : null;
}
