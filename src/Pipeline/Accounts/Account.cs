using System.Collections.Immutable;
using System.Diagnostics;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Stages;

namespace VarianceActors.Pipeline.Accounts;

/// <summary>What follows from a message to an account.</summary>
/// <param name="State">The state once the facts are durable.</param>
/// <param name="Facts">To be persisted together, in this order; none if nothing changed.</param>
public sealed record AccountStep(AccountState State, ImmutableArray<AccountFact> Facts);

/// <summary>The rules of an account: messages become facts, facts become state.</summary>
public static class Account
{
    // PostHog's limit for the properties of a group is that of a person.
    internal const long TraitBytesMax = PersonProperties.BytesMax;

    /// <summary>One message, one step.</summary>
    /// <param name="state">The account.</param>
    /// <param name="message">The message.</param>
    /// <param name="stages">The connection's stages of accounts.</param>
    public static AccountStep Decide(AccountState state, IAccountMessage message, StageRules stages)
    {
        var step = new Steps(state);
        switch (message)
        {
            case ObserveAccount observe:
                Observe(step, observe);
                break;
            case RenameAccount or PinAccountStage or MergeAccount or ForgetMembers when state.Facts == 0:
                break;
            case RenameAccount rename when step.State.GivenName != rename.Name:
                step.Take(new AccountFact.NameGiven(rename.Name, rename.By, rename.At));
                break;
            case ForgetMembers forget:
                Forget(step, forget);
                break;
            case PinAccountStage pin:
                Pin(step, pin);
                break;
            case MergeAccount merge when MayMerge(step.State, merge):
                step.Take(new AccountFact.MergedInto(merge.Into, merge.By, merge.At));
                break;
            case TakePart take when !state.IsMerged && IsNews(state.Parts?.GetValueOrDefault(take.From), take):
                Take(step, stages, new AccountFact.PartSeen(take.From, take.Number, take.Part, take.At));
                break;
            default:
                break;
        }

        var at = At(message, step.State);
        if (message is not GetAccount && step.State.Facts > 0 && !step.State.IsMerged)
        {
            PayBack(step, stages, at);
            Move(step, stages, at);
        }

        return step.Done(at);
    }

    /// <summary>The state after a fact; total over all facts, and all there is at recovery.</summary>
    /// <param name="state">Null before the first fact of a journal, which says whose it is.</param>
    /// <param name="fact">The fact.</param>
    public static AccountState Evolve(AccountState? state, AccountFact fact)
    {
        var before = state ?? AccountState.Unborn(fact.Account!);
        before = before with { Facts = before.Facts + 1 };
        var after = Follow(before, fact);
        return after.Version == before.Version ? after : Lose(before, after);
    }

    private static AccountState Lose(AccountState before, AccountState after)
    {
        var lost = before.ShownNames.Except(after.ShownNames);
        return lost.IsEmpty ? after : after with { Lost = after.Lost?.Union(lost) ?? lost };
    }

    private static AccountState Follow(AccountState before, AccountFact fact) => fact switch
    {
        AccountFact.MemberSeen seen => See(before, seen.Member),
        AccountFact.MemberErased erased => Erase(before, erased),
        AccountFact.GroupSeen seen => Shown(before, seen.At) with
        {
            GroupType = seen.GroupType,
            Traits = before.Traits.SetItems(seen.Set.Select(one => KeyValuePair.Create(one.Name, one.Value))),
            Heard = Newest([.. before.Heard, .. seen.Also ?? [], seen.Event], AccountState.EventsHeard),
            HeardInVain = [],
        },
        AccountFact.StageMoved moved => Enter(before, moved.Place),
        AccountFact.MergedInto { Into: { } into } merged => Shown(before, merged.At) with
        {
            Target = into,
            Former = before.Left.Where(left => left != into).ToImmutableArray() is { IsEmpty: false } former ? former : null,
            MergedAt = merged.At,
        },
        AccountFact.MergedInto apart => Shown(before, apart.At) with { MergedAt = null },
        AccountFact.PartSeen seen => Shown(before, seen.At > before.ChangedAt ? seen.At : before.ChangedAt) with
        {
            Parts = Hear(before, seen),
        },
        AccountFact.NameGiven given => Shown(before, given.At) with { GivenName = given.Name },
        _ => throw new UnreachableException(fact.GetType().Name),
    };

