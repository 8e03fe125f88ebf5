using System.Collections.Immutable;
using System.Diagnostics;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline.People;

/// <summary>What one event became: everything a mapping needs, and what the ledger needs if there is nothing to
/// map.</summary>
/// <param name="At">The event.</param>
/// <param name="Person">The person after it; null if there is none.</param>
/// <param name="Change">What it changed.</param>
/// <param name="Refusal">PostHog's warning name if its rules drop the event; else null.</param>
/// <param name="Warnings">All of them.</param>
/// <param name="Behind">Lanes of roots that were absorbed, behind whose messages its own must leave.</param>
public sealed record EventOutcome(
    EventAt At,
    PersonSnapshot? Person,
    EventChange Change,
    string? Refusal,
    ImmutableArray<IngestionWarning> Warnings,
    ImmutableArray<ulong> Behind)
{
    /// <summary>Whether the person's account must hear of it: the event changed what accounts know, or may have done so
    /// before.</summary>
    public bool TellsAccount { get; init; }

    /// <summary>The memberships of accounts that it ended.</summary>
    public ImmutableArray<AccountLeft> Left { get; init; } = [];

    /// <summary>The contact that ended by its merge; null for none.</summary>
    public ContactEnded? Ended { get; init; }

    /// <summary>Where the contact moved by it; null for nowhere.</summary>
    public ContactMove? Moved { get; init; }

    /// <summary>The distinct ids that became another person's by the event's merge; empty for none, null for any of the
    /// person's.</summary>
    public ImmutableArray<string>? Joined { get; init; } = [];

    /// <summary>Whether the person is another one than before the event, or must be looked at sooner, or may be so because the
    /// event is a repeat.</summary>
    public bool IsNews { get; init; }

    /// <summary>The account that the person belonged to with the event; null for none.</summary>
    public string? Account { get; init; }
}

/// <summary>What follows from a command.</summary>
/// <param name="State">The state once the facts are durable.</param>
/// <param name="Facts">To be persisted together, in this order; none if nothing changed.</param>
/// <param name="Outcomes">Of the command's events, in order; empty while a merge is under way.</param>
public sealed record Decision(
    PersonState State,
    ImmutableArray<PersonFact> Facts,
    ImmutableArray<EventOutcome> Outcomes);

/// <summary>The rules of an open root: events become facts, facts become state. Merging is in
/// <see cref="HomeNode"/>.</summary>
public static class Person
{
    // More merges of one person are not between the journal and the outbox; what lingers of old ones is only looked up in vain.
    private const int FurtherBehindMax = 64;

    // So many are named beside an outcome; of more, all ids of the person are told.
    private const int JoinedMax = 64;

    /// <summary>Applies a command's events to a person whose root is open and waits for no merge.</summary>
    public static Decision Decide(PersonState state, ApplyEvents command, PersonRules rules)
    {
        var facts = ImmutableArray.CreateBuilder<PersonFact>();
        var outcomes = ImmutableArray.CreateBuilder<EventOutcome>(command.Events.Length);
        var from = command.Events[0].Offset;
        state = Forget(state, command.DistinctId, from);
        foreach (var at in command.Events)
        {
            var reading = EventReading.Of(at.Event, rules.Guards.BlockedIds);
            var member = state.Root.Members[command.DistinctId];
            if (at.Offset <= member.Cursor)
            {
                outcomes.Add(Repeat(state, member, at, reading));
                continue;
            }

            if (reading.Merge is { } ask)
            {
                // Results so far go out first; the ingest actor sends the rest again.
                return outcomes.Count > 0 ? Decided() : Ask(state, at, ask, reading, from, rules);
            }

            var (cameFrom, before) = (member.AllFrom, state.Root.Profile);
            var fact = Apply(state, at, reading, from, rules);
            if (fact is null)
            {
                state = Advance(state, command.DistinctId, at.Offset, cameFrom);
            }
            else
            {
                fact = (PersonFact.EventApplied)Stamp(state, fact, new Cursor(command.DistinctId, at.Offset));
                facts.Add(fact);
                state = Evolve(state, fact);
            }

            state = Looked(state, reading, rules);
            var kept = fact is null ? KeptOutcome.Nothing : state.Root.Members[command.DistinctId].Kept[^1];
            outcomes.Add(Outcome(state, at, reading, kept, Lanes(cameFrom, [])) with
            {
                TellsAccount = fact?.Turn is not null,
                IsNews = IsNews(before, state.Root.Profile, at.Event.ReceivedAt, rules),
            });
        }

        return Decided();

        Decision Decided() => new(state, facts.DrainToImmutable(), outcomes.DrainToImmutable());
    }

