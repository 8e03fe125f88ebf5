using System.Collections.Immutable;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.People;

/// <summary>A message for the home of a distinct id; the shard region reads only this.</summary>
public interface IPersonMessage
{
    /// <summary>The home it goes to.</summary>
    PersonId To { get; }

    /// <summary>The same message for another home: how a child forwards to its parent.</summary>
    IPersonMessage Towards(PersonId home, PersonId by);
}

/// <summary>An event and its place in its partition.</summary>
/// <param name="Offset">Higher than that of every earlier event of the same distinct id.</param>
/// <param name="Event">The event; has a distinct id.</param>
public sealed record EventAt(long Offset, CaptureEvent Event);

/// <summary>Apply consecutive events of one distinct id, in offset order; answered by
/// <see cref="EventsApplied"/>.</summary>
/// <remarks>The first event is the first one whose result is not committed: results before it are forgotten. An event
/// that
/// <see cref="MergeAsk.IsIn">asks for a merge</see> comes alone. May be sent again, also cut differently, until the
/// answer comes.</remarks>
/// <param name="To">The distinct id's home.</param>
/// <param name="DistinctId">The distinct id of all events.</param>
/// <param name="Events">At least one.</param>
public sealed record ApplyEvents(PersonId To, string DistinctId, ImmutableArray<EventAt> Events) : IPersonMessage
{
    /// <summary>The homes that forwarded it.</summary>
    public ImmutableArray<PersonId> Through { get; init; } = [];

    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home, Through = Through.Add(by) };
}

/// <summary>What events became; everything they changed is durable.</summary>
/// <param name="DistinctId">The distinct id of all events.</param>
/// <param name="Results">In offset order from the first event of the command on; one for each of its events, except
/// that
/// an event that asks for a merge ends the row before it or after it if it did not come alone.</param>
public sealed record EventsApplied(string DistinctId, ImmutableArray<EventResult> Results);

/// <summary>Who is behind a distinct id? Answered by <see cref="PersonFound"/> or
/// <see cref="PersonNotFound"/>.</summary>
/// <param name="To">The distinct id's home.</param>
public sealed record GetPerson(PersonId To) : IPersonMessage
{
    /// <summary>The distinct id.</summary>
    public string DistinctId { get; init; } = To.DistinctId;

    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}

/// <summary>The person behind the id.</summary>
public sealed record PersonFound(PersonSnapshot Person);

/// <summary>Nobody: no event ever created a person for the id.</summary>
public sealed record PersonNotFound;

/// <summary>Where is the history of the person behind a distinct id? Answered by <see cref="HistoryFound"/> or
/// <see cref="PersonNotFound"/>.</summary>
/// <param name="To">The distinct id's home.</param>
public sealed record GetHistory(PersonId To) : IPersonMessage
{
    /// <summary>The distinct id.</summary>
    public string DistinctId { get; init; } = To.DistinctId;

    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}

/// <summary>The history is in the journals of these homes, up to here.</summary>
/// <param name="Root">The home that holds the person now.</param>
/// <param name="Facts">How many facts its journal holds.</param>
/// <param name="Person">The person.</param>
/// <param name="Homes">The distinct ids of all homes that the root ever took in, its own among them.</param>
public sealed record HistoryFound(PersonId Root, long Facts, PersonSnapshot Person, ImmutableArray<string> Homes)
{
    /// <summary>Where the question itself moved the person, by the version that this made of it; null for nowhere.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContactMove? Moved { get; init; }

    /// <summary>The fingerprint of the rules that looked; null if nobody did.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ulong? LookedWith { get; init; }
}

/// <summary>Take a merge back; answered by <see cref="SplitAnswered"/>.</summary>
/// <param name="To">The root of the person, as <see cref="HistoryFound"/> names it.</param>
/// <param name="Facts">How many facts its journal held when the split was computed.</param>
/// <param name="Split">The split.</param>
public sealed record SplitPerson(PersonId To, long Facts, PersonFact.Split Split) : IPersonMessage
{
    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}

/// <summary>The answer to <see cref="SplitPerson"/>.</summary>
/// <param name="IsDone">True once the split is durable; false if the history has grown meanwhile, or a merge is under
/// way: read it again.</param>
public sealed record SplitAnswered(bool IsDone);

/// <summary>An operator pins the stage of a contact, or takes the pin away; answered by <see cref="HistoryFound"/>, or
/// <see cref="PersonNotFound"/> if it is no contact.</summary>
/// <param name="To">The distinct id's home.</param>
/// <param name="Stage">The stage; null takes the pin away, and the rules decide again.</param>
/// <param name="By">Who.</param>
/// <param name="At">When.</param>
public sealed record PinContactStage(PersonId To, string? Stage, string By, DateTimeOffset At) : IPersonMessage
{
    /// <summary>The distinct id.</summary>
    public string DistinctId { get; init; } = To.DistinctId;

    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}

