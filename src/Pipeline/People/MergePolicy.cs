using System.Collections.Immutable;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.Outbox;

namespace VarianceActors.Pipeline.People;

/// <summary>PostHog's rules for merges (posthog.md A3 to A5) over two frozen roots, and our guards.</summary>
public static class MergePolicy
{
    /// <summary>May the two become one? Null means yes.</summary>
    /// <param name="pending">The merge and its event.</param>
    /// <param name="source">The set with the other id.</param>
    /// <param name="target">The set with the event's distinct id.</param>
    /// <param name="rules">The connection's.</param>
    public static MergeRefusal? Refuse(PendingMerge pending, PersonRoot source, PersonRoot target, PersonRules rules)
    {
        var guards = rules.Guards;
        if (target.Apart?.Forbids(pending.Ask) is true)
        {
            return Refusal(RefusalReason.UndoneBefore, pending, source, target);
        }

        if (source.Profile is { IsIdentified: true } && pending.Ask.Kind is not MergeKind.Dangerous)
        {
            if (target.Profile is not null)
            {
                return Refusal(RefusalReason.AlreadyIdentified, pending, source, target);
            }

            if (rules.AttachUnseen is AttachUnseen.Guarded)
            {
                return Refusal(RefusalReason.AttachToIdentified, pending, source, target);
            }
        }

        if (PersonProperties.IsTooLarge(source.Profile?.Properties, target.Profile?.Properties, pending.Event.Update))
        {
            return Refusal(RefusalReason.TooLarge, pending, source, target);
        }

        if (guards.DistinctIdsMax > 0 && source.Ids.Length + target.Ids.Length > guards.DistinctIdsMax)
        {
            return Refusal(RefusalReason.TooManyIds, pending, source, target);
        }

        return guards.KeepWorkDomainsApart
            && WorkDomain(source, PropertyUpdate.None, rules) is { } first
            && WorkDomain(target, pending.Event.Update, rules) is { } second
            && first != second
                ? Refusal(RefusalReason.OtherWorkDomain, pending, source, target)
                : null;
    }

    /// <summary>What an admitted merge is called.</summary>
    public static MergeResult Admit(PersonRoot source, PersonRoot target) => (source.Profile, target.Profile) switch
    {
        (null, null) => MergeResult.Created,
        (null, _) or (_, null) => MergeResult.Attached,
        _ => MergeResult.Merged,
    };

    /// <summary>The set of two sets, before the event's own update: members and all, and the person they have
    /// together.</summary>
    public static PersonRoot Join(PersonRoot source, PersonRoot target)
    {
        var members = target.Members.Count < source.Members.Count
            ? source.Members.SetItems(target.Members)
            : target.Members.SetItems(source.Members);
        return new PersonRoot(
            Raise(Join(source.Profile, target.Profile), PersonsApart.Join(target.Apart, source.Apart)),
            target.Ids.AddRange(source.Ids),
            members,
            target.Pending.AddRange(source.Pending),
            Join(source.Refused, target.Refused, members))
        {
            Apart = PersonsApart.Join(target.Apart, source.Apart),
            Refusals = Math.Max(source.Refusals, target.Refusals),
            Forgotten = Math.Max(source.Forgotten, target.Forgotten),
        };
    }

    /// <summary>The same for two persons of one root, which have come apart before.</summary>
    public static PersonRoot JoinInside(PersonRoot root, MergeAsk ask)
    {
        var target = root.SeenFrom(ask.TargetId);
        var place = target.Apart!.PlaceOf(ask.SourceId);
        var (profile, ids) = target.Apart.Persons[place];
        return target with
        {
            Profile = Raise(Join(profile, target.Profile), target.Apart),
            Ids = target.Ids.AddRange(ids),
            Apart = target.Apart with { Persons = target.Apart.Persons.RemoveAt(place) },
        };
    }