    /// <summary>The state after a fact; total over all facts, and all there is at recovery.</summary>
    /// <param name="state">Null before the first fact of a journal, which says whose home it is.</param>
    /// <param name="fact">The fact.</param>
    public static PersonState Evolve(PersonState? state, PersonFact fact)
    {
        if (fact is PersonFact.Rewritten rewritten)
        {
            return rewritten.Rest with { Facts = rewritten.Number };
        }

        var before = Move(state ?? PersonState.Unborn(fact.Home!), fact);
        return fact switch
        {
            PersonFact.EventApplied applied => before with
            {
                Root = Learn(before, applied, state?.Root.Members[applied.Event.DistinctId].AllFrom ?? []),
                Voice = before.Root.Members.Count == 1 ? null : Hear(state!.Voice, applied),
            },
            PersonFact.MergeAsked asked => before with { Root = Hold(before.Root, asked.Merge) },
            PersonFact.MergeEnded { Settled: { Joins: true } settled } => JoinInside(before, settled),
            PersonFact.MergeEnded ended => Settle(before, ended.Settled),
            PersonFact.Sealed { Seal: var seal } => before with { Seal = seal, Seals = seal.Number },
            PersonFact.Unsealed unsealed => Settle(before with { Seal = null }, unsealed.Settled),
            PersonFact.Linked linked => before with { Root = PersonRoot.Empty, Seal = null, Parent = linked.Parent },
            PersonFact.Absorbed absorbed => Absorb(before, absorbed),
            PersonFact.AbsorbRefused refused => Settle(
                before with { Root = Remember(before.Root, refused) },
                refused.Settled),
            PersonFact.AccountRedirected redirected => before with { Root = Redirect(before.Root, redirected) },
            PersonFact.StagePinned pinned => before with { Root = Turn(before.Root, pinned.DistinctId, pinned.Turn) },
            PersonFact.WindowEnded ended => before with { Root = Turn(before.Root, ended.DistinctId, ended.Turn) },
            PersonFact.Split split => before with { Root = Part(before.Root, split) },
            _ => throw new UnreachableException(fact.GetType().Name),
        };
    }

    /// <summary>A fact with what every fact carries: the home if it is the first, and the cursors that moved.</summary>
    internal static PersonFact Stamp(PersonState state, PersonFact fact, params ReadOnlySpan<Cursor> own)
    {
        var cursors = ImmutableArray.CreateBuilder<Cursor>(own.Length + state.Moved.Count);
        cursors.AddRange(own);
        foreach (var moved in state.Moved)
        {
            if (own.Length == 0 || own[0].DistinctId != moved)
            {
                cursors.Add(new Cursor(moved, state.Root.Members[moved].Cursor));
            }
        }

        return fact with { Home = state.Facts > 0 ? null : state.Id, Cursors = cursors.DrainToImmutable() };
    }

    /// <summary>A person after an event that its history holds, as it would be applied now.</summary>
    internal static PersonRoot Learn(PersonId home, PersonRoot root, AppliedEvent by, PersonRules rules)
    {
        if (root.Profile is not null && !EventReading.MayUpdateBy(by.Name))
        {
            return root;
        }

        var everyChange = rules.UpdateAllProperties || EventReading.WritesEveryChangeBy(by.Name);
        var won = Winners(root.Profile, by.Update, everyChange);
        var profile = root.Profile ?? Birth(home, by);
        if (PersonProperties.IsTooLarge(root.Profile?.Properties, by.Update, won))
        {
            return root with { Profile = profile with { Contact = ContactState.After(profile.Contact, by, null) } };
        }

        var properties = PersonProperties.Apply(profile.Properties, by.Update, won);
        var contact = ContactState.After(profile.Contact, by, null);
        var turn = rules.Contacts.Look(contact, properties, profile.IsIdentified, by.LookedAt ?? by.Timestamp);
        return root with
        {
            Profile = profile with { Properties = properties, Contact = ContactState.After(profile.Contact, by, turn) },
        };
    }