    /// <summary>A state as a snapshot brings it back: what is counted is counted again.</summary>
    internal static AccountState Recount(AccountState state) => state with
    {
        Contacts = state.Members.Values.Count(member => member.Contact is not null),
        Domains = state.Domains.WithComparers(StringComparer.Ordinal),
        Lost = state.Lost?.WithComparer(StringComparer.Ordinal),
        Parts = state.Parts?.WithComparers(StringComparer.Ordinal),
    };

    /// <summary>What an account brings along when it is merged into another one; null if it is not.</summary>
    internal static AccountPart? PartOf(AccountState state, StageRules stages) => state.IsMerged
        ? new AccountPart(
            state.Traits,
            state.Name,
            state.Domains,
            state.Contacts,
            Matching(state, stages, mayMatch: false),
            HasStale(state, stages) ? 0 : stages.Fingerprint)
        : null;

    // One level only: what is merged takes nothing in, so that no order of wishes can make a ring. What is merged is taken back
    // before it is merged into another one: that one would keep what it was told.
    private static bool MayMerge(AccountState state, MergeAccount merge) => merge.Into is null
        ? state.IsMerged
        : !state.IsMerged && merge.Into != state.Id && !state.Merged.Any();

    private static void Observe(Steps step, ObserveAccount observe)
    {
        foreach (var says in observe.Members)
        {
            if (IsNews(step.State, says))
            {
                step.Take(new AccountFact.MemberSeen(says));
            }
        }

        foreach (var says in observe.Groups)
        {
            var set = step.State.Heard.Contains(says.Event) ? [] : News(step.State.Traits, says.Set);
            if (!set.IsEmpty || step.State.GroupType is null)
            {
                var also = step.State.HeardInVain;
                step.Take(new AccountFact.GroupSeen(says.Event, says.GroupType, says.At, set)
                {
                    Also = also.IsEmpty ? null : also,
                });
            }
            else
            {
                step.Note(says.Event);
            }
        }
    }

    // Who left without having been here is remembered too: what it said before may still be on its way.
    private static bool IsNews(AccountState state, MemberSays says) =>
        !state.Members.TryGetValue(says.Person, out var known)
        || (says.Version >= known.Version && says.Contact != known.Contact);

    private static bool IsNews(PartHeard? known, TakePart take) => known is null
        || (take.Number > known.Number && (take.Part is not null || known.Part is not null));

    private static ImmutableArray<NamedValue> News(
        ImmutableDictionary<string, JsonValue> traits,
        ImmutableArray<NamedValue> set)
    {
        ImmutableArray<NamedValue> news =
            [.. set.Where(one => !traits.TryGetValue(one.Name, out var held) || held != one.Value)];
        var after = traits.SetItems(news.Select(one => KeyValuePair.Create(one.Name, one.Value)));
        return TraitBytes(after.Select(one => new NamedValue(one.Key, one.Value))) > TraitBytesMax ? [] : news;
    }

    /// <summary>How much properties count for towards the limit.</summary>
    internal static long TraitBytes(IEnumerable<NamedValue> traits) =>
        traits.Sum(one => (long)one.Name.Length + one.Value.Json.Length);

    private static void Forget(Steps step, ForgetMembers forget)
    {
        foreach (var person in forget.Persons)
        {
            if (step.State.Members.ContainsKey(person))
            {
                step.Take(new AccountFact.MemberErased(person, forget.At));
            }
        }
    }

    // It leaves, and then even that it was here is forgotten.
    private static AccountState Erase(AccountState state, AccountFact.MemberErased erased)
    {
        var version = state.Members.GetValueOrDefault(erased.Person)?.Version ?? 0;
        var left = See(state, new MemberSays(erased.Person, version, null, erased.At));
        return left with { Members = left.Members.Remove(erased.Person) };
    }

    private static void Pin(Steps step, PinAccountStage pin)
    {
        var held = step.State.Stage;
        if (pin.Stage is null)
        {
            if (held is { IsPinned: true })
            {
                step.Take(new AccountFact.StageMoved(held.Freed(pin.By, pin.At)));
            }
        }
        else if (held?.Name != pin.Stage || !held.IsPinned)
        {
            step.Take(new AccountFact.StageMoved(StagePlace.Pinned(held, pin.Stage, pin.By, pin.At)));
        }
    }

    private static void Move(Steps step, StageRules stages, DateTimeOffset now)
    {
        if (MoveOf(step.State, stages, now) is { } place && place != step.State.Stage)
        {
            step.Take(new AccountFact.StageMoved(place));
        }
    }

