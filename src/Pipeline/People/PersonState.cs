using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Serialization;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Erasures;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.People;

/// <summary>Who asserted a user id; a higher one replaces a lower one (variance.md 4).</summary>
public enum UserIdSource : byte
{
    /// <summary><c>$create_alias</c> or <c>$merge_dangerously</c>.</summary>
    Alias = 1,

    /// <summary><c>$identify</c>.</summary>
    Identify = 2,
}

/// <summary>A person that was born.</summary>
/// <param name="Uuid">PostHog's person uuid.</param>
/// <param name="UserId">Null while anonymous.</param>
/// <param name="UserIdSource">Null while anonymous.</param>
/// <param name="IsIdentified">Never false again once true.</param>
/// <param name="CreatedAt">The birth event's timestamp, or the older of two after a merge.</param>
/// <param name="Properties">By name.</param>
/// <param name="Version">0 at birth.</param>
public sealed record PersonProfile(
    Guid Uuid,
    string? UserId,
    UserIdSource? UserIdSource,
    bool IsIdentified,
    DateTimeOffset CreatedAt,
    ImmutableDictionary<string, JsonValue> Properties,
    long Version)
{
    /// <summary>Account, stage, and what both are worked out from; null while there is nothing of it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContactState? Contact { get; init; }
}

/// <summary>What an event became, kept so that a repeat of it gets the same answer.</summary>
/// <param name="Offset">The event's offset.</param>
/// <param name="Change">What it changed.</param>
/// <param name="Warnings">That depended on the person.</param>
/// <param name="Behind">The lane of the root that its merge absorbed; null if it absorbed none.</param>
public sealed record KeptOutcome(
    long Offset,
    EventChange Change,
    ImmutableArray<IngestionWarning> Warnings,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ulong? Behind = null)
{
    /// <summary>Of an event that taught nothing.</summary>
    internal static readonly KeptOutcome Nothing = new(-1, EventChange.None, []);

    /// <summary>Other lanes behind which its messages must leave: those that its distinct id came from, and, for an alias, those of
    /// roots that earlier merges absorbed whose outcomes may not have come to the outbox yet, so that nothing there leads on from
    /// them. Null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImmutableArray<ulong>? FurtherBehind { get; init; }

    /// <summary>The outcome once others were erased.</summary>
    internal KeptOutcome Without(ImmutableHashSet<string> ids, ImmutableHashSet<Guid> persons) => this with
    {
        Change = Change with { GivenUpIds = Change.GivenUpIds.RemoveAll(ids.Contains) },
        Warnings = Warnings.RemoveAll(warning => ErasedText.Names(Encoding.UTF8.GetBytes(warning.Details), ids)),
        Joined = Joined?.RemoveAll(ids.Contains),
        Left = Left?.RemoveAll(left => persons.Contains(left.Person)) is { IsEmpty: false } left ? left : null,
        Ended = Ended is { } ended && persons.Contains(ended.Person) ? null : Ended,
    };

    /// <summary>Every lane behind which its messages must leave.</summary>
    internal ImmutableArray<ulong> AllBehind => Behind is { } lane ? [lane, .. FurtherBehind ?? []] : FurtherBehind ?? [];

    /// <summary>The distinct ids that its merge brought to another person; empty if it brought none, null if they are too many
    /// to name.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImmutableArray<string>? Joined { get; init; }

    /// <summary>The memberships of accounts that it ended; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImmutableArray<AccountLeft>? Left { get; init; }

    /// <summary>The contact, or the visitor of an account, that ended by its merge; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContactEnded? Ended { get; init; }

    /// <summary>Where the contact moved by it, between accounts or stages; null for nowhere.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContactMove? Moved { get; init; }

    /// <summary>The account that the person, a contact or not, belonged to before; null for none, or if that is the
    /// same.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Was { get; init; }
}