    /// <summary>The person that an event creates. Where persons have come apart, its version is above all of theirs: an id
    /// that was one of theirs never goes back to an older version.</summary>
    internal static PersonProfile Birth(PersonId home, AppliedEvent by, PersonsApart? apart = null)
    {
        var creator = new JsonValue($"\"{by.Uuid}\"");
        return new PersonProfile(
            PersonUuid.Of(home.Beside(by.DistinctId), by.Project),
            null,
            null,
            false,
            by.Timestamp,
            ImmutableDictionary<string, JsonValue>.Empty.Add(PersonProperties.CreatorEventUuid, creator),
            (apart?.HighestVersion ?? -1) + 1);
    }

    internal static IngestionWarning TooLarge(AppliedEvent by) => new(
        WarningTypes.PersonPropertiesSizeViolation,
        JsonText.Object(("distinctId", by.DistinctId), ("eventUuid", by.Uuid.ToString())));

    // Null if nothing changed: a page view that teaches nothing writes no journal row.
    private static PersonFact.EventApplied? Apply(
        PersonState state,
        EventAt at,
        EventReading reading,
        long from,
        PersonRules rules)
    {
        var profile = state.Root.Profile;
        var update = reading.Update;
        var applied = Applied(at, from, update, rules);
        if (!reading.MayCreate)
        {
            return null;
        }

        var everyChange = reading.WritesEveryChange || rules.UpdateAllProperties;
        if (profile is not null && !reading.MayUpdate)
        {
            var isHeard = state.Root.Members.Count == 1 || state.Voice?.DistinctId == applied.DistinctId;
            return isHeard ? null : new PersonFact.EventApplied(applied, [], false, []);
        }

        var won = Winners(profile, update, everyChange);
        if (PersonProperties.IsTooLarge(profile?.Properties, update, won))
        {
            // Of several ids, one alone may have room for it, should they be parted.
            var rejected = state.Root.Members.Count == 1 ? applied with { Update = PropertyUpdate.None } : applied;
            return new PersonFact.EventApplied(rejected, [], false, [TooLarge(applied)]) { Barred = reading.Barred };
        }

        var turn = Turn(profile, applied, won, at.Event.ReceivedAt, rules);
        var isNothing = profile is not null
            && won.IsEmpty
            && turn is null
            && reading.Barred is null
            && applied.Tallied is TallyUnits.None
            && (applied.Group is null || applied.Group == profile.Contact?.Group)
            && IsKnown(state, applied, everyChange);
        return isNothing
            ? null
            : new PersonFact.EventApplied(
                applied,
                won,
                PersonProperties.ShowsOnContact(update, won) || ShowsOnContact(profile, turn),
                [])
            {
                Turn = turn,
                Barred = reading.Barred,
            };
    }

    private static ContactTurn? Turn(
        PersonProfile? profile,
        AppliedEvent applied,
        ImmutableArray<int> won,
        DateTimeOffset now,
        PersonRules rules)
    {
        var isIdentified = profile is { IsIdentified: true };
        var contact = ContactState.After(profile?.Contact, applied, null);
        var mayHaveChanged = !won.IsEmpty || contact != profile?.Contact;
        if (!mayHaveChanged && !rules.Contacts.MustLook(contact, isIdentified))
        {
            return null;
        }

        var held = profile?.Properties ?? ImmutableDictionary<string, JsonValue>.Empty;
        return rules.Contacts.Look(contact, PersonProperties.Apply(held, applied.Update, won), isIdentified, now);
    }

    private static bool ShowsOnContact(PersonProfile? profile, ContactTurn? turn) => turn is not null
        && profile is { IsIdentified: true }
        && (turn.Account?.Key != profile.Contact?.Account?.Key || turn.Stage?.Name != profile.Contact?.Stage?.Name);

    // Who was looked at and found unchanged need not be looked at again until something changes; that is no fact.
    private static PersonState Looked(PersonState state, EventReading reading, PersonRules rules)
    {
        if (state.Root.Profile is not { } profile
            || !reading.MayUpdate
            || !rules.Contacts.MustLook(profile.Contact, profile.IsIdentified)
            || profile.Contact?.LookedWith == rules.Contacts.Fingerprint)
        {
            return state;
        }

        var contact = (profile.Contact ?? ContactState.Unseen) with { LookedWith = rules.Contacts.Fingerprint };
        return state with { Root = state.Root with { Profile = profile with { Contact = contact } } };
    }

