using System.Collections.Immutable;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>A message for an account; the shard region reads only this.</summary>
public interface IAccountMessage
{
    /// <summary>The account it goes to.</summary>
    AccountId To { get; }
}

/// <summary>What a contact's person says of its membership. The newest version counts, so it may be said again and
/// late.</summary>
/// <param name="Person">The person's uuid.</param>
/// <param name="Version">The person's version; of a person that was absorbed, that of the one which absorbed
/// it.</param>
/// <param name="Contact">Null: the person is no member, or not any more.</param>
/// <param name="At">When the event happened that made it so.</param>
public sealed record MemberSays(Guid Person, long Version, AccountContact? Contact, DateTimeOffset At);

/// <summary>A contact as its account knows it.</summary>
/// <param name="DistinctId">One of its ids, from which its person is found.</param>
/// <param name="UserId">What Variance calls it.</param>
/// <param name="Rule">The rule that made it a member.</param>
/// <param name="Value">What the rule saw.</param>
/// <param name="Domain">The registrable domain of its e-mail address, if that is a company's.</param>
/// <param name="AccountName">The account's name as its traits have it.</param>
/// <param name="Stage">Its stage.</param>
/// <param name="Matches">The conditions of the account's stages that it matches, one bit each.</param>
/// <param name="MatchesOf">The fingerprint of the stages that those bits belong to.</param>
public sealed record AccountContact(
    string DistinctId,
    string? UserId,
    AccountRule Rule,
    string Value,
    string? Domain,
    string? AccountName,
    string? Stage,
    ulong Matches,
    ulong MatchesOf);

/// <summary>An event set properties of the account's group.</summary>
/// <param name="Event">The event's uuid: the same event again changes nothing.</param>
/// <param name="GroupType">Its group type.</param>
/// <param name="At">When it happened.</param>
/// <param name="Set">The properties.</param>
public sealed record GroupSays(Guid Event, string GroupType, DateTimeOffset At, ImmutableArray<NamedValue> Set);

/// <summary>News from one person; answered by <see cref="AccountObserved"/> once all it changed is durable and what it
/// has to tell Variance is in the outbox. May be sent again.</summary>
/// <param name="To">The account.</param>
/// <param name="Token">Comes back in the answer.</param>
/// <param name="Members">In the order in which it came about.</param>
/// <param name="Groups">In the order of the events.</param>
public sealed record ObserveAccount(
    AccountId To,
    string Token,
    ImmutableArray<MemberSays> Members,
    ImmutableArray<GroupSays> Groups) : IAccountMessage
{
    /// <summary>As of when the rules look at it; null: when it was told of last.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? LookAt { get; init; }
}

/// <summary>The answer to <see cref="ObserveAccount"/>.</summary>
/// <param name="Key">The account that was told.</param>
/// <param name="Token">The question's.</param>
/// <param name="Card">The account as messages name it.</param>
public sealed record AccountObserved(string Key, string Token, AccountCard Card);

/// <summary>An account as the messages of its contacts name it.</summary>
/// <param name="Id">For Variance the <c>groupId</c>: its own key, or that of the account it was merged into.</param>
/// <param name="Name">Its name; null if none is known.</param>
public sealed record AccountCard(string Id, string? Name);

/// <summary>An operator merges an account into another one; answered by <see cref="AccountChanged"/>. It keeps all it
/// has, and hands on what it learns.</summary>
/// <param name="To">The account.</param>
/// <param name="Into">The other one; null takes the merge back.</param>
/// <param name="By">Who.</param>
/// <param name="At">When.</param>
public sealed record MergeAccount(AccountId To, AccountId? Into, string By, DateTimeOffset At) : IAccountMessage;

/// <summary>What an account that is merged into this one has; answered by <see cref="PartTaken"/>.</summary>
/// <param name="To">The account that it is merged into.</param>
/// <param name="From">Its key.</param>
/// <param name="Number">How many facts its journal holds: the highest number counts.</param>
/// <param name="Part">Null once the merge is taken back.</param>
/// <param name="At">When it changed last.</param>
public sealed record TakePart(AccountId To, string From, long Number, AccountPart? Part, DateTimeOffset At)
    : IAccountMessage;

/// <summary>The answer to <see cref="TakePart"/>.</summary>
/// <param name="Card">The account; null if it takes no part because it is merged into another one itself.</param>
public sealed record PartTaken(AccountCard? Card);

/// <summary>What is known of an account? Answered by <see cref="AccountFound"/>.</summary>
/// <param name="To">The account.</param>
public sealed record GetAccount(AccountId To) : IAccountMessage;

/// <summary>The answer to <see cref="GetAccount"/>.</summary>
/// <param name="Account">The account; null if nobody ever told it anything.</param>
public sealed record AccountFound(AccountState? Account)
{
    /// <summary>The account, counted anew if it comes from another node.</summary>
    public AccountState? Account { get; } = Account is null ? null : Accounts.Account.Recount(Account);
}

/// <summary>An operator names an account; answered by <see cref="AccountChanged"/>.</summary>
/// <param name="To">The account.</param>
/// <param name="Name">The name; null takes the override back, and the account has its own name again.</param>
/// <param name="By">Who.</param>
/// <param name="At">When.</param>
public sealed record RenameAccount(AccountId To, string? Name, string By, DateTimeOffset At) : IAccountMessage;

/// <summary>An operator pins an account's stage; answered by <see cref="AccountChanged"/>.</summary>
/// <param name="To">The account.</param>
/// <param name="Stage">The stage; null takes the pin away, and the rules decide again.</param>
/// <param name="By">Who.</param>
/// <param name="At">When.</param>
public sealed record PinAccountStage(AccountId To, string? Stage, string By, DateTimeOffset At) : IAccountMessage;

/// <summary>Some persons were erased: nothing of them stays; answered by <see cref="AccountChanged"/>.</summary>
/// <param name="To">The account.</param>
/// <param name="Persons">Their uuids, also those of persons that it never heard of.</param>
/// <param name="At">When.</param>
public sealed record ForgetMembers(AccountId To, ImmutableArray<Guid> Persons, DateTimeOffset At) : IAccountMessage;

/// <summary>Leave memory at once; answered by <see cref="AccountForgotten"/>.</summary>
/// <param name="To">The account.</param>
public sealed record ForgetAccount(AccountId To) : IAccountMessage;

/// <summary>The answer to <see cref="ForgetAccount"/>: nothing of the account is on its way to the journal.</summary>
public sealed record AccountForgotten;

/// <summary>The answer to an operator's wish, once it is durable.</summary>
/// <param name="Account">The account; null if there is none.</param>
public sealed record AccountChanged(AccountState? Account)
{
    /// <summary>The account, counted anew if it comes from another node.</summary>
    public AccountState? Account { get; } = Account is null ? null : Accounts.Account.Recount(Account);
}