    /// <summary>Settles a merge: the target's person asserts identity, then takes the event's update.</summary>
    /// <param name="root">The set as <see cref="Join(PersonRoot, PersonRoot)"/> left it, or unchanged for
    /// <see cref="MergeResult.Same"/> and <see cref="MergeResult.Refused"/>.</param>
    /// <param name="pending">The merge.</param>
    /// <param name="result">Its result.</param>
    /// <param name="rules">The connection's.</param>
    /// <param name="held">What the rules had made of the target's person before; null if it was not born.</param>
    /// <param name="refusal">Why, if refused.</param>
    public static SettledMerge Settle(
        PersonRoot root,
        PendingMerge pending,
        MergeResult result,
        PersonRules rules,
        ContactTurn? held,
        MergeRefusal? refusal = null)
    {
        root = root.SeenFrom(pending.Ask.TargetId);
        var warnings = refusal?.Warning is { } warning ? ImmutableArray.Create(warning) : [];
        var update = pending.Event.Update;
        var won = Winners(root.Profile, update, result);
        if (PersonProperties.IsTooLarge(root.Profile?.Properties, update, won))
        {
            won = [];
            warnings = warnings.Add(Person.TooLarge(pending.Event));
        }

        var (userId, userIdSource) = Assert(root, pending.Ask, result);
        var givenUp = result is MergeResult.Refused ? [] : GivenUp(root, userId);
        var contactChanged = result is MergeResult.Created or MergeResult.Attached or MergeResult.Merged
            || root.Profile is not { IsIdentified: true }
            || root.Profile.UserId != userId
            || PersonProperties.ShowsOnContact(update, won);
        var turn = Turn(root.Profile, pending.Event, won, rules);
        var now = turn ?? root.Profile?.Contact?.Turn;
        var change = new EventChange(contactChanged, givenUp)
        {
            Removed = PersonProperties.RemovedFromContact(update, won),
        }.With(held, now);
        return new SettledMerge(
            pending.Merge.Id,
            result,
            refusal?.Reason,
            won,
            userId,
            userIdSource,
            change with
            {
                ContactChanged = contactChanged || change.AccountChanged || change.Stage is not null,
                AccountChanged = now?.Account is not null && (contactChanged || change.AccountChanged),
            },
            warnings)
        {
            Turn = turn,
        };
    }

    /// <summary>A settled merge laid over the root that <see cref="Settle"/> saw.</summary>
    public static PersonRoot Apply(PersonId home, PersonRoot root, SettledMerge settled)
    {
        var pending = root.PendingOf(settled.Merge)!;
        root = root.SeenFrom(pending.Ask.TargetId);
        var members = root.Members.ToBuilder();
        foreach (var id in settled.Change.GivenUpIds)
        {
            members[id] = members[id] with { IsAliased = true };
        }

        var target = members[pending.Event.DistinctId];
        members[pending.Event.DistinctId] = target with
        {
            Kept = target.Kept.Add(new KeptOutcome(pending.Event.Offset, settled.Change, settled.Warnings)),
        };
        return root with
        {
            Profile = Apply(home, root, pending.Event, settled),
            Members = members.ToImmutable(),
            Pending = root.Pending.Remove(pending),
        };
    }

    private static PersonProfile Apply(PersonId home, PersonRoot root, AppliedEvent by, SettledMerge settled)
    {
        var before = root.Profile;
        var profile = before ?? Person.Birth(home, by, root.Apart);
        var changed = before is not null
            && (settled.Result is MergeResult.Attached or MergeResult.Merged
                || !settled.Won.IsEmpty
                || settled.Turn is not null
                || !before.IsIdentified
                || before.UserId != settled.UserId);
        return profile with
        {
            IsIdentified = true,
            UserId = settled.UserId,
            UserIdSource = settled.UserIdSource,
            Properties = PersonProperties.Apply(profile.Properties, by.Update, settled.Won),
            Contact = ContactState.After(profile.Contact, by, settled.Turn),
            Version = profile.Version + (changed ? 1 : 0),
        };
    }

    private static ContactTurn? Turn(
        PersonProfile? profile,
        AppliedEvent by,
        ImmutableArray<int> won,
        PersonRules rules)
    {
        var held = profile?.Properties ?? ImmutableDictionary<string, JsonValue>.Empty;
        var contact = ContactState.After(profile?.Contact, by, null);
        var properties = PersonProperties.Apply(held, by.Update, won);
        return rules.Contacts.Look(contact, properties, isIdentified: true, by.LookedAt ?? by.Timestamp);
    }

    // The target's uuid and user id survive; its properties win; the older birth counts.
    private static PersonProfile? Join(PersonProfile? source, PersonProfile? target)
    {
        if (source is null || target is null)
        {
            return source ?? target;
        }

        return target with
        {
            UserId = target.UserId ?? source.UserId,
            UserIdSource = target.UserIdSource ?? source.UserIdSource,
            IsIdentified = target.IsIdentified || source.IsIdentified,
            CreatedAt = source.CreatedAt < target.CreatedAt ? source.CreatedAt : target.CreatedAt,
            Properties = PersonProperties.Merge(source.Properties, target.Properties),
            Contact = ContactState.Join(source.Contact, target.Contact),
            Version = Math.Max(source.Version, target.Version),
        };
    }