    // A counted event changes nobody, but its window may end before any other one.
    private static bool IsNews(PersonProfile? before, PersonProfile? after, DateTimeOffset at, PersonRules rules) =>
        before?.Version != after?.Version
        || (after is { IsIdentified: true }
            && rules.Contacts.DueAt(after.Contact, at) is { } due
            && !(rules.Contacts.DueAt(before!.Contact, at) <= due));

    private static ImmutableArray<int> Winners(PersonProfile? profile, PropertyUpdate update, bool everyChange) =>
        profile is null
            ? PersonProperties.Birth(update)
            : PersonProperties.Winners(profile.Properties, update, everyChange);

    // What changes nothing may still have to be known, should a merge be taken back: of several ids each must be heard.
    private static bool IsKnown(PersonState state, AppliedEvent by, bool everyChange) =>
        state.Root.Members.Count == 1 || state.Voice?.Repeats(by, everyChange) is true;

    private static Decision Ask(
        PersonState state,
        EventAt at,
        MergeAsk ask,
        EventReading reading,
        long from,
        PersonRules rules)
    {
        var pending = new PendingMerge(ask, Applied(at, from, reading.Update, rules));
        var asked = Stamp(state, new PersonFact.MergeAsked(pending), new Cursor(ask.TargetId, at.Offset));
        return new Decision(Evolve(state, asked), [asked], []);
    }

    // The person is shown as it is by now, but its event stays with the account of that time.
    private static EventOutcome Repeat(PersonState state, Member member, EventAt at, EventReading reading)
    {
        var kept = member.Kept.FirstOrDefault(one => one.Offset == at.Offset) ?? KeptOutcome.Nothing;
        var outcome = Outcome(state, at, reading, kept, Lanes(member.AllFrom, kept.AllBehind));
        var next = member.Kept.FirstOrDefault(one => one.Offset > at.Offset && one.Moved is { IsOtherAccount: true });
        return outcome with
        {
            TellsAccount = true,
            IsNews = true,
            Account = next is null ? outcome.Account : next.Was,
        };
    }

    private static EventOutcome Outcome(
        PersonState state,
        EventAt at,
        EventReading reading,
        KeptOutcome kept,
        ImmutableArray<ulong> behind) =>
        new(at, state.Snapshot(), kept.Change, reading.Refusal, reading.Warnings.AddRange(kept.Warnings), behind)
        {
            Account = state.Root.Profile?.Contact?.Account?.Key,
            Left = kept.Left ?? [],
            Ended = kept.Ended,
            Moved = kept.Moved,
            Joined = reading.Merge is null ? [] : kept.Joined,
        };

    private static ImmutableArray<ulong> Lanes(ImmutableArray<ulong> from, ImmutableArray<ulong> behind) =>
        from.IsEmpty && behind.IsEmpty ? [] : [.. from.Union(behind)];

    private static AppliedEvent Applied(EventAt at, long from, PropertyUpdate update, PersonRules rules)
    {
        var group = rules.Contacts.GroupOf(at.Event);
        return new AppliedEvent(
            at.Event.DistinctId,
            at.Offset,
            from,
            at.Event.Uuid,
            at.Event.Event,
            at.Event.Timestamp,
            update)
        {
            Project = rules.Project,
            Group = group.IsPersons ? group.Key : null,
            Tallied = rules.Contacts.TallyOf(at.Event),
            LookedAt = rules.Contacts.HasStages && at.Event.ReceivedAt != at.Event.Timestamp ? at.Event.ReceivedAt : null,
        };
    }

    // Everything before a command's first event is committed: its outcome will not be asked for again.
    private static PersonState Forget(PersonState state, string distinctId, long from)
    {
        var root = state.Root.SeenFrom(distinctId);
        var member = root.Members[distinctId];
        return state with
        {
            Root = member.Kept.IsEmpty || member.Kept[0].Offset >= from
                ? root
                : root.With(distinctId, Trim(member, from)),
        };
    }

    private static Member Trim(Member member, long from) =>
        member with { Kept = member.Kept.RemoveAll(kept => kept.Offset < from) };