    private static void Take(Steps step, StageRules stages, AccountFact.PartSeen seen)
    {
        step.Take(seen);
        if (seen.Part is null && stages.Policy is not StagePolicy.Free)
        {
            if (IsKnown(step.State, stages, seen.At))
            {
                GoBack(step, stages, seen.From, seen.At);
            }
            else
            {
                step.Take(seen with { IsOwed = true });
            }
        }
    }

    private static void PayBack(Steps step, StageRules stages, DateTimeOffset at)
    {
        foreach (var (from, part) in step.State.Parts ?? AccountState.NoParts)
        {
            if (part.IsOwed && IsKnown(step.State, stages, at))
            {
                GoBack(step, stages, from, at);
                step.Take(new AccountFact.PartSeen(from, part.Number, null, at));
            }
        }
    }

    // A stage that it came to with the part is not its own without it; but it is not behind where it was before.
    private static void GoBack(Steps step, StageRules stages, string part, DateTimeOffset at)
    {
        if (stages.Policy is not StagePolicy.Free
            && step.State.Parts![part].Before is { } before
            && step.State.Moves.Any(move => move.Version > before.Version && !move.IsInPlace))
        {
            Move(step, stages.FreeDownTo(before.Stage), at);
        }
    }

    // What comes later may go on holding up what the one that leaves has brought about.
    private static ImmutableSortedDictionary<string, PartHeard> Hear(AccountState state, AccountFact.PartSeen seen)
    {
        var parts = state.Parts ?? AccountState.NoParts;
        var before = parts.GetValueOrDefault(seen.From) is { } known && (known.Part is not null || known.IsOwed || seen.Part is null)
            ? known.Before
            : new BeforePart(state.Version, state.Stage?.Name);
        if (seen.Part is null && before is not null)
        {
            parts = parts.SetItems(parts
                .Where(part => part.Value is { Part: not null, Before.Version: var since } && since > before.Version)
                .Select(part => KeyValuePair.Create(part.Key, part.Value with { Before = before })));
        }

        return parts.SetItem(seen.From, new PartHeard(seen.Number, seen.Part) { Before = before, IsOwed = seen.IsOwed });
    }

    /// <summary>Where an account is by its rules; the same place if it does not move.</summary>
    /// <param name="state">The account.</param>
    /// <param name="stages">The rules.</param>
    /// <param name="now">When.</param>
    /// <param name="contacts">How many contacts it has, and how many of them match each condition over contacts; null for
    /// what they have told.</param>
    internal static StagePlace? MoveOf(
        AccountState state,
        StageRules stages,
        DateTimeOffset now,
        (int All, ImmutableArray<int> Matching)? contacts = null)
    {
        if (stages.Stages.IsEmpty || state.IsMerged)
        {
            return state.Stage;
        }

        if (contacts is { } given)
        {
            return stages.Move(state.Stage, new StageView(state.ShownTraits, [], now, given.All, given.Matching));
        }

        return stages.Move(state.Stage, ViewOf(state, stages, now));
    }

    private static bool IsKnown(AccountState state, StageRules stages, DateTimeOffset now) =>
        stages.IsKnown(ViewOf(state, stages, now));

    // Whoever has not been looked at with these rules may match them or not. A sweep looks at everybody.
    private static StageView ViewOf(AccountState state, StageRules stages, DateTimeOffset now)
    {
        var all = state.Contacts + state.Merged.Sum(part => part.Value.Contacts);
        return new StageView(state.ShownTraits, [], now, all, Matching(state, stages, mayMatch: false))
        {
            ContactMatchesAtMost = HasStale(state, stages) ? Matching(state, stages, mayMatch: true) : default,
        };
    }

    private static bool HasStale(AccountState state, StageRules stages) => !stages.OverContacts.IsEmpty
        && (state.Members.Values.Any(member => member.Contact is { MatchesOf: var of } && of != stages.Fingerprint)
            || state.Merged.Any(part => part.Value.Contacts > 0 && part.Value.MatchesOf != stages.Fingerprint));