/// <summary>Look whether a window of time has ended for a contact; answered by <see cref="HistoryFound"/>, or
/// <see cref="PersonNotFound"/> if it is no contact.</summary>
/// <param name="To">The distinct id's home.</param>
/// <param name="At">When windows end.</param>
public sealed record LookAgain(PersonId To, DateTimeOffset At) : IPersonMessage
{
    /// <summary>The distinct id.</summary>
    public string DistinctId { get; init; } = To.DistinctId;

    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}

/// <summary>Tell your account again what you are to it; answered by <see cref="AccountTold"/>.</summary>
/// <param name="To">The distinct id's home.</param>
/// <param name="Left">Memberships that ended, of this person or one that it took in.</param>
/// <param name="At">When.</param>
public sealed record TellAccount(PersonId To, ImmutableArray<AccountLeft> Left, DateTimeOffset At) : IPersonMessage
{
    /// <summary>The distinct id.</summary>
    public string DistinctId { get; init; } = To.DistinctId;

    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}

/// <summary>The accounts know it.</summary>
/// <param name="Card">The person's account as it calls itself; null if there is none. A first form had no card.</param>
public sealed record AccountTold(AccountCard? Card = null);

/// <summary>Leave memory at once; answered by <see cref="HomeForgotten"/>. Whoever comes next is read from the
/// journal.</summary>
/// <param name="To">The home; nobody it belongs to is asked.</param>
public sealed record ForgetHome(PersonId To) : IPersonMessage
{
    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}

/// <summary>The answer to <see cref="ForgetHome"/>: nothing of the home is on its way to the journal, and its node knows every
/// erased id that the database knew.</summary>
public sealed record HomeForgotten;

/// <summary>Write down what is left without some ids, so that everything before it can be deleted; answered by
/// <see cref="HomeRewritten"/>.</summary>
/// <param name="To">The home; nobody it belongs to is asked.</param>
/// <param name="Without">The ids of an erased person that the home holds beside others.</param>
public sealed record RewriteHome(PersonId To, ImmutableArray<string> Without) : IPersonMessage
{
    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}

/// <summary>The answer to <see cref="RewriteHome"/>.</summary>
/// <param name="Facts">The number of the fact that holds what is left; 0 if a merge is under way: ask again.</param>
public sealed record HomeRewritten(long Facts);

/// <summary>Two sets of ids are to be one, says the root that holds the merge; or, turned round, says the root of the
/// other set because its priority is the higher.</summary>
/// <param name="To">A home in the set that has to answer.</param>
/// <param name="Merge">The merge.</param>
/// <param name="Other">The root that asks.</param>
public sealed record Unite(PersonId To, Merge Merge, PersonId Other) : IPersonMessage
{
    /// <summary>How many seals the root that asks has refused.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long Refusals { get; init; }

    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}

/// <summary>A sealed root asks to be absorbed, again and again until it is answered.</summary>
/// <param name="To">The root it sealed itself for, or an ancestor of it.</param>
/// <param name="Child">The sealed root.</param>
/// <param name="Number">The number of its seal.</param>
/// <param name="Merge">The merge.</param>
/// <param name="Frozen">Everything the sealed root holds.</param>
public sealed record Absorb(PersonId To, PersonId Child, long Number, MergeId Merge, PersonRoot Frozen) : IPersonMessage
{
    /// <summary><see cref="Seal.Refusals"/> of the seal.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long Refusals { get; init; }

    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}

/// <summary>Answer to <see cref="Absorb"/>: the sealed root is a child now.</summary>
/// <param name="To">The sealed root.</param>
/// <param name="Number">The number of the seal that is answered.</param>
/// <param name="Parent">The home that holds everything now; its priority is the higher.</param>
public sealed record SealAbsorbed(PersonId To, long Number, PersonId Parent) : IPersonMessage
{
    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}

/// <summary>Answer to <see cref="Absorb"/>: the two stay apart.</summary>
/// <param name="To">The sealed root.</param>
/// <param name="Number">The number of the seal that is answered.</param>
/// <param name="Refusal">Why.</param>
public sealed record SealRefused(PersonId To, long Number, MergeRefusal Refusal) : IPersonMessage
{
    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}

/// <summary>A child may forward straight to this ancestor.</summary>
/// <param name="To">The child.</param>
/// <param name="Ancestor">An ancestor.</param>
public sealed record ShortenPath(PersonId To, PersonId Ancestor) : IPersonMessage
{
    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}

/// <summary>Wakes a home that has unfinished business, so that it goes on with it.</summary>
/// <param name="To">The home.</param>
public sealed record ResumeMerge(PersonId To) : IPersonMessage
{
    /// <inheritdoc />
    public IPersonMessage Towards(PersonId home, PersonId by) => this with { To = home };
}