    // Nothing is durable of it; the lanes are kept for a repeat, which must leave behind them as well.
    private static PersonState Advance(
        PersonState state,
        string distinctId,
        long offset,
        ImmutableArray<ulong> cameFrom)
    {
        var member = state.Root.Members[distinctId];
        var kept = cameFrom.IsEmpty
            ? member.Kept
            : member.Kept.Add(KeptOutcome.Nothing with { Offset = offset, FurtherBehind = cameFrom });
        return state with
        {
            Root = state.Root.With(distinctId, member.Arrived() with { Cursor = offset, Kept = kept }),
            Moved = state.Moved.Add(distinctId),
        };
    }

    private static PersonState Move(PersonState state, PersonFact fact)
    {
        var members = state.Root.Members;
        foreach (var cursor in fact.Cursors)
        {
            var member = members[cursor.DistinctId];
            var moved = fact is PersonFact.MergeAsked ? member : member.Arrived(); // that is answered when the merge has ended
            members = members.SetItem(cursor.DistinctId, moved with { Cursor = cursor.Offset });
        }

        return state with
        {
            Root = state.Root with { Members = members },
            Moved = [],
            Voice = null,
            Facts = state.Facts + 1,
        };
    }

    private static PersonRoot Learn(PersonState state, PersonFact.EventApplied fact, ImmutableArray<ulong> behind)
    {
        var by = fact.Event;
        var root = state.Root.SeenFrom(by.DistinctId);
        var before = root.Profile;
        var profile = before ?? Birth(state.Id, by, root.Apart);
        var changes = before is not null && (!fact.Won.IsEmpty || fact.Turn is not null);
        var version = profile.Version + (changes ? 1 : 0);
        var change = new EventChange(fact.ContactChanged, [])
        {
            Removed = PersonProperties.RemovedFromContact(by.Update, fact.Won),
        }.With(before?.Contact?.Turn, fact.Turn);
        var outcome = new KeptOutcome(by.Offset, change, fact.Warnings)
        {
            FurtherBehind = behind.IsEmpty ? null : behind,
            Left = fact.Turn is not null && AccountLeft.Of(before, fact.Turn.Account) is { } left ? [left] : null,
            Moved = fact.Turn is null ? null : ContactMove.Of(version, before?.Contact?.Turn, fact.Turn),
            Was = fact.Turn is null ? null : Left(before, fact.Turn.Account),
        };
        var member = Trim(root.Members[by.DistinctId], by.BatchFrom);
        var learnt = profile with
        {
            Properties = PersonProperties.Apply(profile.Properties, by.Update, fact.Won),
            Contact = before is null || EventReading.MayUpdateBy(by.Name)
                ? ContactState.After(profile.Contact, by, fact.Turn)
                : profile.Contact, // recorded only because one of several ids may be born of it after a split
            Version = version,
        };
        return (root with { Profile = learnt })
            .With(by.DistinctId, member with { Kept = member.Kept.Add(outcome) });
    }

    private static string? Left(PersonProfile? before, AccountLink? now) =>
        before?.Contact?.Account is { } was && was.Key != now?.Key ? was.Key : null;

    // A name that is unset may come back from an id that never unset it; what was rejected, whoever said it, was not heard.
    private static Voice? Hear(Voice? before, PersonFact.EventApplied fact)
    {
        var by = fact.Event;
        if (!by.Update.Unset.IsEmpty || !fact.Warnings.IsEmpty)
        {
            return null;
        }

        var voice = before?.DistinctId == by.DistinctId
            ? before
            : new Voice(by.DistinctId, ImmutableDictionary<string, JsonValue?>.Empty);
        return EventReading.MayUpdateBy(by.Name) ? voice.Says(by) : voice;
    }

    /// <summary>A person that became something else without an event.</summary>
    internal static PersonRoot Turn(PersonRoot root, string distinctId, ContactTurn turn)
    {
        root = root.SeenFrom(distinctId);
        if (root.Profile is not { } profile)
        {
            return root;
        }

        var contact = (profile.Contact ?? ContactState.Unseen) with { Turn = turn };
        return root with { Profile = profile with { Contact = contact, Version = profile.Version + 1 } };
    }

    /// <summary>A person after a pin, or after one was taken away, as it would be with this history.</summary>
    internal static PersonRoot PinAgain(PersonId home, PersonRoot root, PersonFact.StagePinned pinned, PersonRules rules)
    {
        root = root.SeenFrom(pinned.DistinctId);
        if (root.Profile is not { } profile || pinned.Turn.Stage is not { } place)
        {
            return root;
        }

        var wish = new PinContactStage(home, place.IsPinned ? place.Name : null, place.Operator ?? "", place.At);
        return rules.Contacts.Pin(profile, wish) is { } turn ? Turn(root, pinned.DistinctId, turn) : root;
    }