    // Bits of other rules than today's say nothing: such a contact matches nothing, or it may match everything.
    private static ImmutableArray<int> Matching(AccountState state, StageRules stages, bool mayMatch)
    {
        if (stages.OverContacts.IsEmpty)
        {
            return [];
        }

        var counts = new int[stages.OverContacts.Length];
        foreach (var (_, member) in state.Members)
        {
            if (member.Contact is not { } contact)
            {
                continue;
            }

            var matches = contact.MatchesOf == stages.Fingerprint ? contact.Matches : mayMatch ? ulong.MaxValue : 0;
            for (var number = 0; number < counts.Length; number++)
            {
                counts[number] += (int)((matches >> number) & 1);
            }
        }

        foreach (var (_, part) in state.Merged)
        {
            var isOfToday = part.MatchesOf == stages.Fingerprint;
            for (var number = 0; number < counts.Length; number++)
            {
                counts[number] += isOfToday ? part.Matches[number] : mayMatch ? part.Contacts : 0;
            }
        }

        return [.. counts];
    }

    private static DateTimeOffset At(IAccountMessage message, AccountState state) => message switch
    {
        ObserveAccount { LookAt: { } at } => at,
        ObserveAccount { Members: [.., var last] } => last.At,
        ObserveAccount { Groups: [.., var last] } => last.At,
        RenameAccount rename => rename.At,
        PinAccountStage pin => pin.At,
        ForgetMembers forget => forget.At,
        MergeAccount merge => merge.At,
        TakePart take => take.At,
        _ => state.ChangedAt,
    };

    private static AccountState See(AccountState state, MemberSays says)
    {
        var known = state.Members.GetValueOrDefault(says.Person);
        var (was, now) = (known?.Contact, says.Contact);
        var member = new AccountMember(
            says.Version,
            now,
            was is null && now is not null ? says.At : known?.JoinedAt,
            was is not null && now is null ? says.At : known?.LeftAt);
        var domains = Count(Count(state.Domains, was?.Domain, -1), now?.Domain, 1);
        var after = state with
        {
            Members = state.Members.SetItem(says.Person, member),
            Contacts = state.Contacts + (now is null ? 0 : 1) - (was is null ? 0 : 1),
            Domains = domains,
            StatedName = now?.AccountName ?? state.StatedName,
        };
        var isShown = after.Name != state.Name || !after.ShownDomains.SequenceEqual(state.ShownDomains);
        return isShown ? Shown(after, says.At) : after;
    }

    private static ImmutableSortedDictionary<string, int> Count(
        ImmutableSortedDictionary<string, int> domains,
        string? domain,
        int by)
    {
        if (domain is null)
        {
            return domains;
        }

        var count = domains.GetValueOrDefault(domain) + by;
        return count > 0 ? domains.SetItem(domain, count) : domains.Remove(domain);
    }

    private static AccountState Enter(AccountState state, StagePlace place)
    {
        var from = state.Stage?.Name;
        if (from == place.Name && place.ChangedAt is null)
        {
            return state with { Stage = place }; // pinned or unpinned where it was, before that was kept
        }

        var after = Shown(state, place.At);
        var move = new AccountMove(after.Version, new StageMove(from, place.Name, place.Rule), place.At) { By = place.Operator };
        return after with { Stage = place, Moves = Newest(after.Moves.Add(move), AccountState.MovesKept) };
    }

    private static AccountState Shown(AccountState state, DateTimeOffset at) =>
        state with { Version = state.Version + 1, ChangedAt = at };

    private static ImmutableArray<T> Newest<T>(ImmutableArray<T> all, int kept) =>
        all.Length > kept ? all.RemoveRange(0, all.Length - kept) : all;

    private sealed class Steps(AccountState state)
    {
        private readonly ImmutableArray<AccountFact>.Builder _facts = ImmutableArray.CreateBuilder<AccountFact>();

        public AccountState State { get; private set; } = state;

        public void Take(AccountFact fact)
        {
            var stamped = fact with { Account = State.Facts > 0 ? null : State.Id };
            _facts.Add(stamped);
            State = Evolve(State, stamped);
        }

        /// <summary>An event changed nothing; should another one do so, a repeat of the first must not undo it.</summary>
        public void Note(Guid heard)
        {
            if (!State.Heard.Contains(heard) && !State.HeardInVain.Contains(heard))
            {
                State = State with
                {
                    HeardInVain = Newest(State.HeardInVain.Add(heard), AccountState.EventsHeard / 2),
                };
            }
        }

        public AccountStep Done(DateTimeOffset at) =>
            new(State with { HeardAt = at > State.HeardAt ? at : State.HeardAt }, _facts.DrainToImmutable());
    }
}