/// <summary>One distinct id of a root.</summary>
/// <param name="Cursor">The highest offset applied; -1 before the first.</param>
/// <param name="IsAliased">An alias to the user id was due and given: the id must never be a user id again.</param>
/// <param name="Kept">Outcomes of the newest command, where they do not follow from the event alone.</param>
/// <param name="From">The lane that its last messages lie in, if that is the lane of a root that was absorbed; null if
/// it is this root's.</param>
public sealed record Member(
    long Cursor,
    bool IsAliased,
    ImmutableArray<KeptOutcome> Kept,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ulong? From = null)
{
    /// <summary>A distinct id that no event came through.</summary>
    public static readonly Member Unheard = new(-1, false, []);

    /// <summary>Lanes of the roots that absorbed one another since, on its way here; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImmutableArray<ulong>? Through { get; init; }

    /// <summary>The member once others were erased: what became of its events names none of them.</summary>
    /// <param name="ids">Their ids.</param>
    /// <param name="persons">Their uuids.</param>
    internal Member Without(ImmutableHashSet<string> ids, ImmutableHashSet<Guid> persons) =>
        this with { Kept = [.. Kept.Select(kept => kept.Without(ids, persons))] };

    /// <summary>Every lane that its messages, or those of the roots it was part of, may lie in.</summary>
    internal ImmutableArray<ulong> AllFrom => From is { } lane ? [lane, .. Through ?? []] : [];

    /// <summary>The member of a root that was absorbed.</summary>
    /// <param name="lane">The root's lane.</param>
    /// <param name="lanesMax">So many lanes are kept at most.</param>
    internal Member Out(ulong lane, int lanesMax) => From is null
        ? this with { From = lane }
        : this with { Through = [.. (Through ?? []).Append(lane).Distinct().TakeLast(lanesMax)] };

    /// <summary>The member once its next messages lie in its root's own lane.</summary>
    internal Member Arrived() => this with { From = null, Through = null };
}

/// <summary>Who of several ids spoke last. What it repeats would change nothing even if the ids were parted.</summary>
/// <param name="DistinctId">The id.</param>
/// <param name="Said">What it set since another one spoke; null for what it only wanted to be set once.</param>
internal sealed record Voice(string DistinctId, ImmutableDictionary<string, JsonValue?> Said)
{
    /// <summary>The group that it named last.</summary>
    public string? Group { get; init; }

    /// <summary>True if an event of that id would change nothing on whatever side of a split it were.</summary>
    public bool Repeats(AppliedEvent by, bool writesEveryChange)
    {
        if (by.DistinctId != DistinctId || !by.Update.Unset.IsEmpty || (by.Group is not null && by.Group != Group))
        {
            return false;
        }

        // An object counts as a change, and takes along the properties that are not written alone.
        writesEveryChange |= by.Update.Set.Any(property => property.Value.Json[0] is '{' or '[');
        return by.Update.SetOnce.All(property => Said.ContainsKey(property.Name))
            && by.Update.Set.All(property => Said.TryGetValue(property.Name, out var said)
                && (PersonProperties.IsFiltered(property.Name)
                    ? said is not null && !writesEveryChange
                    : said == property.Value));
    }

    /// <summary>The voice after an event of its id.</summary>
    public Voice Says(AppliedEvent by)
    {
        var said = Said.ToBuilder();
        foreach (var (name, value) in by.Update.Set)
        {
            said[name] = value;
        }

        foreach (var (name, _) in by.Update.SetOnce)
        {
            said.TryAdd(name, null);
        }

        return this with { Said = said.ToImmutable(), Group = by.Group ?? Group };
    }
}

/// <summary>The last seal of a child that was refused.</summary>
/// <param name="Number">The number of the seal.</param>
/// <param name="Refusal">Why.</param>
/// <param name="At">How many seals the root had refused before.</param>
public sealed record RefusedSeal(
    long Number,
    MergeRefusal Refusal,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] long At = 0);