    /// <summary>A person after a look without an event, as it would be looked at with this history.</summary>
    internal static PersonRoot LookAgain(PersonRoot root, PersonFact.WindowEnded ended, PersonRules rules)
    {
        root = root.SeenFrom(ended.DistinctId);
        return root.Profile is { IsIdentified: true } profile
            && rules.Contacts.Look(profile.Contact, profile.Properties, true, ended.At) is { } turn
                ? Turn(root, ended.DistinctId, turn with { LookedAt = ended.At })
                : root;
    }

    private static PersonRoot Redirect(PersonRoot root, PersonFact.AccountRedirected fact)
    {
        root = root.SeenFrom(fact.DistinctId);
        return root.Profile is { Contact: { } contact } profile && contact.Account?.Key == fact.Key
            ? root with { Profile = profile with { Contact = contact with { Into = fact.Into } } }
            : root;
    }

    private static PersonRoot Part(PersonRoot root, PersonFact.Split split)
    {
        var apart = root.SeenFrom(split.Undone.Ask.TargetId).Ids.ToHashSet();
        var members = root.Members.ToBuilder();
        foreach (var id in apart)
        {
            members[id] = root.Members[id] with { IsAliased = split.Aliased.Contains(id) };
        }

        var undone = root.Apart?.Undone ?? [];
        var persons = split.Persons.Where(person => root.Members.ContainsKey(person.Ids[0]))
            .Select(person => MoveOn(root, person.Ids.Any(apart.Contains) ? person : PartOf(root, person.Ids[0])))
            .ToImmutableArray();
        return root with
        {
            Profile = persons[0].Profile,
            Ids = persons[0].Ids,
            Members = members.ToImmutable(),
            Apart = new PersonsApart(persons.RemoveAt(0), undone.Add(split.Undone)),
        };
    }

    // Whoever came apart earlier has nothing to do with it: replayed, it would lose what is not in its own history, and be looked
    // at by the rules of today.
    private static PersonPart PartOf(PersonRoot root, string distinctId)
    {
        var person = root.SeenFrom(distinctId);
        return new PersonPart(person.Profile, person.Ids);
    }

    // A version never falls, whatever the person was before.
    private static PersonPart MoveOn(PersonRoot root, PersonPart person)
    {
        var before = root.SeenFrom(person.Ids[0]).Profile?.Version ?? -1;
        return person with { Profile = person.Profile is null ? null : person.Profile with { Version = before + 1 } };
    }

    private static PersonRoot Hold(PersonRoot root, PendingMerge merge)
    {
        var member = Trim(root.Members[merge.Event.DistinctId], merge.Event.BatchFrom);
        return (root with { Pending = root.Pending.Add(merge) }).With(merge.Event.DistinctId, member);
    }

    private static PersonState Settle(PersonState state, SettledMerge? settled) => settled is null
        ? state
        : Settle(state, settled, null, state.Root.SeenFrom(settled.Merge.DistinctId));

    private static PersonState JoinInside(PersonState state, SettledMerge settled)
    {
        var ask = state.Root.PendingOf(settled.Merge)!.Ask;
        return Settle(
            state with { Root = MergePolicy.JoinInside(state.Root, ask) },
            settled,
            state.Root.SeenFrom(ask.SourceId),
            state.Root.SeenFrom(ask.TargetId));
    }