    // An id that came apart from a person of the set never goes back to an older version.
    private static PersonProfile? Raise(PersonProfile? profile, PersonsApart? apart) => profile is null || apart is null
        ? profile
        : profile with { Version = Math.Max(profile.Version, apart.HighestVersion) };

    // Both may have refused one child: only its newest seal counts, and it stands for the older one too. A member is answered as such, whatever was before.
    private static ImmutableDictionary<string, RefusedSeal> Join(
        ImmutableDictionary<string, RefusedSeal> source,
        ImmutableDictionary<string, RefusedSeal> target,
        ImmutableDictionary<string, Member> members)
    {
        if (source.IsEmpty && target.IsEmpty)
        {
            return target;
        }

        var joined = target.ToBuilder();
        foreach (var (child, seal) in source)
        {
            if (!joined.TryGetValue(child, out var other))
            {
                joined[child] = seal;
                continue;
            }

            var newest = other.Number < seal.Number ? seal : other;
            joined[child] = newest with { At = Math.Max(seal.At, other.At) };
        }

        joined.RemoveRange(joined.Keys.Where(members.ContainsKey).ToArray());
        return joined.ToImmutable();
    }

    private static ImmutableArray<int> Winners(PersonProfile? profile, PropertyUpdate update, MergeResult result) =>
        (profile, result) switch
        {
            (null, _) => PersonProperties.Birth(update),
            (_, MergeResult.Merged) => PersonProperties.WinnersAfterMerge(profile.Properties, update),
            _ => PersonProperties.Winners(profile.Properties, update, everyChange: true),
        };

    private static (string UserId, UserIdSource Source) Assert(PersonRoot root, MergeAsk ask, MergeResult result)
    {
        var source = ask.Kind is MergeKind.Identify ? UserIdSource.Identify : UserIdSource.Alias;
        // A refused alias belongs to somebody else.
        var asserted = ask.Kind is MergeKind.Alias && result is not MergeResult.Refused ? ask.SourceId : ask.TargetId;
        if (root.Profile is not { UserId: { } held, UserIdSource: { } heldSource })
        {
            return (asserted, source);
        }

        if (source <= heldSource)
        {
            return (held, heldSource);
        }

        return (root.Members[asserted].IsAliased ? held : asserted, source);
    }

    private static ImmutableArray<string> GivenUp(PersonRoot root, string userId)
    {
        var givenUp = ImmutableArray.CreateBuilder<string>();
        foreach (var id in root.Ids)
        {
            if (id != userId && !root.Members[id].IsAliased)
            {
                givenUp.Add(id);
            }
        }

        return givenUp.DrainToImmutable();
    }

    private static MergeRefusal Refusal(
        RefusalReason reason,
        PendingMerge pending,
        PersonRoot source,
        PersonRoot target)
    {
        var type = reason switch
        {
            RefusalReason.AttachToIdentified => WarningTypes.GuardAttachToIdentified,
            RefusalReason.TooManyIds => WarningTypes.GuardTooManyDistinctIds,
            RefusalReason.OtherWorkDomain => WarningTypes.GuardOtherWorkDomain,
            RefusalReason.TooLarge => WarningTypes.PersonPropertiesSizeViolation,
            RefusalReason.UndoneBefore => WarningTypes.MergeUndoneBefore,
            _ => WarningTypes.CannotMergeAlreadyIdentified,
        };
        var details = JsonText.Object(
            ("sourcePersonDistinctId", pending.Ask.SourceId),
            ("targetPersonDistinctId", pending.Ask.TargetId),
            ("distinctId", pending.Ask.TargetId),
            ("eventUuid", pending.Event.Uuid.ToString()),
            ("personId", target.Profile?.Uuid.ToString() ?? ""),
            ("otherPersonId", source.Profile?.Uuid.ToString() ?? ""));
        return new MergeRefusal(reason, new IngestionWarning(type, details))
        {
            Asked = pending with { Event = pending.Event with { Update = PropertyUpdate.None } },
        };
    }

    // The event speaks for the target: whoever logs in says the address with it.
    private static string? WorkDomain(PersonRoot root, PropertyUpdate says, PersonRules rules)
    {
        var held = root.Profile?.Properties ?? ImmutableDictionary<string, JsonValue>.Empty;
        return rules.Contacts.Matching?.WorkDomainOf(
            held.SetItems(says.Set.Select(property => KeyValuePair.Create(property.Name, property.Value))));
    }
}