/// <summary>Everything that a root holds, and hands over whole when it is absorbed.</summary>
/// <param name="Profile">Null while no event created a person; then there is exactly one member.</param>
/// <param name="Ids">The members' ids in the order of joining.</param>
/// <param name="Members">By distinct id.</param>
/// <param name="Pending">Merges asked for through members and not settled.</param>
/// <param name="Refused">The newest refusals, by the distinct id of the child's home; none of a member.</param>
public sealed record PersonRoot(
    PersonProfile? Profile,
    ImmutableArray<string> Ids,
    ImmutableDictionary<string, Member> Members,
    ImmutableArray<PendingMerge> Pending,
    ImmutableDictionary<string, RefusedSeal> Refused)
{
    /// <summary>What it holds beside this person; null until a merge is taken back.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PersonsApart? Apart { get; init; }

    /// <summary>How many seals it refused, or one of those did that it took in, whichever refused more.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long Refusals { get; init; }

    /// <summary>Of its first so many refusals it knows nothing any more. A seal that was made before one of them may be among
    /// them: it is opened, not judged, and what it was made for is asked anew.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long Forgotten { get; init; }

    /// <summary>A child's root, or one that is not there yet.</summary>
    public static readonly PersonRoot Empty = new(
        null,
        [],
        ImmutableDictionary<string, Member>.Empty,
        [],
        ImmutableDictionary<string, RefusedSeal>.Empty);

    /// <summary>One id of every person of the root.</summary>
    [JsonIgnore]
    public IEnumerable<string> FirstIds => Apart is null
        ? Ids.Take(1)
        : Apart.Persons.Select(person => person.Ids[0]).Prepend(Ids[0]);

    /// <summary>The pending merge of that name, or null.</summary>
    public PendingMerge? PendingOf(MergeId merge)
    {
        foreach (var pending in Pending)
        {
            if (pending.Merge.Id == merge)
            {
                return pending;
            }
        }

        return null;
    }

    /// <summary>The same root, seen from the person that has this id: <see cref="Profile"/> and <see cref="Ids"/> are
    /// that person's.</summary>
    public PersonRoot SeenFrom(string distinctId)
    {
        var place = Apart is null || Ids.Contains(distinctId) ? -1 : Apart.PlaceOf(distinctId);
        if (place < 0)
        {
            return this;
        }

        var (profile, ids) = Apart!.Persons[place];
        var others = Apart.Persons.SetItem(place, new PersonPart(Profile, Ids));
        return this with { Profile = profile, Ids = ids, Apart = Apart with { Persons = others } };
    }

    /// <summary>The root with one member changed.</summary>
    public PersonRoot With(string distinctId, Member member) =>
        this with { Members = Members.SetItem(distinctId, member) };

    /// <summary>The same root without some of its ids, which are all the ids of one of its persons.</summary>
    internal PersonRoot Without(ImmutableHashSet<string> ids)
    {
        var first = Members.Keys.Where(id => !ids.Contains(id)).Order(StringComparer.Ordinal).FirstOrDefault();
        if (first is null)
        {
            return Empty;
        }

        var persons = FirstIds.Where(ids.Contains).Select(id => SeenFrom(id).Profile?.Uuid).OfType<Guid>().ToImmutableHashSet();
        var root = SeenFrom(Ids.FirstOrDefault(id => !ids.Contains(id)) ?? first);
        return root with
        {
            Members = root.Members.RemoveRange(ids).ToImmutableDictionary(
                member => member.Key, member => member.Value.Without(ids, persons)),
            Refused = root.Refused
                .Where(one => !ids.Contains(one.Key)
                    && (one.Value.Refusal.Asked?.Ask is not { } ask
                        || !(ids.Contains(ask.SourceId) || ids.Contains(ask.TargetId))))
                .ToImmutableDictionary(),
            Apart = root.Apart?.Without(ids),
        };
    }
}

/// <summary>A root that froze itself to be absorbed.</summary>
/// <param name="Number">1 for a home's first seal, then counting.</param>
/// <param name="Merge">The merge.</param>
/// <param name="Into">The root it waits for; of higher priority.</param>
public sealed record Seal(long Number, Merge Merge, PersonId Into)
{
    /// <summary>How many seals that root had refused when it asked.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long Refusals { get; init; }
}

/// <summary>The home of one distinct id: a root (open or sealed) or a child.</summary>
/// <param name="Id">Whose home.</param>
/// <param name="Root">What it holds; empty for a child.</param>
/// <param name="Seals">How often it sealed itself.</param>
/// <param name="Seal">Set while sealed.</param>
/// <param name="Parent">Set once it is a child.</param>
public sealed record PersonState(PersonId Id, PersonRoot Root, long Seals, Seal? Seal, PersonId? Parent)
{
    /// <summary>Members whose cursors moved since the last fact; in memory only.</summary>
    internal ImmutableHashSet<string> Moved { get; init; } = [];

    /// <summary>An ancestor to forward to, nearer to the root than the parent; in memory only.</summary>
    internal PersonId? Shortcut { get; init; }

    /// <summary>How many facts the home's journal holds; not part of a snapshot, which knows its place.</summary>
    internal long Facts { get; init; }

    /// <summary>The id that spoke last, and what it spoke of; in memory only.</summary>
    internal Voice? Voice { get; init; }

    /// <summary>Applies events and absorbs others.</summary>
    internal bool IsOpen => Seal is null && Parent is null;

    /// <summary>True if nothing but time and messages from others will finish what it began.</summary>
    internal bool IsBusy => Seal is not null || !Root.Pending.IsEmpty;

    /// <summary>Where a child forwards to.</summary>
    internal PersonId? Upwards => Shortcut ?? Parent;

    /// <summary>A home that nothing happened to.</summary>
    public static PersonState Unborn(PersonId id) => new(
        id,
        (PersonRoot.Empty with { Ids = [id.DistinctId] }).With(id.DistinctId, Member.Unheard),
        0,
        null,
        null);

    /// <summary>The person that has an id; null if not born.</summary>
    public PersonSnapshot? Snapshot(string distinctId) =>
        (this with { Root = Root.SeenFrom(distinctId) }).Snapshot();

    /// <summary>The person for the rest of the pipeline; null if not born.</summary>
    public PersonSnapshot? Snapshot() => Root.Profile is { } profile
        ? new PersonSnapshot(
            profile.Uuid,
            Root.Ids,
            profile.UserId,
            profile.IsIdentified,
            profile.CreatedAt,
            profile.Properties,
            profile.Version)
        {
            Contact = profile.Contact,
        }
        : null;
}