    // What became of the two persons and their accounts; the source's person ends if both were born.
    private static PersonState Settle(
        PersonState state,
        SettledMerge settled,
        PersonRoot? joining,
        PersonRoot joined)
    {
        var (source, target) = (joining?.Profile, joined.Profile);
        var root = MergePolicy.Apply(state.Id, state.Root, settled);
        var profile = root.SeenFrom(settled.Merge.DistinctId).Profile!;
        var now = profile.Contact?.Account;
        var left = ImmutableArray.CreateBuilder<AccountLeft>();
        if (source is not null && target is not null && AccountLeft.Of(source, null) is { } ended)
        {
            left.Add(ended);
        }

        if (AccountLeft.Of(target ?? source, now) is { } moved)
        {
            left.Add(moved);
        }

        var move = ContactMove.Of(profile.Version, (target ?? source)?.Contact?.Turn, profile.Contact?.Turn);
        var further = settled.Change.GivenUpIds.IsEmpty ? [] : Unwritten(state.Id, root);
        return state with
        {
            Root = Amend(root, settled, kept => kept with
            {
                Change = settled.Change.GivenUpIds.IsEmpty
                    ? kept.Change
                    : kept.Change.Without([.. Held(source), .. Held(target)]),
                Joined = Joined(joining, joined),
                Left = left.Count == 0 ? null : left.DrainToImmutable(),
                Ended = source is { IsIdentified: true } or { Contact.Turn.Account: not null } && target is not null
                    ? ContactEnded.Of(source.Uuid, source.Contact?.Turn, profile.Version)
                    : null,
                Moved = move,
                Was = Left(target ?? source, now),
                FurtherBehind = further.IsEmpty ? null : further,
            }),
        };
    }

    // An alias brings along what the receiver holds of the id. What the person has lost of it by the time the alias leaves, by
    // an event that came to the outbox before, must be taken away again.
    private static IEnumerable<string> Held(PersonProfile? profile) => profile is null
        ? []
        : profile.Properties.Keys.Where(name => !name.StartsWith('$'))
            .Concat(ContactMove.Of(0, profile.Contact?.Turn, null)?.Lost ?? []);

    // Whoever has been this person's already is known as such.
    private static ImmutableArray<string>? Joined(PersonRoot? source, PersonRoot target)
    {
        ImmutableArray<string> ids = source is null
            ? []
            : target.Profile is not null
                ? source.Ids
                : source.Profile is not null ? target.Ids : target.Ids.AddRange(source.Ids);
        return ids.Length > JoinedMax ? null : ids;
    }

    // Lanes of roots that merges absorbed whose outcomes may not have come to the outbox yet. What was said of an id may lie there,
    // and its alias must not leave before.
    private static ImmutableArray<ulong> Unwritten(PersonId home, PersonRoot root) =>
    [
        .. root.Members.SelectMany(member => member.Value.Kept).Select(kept => kept.Behind).OfType<ulong>()
            .Where(lane => lane != home.Priority.Lane).Distinct().Order().Take(FurtherBehindMax),
    ];

    // The outcome of a merge's event is the newest one of its distinct id.
    private static PersonRoot Amend(PersonRoot root, SettledMerge settled, Func<KeptOutcome, KeptOutcome> change)
    {
        var member = root.Members[settled.Merge.DistinctId];
        var kept = member.Kept.SetItem(member.Kept.Length - 1, change(member.Kept[^1]));
        return root.With(settled.Merge.DistinctId, member with { Kept = kept });
    }

    // Messages of the absorbed members lie in the lane of their old root; what follows must leave behind them.
    private static PersonState Absorb(PersonState state, PersonFact.Absorbed fact)
    {
        var lane = fact.Child.Priority.Lane;
        var members = fact.Frozen.Members.ToImmutableDictionary(
            member => member.Key,
            member => member.Value.Out(lane, FurtherBehindMax));
        var frozen = fact.Frozen with { Members = members };
        var ask = (state.Root.PendingOf(fact.Settled.Merge) ?? frozen.PendingOf(fact.Settled.Merge))!.Ask;
        var (source, target) = HomeNode.Sides(state.Root, frozen, ask);
        var joined = state with { Root = MergePolicy.Join(source, target) };
        var settled = Settle(joined, fact.Settled, source, target);
        return settled with { Root = Amend(settled.Root, fact.Settled, kept => kept with { Behind = lane }) };
    }

    private static PersonRoot Remember(PersonRoot root, PersonFact.AbsorbRefused refused) => root with
    {
        Refused = Without(
            root.Refused.SetItem(
                refused.Child.DistinctId,
                new RefusedSeal(refused.Number, refused.Refusal, root.Refusals)),
            refused.Forgotten),
        Refusals = root.Refusals + 1,
        Forgotten = Math.Max(root.Forgotten, refused.Forgotten),
    };

    private static ImmutableDictionary<string, RefusedSeal> Without(
        ImmutableDictionary<string, RefusedSeal> refused,
        long forgotten) => forgotten == 0
        ? refused
        : refused.RemoveRange(refused.Where(seal => seal.Value.At < forgotten).Select(seal => seal.Key));
}
